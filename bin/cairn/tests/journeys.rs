//! Whole journeys with the real binary: start, use, interrupt, kill, start again.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Signature, TxKind, U256, hex};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// Longest wait for anything that is bound to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `cairn`, killed when dropped.
struct Process {
    child: Child,
    /// The line that it printed when it was ready.
    ready: Value,
    out: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cairn"))
            .args(args)
            .arg("--json")
            .env_remove("CAIRN_DATA_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary runs");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        out.read_line(&mut line).expect("readable");
        let ready = serde_json::from_str(&line).expect("the first line says that it is ready");
        Self { child, ready, out }
    }

    fn up(directory: &Path, more: &[&str]) -> Self {
        let directory = directory.to_str().expect("text");
        Self::start(&[&["up", "--port", "0", "--data-dir", directory], more].concat())
    }

    fn url(&self) -> String {
        self.ready["rpc_http"].as_str().expect("a URL").to_owned()
    }

    /// Ctrl-C; the process must end with code 0 and have printed nothing more.
    fn interrupt(mut self) {
        signal(&self.child, "INT");
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("readable");
        assert_eq!(rest, "", "only the ready line belongs on standard output");
        let status = self.child.wait().expect("it was started");
        assert_eq!(status.code(), Some(0), "an interrupted network ends cleanly");
    }

    /// kill -9.
    fn kill(mut self) -> ExitStatus {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was started")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, name: &str) {
    kill(u64::from(child.id()), name);
}

fn kill(pid: u64, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(status.expect("a shell").success());
}

/// One JSON-RPC call; an unreachable node is an error as well.
fn call(url: &str, method: &str, params: &Value) -> Result<Value, String> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build();
    let request = client.expect("a client").post(url).header("content-type", "application/json");
    let response = request.body(body.to_string()).send().map_err(|error| error.to_string())?;
    let text = response.text().map_err(|error| error.to_string())?;
    let mut answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    match answer.get("error") {
        Some(error) => Err(error.to_string()),
        None => Ok(answer["result"].take()),
    }
}

fn rpc(url: &str, method: &str, params: &Value) -> Value {
    call(url, method, params).unwrap_or_else(|error| panic!("{method} at {url}: {error}"))
}

fn number(value: &Value) -> u64 {
    let digits = value.as_str().expect("a quantity").trim_start_matches("0x");
    u64::from_str_radix(digits, 16).expect("hexadecimal")
}

fn height(url: &str) -> u64 {
    number(&rpc(url, "eth_blockNumber", &json!([])))
}

/// Polls until `probe` gives something.
fn until<T>(what: &str, probe: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Sends `wei` from the first development account and returns the receipt of the final transaction.
fn transfer(process: &Process, to: Address, wei: u64) -> Value {
    let url = process.url();
    let key = process.ready["dev_keys"][0].as_str().expect("a key");
    let secret: [u8; 32] = hex::FromHex::from_hex(key).expect("32 bytes");
    let from = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    let tx = TxEip1559 {
        chain_id: number(&rpc(&url, "eth_chainId", &json!([]))),
        nonce: number(&rpc(&url, "eth_getTransactionCount", &json!([from, "pending"]))),
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::from(wei),
        ..TxEip1559::default()
    };
    let receipt = rpc(&url, "eth_sendRawTransactionSync", &json!([sign(tx, secret)]));
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    receipt
}

fn sign(tx: TxEip1559, secret: [u8; 32]) -> String {
    let secret = secp256k1::SecretKey::from_byte_array(secret).expect("a key");
    let message = secp256k1::Message::from_digest(tx.signature_hash().0);
    let (recovery, bytes) =
        secp256k1::SECP256K1.sign_ecdsa_recoverable(message, &secret).serialize_compact();
    let odd = i32::from(recovery) == 1;
    let signature = Signature::from_bytes_and_parity(&bytes, odd);
    hex::encode_prefixed(TxEnvelope::from(tx.into_signed(signature)).encoded_2718())
}

fn balance(url: &str, of: Address) -> u64 {
    number(&rpc(url, "eth_getBalance", &json!([of, "latest"])))
}

fn cairn(args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_cairn"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn code_of(args: &[&str]) -> (Option<i32>, String) {
    let output = cairn(args);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_network_serves_stops_cleanly_and_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let friend = Address::repeat_byte(0x11);
    let first = Process::up(dir.path(), &[]);
    assert_eq!(first.ready["dev_keys"].as_array().map(Vec::len), Some(10));
    assert_eq!(number(&rpc(&first.url(), "eth_chainId", &json!([]))), first.ready["chain_id"]);
    let receipt = transfer(&first, friend, 5);
    let path = dir.path().to_str().expect("text");
    let (code, said) = code_of(&["up", "--port", "0", "--data-dir", path]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&format!("in use by process {}", first.child.id())), "{said}");
    let before = height(&first.url());
    first.interrupt();

    let (code, said) = code_of(&["up", "--data-dir", path, "--validators", "4"]);
    assert_eq!(code, Some(2), "{said}");
    let second = Process::up(dir.path(), &[]);
    assert!(height(&second.url()) >= before);
    assert_eq!(balance(&second.url(), friend), 5);
    let again =
        rpc(&second.url(), "eth_getTransactionReceipt", &json!([receipt["transactionHash"]]));
    assert_eq!(again["blockHash"], receipt["blockHash"]);
    let status = cairn(&["status", "--json", "--rpc", &second.url()]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["chain_id"], second.ready["chain_id"]);
    second.interrupt();
}

