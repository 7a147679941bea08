//! A committee for the simulator: each validator is the product's engine and application; only
//! clock, network and disks are simulated.

use crate::{
    byzantine::Fault,
    equivocation::{self, Evidence, Share, Watch},
    load::{self, Load},
    transfer,
    validator::{Started, Validator},
};
use alloy_primitives::U256;
use cairn_chain::{
    Chain, Genesis,
    genesis::{Allocation, GENESIS_VERSION, Parameters, Predeploy},
};
use cairn_node::{
    committee::{self, Dealt, Identity},
    engine::{CHANNELS, Marshal, message_bytes},
    types::PublicKey,
};
use commonware_consensus::simplex::mocks::conflicter::{self, Conflicter};
use commonware_cryptography::{Keccak256, Signer as _};
use commonware_glue::simulate::{
    engine::{ChannelPair, EngineDefinition, InitContext},
    processed::ProcessedHeight,
};
use commonware_runtime::{Handle, Quota, Spawner as _, Supervisor as _, deterministic::Context};
use commonware_utils::NZU32;
use parking_lot::Mutex;
use rand::SeedableRng as _;
use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;

const QUOTA: Quota = Quota::per_second(NZU32!(1_024));

/// Offset of the directory of a twin's second half.
const SECOND_HALF: usize = 1_000;

/// How a validator behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// As the protocol demands.
    Honest,
    /// Its proposals are wrong, its votes honest.
    Proposes(Fault),
    /// Two halves with one key, each with its own audience in each view: it proposes and votes for
    /// two blocks, and nobody hears both.
    SplitTwins,
    /// Two halves with one key that speak to everybody.
    LoudTwins,
    /// It does nothing but vote, twice: for what others vote for and for something else.
    Conflicts,
}

impl Behaviour {
    /// Whether the validator has a chain that must be that of all others.
    fn follows(self) -> bool {
        matches!(self, Self::Honest | Self::Proposes(_))
    }
}

/// A committee and the directories of its members: one cluster serves one run.
#[derive(Clone)]
pub struct Cluster {
    genesis: Genesis,
    dealt: Dealt,
    behaviours: Vec<Behaviour>,
    load: Load,
    evidence: Evidence,
    disconnect: bool,
    directories: Arc<TempDir>,
    lives: Arc<Mutex<BTreeMap<usize, usize>>>,
    chains: Chains,
}

/// Chains of the running validators. The simulator keeps the state of a crashed validator until it
/// has started again; a handle in there would keep the dead validator's storage open.
pub type Chains = Arc<Mutex<BTreeMap<usize, Chain>>>;

impl Cluster {
    /// `n` validators with keys that depend on `n` alone.
    pub fn new(n: usize) -> Self {
        let mut rng = rand::rngs::StdRng::seed_from_u64(n as u64);
        let dealt = committee::deal(n, &mut rng);
        let rich = Allocation { balance: U256::from(10).pow(U256::from(21)), ..Default::default() };
        let allocations = (0..load::SENDERS).map(|i| (transfer::address(i), rich.clone()));
        let genesis = Genesis {
            version: GENESIS_VERSION,
            name: "simulation".into(),
            chain_id: transfer::CHAIN_ID,
            timestamp_ms: 0,
            dev: true,
            parameters: Parameters::default(),
            predeploys: Predeploy::all(),
            allocations: BTreeMap::from_iter(allocations),
            committee: dealt.committee.clone(),
        };
        Self {
            genesis,
            dealt,
            behaviours: vec![Behaviour::Honest; n],
            load: Load::every(Duration::from_millis(150)),
            evidence: Evidence::default(),
            disconnect: true,
            directories: Arc::new(tempfile::tempdir().expect("a temporary directory")),
            lives: Arc::default(),
            chains: Chains::default(),
        }
    }

    /// Makes validator `index` behave as told.
    pub fn with(mut self, index: usize, behaviour: Behaviour) -> Self {
        self.behaviours[index] = behaviour;
        self
    }

    /// Validators stay connected to those that they caught, so that an attack never ends.
    pub fn forgiving(mut self) -> Self {
        self.disconnect = false;
        self
    }

    /// Loads the network in another way.
    pub fn with_load(mut self, load: Load) -> Self {
        self.load = load;
        self
    }

    /// Adds a node that follows the committee without a vote.
    pub fn with_follower(mut self) -> Self {
        let rng = rand::rngs::StdRng::seed_from_u64(1_000);
        self.dealt.identities.push(Identity::random(rng));
        self.behaviours.push(Behaviour::Honest);
        self
    }

    /// What happens in the run of this cluster.
    pub fn evidence(&self) -> Evidence {
        self.evidence.clone()
    }

    /// How the network is loaded, and what came of it.
    pub fn load(&self) -> Load {
        self.load.clone()
    }

    /// Limits and pace of the network.
    pub fn parameters(&self) -> Parameters {
        self.genesis.parameters
    }

