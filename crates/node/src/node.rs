//! A node on tokio: its own thread and runtime, storage in a directory, peers over sockets.

use crate::{
    app::App,
    backend::NodeBackend,
    block::max_encoded_bytes,
    committee::{self, CommitteeError, Identity},
    engine::{self, CHANNELS, Channels, EngineConfig, message_bytes},
    gossip,
    state::{Databases, LiveState, warm},
    storage::{self, STORAGE, StorageVersionError},
    types::PublicKey,
};
use alloy_primitives::{B256, Bytes};
use cairn_chain::{Chain, ChainConfig, ChainError, Genesis, genesis::EmptyState};
use cairn_evm::StateView as _;
use cairn_primitives::state::StateKey;
use commonware_cryptography::{ChaCha20Poly1305, Signer as _, ed25519::PrivateKey};
use commonware_glue::stateful::db::DatabaseSet;
use commonware_p2p::{
    Address, AddressableManager as _, AddressableTrackedPeers,
    authenticated::lookup::{self, Network},
};
use commonware_runtime::{
    Clock as _, Metrics as _, Quota, Runner as _, Supervisor as _, tokio as runtime,
};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize, ordered::Map};
use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

/// Prefix of all names in a node's storage.
pub(crate) const PREFIX: &str = "cairn";

/// Messages a second that one peer may send on one channel.
const QUOTA: Quota = Quota::per_second(NZU32!(4_096));

/// Longest wait at the start for recorded blocks to be applied again.
const CATCH_UP: Duration = Duration::from_secs(10);

/// Another node of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its ed25519 key.
    pub public_key: B256,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Everything that a node needs to start.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Directory that belongs to this node alone.
    pub data_dir: PathBuf,
    /// The network's genesis.
    pub genesis: Genesis,
    /// This node's secrets.
    pub identity: Identity,
    /// Where to listen for other nodes; port 0 takes any (only useful without peers).
    pub listen: SocketAddr,
    /// All other nodes: validators of the genesis, and followers.
    pub peers: Vec<Peer>,
    /// Accept peers from addresses other than those listed.
    pub any_address: bool,
    /// Keep the past of the state for ever, not only of the last 1,024 blocks.
    pub archive: bool,
    /// If this node has no state yet, fetch it from peers instead of replaying all blocks.
    pub state_sync: bool,
    /// Threads for consensus, execution and network.
    pub threads: usize,
    /// Memory for cached pages of the state, in bytes.
    pub page_cache_bytes: usize,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Keys or genesis are wrong.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// The history or pool cannot be opened.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The operating system refused a thread.
    #[error("cannot start the node's thread: {0}")]
    Thread(std::io::Error),
    /// The data directory cannot be used.
    #[error("cannot use the data directory {path}: {error}; check its permissions and free space")]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The directory was written by another version of this program.
    #[error(transparent)]
    StorageVersion(#[from] StorageVersionError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for other nodes: {error}; choose another port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// An actor panicked before the node was ready.
    #[error(
        "the node failed while starting: {0}; nothing was deleted. If the disk is full, make room and \
         start again. Otherwise a file below `storage` in the data directory is damaged (the log lines \
         above name it): restore a backup, or move the data directory away and import a snapshot with \
         `cairn state import` or let the node sync again"
    )]
    Failed(String),
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    /// Its chain: reads, transaction pool, heads.
    pub chain: Chain,
    /// Its key.
    pub public_key: B256,
    metrics: MetricsSource,
    stop: Option<oneshot::Sender<()>>,
    stopped: Option<oneshot::Receiver<String>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Encodes a node's metrics in the Prometheus text format.
#[derive(Clone, Default)]
pub struct MetricsSource(Arc<OnceLock<Box<dyn Fn() -> String + Send + Sync>>>);

impl std::fmt::Debug for MetricsSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MetricsSource")
    }
}

impl MetricsSource {
    /// The metrics now.
    #[must_use]
    pub fn encode(&self) -> String {
        self.0.get().map(|encode| encode()).unwrap_or_default()
    }
}

impl Node {
    /// Metrics of consensus, network and storage.
    #[must_use]
    pub fn metrics(&self) -> MetricsSource {
        self.metrics.clone()
    }

    /// Resolves with the reason when the node stops by itself: it has failed and must be restarted.
    pub async fn failed(&mut self) -> String {
        match self.stopped.as_mut() {
            Some(stopped) => stopped.await.unwrap_or_else(|_| "the node's thread ended".into()),
            None => std::future::pending().await,
        }
    }

