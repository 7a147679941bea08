//! Replays the fuzz corpus of request parameters, each entry also cut, flipped and doubled.

#![allow(unreachable_pub, reason = "the module is public in the fuzz crate")]

#[path = "../../../fuzz/src/rpc.rs"]
mod rpc;

use std::{fs, path::Path};

#[test]
fn the_corpus_of_parameters_replays_without_a_panic() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/rpc_params");
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        rpc::rpc_params(&bytes);
        for at in 0..bytes.len() {
            rpc::rpc_params(&bytes[..at]);
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x13;
            rpc::rpc_params(&flipped);
        }
        rpc::rpc_params(&[bytes.as_slice(), bytes.as_slice()].concat());
        count += 1;
    }
    assert!(count >= 10, "the corpus has only {count} entries");
}