#[test]
fn killing_a_network_loses_nothing_that_was_final() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let friend = Address::repeat_byte(0x22);
    let mut given = 0;
    for round in 1..=3 {
        let process = Process::up(dir.path(), &[]);
        recovered(&process, friend, given);
        transfer(&process, friend, round);
        given += round;
        process.kill();
    }
    let process = Process::up(dir.path(), &[]);
    recovered(&process, friend, given);
    process.interrupt();
}

/// Waits for the balance: the last block before a kill may have to be applied again.
fn recovered(process: &Process, account: Address, wei: u64) {
    let url = process.url();
    until("what was final", || (balance(&url, account) == wei).then_some(()));
}

#[test]
fn a_state_moves_to_another_directory_with_its_certificate() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str| dir.path().join(name).to_str().expect("text").to_owned();
    let friend = Address::repeat_byte(0x44);
    let process = Process::up(&dir.path().join("net"), &[]);
    transfer(&process, friend, 9);
    let (node, state) = (file("net/validator-0"), file("state.cairn"));
    let export = ["state", "export", "--dir", &node, "--out", &state, "--json"];
    let (code, said) = code_of(&export);
    assert_eq!(code, Some(3), "a running node keeps its directory: {said}");
    process.interrupt();
    let exported = cairn(&export);
    let exported: Value = serde_json::from_slice(&exported.stdout).expect("JSON");

    // The same network without its data, as on another host.
    fs::create_dir_all(file("copy/validator-0")).expect("writable");
    for name in ["genesis.json", "README.txt"] {
        fs::copy(file(&format!("net/{name}")), file(&format!("copy/{name}"))).expect("copies");
    }
    for name in ["config.toml", "node.key", "share.key", "payout.key"] {
        let from = file(&format!("net/validator-0/{name}"));
        fs::copy(from, file(&format!("copy/validator-0/{name}"))).expect("copies");
    }
    let copy = file("copy/validator-0");
    let mut bytes = fs::read(&state).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file("damaged"), bytes).expect("writable");
    let (code, said) = code_of(&["state", "import", &file("damaged"), "--dir", &copy]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is damaged"), "{said}");
    let imported = cairn(&["state", "import", &state, "--dir", &copy, "--json"]);
    let imported: Value = serde_json::from_slice(&imported.stdout).expect("JSON");
    for field in ["block_number", "block_hash", "state_root", "operations"] {
        assert_eq!(imported[field], exported[field], "{field}");
    }
    let (code, said) = code_of(&["state", "import", &state, "--dir", &copy]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("has a state already"), "{said}");

    let process = Process::up(&dir.path().join("copy"), &[]);
    assert!(height(&process.url()) >= exported["block_number"].as_u64().expect("a number"));
    assert_eq!(balance(&process.url(), friend), 9);
    transfer(&process, friend, 1);
    assert_eq!(balance(&process.url(), friend), 10);
    process.interrupt();
}

#[test]
fn a_committee_in_one_process_agrees() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let process = Process::up(dir.path(), &["--validators", "4"]);
    let receipt = transfer(&process, Address::repeat_byte(0x33), 7);
    let nodes = process.ready["nodes"].as_array().expect("a list");
    assert_eq!(nodes.len(), 4);
    let block = json!([receipt["blockNumber"], false]);
    for node in nodes {
        let url = node["rpc_http"].as_str().expect("a URL");
        let found = until("the block at every node", || {
            Some(rpc(url, "eth_getBlockByNumber", &block)).filter(|block| !block.is_null())
        });
        assert_eq!(found["hash"], receipt["blockHash"], "{}", node["name"]);
    }
    process.interrupt();
}