    /// Stops the node and waits until its storage is closed.
    pub fn shutdown(mut self) {
        self.stop_and_join();
    }

    fn stop_and_join(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop_and_join();
    }
}

/// Commitments of the state database before block 1.
#[must_use]
pub fn empty_state() -> EmptyState {
    let target =
        <Databases<runtime::Context> as DatabaseSet<runtime::Context>>::initial_sync_targets();
    EmptyState {
        ops_root: B256::from(target.root.0),
        ops_start: *target.range.start(),
        ops_end: *target.range.end(),
    }
}

/// Starts a node and returns once it can serve reads.
///
/// # Errors
/// See [`StartError`].
pub async fn start(config: NodeConfig) -> Result<Node, StartError> {
    let scheme = committee::scheme(&config.genesis, &config.identity)?;
    prepare_directory(&config)?;
    let (outbox, inbox) = mpsc::channel(gossip::QUEUE);
    let backend = Arc::new(NodeBackend::new(outbox));
    backend.set_peers(config.peers.len());
    let genesis_block = config.genesis.block(empty_state());
    let chain = Chain::open(ChainConfig {
        genesis: config.genesis.clone(),
        genesis_block: genesis_block.clone(),
        directory: Some(config.data_dir.clone()),
        archive: config.archive,
        backend: backend.clone(),
    })?;
    let app = App::new(chain.clone(), genesis_block, scheme.clone());

    let (stop, stopping) = oneshot::channel();
    let (ready, wait_ready) = oneshot::channel();
    let (report, stopped) = oneshot::channel();
    let metrics = MetricsSource::default();
    let public_key = config.identity.public_key();
    let task = Task { config, chain: chain.clone(), app, backend, inbox, metrics: metrics.clone() };
    let thread = thread::Builder::new()
        .name("cairn-node".into())
        .spawn(move || {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                task.run(scheme, stopping, ready)
            }));
            let reason = match outcome {
                Ok(reason) => reason,
                Err(panic) => panic_text(panic.as_ref()),
            };
            let _ = report.send(reason);
        })
        .map_err(StartError::Thread)?;
    let mut node = Node {
        chain,
        public_key,
        metrics,
        stop: Some(stop),
        stopped: Some(stopped),
        thread: Some(thread),
    };
    if wait_ready.await.is_err() {
        return Err(StartError::Failed(node.failed().await));
    }
    Ok(node)
}

fn prepare_directory(config: &NodeConfig) -> Result<(), StartError> {
    let path = config.data_dir.clone();
    let failed = |error| StartError::DataDir { path: path.clone(), error };
    std::fs::create_dir_all(&config.data_dir).map_err(failed)?;
    let probe = config.data_dir.join(".write-test");
    std::fs::write(&probe, b"cairn").map_err(failed)?;
    std::fs::remove_file(&probe).map_err(failed)?;
    storage::check_version(&config.data_dir)?;
    storage::write_version(&config.data_dir).map_err(failed)?;
    std::net::TcpListener::bind(config.listen)
        .map(drop)
        .map_err(|error| StartError::Listen { address: config.listen, error })
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "an actor of the node failed".into())
}

/// What the node's thread runs.
struct Task {
    config: NodeConfig,
    chain: Chain,
    app: App,
    backend: Arc<NodeBackend>,
    inbox: mpsc::Receiver<Vec<Bytes>>,
    metrics: MetricsSource,
}

impl Task {
    /// Runs until told to stop; returns why it ended.
    fn run(
        self,
        scheme: crate::types::Scheme,
        stopping: oneshot::Receiver<()>,
        ready: oneshot::Sender<()>,
    ) -> String {
        let directory = self.config.data_dir.join(STORAGE);
        let config = runtime::Config::new()
            .with_storage_directory(directory)
            .with_worker_threads(self.config.threads.max(1))
            .with_tcp_nodelay(Some(true));
        runtime::Runner::new(config)
            .start(|context| Box::pin(self.serve(context, scheme, stopping, ready)))
    }

