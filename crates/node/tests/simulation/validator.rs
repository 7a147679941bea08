//! One validator in the simulator: the product's engine, application and gossip.

use crate::{
    byzantine::{Fault, Faulty},
    equivocation::Watch,
    load::{self, Load},
};
use cairn_chain::{Chain, ChainConfig, Genesis};
use cairn_evm::StateView as _;
use cairn_node::{
    app::App,
    backend::NodeBackend,
    block::max_encoded_bytes,
    committee::{self, Identity},
    engine::{self, Channels, EngineConfig, Marshal},
    gossip,
    node::empty_state,
    state::LiveState,
    types::PublicKey,
};
use cairn_primitives::state::StateKey;
use commonware_cryptography::Signer as _;
use commonware_glue::simulate::{reporter::MonitorReporter, tracker::FinalizationUpdate};
use commonware_p2p::{Receiver, Sender, simulated::Oracle};
use commonware_runtime::{Handle, Spawner as _, Supervisor as _, deterministic::Context};
use commonware_utils::channel::mpsc::UnboundedSender;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// What a validator is started with.
pub struct Validator<'a> {
    pub genesis: &'a Genesis,
    pub identity: &'a Identity,
    /// Prefix of its names in the simulated storage.
    pub prefix: String,
    /// Where its history is.
    pub directory: PathBuf,
    pub state_sync: bool,
    pub fault: Fault,
    pub watch: Watch,
    pub load: Load,
    pub sender: u8,
    pub oracle: &'a Oracle<PublicKey, Context>,
    pub monitor: UnboundedSender<FinalizationUpdate<PublicKey>>,
}

/// A validator that runs.
pub struct Started {
    pub handle: Handle<()>,
    pub marshal: Marshal,
    pub chain: Chain,
}

impl Validator<'_> {
    /// Starts it. Channels are in the order of [`Channels`], the last is for gossip.
    pub async fn start<S, R>(self, context: Context, channels: Vec<(S, R)>) -> Started
    where
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
    {
        let (outbox, inbox) = mpsc::channel(gossip::QUEUE);
        let backend = Arc::new(NodeBackend::new(outbox));
        let genesis_block = self.genesis.block(empty_state());
        let chain = Chain::open(ChainConfig {
            genesis: self.genesis.clone(),
            genesis_block: genesis_block.clone(),
            directory: Some(self.directory),
            archive: false,
            backend: backend.clone(),
        })
        .expect("the chain opens");
        let scheme = committee::scheme(self.genesis, self.identity).expect("the dealt keys fit");
        let public_key = self.identity.key.public_key();
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
            prefix: self.prefix,
            public_key: public_key.clone(),
            scheme,
            max_block: max_encoded_bytes(self.genesis.parameters.block_bytes as usize),
            state_sync: self.state_sync,
            heartbeat: Duration::from_secs(1),
            retained_blocks: 1_000,
            page_cache_bytes: 1 << 20,
            genesis: app.genesis_block(),
            seeds: app.seeds().clone(),
            pacer: app.clone(),
        };
        let loader = context.child("load");
        let engine = engine::start(
            context,
            config,
            Faulty { app, fault: self.fault },
            self.oracle.manager(),
            self.watch,
            channels,
            |stateful| MonitorReporter::new(public_key, self.monitor, stateful),
        )
        .await;
        let state = LiveState::new(engine.stateful.subscribe_databases().await);
        let head = state.get(&StateKey::head()).await.expect("the state database reads");
        let applied = head.map_or(0, |value| value.as_head().0);
        backend.attach(Arc::new(state), engine.marshal.clone());
        chain.start_at(applied).await.expect("the history covers the applied state");
        let (loaded, load, sender) = (chain.clone(), self.load, self.sender);
        loader.spawn(move |context| load::send(context, loaded, sender, load));
        Started { handle: engine.handle, marshal: engine.marshal, chain }
    }
}
