//! Replays the fuzz corpora: a crash that was found once stays fixed.

use std::{
    fs,
    path::{Path, PathBuf},
};

#[allow(unreachable_pub, reason = "the module is public in the fuzz crate")]
#[path = "../../../../fuzz/src/light.rs"]
mod targets;

/// Directory of the fuzz targets.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

#[test]
fn corpora_replay_without_a_panic() {
    for (name, target) in targets::ALL {
        let directory = root().join("corpus").join(name);
        let entries = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let files: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        assert!(!files.is_empty(), "the corpus of {name} is empty");
        for file in files {
            let bytes = fs::read(&file).expect("readable");
            target(&bytes);
            // What a network does to bytes: cut, flip, repeat.
            for cut in [0, 1, bytes.len() / 2, bytes.len().saturating_sub(1)] {
                target(bytes.get(..cut).unwrap_or_default());
            }
            for at in (0..bytes.len()).step_by(7) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x41;
                target(&flipped);
            }
            target(&[bytes.as_slice(), bytes.as_slice()].concat());
        }
    }
}