    async fn serve(
        self,
        context: runtime::Context,
        scheme: crate::types::Scheme,
        stopping: oneshot::Receiver<()>,
        ready: oneshot::Sender<()>,
    ) -> String {
        let Self { config, chain, app, backend, inbox, metrics } = self;
        let encoder = context.child("metrics");
        let _ = metrics.0.set(Box::new(move || encoder.encode()));
        let (mut network, oracle) = open_network(&context, &config);
        let mut register = |channel: u64| network.register(channel, QUOTA);
        let channels = Channels {
            votes: register(0),
            certificates: register(1),
            resolver: register(2),
            backfill: register(3),
            broadcast: register(4),
            state: register(5),
            probe: register(6),
        };
        let transactions = register(CHANNELS - 1);
        network.start();
        let _gossip = gossip::start(&context, chain.clone(), inbox, transactions);
        let parameters = config.genesis.parameters;
        let engine = engine::start(
            context.child("engine"),
            EngineConfig {
                prefix: PREFIX.into(),
                public_key: config.identity.key.public_key(),
                scheme,
                max_block: max_encoded_bytes(parameters.block_bytes as usize),
                state_sync: config.state_sync,
                heartbeat: Duration::from_millis(parameters.max_block_interval_ms),
                retained_blocks: 4_096,
                page_cache_bytes: config.page_cache_bytes,
                genesis: app.genesis_block(),
                seeds: app.seeds().clone(),
                pacer: app.clone(),
            },
            app,
            oracle.clone(),
            oracle,
            channels,
            |stateful| stateful,
        )
        .await;
        let databases = engine.stateful.subscribe_databases().await;
        let operations = warm(&databases, config.page_cache_bytes)
            .await
            .expect("the state database must be readable");
        info!(operations, "the state is in memory");
        let state = Arc::new(LiveState::new(databases));
        let head = state.get(&StateKey::head()).await.expect("the state database must be readable");
        let applied = head.map_or(0, |value| value.as_head().0);
        backend.attach(state, engine.marshal.clone());
        chain.start_at(applied).await.expect("history must cover the applied state");
        catch_up(&context, &chain).await;
        info!(height = chain.head().number(), "node is ready");
        let _ = ready.send(());
        tokio::select! {
            _ = stopping => "stopped".into(),
            result = engine.handle => format!("consensus ended: {result:?}"),
        }
    }
}

/// Waits until every block that the history holds is applied again: all of them are final, so a
/// restarted node must not answer as if the last one were not there.
async fn catch_up(context: &runtime::Context, chain: &Chain) {
    let mut heads = chain.subscribe();
    let deadline = context.sleep(CATCH_UP);
    tokio::pin!(deadline);
    while chain.head().number() < chain.recorded() {
        tokio::select! {
            _ = heads.recv() => {}
            () = &mut deadline => {
                warn!(recorded = chain.recorded(), "serving before all recorded blocks are applied");
                return;
            }
        }
    }
}

type LookupOracle = lookup::Oracle<PublicKey>;
type LookupNetwork = Network<runtime::Context, Cups<Sake<PrivateKey>, ChaCha20Poly1305>>;

fn open_network(context: &runtime::Context, config: &NodeConfig) -> (LookupNetwork, LookupOracle) {
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer: config.identity.key.clone(),
            synchrony_bound: Duration::from_secs(5),
            max_handshake_age: Duration::from_secs(10),
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let size = message_bytes(
        config.genesis.committee.validators.len(),
        config.genesis.parameters.block_bytes as usize,
    );
    let members = NonZeroUsize::new(config.peers.len() + 1).unwrap_or(NonZeroUsize::MIN);
    let mut settings = lookup::Config::local(
        handshake,
        &config.genesis.namespace(),
        config.listen,
        members,
        size,
        NZUsize!(1_024),
    );
    settings.bypass_ip_check = config.any_address;
    settings.tracked_peer_sets = NZUsize!(1);
    // Peers of a small network often share an address: a handful of restarts must not lock them out.
    settings.allowed_handshake_rate_per_ip = Quota::per_second(NZU32!(64));
    let (network, mut oracle) = Network::new(context.child("network"), settings);
    oracle.track(0, tracked(config));
    (network, oracle)
}

/// Validators are primary peers, all others secondary.
fn tracked(config: &NodeConfig) -> AddressableTrackedPeers<PublicKey> {
    let me = (config.identity.key.public_key(), Address::from(config.listen));
    let validators: Vec<B256> =
        config.genesis.committee.validators.iter().map(|v| v.public_key).collect();
    let mut primary = Vec::new();
    let mut secondary = Vec::new();
    let peers = config.peers.iter().filter_map(|peer| {
        Some((committee::to_public_key(peer.public_key).ok()?, Address::from(peer.address)))
    });
    for (key, address) in peers.chain([me]) {
        if validators.contains(&committee::to_b256(&key)) {
            primary.push((key, address));
        } else {
            secondary.push((key, address));
        }
    }
    AddressableTrackedPeers::new(Map::from_iter_dedup(primary), Map::from_iter_dedup(secondary))
}
