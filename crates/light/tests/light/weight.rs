//! The light client alone is light: no runtime, no socket, no node.

use std::process::Command;

const TOO_HEAVY: &[&str] = &[
    "cairn-chain",
    "cairn-node",
    "commonware-consensus",
    "commonware-runtime",
    "futures",
    "hyper",
    "mio",
    "opentelemetry",
    "reqwest",
    "socket2",
    "tokio",
];

#[test]
fn without_its_encoders_it_depends_on_no_runtime() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "cairn-light", "--no-default-features"])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let tree = String::from_utf8(tree.stdout).expect("text");
    let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"commonware-storage") && names.contains(&"blst"), "{tree}");
    for heavy in TOO_HEAVY {
        assert!(!names.contains(heavy), "cairn-light depends on {heavy}");
    }
}