    /// The directory for the next life of validator `index`: its files are those of the last life
    /// at the moment of its crash, whose handles were never closed.
    fn next_life(&self, index: usize) -> PathBuf {
        let mut lives = self.lives.lock();
        let life = lives.entry(index).or_insert(0);
        let directory = |life: usize| self.directories.path().join(format!("{index}-{life}"));
        let (last, next) = (directory(*life), directory(*life + 1));
        *life += 1;
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

    /// Half number `half` of the validator that `init` describes.
    fn validator<'a>(&'a self, init: &InitContext<'a, PublicKey>, half: usize) -> Validator<'a> {
        let behaviour = self.behaviours[init.index];
        let index = init.index + half * SECOND_HALF;
        Validator {
            genesis: &self.genesis,
            identity: &self.dealt.identities[init.index],
            prefix: format!("validator-{index}"),
            directory: self.next_life(index),
            state_sync: init.delayed,
            fault: match behaviour {
                Behaviour::Proposes(fault) => fault,
                Behaviour::Honest
                | Behaviour::SplitTwins
                | Behaviour::LoudTwins
                | Behaviour::Conflicts => Fault::None,
            },
            watch: Watch {
                control: init.oracle.control(init.public_key.clone()),
                evidence: behaviour.follows().then(|| self.evidence.clone()),
                disconnect: self.disconnect && behaviour.follows(),
            },
            load: self.load.clone(),
            sender: u8::try_from(init.index).expect("few validators") % load::SENDERS,
            oracle: init.oracle,
            monitor: init.monitor.clone(),
        }
    }

    async fn start_twins(&self, mut init: InitContext<'_, PublicKey>, votes: Share) -> Handle<()> {
        let peers: Arc<[PublicKey]> = init.participants.into();
        let last = init.channels.len() - 1;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for (number, pair) in std::mem::take(&mut init.channels).into_iter().enumerate() {
            let share = match number {
                0 => votes,
                n if n == last => Share::FirstHears,
                _ => Share::Both,
            };
            let context = init.context.child("channel").with_attribute("number", number);
            let [a, b] = equivocation::split(&context, pair, share, &peers, &self.evidence);
            first.push(a);
            second.push(b);
        }
        let half = |side: &'static str| init.context.child("half").with_attribute("side", side);
        let (left, right) = (half("first"), half("second"));
        let first = Box::pin(self.validator(&init, 0).start(left, first)).await;
        let second = Box::pin(self.validator(&init, 1).start(right, second)).await;
        init.context.spawn(move |_| async move {
            let _ = futures::join!(first.handle, second.handle);
        })
    }

    fn start_conflicter(&self, context: Context, index: usize, channels: Channels) -> Handle<()> {
        let scheme = committee::scheme(&self.genesis, &self.dealt.identities[index])
            .expect("the dealt keys fit");
        let mut channels = channels.into_iter();
        let votes = channels.next().expect("the first channel is that of votes");
        let conflicter = Conflicter::<_, _, Keccak256>::new(
            context.child("votes"),
            conflicter::Config { scheme },
        );
        context.spawn(move |_| async move {
            // The other channels stay open: this validator is silent there, not gone.
            let _silent = channels;
            let _ = conflicter.start(votes).await;
        })
    }
}

type Channels = Vec<ChannelPair<PublicKey>>;

/// What properties may look at.
#[derive(Clone)]
pub struct ValidatorState {
    /// Absent for a Byzantine validator without a chain of its own.
    pub marshal: Option<Marshal>,
    pub index: usize,
    pub chains: Chains,
}

impl ProcessedHeight for ValidatorState {
    async fn processed_height(&self) -> u64 {
        // Nobody waits for a Byzantine validator.
        let Some(marshal) = &self.marshal else { return u64::MAX };
        marshal.get_processed().await.map_or(0, |processed| processed.height().get())
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

    async fn init(&self, mut init: InitContext<'_, PublicKey>) -> (Handle<()>, ValidatorState) {
        let index = init.index;
        drop(self.chains.lock().remove(&index));
        let mut state = ValidatorState { marshal: None, index, chains: self.chains.clone() };
        let handle = match self.behaviours[index] {
            Behaviour::SplitTwins => {
                Box::pin(self.start_twins(init, Share::Votes { by_view: true })).await
            }
            Behaviour::LoudTwins => {
                Box::pin(self.start_twins(init, Share::Votes { by_view: false })).await
            }
            Behaviour::Conflicts => self.start_conflicter(init.context, index, init.channels),
            Behaviour::Honest | Behaviour::Proposes(_) => {
                let channels = std::mem::take(&mut init.channels);
                let validator = self.validator(&init, 0);
                let started = Box::pin(validator.start(init.context, channels));
                let Started { handle, marshal, chain } = started.await;
                self.chains.lock().insert(index, chain);
                state.marshal = Some(marshal);
                handle
            }
        };
        (handle, state)
    }

    fn start(engine: Handle<()>) -> Handle<()> {
        engine
    }
}
