//! The whole Osaka suite passes; skipped are 419 blob transactions and 14 known deviations.

use cairn_testkit::eest::{Outcome, Tally, load, run_all};
use std::path::Path;

#[test]
fn every_osaka_state_test_passes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/eest_state_osaka.jsonl.gz");
    let vectors = load(&path).unwrap();
    let outcomes = run_all(&vectors);
    let (mut tally, mut blobs) = (Tally::default(), 0);
    for (vector, outcome) in vectors.iter().zip(&outcomes) {
        tally.count(outcome);
        match outcome {
            Outcome::Passed => {}
            Outcome::Failed(how) => println!("failed: {}: {how}", vector.id),
            Outcome::Skipped(_) if vector.post.txbytes.first() == Some(&3) => blobs += 1,
            Outcome::Skipped(_) => {}
        }
    }
    assert_eq!(tally.to_string(), "10124 passed, 0 failed, 433 skipped");
    assert_eq!(blobs, 419);
}
