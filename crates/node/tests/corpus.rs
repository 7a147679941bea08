//! Replays the fuzz corpora through the decoders.

#![allow(unreachable_pub, reason = "the module is public in the fuzz crate")]

#[path = "../../../fuzz/src/decoders.rs"]
mod decoders;

use decoders::ALL;
use std::{fs, path::Path};

#[test]
fn every_corpus_replays_without_a_panic() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, decode) in ALL {
        let directory = root.join(name);
        let files: Vec<_> = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(!files.is_empty(), "the corpus of {name} is empty");
        for file in files {
            let bytes = fs::read(&file).unwrap();
            decode(&bytes);
            // What a network does to bytes: cut, flip, repeat.
            for cut in [0, 1, bytes.len() / 2, bytes.len().saturating_sub(1)] {
                decode(&bytes[..cut]);
            }
            for at in (0..bytes.len()).step_by(7) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x41;
                decode(&flipped);
            }
            decode(&[bytes.as_slice(), bytes.as_slice()].concat());
        }
    }
}
