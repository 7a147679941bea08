//! A committee for the simulator: each validator is the product's engine and application; only
//! clock, network and disks are simulated.

use crate::{
    byzantine::{Fault, Faulty},
    load,
};
use alloy_primitives::U256;
use cairn_chain::{
    Chain, ChainConfig, Genesis,
    genesis::{Allocation, GENESIS_VERSION, Parameters, Predeploy},
    pool::PoolError,
};
use cairn_node::{
    app::App,
    backend::NodeBackend,
    block::max_encoded_bytes,
    committee::{self, Dealt, Identity},
    engine::{self, CHANNELS, Channels, EngineConfig, Marshal, message_bytes},
    gossip,
    node::empty_state,
    state::LiveState,
    types::PublicKey,
};
use commonware_consensus::{marshal::Identifier, types::Height};
use commonware_cryptography::{Digestible as _, Signer as _};
use commonware_glue::simulate::{
    engine::{EngineDefinition, InitContext},
    processed::ProcessedHeight,
    property::Property,
    reporter::MonitorReporter,
    tracker::ProgressTracker,
};
use commonware_runtime::{Clock as _, Handle, Quota, Spawner as _, Supervisor as _};
use commonware_utils::NZU32;
use parking_lot::Mutex;
use rand::SeedableRng as _;
use std::{
    collections::BTreeMap, fs, future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

const QUOTA: Quota = Quota::per_second(NZU32!(1_024));

/// Senders that transfer coins all the time.
const SENDERS: u8 = 4;

/// A committee and the directories of its members: one cluster serves one run.
#[derive(Clone)]
pub struct Cluster {
    genesis: Genesis,
    dealt: Dealt,
    faults: Vec<Fault>,
    directories: Arc<TempDir>,
    lives: Arc<Mutex<Vec<usize>>>,
    chains: Chains,
}

/// Chains of the running validators. The simulator keeps the state of a crashed validator until it
/// has started again; a handle in there would keep the dead validator's storage open.
type Chains = Arc<Mutex<BTreeMap<usize, Chain>>>;

impl Cluster {
    /// `n` validators with keys that depend on `n` alone.
    pub fn new(n: usize) -> Self {
        let mut rng = rand::rngs::StdRng::seed_from_u64(n as u64);
        let dealt = committee::deal(n, &mut rng);
        let rich = Allocation { balance: U256::from(10).pow(U256::from(21)), ..Default::default() };
        let allocations = (0..SENDERS).map(|i| (load::address(i), rich.clone()));
        let genesis = Genesis {
            version: GENESIS_VERSION,
            name: "simulation".into(),
            chain_id: load::CHAIN_ID,
            timestamp_ms: 0,
            dev: true,
            parameters: Parameters::default(),
            predeploys: Predeploy::all(),
            allocations: BTreeMap::from_iter(allocations),
            committee: dealt.committee.clone(),
        };
        let directories = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let lives = Arc::new(Mutex::new(vec![0; n]));
        Self {
            genesis,
            dealt,
            faults: vec![Fault::None; n],
            directories,
            lives,
            chains: Chains::default(),
        }
    }

    /// Makes validator `index` propose wrong blocks.
    pub fn with_fault(mut self, index: usize, fault: Fault) -> Self {
        self.faults[index] = fault;
        self
    }

    /// Adds a node that follows the committee without a vote.
    pub fn with_follower(mut self) -> Self {
        let rng = rand::rngs::StdRng::seed_from_u64(1_000);
        self.dealt.identities.push(Identity::random(rng));
        self.faults.push(Fault::None);
        self.lives.lock().push(0);
        self
    }

    /// The directory for the next life of validator `index`: its files are those of the last life
    /// at the moment of its crash, whose handles were never closed.
    fn next_life(&self, index: usize) -> PathBuf {
        let mut lives = self.lives.lock();
        let directory = |life: usize| self.directories.path().join(format!("{index}-{life}"));
        let (last, next) = (directory(lives[index]), directory(lives[index] + 1));
        lives[index] += 1;
        fs::create_dir_all(&next).expect("the temporary directory is writable");
        for file in fs::read_dir(last).into_iter().flatten() {
            let file = file.expect("the last life's directory is readable");
            fs::copy(file.path(), next.join(file.file_name())).expect("files copy");
        }
        next
    }

    /// Keys of the validators, in order.
    pub fn keys(&self) -> Vec<PublicKey> {
        self.dealt.identities.iter().map(|identity| identity.key.public_key()).collect()
    }
}

/// What properties may look at.
#[derive(Clone)]
pub struct ValidatorState {
    marshal: Marshal,
    index: usize,
    chains: Chains,
}

impl ProcessedHeight for ValidatorState {
    async fn processed_height(&self) -> u64 {
        self.marshal.get_processed().await.map_or(0, |processed| processed.height().get())
    }
}

impl EngineDefinition for Cluster {
    type PublicKey = PublicKey;
    type Engine = Handle<()>;
    type State = ValidatorState;

    fn participants(&self) -> Vec<PublicKey> {
        self.keys()
    }

    fn channels(&self) -> Vec<(u64, Quota)> {
        (0..CHANNELS).map(|channel| (channel, QUOTA)).collect()
    }

    fn max_message_size(&self) -> u32 {
        let block_bytes = self.genesis.parameters.block_bytes as usize;
        message_bytes(self.genesis.committee.validators.len(), block_bytes)
    }

    async fn init(&self, init: InitContext<'_, PublicKey>) -> (Handle<()>, ValidatorState) {
        let InitContext { context, index, delayed, public_key, oracle, channels, monitor, .. } =
            init;
        let (outbox, inbox) = mpsc::channel(gossip::QUEUE);
        let backend = Arc::new(NodeBackend::new(outbox));
        let genesis_block = self.genesis.block(empty_state());
        drop(self.chains.lock().remove(&index));
        let directory = self.next_life(index);
        let chain = Chain::open(ChainConfig {
            genesis: self.genesis.clone(),
            genesis_block: genesis_block.clone(),
            directory: Some(directory),
            archive: false,
            backend: backend.clone(),
        })
        .expect("the chain opens");
        let scheme = committee::scheme(&self.genesis, &self.dealt.identities[index])
            .expect("the dealt keys fit");
        let app = App::new(chain.clone(), genesis_block, scheme.clone());
        let mut channels = channels.into_iter();
        let mut next = || channels.next().expect("the simulator registers all channels");
        let channels = Channels {
            votes: next(),
            certificates: next(),
            resolver: next(),
            backfill: next(),
            broadcast: next(),
            state: next(),
            probe: next(),
        };
        let _gossip = gossip::start(&context, chain.clone(), inbox, next());
        let config = EngineConfig {
            prefix: format!("validator-{index}"),
            public_key: public_key.clone(),
            scheme,
            max_block: max_encoded_bytes(self.genesis.parameters.block_bytes as usize),
            state_sync: delayed,
            heartbeat: Duration::from_secs(1),
            retained_blocks: 1_000,
            page_cache_bytes: 1 << 20,
            genesis: app.genesis_block(),
            seeds: app.seeds().clone(),
            pacer: app.clone(),
        };
        let loader = context.child("load");
        let faulty = Faulty { app, fault: self.faults[index] };
        let engine = engine::start(
            context,
            config,
            faulty,
            oracle.manager(),
            oracle.control(public_key.clone()),
            channels,
            |stateful| MonitorReporter::new(public_key.clone(), monitor, stateful),
        )
        .await;
        let state = LiveState::new(engine.stateful.subscribe_databases().await);
        backend.attach(Arc::new(state), engine.marshal.clone());
        let sender = index as u8 % SENDERS;
        let loaded = chain.clone();
        loader.spawn(move |context| async move {
            // Every validator sends for one account; what an earlier life of it sent is skipped.
            let mut nonce = 0;
            loop {
                match loaded.submit(load::transfer(sender, nonce)).await {
                    Ok(_) => nonce += 1,
                    Err(PoolError::AlreadyKnown | PoolError::NonceTooLow { .. }) => {
                        nonce += 1;
                        continue;
                    }
                    Err(_) => {}
                }
                context.sleep(Duration::from_millis(150)).await;
            }
        });
        self.chains.lock().insert(index, chain);
        let chains = self.chains.clone();
        (engine.handle, ValidatorState { marshal: engine.marshal, index, chains })
    }

    fn start(engine: Handle<()>) -> Handle<()> {
        engine
    }
}

/// All validators hold the same blocks and states up to a height, and money moved.
#[derive(Clone, Copy)]
pub struct SameChain {
    from: u64,
    to: u64,
}

impl SameChain {
    pub fn up_to(height: u64) -> Self {
        Self { from: 1, to: height }
    }

    /// For runs in which a node joins late and has no blocks from before.
    pub fn between(from: u64, to: u64) -> Self {
        Self { from, to }
    }

    async fn check_states(self, states: &[&ValidatorState]) -> Result<(), String> {
        let mut transactions = 0;
        for height in self.from..=self.to {
            let mut seen = None;
            for state in states {
                let Some(block) =
                    state.marshal.get_block(Identifier::Height(Height::new(height))).await
                else {
                    return Err(format!("no block at height {height}"));
                };
                let expected = *seen.get_or_insert_with(|| block.digest());
                if expected != block.digest() {
                    return Err(format!("two blocks at height {height}"));
                }
                let chain = state.chains.lock().get(&state.index).cloned();
                let chain = chain.ok_or("a validator without a chain")?;
                let stored = chain.by_number(height).map_err(|e| e.to_string())?;
                let stored = stored.ok_or_else(|| format!("history lacks block {height}"))?;
                if stored.hash.0 != block.digest().0 {
                    return Err(format!("history has another block at height {height}"));
                }
                transactions += stored.transactions.len();
            }
        }
        if transactions == 0 {
            return Err("no transaction was included".into());
        }
        Ok(())
    }
}

impl Property<PublicKey, ValidatorState> for SameChain {
    fn name(&self) -> &str {
        "same chain"
    }

    fn check<'a>(
        &'a self,
        _tracker: &'a ProgressTracker<PublicKey>,
        states: &'a [&'a ValidatorState],
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> {
        Box::pin(async move {
            let result = self.check_states(states).await;
            // The simulator insists that nothing outlives it.
            for state in states {
                state.chains.lock().clear();
            }
            result
        })
    }
}
