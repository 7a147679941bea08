//! From a configuration to a running node with its JSON-RPC server, and back to a clean stop.

use crate::{
    config::NodeFile,
    output::{Done, ExitCode, Failure, OrFail},
};
use cairn_node::{Node, StartError};
use cairn_telemetry::{Registry, Shutdown};
use std::{
    fs::{self, File, OpenOptions},
    future::Future,
    io::Write,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

/// Threads that answer JSON-RPC requests.
const RPC_THREADS_MAX: usize = 8;

/// How often a wait for the first block is mentioned in the log.
const REMINDER: Duration = Duration::from_secs(10);

/// How long another process may still hold a node's directory.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// How often that is looked at.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// A node and its JSON-RPC server.
#[derive(Debug)]
pub(crate) struct Running {
    /// Name, for people.
    pub(crate) name: String,
    /// The node.
    pub(crate) node: Node,
    rpc: cairn_rpc::Server,
    /// Held as long as the node uses its directory.
    _lock: File,
}

impl Running {
    /// URL of JSON-RPC over HTTP.
    pub(crate) fn http(&self) -> String {
        format!("http://{}", reachable(self.rpc.address()))
    }

    /// URL of JSON-RPC over WebSocket.
    pub(crate) fn ws(&self) -> String {
        format!("ws://{}", reachable(self.rpc.address()))
    }

    /// Height of the last final block.
    pub(crate) fn height(&self) -> u64 {
        self.node.chain.head().block.number()
    }

    /// Waits for block 1, which installs the genesis accounts. Returns whether the stop was
    /// requested first.
    pub(crate) async fn first_block(&mut self, shutdown: &Shutdown) -> Done<bool> {
        let mut heads = self.node.chain.subscribe();
        while self.height() == 0 {
            tokio::select! {
                _ = heads.recv() => {}
                reason = self.node.failed() => return Err(failed(&self.name, &reason)),
                () = shutdown.triggered() => return Ok(true),
                () = tokio::time::sleep(REMINDER) => {
                    tracing::info!(node = self.name, "waiting for the first block");
                }
            }
        }
        Ok(false)
    }

    async fn stop(self) {
        self.rpc.stop().await;
        // Closing the node's storage blocks this thread until it is done.
        let _ = tokio::task::spawn_blocking(move || self.node.shutdown()).await;
        tracing::info!(node = self.name, "stopped");
    }
}

/// The address under which this machine reaches a server that listens on `address`.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback = std::net::Ipv4Addr::LOCALHOST;
        address.set_ip(loopback.into());
    }
    address
}

/// Runs a command's future on a runtime of its own.
pub(crate) fn block_on(work: impl Future<Output = Done>) -> Done {
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get().min(RPC_THREADS_MAX));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("cairn-rpc")
        .enable_all()
        .build()
        .or_fail(ExitCode::Failed)?;
    runtime.block_on(work)
}

/// Starts a node and its JSON-RPC server.
pub(crate) async fn start(name: String, file: &NodeFile) -> Done<Running> {
    let config = file.load().or_fail(ExitCode::Files)?;
    let lock = lock(&file.data_dir).await?;
    let node = cairn_node::start(config).await.map_err(start_failure)?;
    let metrics = Registry::default();
    let source = node.metrics();
    metrics.append(move || source.encode());
    let rpc = cairn_rpc::serve(
        node.chain.clone(),
        cairn_rpc::Config { listen: file.rpc.listen },
        metrics,
    )
    .await;
    let rpc = rpc.map_err(|error| {
        Failure::new(ExitCode::Failed, error).next("choose another port, or stop what uses it")
    })?;
    tracing::info!(node = name, rpc = %rpc.address(), p2p = %file.p2p.listen, "serving");
    Ok(Running { name, node, rpc, _lock: lock })
}

fn start_failure(error: StartError) -> Failure {
    let code = match error {
        StartError::Committee(_)
        | StartError::Chain(_)
        | StartError::StorageVersion(_)
        | StartError::DataDir { .. } => ExitCode::Files,
        StartError::Thread(_) | StartError::Listen { .. } | StartError::Failed(_) => {
            ExitCode::Failed
        }
    };
    Failure::new(code, error)
}

/// Takes the directory for this process: two nodes in one directory would destroy it. The process
/// that has it may be about to end, which is waited for.
pub(crate) async fn lock(directory: &Path) -> Done<File> {
    let unusable = |error: std::io::Error| {
        let message = format!("cannot use {}: {error}", directory.display());
        Failure::new(ExitCode::Files, message).next("check its owner and permissions")
    };
    fs::create_dir_all(directory).map_err(unusable)?;
    let path = directory.join("lock");
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).read(true).write(true);
    let mut file = options.open(&path).map_err(unusable)?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    while file.try_lock().is_err() {
        let holder = fs::read_to_string(&path).unwrap_or_default();
        if Instant::now() > deadline {
            let message = format!("{} is in use by process {}", directory.display(), holder.trim());
            return Err(Failure::new(ExitCode::Files, message).next("stop that process first"));
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
    file.set_len(0).map_err(unusable)?;
    writeln!(file, "{}", std::process::id()).map_err(unusable)?;
    Ok(file)
}

/// Waits until the stop is requested or a node fails.
pub(crate) async fn until_stopped(nodes: &mut [Running], shutdown: &Shutdown) -> Done {
    let failures = nodes.iter_mut().map(|running| {
        let name = running.name.clone();
        Box::pin(async move { failed(&name, &running.node.failed().await) })
    });
    tokio::select! {
        () = shutdown.triggered() => Ok(()),
        (failure, _, _) = futures::future::select_all(failures) => Err(failure),
    }
}

fn failed(name: &str, reason: &str) -> Failure {
    Failure::new(ExitCode::Failed, format!("{name} failed: {reason}"))
        .next("start it again: it recovers from what is on disk; if it fails again, read the log")
}

/// Stops nodes one after the other.
pub(crate) async fn stop_all(nodes: Vec<Running>) {
    cairn_telemetry::log::stopping();
    for node in nodes {
        node.stop().await;
    }
}

/// Requests the stop when standard input closes.
pub(crate) fn stop_with_stdin(shutdown: Shutdown) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        tracing::info!("standard input closed: stopping");
        shutdown.trigger();
    });
}
