//! The nodes of a network as child processes, restarted when they end by themselves.
//!
//! A child's standard input is a pipe from this process. It stops when the pipe closes, so no node
//! outlives this process, not even after kill -9. Ready lines come back through its standard output.

use crate::{
    launch,
    network::{Network, node_name},
    output::{Done, ExitCode, Failure, OrFail, Output, columns},
};
use cairn_telemetry::Shutdown;
use serde::Serialize;
use serde_json::Value;
use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    task::JoinSet,
};

/// Pause before a node that ended is started again.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// How long a node may take to answer after its start, and to end after being told to.
const PATIENCE: Duration = Duration::from_secs(60);

/// Variables that name one node's files and addresses: they must not reach all of them.
const VARIABLES_OF_ONE_NODE: [&str; 4] =
    ["CAIRN_CONFIG", "CAIRN_DATA_DIR", "CAIRN_RPC_LISTEN", "CAIRN_P2P_LISTEN"];

/// One node process that answers.
struct Running {
    directory: PathBuf,
    child: Child,
    /// Kept apart from the child, whose `wait` would close it. The node stops when it closes.
    input: ChildStdin,
    ready: Value,
}

#[derive(Serialize)]
struct Started {
    chain_id: u64,
    directory: PathBuf,
    pid: u32,
    /// What each node said when it was ready; its `pid` changes when it is restarted.
    nodes: Vec<Value>,
}

/// Runs all nodes until a signal comes.
pub(super) fn supervise(network: &Network, output: Output) -> Done {
    launch::block_on(async {
        let shutdown = Shutdown::on_signals().or_fail(ExitCode::Failed)?;
        let mut starting = JoinSet::new();
        for directory in network.nodes.clone() {
            starting.spawn(start(directory));
        }
        let mut nodes = Vec::new();
        while let Some(node) = starting.join_next().await {
            nodes.push(node.or_fail(ExitCode::Failed)??);
        }
        nodes.sort_by_key(|node| network.nodes.iter().position(|d| *d == node.directory));
        let started = Started {
            chain_id: network.genesis.chain_id,
            directory: network.directory.clone(),
            pid: std::process::id(),
            nodes: nodes.iter().map(|node| node.ready.clone()).collect(),
        };
        output.result(&started, Started::text);
        let mut watching = JoinSet::new();
        for node in nodes {
            watching.spawn(watch(node, shutdown.clone()));
        }
        while let Some(ended) = watching.join_next().await {
            ended.or_fail(ExitCode::Failed)??;
        }
        Ok(())
    })
}

/// Starts a node and waits for its ready line.
async fn start(directory: PathBuf) -> Done<Running> {
    let mut child = spawn(&directory)?;
    let out = child.stdout.take().expect("the output was asked for");
    let input = child.stdin.take().expect("the input was asked for");
    let mut lines = BufReader::new(out).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let ready = match line {
        Ok(Ok(Some(line))) => serde_json::from_str(&line).ok(),
        Ok(_) | Err(_) => None,
    };
    match ready {
        Some(ready) => Ok(Running { directory, child, input, ready }),
        None => {
            Err(Failure::new(ExitCode::Failed, format!("{} did not start", node_name(&directory)))
                .next(format!("read {}", log_path(&directory).display())))
        }
    }
}

fn spawn(directory: &Path) -> Done<Child> {
    let program = std::env::current_exe().or_fail(ExitCode::Failed)?;
    let mut command = Command::new(program);
    for variable in VARIABLES_OF_ONE_NODE {
        command.env_remove(variable);
    }
    command
        .args(["node", "--json", "--stop-with-stdin", "--dir"])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(open_log(directory).or_fail(ExitCode::Files)?)
        .kill_on_drop(true)
        .spawn()
        .or_fail(ExitCode::Failed)
}

fn log_path(directory: &Path) -> PathBuf {
    directory.join("node.log")
}

fn open_log(directory: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(log_path(directory))
}

/// Keeps one node running until the stop is requested, then ends it.
async fn watch(mut node: Running, shutdown: Shutdown) -> Done {
    loop {
        let ended = tokio::select! {
            ended = node.child.wait() => ended,
            () = shutdown.triggered() => return stop(node).await,
        };
        let name = node_name(&node.directory);
        let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
        // A Ctrl-C in a terminal reaches the nodes as well: they may end before this process is told.
        node = tokio::select! {
            node = restart(&node.directory, &name, &status) => node,
            () = shutdown.triggered() => return Ok(()),
        };
        tracing::info!(node = name, pid = node.child.id(), "node is back");
    }
}

/// Starts a node again, as often as it takes.
async fn restart(directory: &Path, name: &str, status: &str) -> Running {
    let mut status = status.to_owned();
    loop {
        tokio::time::sleep(RESTART_DELAY).await;
        tracing::warn!(node = name, status, "node ended; starting it again");
        match start(directory.to_owned()).await {
            Ok(node) => return node,
            Err(failure) => status = failure.to_string(),
        }
    }
}

async fn stop(mut node: Running) -> Done {
    drop(node.input);
    match tokio::time::timeout(PATIENCE, node.child.wait()).await {
        Ok(_) => Ok(()),
        Err(_) => {
            node.child.start_kill().or_fail(ExitCode::Failed)?;
            Err(Failure::new(
                ExitCode::Failed,
                format!("{} had to be killed", node_name(&node.directory)),
            ))
        }
    }
}

impl Started {
    fn text(&self) -> String {
        let head = ["node", "JSON-RPC", "height", "pid"].map(str::to_owned).to_vec();
        let mut rows = vec![head];
        let cell = |node: &Value, key: &str| match &node[key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        rows.extend(
            self.nodes.iter().map(|node| {
                ["name", "rpc_http", "height", "pid"].map(|key| cell(node, key)).to_vec()
            }),
        );
        format!(
            "Network of chain id {} is up, one process a node\n\n{}\n\nCtrl-C stops all of them.",
            self.chain_id,
            columns(&rows)
        )
    }
}
