//! The command as its users meet it: the real binary, its help, files, output and exit codes.
//!
//! Golden files are in `tests/golden`; `CAIRN_UPDATE_GOLDEN=1` writes them anew.

use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Environment variables that change what the command does.
const VARIABLES: &[&str] = &[
    "CAIRN_ARCHIVE",
    "CAIRN_CONFIG",
    "CAIRN_DATA_DIR",
    "CAIRN_LOG",
    "CAIRN_LOG_FORMAT",
    "CAIRN_P2P_LISTEN",
    "CAIRN_RPC",
    "CAIRN_RPC_LISTEN",
    "CAIRN_STATE_SYNC",
];

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
    command.args(args).stdin(Stdio::null());
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
}

fn cairn(args: &[&str]) -> Output {
    command(args).output().expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Result of a command that must succeed, as JSON.
fn json(args: &[&str]) -> Value {
    let output = cairn(&[args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 1, "{args:?} must print one line");
    serde_json::from_str(&text).expect("the line is JSON")
}

/// A command that must fail with `code` and say `message`.
fn fails(args: &[&str], code: i32, message: &str) {
    let output = cairn(args);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert!(said.contains(message), "{args:?} must say `{message}`:\n{said}");
    assert_eq!(stdout(&output), "", "{args:?} must print no result");
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("CAIRN_UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("a file has a directory")).expect("writable");
        fs::write(&path, text).expect("writable");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name} differs; CAIRN_UPDATE_GOLDEN=1 accepts it");
}

fn init(directory: &Path, more: &[&str]) -> Value {
    let out = directory.to_str().expect("a temporary path is text");
    json(&[&["network", "init", "--validators", "4", "--out", out], more].concat())
}

#[test]
fn help_texts_are_as_recorded() {
    let commands = [
        "",
        "up",
        "network",
        "network init",
        "network start",
        "node",
        "key",
        "key new",
        "key show",
        "key address",
        "status",
        "proof",
        "proof get",
        "proof verify",
        "state",
        "state export",
        "state import",
        "doctor",
        "completions",
        "bench",
        "bench executor",
        "bench reads",
    ];
    for words in commands {
        let mut args: Vec<_> = words.split_whitespace().collect();
        args.push("--help");
        let output = cairn(&args);
        assert!(output.status.success(), "{words}: {}", stderr(&output));
        let name = if words.is_empty() { "cairn".into() } else { words.replace(' ', "-") };
        golden(&format!("help/{name}.txt"), &stdout(&output));
    }
}

#[test]
fn every_variable_that_the_help_names_is_documented() {
    let guide = include_str!("../../../docs/guides/run-a-node.md");
    let mut named = Vec::new();
    for command in ["up", "node", "status", "doctor"] {
        let help = stdout(&cairn(&[command, "--help"]));
        named.extend(help.split("CAIRN_").skip(1).map(|rest| {
            let end = rest
                .find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
                .unwrap_or(rest.len());
            format!("CAIRN_{}", &rest[..end])
        }));
    }
    for variable in named {
        assert!(VARIABLES.contains(&variable.as_str()), "{variable} must not reach these tests");
        assert!(guide.contains(&format!("`{variable}`")), "{variable} is not in the guide");
    }
}

#[test]
fn wrong_arguments_end_with_code_2() {
    fails(&["fly"], 2, "unrecognized subcommand");
    fails(&["up", "--port", "99999"], 2, "99999");
    fails(&["node"], 2, "--config");
    fails(&["network", "init", "--out", "x"], 2, "--validators");
    fails(&["status", "--rpc", "ftp://x"], 2, "not an http:// URL");
    fails(&["--log", "cairn=shouting", "status"], 2, "not valid");
    fails(&["--log-format", "yaml", "status"], 2, "use `text` or `json`");
}

#[test]
fn failures_name_the_next_step_and_have_documented_codes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let missing = dir.path().join("missing");
    let missing = missing.to_str().expect("text");
    fails(&["node", "--dir", missing], 3, "next: write a network");
    fails(&["network", "start", "--dir", missing], 3, "next: write one");
    fails(&["key", "show", missing], 3, "next: make a key");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    let url = format!("http://{free}");
    fails(&["status", "--rpc", &url], 4, "next: start one");
    let output = cairn(&["status", "--rpc", &url, "--json"]);
    let error: Value = serde_json::from_str(&stderr(&output)).expect("one line of JSON");
    assert_eq!(error["error"]["code"], 4);
    assert!(error["error"]["next"].is_string());
}

#[test]
fn keys_are_made_shown_and_never_printed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("alice.key");
    let file = file.to_str().expect("text");
    let made = json(&["key", "new", "--out", file]);
    let shown = json(&["key", "show", file]);
    assert_eq!(made, shown);
    assert_eq!(json(&["key", "address", file]), shown["address"]);
    let secret = fs::read_to_string(file).expect("readable");
    let secret = secret.rsplit(':').next().expect("a secret").trim().to_owned();
    assert!(!shown.to_string().contains(&secret[2..]));
    fails(&["key", "new", "--out", file], 3, "exists");
    let node = dir.path().join("node.key");
    let node = node.to_str().expect("text");
    json(&["key", "new", "--kind", "node", "--out", node]);
    fails(&["key", "address", node], 3, "needed is `account`");
}