#[test]
fn proofs_convince_whoever_knows_the_genesis_and_nobody_else() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str| dir.path().join(name).to_str().expect("text").to_owned();
    let process = Process::up(&dir.path().join("net"), &[]);
    let other = Process::up(&dir.path().join("other"), &[]);
    let (proof, genesis) = (file("proof.json"), file("net/genesis.json"));
    let account = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    let get = ["proof", "get", account, "0x0", "--rpc", &process.url(), "--out", &proof];
    let (code, said) = code_of(&get);
    assert_eq!(code, Some(0), "{said}");
    let proven = cairn(&["proof", "verify", &proof, "--genesis", &genesis, "--json"]);
    let proven: Value = serde_json::from_slice(&proven.stdout).expect("JSON");
    assert_eq!(proven["exists"], true);
    assert_eq!(proven["balance_wei"], "1000000000000000000000000");
    assert_eq!(proven["storage"], json!([["0x0", "0x0"]]));

    let verify =
        |proof: &str, genesis: &str| code_of(&["proof", "verify", proof, "--genesis", genesis]);
    let (code, said) = verify(&proof, &file("other/genesis.json"));
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("not signed by the committee"), "{said}");
    let text = fs::read_to_string(&proof).expect("readable");
    let mut forged: Value = serde_json::from_str(&text).expect("JSON");
    forged["address"] = json!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
    fs::write(&proof, forged.to_string()).expect("writable");
    assert_eq!(verify(&proof, &genesis).0, Some(5));
    process.interrupt();
    other.interrupt();
}

/// The first of eight free ports in a row, below those that the system hands out by itself.
fn free_ports() -> u16 {
    let start = 20_000 + u16::try_from(std::process::id() % 1_000).expect("small") * 8;
    let free = |base: &u16| (0..8).all(|i| TcpListener::bind(("127.0.0.1", base + i)).is_ok());
    (start..start + 4_000).step_by(8).find(free).expect("eight free ports")
}

#[test]
fn four_processes_survive_the_death_of_one_and_then_of_all() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let net = dir.path().join("net");
    let out = net.to_str().expect("text");
    let base = free_ports().to_string();
    let init =
        ["network", "init", "--validators", "4", "--dev", "--out", out, "--base-port", &base];
    assert_eq!(code_of(&init).0, Some(0));
    let start = || Process::start(&["network", "start", "--dir", out]);
    let urls = |process: &Process| -> Vec<String> {
        let nodes = process.ready["nodes"].as_array().expect("a list").iter();
        nodes.map(|node| node["rpc_http"].as_str().expect("a URL").to_owned()).collect()
    };

    let network = start();
    let nodes = urls(&network);
    until("the first block", || (height(&nodes[0]) > 0).then_some(()));
    let victim = network.ready["nodes"][3]["pid"].as_u64().expect("a process id");
    kill(victim, "KILL");
    // Three of four go on without it, and it comes back by itself.
    let reached = height(&nodes[0]) + 3;
    until("progress without one validator", || (height(&nodes[0]) >= reached).then_some(()));
    until("the return of the dead", || {
        let height = call(&nodes[3], "eth_blockNumber", &json!([])).ok()?;
        (number(&height) >= reached).then_some(())
    });
    agree(&nodes, reached);

    let children = network.ready["nodes"].as_array().expect("a list").clone();
    network.kill();
    until("the end of the children", || {
        let alive = |url: &String| call(url, "eth_blockNumber", &json!([])).is_ok();
        (!nodes.iter().any(alive)).then_some(())
    });
    assert_eq!(children.len(), 4);

    let network = start();
    let further = reached + 3;
    until("progress after the death of all", || (height(&nodes[0]) >= further).then_some(()));
    agree(&nodes, further);
    network.interrupt();
}

/// All nodes have the same block and state at this height.
fn agree(nodes: &[String], height: u64) {
    let params = json!([format!("{height:#x}"), false]);
    let blocks: Vec<_> = nodes
        .iter()
        .map(|url| {
            until("the block at every node", || {
                call(url, "eth_getBlockByNumber", &params).ok().filter(|block| !block.is_null())
            })
        })
        .collect();
    for block in &blocks {
        assert_eq!(block["hash"], blocks[0]["hash"]);
        assert_eq!(block["stateRoot"], blocks[0]["stateRoot"]);
    }
}
