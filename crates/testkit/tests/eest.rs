//! The whole Osaka suite passes; skipped are 419 blob transactions and 14 known deviations.

use cairn_testkit::eest::{Outcome, Tally, Vector, load, run, run_all};
use std::path::Path;

fn suite() -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/eest_state_osaka.jsonl.gz");
    load(&path).unwrap()
}

#[test]
fn every_osaka_state_test_passes() {
    let vectors = suite();
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

/// The runner notices every kind of difference.
#[test]
fn wrong_expectations_fail() {
    let vectors = suite();
    let normal = vectors.iter().find(|vector| {
        let stores = vector.post.state.values().any(|account| !account.storage.is_empty());
        stores && vector.post.expect_exception.is_none()
    });
    let normal = normal.unwrap();
    let refused = vectors.iter().find(|vector| {
        vector.post.expect_exception.as_deref().is_some_and(|e| e.ends_with("SENDER_NOT_EOA"))
    });
    let refused = refused.unwrap();
    let fails = |vector: &Vector, change: &dyn Fn(&mut Vector)| {
        assert_eq!(run(vector), Outcome::Passed);
        let mut changed = vector.clone();
        change(&mut changed);
        assert!(matches!(run(&changed), Outcome::Failed(_)), "{}", vector.id);
    };
    let stores = |v: &mut Vector, change: &dyn Fn(&mut cairn_testkit::eest::Account)| {
        change(v.post.state.values_mut().find(|account| !account.storage.is_empty()).unwrap());
    };
    let one = alloy_primitives::U256::from(1);
    fails(normal, &|v| stores(v, &|account| account.balance += one));
    fails(normal, &|v| stores(v, &|account| account.nonce += alloy_primitives::U64::from(1)));
    fails(normal, &|v| stores(v, &|account| account.code = [0xfe].into()));
    fails(normal, &|v| stores(v, &|account| *account.storage.values_mut().next().unwrap() += one));
    fails(normal, &|v| stores(v, &|account| account.storage.clear()));
    fails(normal, &|v| drop(v.post.state.pop_first()));
    fails(normal, &|v| v.post.logs = alloy_primitives::B256::ZERO);
    fails(normal, &|v| v.sender = Some(alloy_primitives::Address::ZERO));
    fails(normal, &|v| v.post.expect_exception = Some("TransactionException.X".into()));
    fails(refused, &|v| v.post.expect_exception = None);
    fails(refused, &|v| v.post.expect_exception = Some("TransactionException.NONCE_IS_MAX".into()));
}

/// Files of the official release are read too: one object of tests, expectations by fork.
#[test]
fn release_files_are_read() {
    let account = r#"{"nonce":"0x00","balance":"0x0de0b6b3a7640000","code":"0x","storage":{}}"#;
    let sender = "0x6e098143879ed68b337599ec8a5a1552c4c6f461";
    let post = format!(
        r#"{{"hash":"0x00","logs":"0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
        "txbytes":"0x00","indexes":{{}},"state":{{"{sender}":{account}}},
        "expectException":"TransactionException.TYPE_4_TX_CONTRACT_CREATION"}}"#
    );
    let zero = format!("0x{}", "00".repeat(32));
    let text = format!(
        r#"{{"a":{{"env":{{"currentCoinbase":"{sender}","currentGasLimit":"0x01","currentNumber":"0x01",
        "currentTimestamp":"0x01","currentRandom":"{zero}","currentBaseFee":"0x07"}},
        "pre":{{"{sender}":{account}}},"transaction":{{"sender":"{sender}"}},
        "post":{{"Osaka":[{post},{post}],"Prague":[{post}]}}}}}}"#
    );
    let directory = std::env::temp_dir().join(format!("cairn-eest-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("test.json"), text).unwrap();
    let vectors = load(&directory).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let names: Vec<_> = vectors.iter().map(|vector| vector.id.as_str()).collect();
    assert_eq!(names, ["a#0", "a#1"]);
    assert_eq!(run(&vectors[0]), Outcome::Passed);
}