#[test]
fn a_network_directory_has_the_documented_structure() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let net = dir.path().join("net");
    let written = init(&net, &["--followers", "1", "--base-port", "40000", "--chain-id", "4711"]);
    assert_eq!(written["chain_id"], 4711);
    assert_eq!(written["dealt_by"], "trusted-dealer");
    assert_eq!(written["dev"], false);
    let mut structure = Vec::new();
    list(&net, &net, &mut structure);
    structure.sort();
    golden("network-init.txt", &(structure.join("\n") + "\n"));
    let config = fs::read_to_string(net.join("validator-2/config.toml")).expect("readable");
    golden("validator-config.toml", &blank_keys(&config));
    let follower = fs::read_to_string(net.join("follower-0/config.toml")).expect("readable");
    assert!(!follower.contains("share"), "{follower}");
    let readme = fs::read_to_string(net.join("README.txt")).expect("readable");
    assert!(readme.contains("TRUSTED DEALER"));
    let out = net.to_str().expect("text");
    fails(&["network", "init", "--validators", "4", "--out", out], 3, "not empty");
    fails(&["up", "--data-dir", out], 3, "not a development network");
}

#[test]
fn a_network_that_cannot_be_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let net = dir.path().join("net");
    let out = net.to_str().expect("text");
    let cases: [(&[&str], &str); 5] = [
        (&["--validators", "0"], "1 to 100 validators"),
        (&["--validators", "101"], "1 to 100 validators"),
        (&["--validators", "4", "--base-port", "65530"], "no room"),
        (&["--validators", "2", "--host", "10.0.0.1"], "1 hosts are named for 2 nodes"),
        (&["--validators", "1", "--block-gas-limit", "1"], "blockGasLimit"),
    ];
    for (args, message) in cases {
        fails(&[&["network", "init", "--out", out], args].concat(), 2, message);
        assert!(!net.join("genesis.json").exists());
    }
}

#[test]
fn a_damaged_network_ends_in_a_clear_message() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let net = dir.path().join("net");
    init(&net, &["--dev"]);
    let node = net.join("validator-0");
    let path = node.to_str().expect("text");
    let share = fs::read(node.join("share.key")).expect("readable");
    let foreign = fs::read(net.join("validator-1/share.key")).expect("readable");
    fs::write(node.join("share.key"), foreign).expect("writable");
    fails(&["node", "--dir", path], 3, "does not belong to this committee");
    fs::write(node.join("share.key"), "nonsense").expect("writable");
    fails(&["node", "--dir", path], 3, "is not a key file");
    fs::write(node.join("share.key"), share).expect("writable");
    fs::write(net.join("genesis.json"), "{").expect("writable");
    fails(&["node", "--dir", path], 3, "genesis file is not valid");
    let config = node.join("config.toml");
    let text = fs::read_to_string(&config).expect("readable");
    fs::write(&config, text.replace("data_dir", "dta_dir")).expect("writable");
    fails(&["node", "--dir", path], 3, "unknown field `dta_dir`");
}

#[test]
fn doctor_judges_this_machine() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().to_str().expect("text");
    let output = cairn(&["doctor", "--data-dir", path, "--port", "0", "--json"]);
    let checks: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let checks = checks.as_array().expect("a list");
    let failed = checks.iter().any(|check| check["verdict"] == "failed");
    assert_eq!(output.status.code(), Some(if failed { 5 } else { 0 }));
    assert!(checks.iter().any(|c| c["check"] == "data directory" && c["verdict"] == "ok"));
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&cairn(&["completions", shell]));
        for word in ["up", "network", "doctor", "validators"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

/// Relative path and, for files, mode of everything below `directory`.
fn list(root: &Path, directory: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("readable") {
        let path: PathBuf = entry.expect("readable").path();
        if path.is_dir() {
            list(root, &path, into);
            continue;
        }
        let name = path.strip_prefix(root).expect("below the root").display().to_string();
        let mode = fs::metadata(&path).expect("readable").permissions().mode() & 0o777;
        // Secrets have an exact mode, all else depends on the umask.
        let mode = if name.ends_with(".key") { format!("{mode:o}") } else { "-".into() };
        into.push(format!("{name} {mode}"));
    }
}

/// Keys differ in every network; the rest of the file must not.
fn blank_keys(text: &str) -> String {
    let line = |line: &str| match line.split_once("= \"0x") {
        Some((name, _)) => format!("{name}= \"0x…\""),
        None => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}
