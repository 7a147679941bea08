//! Programs under measurement, as child processes with state of their own.

use crate::{
    output::{Done, ExitCode, Failure, OrFail},
    rpc_client::RpcClient,
};
use serde::Deserialize;
use serde_json::json;
use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Gas limit of Anvil's blocks: it must not be what limits the rate.
const ANVIL_GAS_LIMIT: &str = "2000000000";

/// How long a program may take to answer.
const START: Duration = Duration::from_secs(60);

/// Where `npm ci` in the client tests puts Anvil.
const ANVIL_NPM: &str = "tests/clients/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";

/// A running program that answers JSON-RPC.
pub(super) struct Peer {
    child: Child,
    /// Its endpoint.
    pub(super) url: String,
    /// Its chain id.
    pub(super) chain_id: u64,
    _directory: TempDir,
}

#[derive(Deserialize)]
struct Ready {
    rpc_http: String,
    chain_id: u64,
}

impl Peer {
    /// Starts this program with a fresh network of `validators`.
    pub(super) fn cairn(validators: usize) -> Done<Self> {
        let directory = tempfile::tempdir().or_fail(ExitCode::Failed)?;
        let program = std::env::current_exe().or_fail(ExitCode::Failed)?;
        let mut child = Command::new(program)
            .args(["up", "--json", "--port", "0", "--validators", &validators.to_string()])
            .arg("--data-dir")
            .arg(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .or_fail(ExitCode::Failed)?;
        let out = child.stdout.take().expect("standard output is piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).or_fail(ExitCode::Failed)?;
        let ready: Ready = serde_json::from_str(&line).map_err(|error| {
            Failure::new(ExitCode::Failed, format!("`cairn up` did not start: {error}"))
        })?;
        Ok(Self { child, url: ready.rpc_http, chain_id: ready.chain_id, _directory: directory })
    }

    /// Starts Anvil with blocks every second.
    pub(super) fn anvil(program: &Path) -> Done<Self> {
        let directory = tempfile::tempdir().or_fail(ExitCode::Failed)?;
        let free = TcpListener::bind("127.0.0.1:0").or_fail(ExitCode::Failed)?;
        let port = free.local_addr().or_fail(ExitCode::Failed)?.port();
        drop(free);
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--block-time", "1", "--silent"])
            .args(["--gas-limit", ANVIL_GAS_LIMIT])
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .or_fail(ExitCode::Failed)?;
        let url = format!("http://127.0.0.1:{port}");
        let mut peer = Self { child, url, chain_id: 0, _directory: directory };
        let client = RpcClient::new(&peer.url)?;
        let start = Instant::now();
        loop {
            match client.quantity("eth_chainId", &json!([])) {
                Ok(id) => break peer.chain_id = id,
                Err(error) if start.elapsed() > START => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The directory goes with it, so there is nothing to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Finds Anvil: the given path, the client tests' package, or the search path.
pub(super) fn find_anvil(given: Option<&Path>) -> Option<PathBuf> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let candidates = given
        .map(Path::to_path_buf)
        .into_iter()
        .chain([PathBuf::from(ANVIL_NPM)])
        .chain(std::env::split_paths(&search).map(|directory| directory.join("anvil")));
    // The program runs in a directory of its own, so its path must not depend on this one.
    candidates.into_iter().find(|path| path.is_file()).and_then(|path| path.canonicalize().ok())
}
