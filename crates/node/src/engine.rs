//! One node's actors, wired: the same on tokio, over sockets, and in deterministic simulation.
//!
//! ```text
//!            votes, certificates, resolver
//!   network ────────────────────────────────> simplex ── propose/verify ──> deferred ─> stateful ─> App
//!            backfill, broadcast                 │ finalized                    ^            │
//!           ───────────────────────> marshal <───┘── blocks in order ───────────┴────────────┘
//!            state sync, probe
//!           ───────────────────────> qmdb resolver, probe
//! ```
//!
//! Every mailbox, buffer and timeout is named here. Failures inside the actors panic by design: the
//! node stops, its supervisor restarts it, and it recovers from what is on disk.

use crate::{
    app::App,
    block::{ConsensusBlock, max_encoded_bytes},
    paced::Paced,
    seeds::{SeedBook, SeedReporter},
    state::{Databases, StateDb, StateOp, db_config},
    storage::{self, ARCHIVE_SECTION, BUFFER, Finalizations, Imported, Plan},
    types::{Context, Digest, EPOCH, Finalization, PublicKey, Runtime, Scheme},
};
use commonware_broadcast::buffered;
use commonware_codec::FixedSize as _;
use commonware_consensus::{
    Reporter, Reporters, Viewable as _,
    marshal::{
        self, Update,
        core::{Actor as MarshalActor, Mailbox as MarshalMailbox},
        resolver::p2p as marshal_resolver,
        standard::{Deferred, Standard},
    },
    simplex::{
        self,
        config::{ForwardPolicy, SkipPolicy},
        elector::{Random, RandomVersion},
    },
    types::{FixedEpocher, ViewDelta},
};
use commonware_cryptography::{
    Digested, Digestible as _, Sha256, certificate::ConstantProvider, sha256,
};
use commonware_glue::stateful::{
    Application, Config as StatefulConfig, Mailbox as StatefulMailbox, PruneConfig, Stateful,
    db::{SyncEngineConfig, p2p as qmdb_resolver},
    probe::{self, Probe},
};
use commonware_p2p::{Blocker, Provider, Receiver, Sender, max_message_size};
use commonware_parallel::Sequential;
use commonware_runtime::Handle;
use commonware_storage::{
    archive::{self, Archive as _},
    mmr,
};
use commonware_utils::{NZDuration, NZU64, NZUsize};
use std::{
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

/// Channels of the peer-to-peer network, in the order in which they are registered.
pub const CHANNELS: u64 = 8;

const MAILBOX: NonZeroUsize = NZUsize!(1_024);
/// Views kept below the last finalized one.
const VIEW_RETENTION: ViewDelta = ViewDelta::new(256);
/// Operations that one state-sync response carries at most.
const SYNC_BATCH: NonZeroU64 = NZU64!(1_024);
/// One epoch for ever: the committee is fixed.
const EPOCH_LENGTH: NonZeroU64 = NZU64!(u64::MAX);

/// Handle to the finalized blocks and certificates of a node.
pub type Marshal = MarshalMailbox<Scheme, Standard<ConsensusBlock>>;

/// The channels of one node.
#[derive(Debug)]
pub struct Channels<S, R> {
    /// Votes of validators.
    pub votes: (S, R),
    /// Certificates recovered from votes.
    pub certificates: (S, R),
    /// Requests for missed certificates.
    pub resolver: (S, R),
    /// Requests for missed blocks.
    pub backfill: (S, R),
    /// New blocks.
    pub broadcast: (S, R),
    /// State sync.
    pub state: (S, R),
    /// Search for a recent finalization to sync from.
    pub probe: (S, R),
}

/// What an engine needs to know.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Prefix of all names in storage.
    pub prefix: String,
    /// This node's key.
    pub public_key: PublicKey,
    /// Signing or verifying half of the committee's threshold key.
    pub scheme: Scheme,
    /// Largest encoding of a block in bytes.
    pub max_block: usize,
    /// Start by fetching the state of peers, if this node has none yet.
    pub state_sync: bool,
    /// Longest pause between blocks without transactions.
    pub heartbeat: Duration,
    /// Finalized blocks kept for peers that fall behind.
    pub retained_blocks: usize,
    /// Memory for cached pages of the state and archives, in bytes.
    pub page_cache_bytes: usize,
    /// Block 0.
    pub genesis: ConsensusBlock,
    /// Where seeds of past views are kept.
    pub seeds: SeedBook,
    /// Says when a proposal is due.
    pub pacer: App,
}

/// An application that this engine can run: the chain itself, or a faulty version of it in tests.
pub trait ChainApplication<E: Runtime>:
    Application<
        E,
        SigningScheme = Scheme,
        Context = Context,
        Block = ConsensusBlock,
        Databases = Databases<E>,
        Provider = (),
        Input = (),
    >
{
}

impl<E: Runtime, A> ChainApplication<E> for A where
    A: Application<
            E,
            SigningScheme = Scheme,
            Context = Context,
            Block = ConsensusBlock,
            Databases = Databases<E>,
            Provider = (),
            Input = (),
        >
{
}

/// A started engine.
pub struct Engine<E, A: Application<E>> {
    /// Resolves when consensus stops.
    pub handle: Handle<()>,
    /// Finalized blocks and certificates.
    pub marshal: Marshal,
    /// The state behind the application.
    pub stateful: StatefulMailbox<E, A>,
}

impl<E, A: Application<E>> std::fmt::Debug for Engine<E, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// Largest message that any actor sends, in bytes.
#[must_use]
pub fn message_bytes(validators: usize, block_bytes: usize) -> u32 {
    let validators = u32::try_from(validators).expect("a committee has at most 100 members");
    let limit = max_encoded_bytes(block_bytes);
    max_message_size(&[
        simplex::max_payload_size::<Scheme, Digest>(validators),
        marshal::max_payload_size::<Standard<ConsensusBlock>, Scheme>(validators, &limit),
        probe::max_payload_size::<Standard<ConsensusBlock>, Scheme>(validators),
        qmdb_resolver::max_payload_size::<mmr::Family, sha256::Digest>(SYNC_BATCH, StateOp::SIZE),
        crate::gossip::MAX_BATCH_BYTES,
    ])
}

/// Where consensus begins, unless its own journal knows better: after the newest block that this node
/// knows to be final. A node whose state was imported must not begin with block 1 again.
async fn consensus_floor<E: Runtime>(
    finalizations: &Finalizations<E>,
    plan: &Plan<E>,
    genesis: &ConsensusBlock,
) -> simplex::config::Floor<Scheme, Digest> {
    let newest = match finalizations.last_index() {
        Some(height) => finalizations
            .get(archive::Identifier::Index(height))
            .await
            .expect("the archive of finalizations must be readable"),
        None => None,
    };
    newest.or_else(|| plan.floor().cloned()).map_or_else(
        || simplex::config::Floor::Genesis(genesis.digest()),
        simplex::config::Floor::Finalized,
    )
}

/// Starts all actors of a node. `observe` may wrap the receiver of finalized blocks.
///
/// # Panics
/// Panics if storage cannot be opened: a node that cannot read its past must not vote.
#[expect(clippy::too_many_lines, reason = "one list of actors in the order of their wiring")]
pub async fn start<E, A, S, R, P, B, O>(
    context: E,
    config: EngineConfig,
    app: A,
    peers: P,
    blocker: B,
    channels: Channels<S, R>,
    observe: impl FnOnce(StatefulMailbox<E, A>) -> O,
) -> Engine<E, A>
where
    E: Runtime,
    A: ChainApplication<E>,
    O: Reporter<Activity = Update<ConsensusBlock>>,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    P: Provider<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    let EngineConfig { prefix, public_key, scheme, genesis, seeds, .. } = config;
    let page_cache = storage::page_cache(config.page_cache_bytes);
    let provider = ConstantProvider::new(scheme.clone());

    let resolver = marshal_resolver::init(
        context.child("marshal_resolver"),
        marshal_resolver::Config {
            public_key: public_key.clone(),
            peer_provider: peers.clone(),
            blocker: blocker.clone(),
            mailbox_size: MAILBOX,
            fetch_timeout: NZDuration!(Duration::from_secs(2)),
            fetch_retry_delay: Duration::from_millis(100),
            priority_requests: false,
            priority_responses: false,
        },
        channels.backfill,
    );
    let (broadcast, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: public_key.clone(),
            mailbox_size: MAILBOX,
            deque_size: 16,
            priority: true,
            codec_config: config.max_block,
            peer_provider: peers.clone(),
            strategy: Sequential,
        },
    );
    broadcast.start(channels.broadcast);

    let finalizations =
        storage::finalizations(context.child("finalizations"), &prefix, page_cache.clone())
            .await
            .expect("the archive of finalizations must open");
    let blocks =
        storage::blocks(context.child("blocks"), &prefix, page_cache.clone(), config.max_block)
            .await
            .expect("the archive of blocks must open");

    let mut plan = Plan::init(context.child("plan"), &prefix).await;
    let imported = Imported::open(context.child("imported"), &prefix)
        .await
        .expect("the note of an import must open")
        .view();
    let (probe, probe_mailbox) = Probe::new(probe::Config {
        context: context.child("probe"),
        provider: provider.clone(),
        strategy: Sequential,
        mailbox_size: MAILBOX,
        blocker: blocker.clone(),
        minimum_epoch: EPOCH,
        retry_timeout: NZDuration!(Duration::from_millis(500)),
    });
    probe.start(channels.probe);
    // What was imported is complete: peers are not asked for more.
    let complete = plan.floor().is_some_and(|floor| Some(floor.view().get()) == imported);
    if plan.should_sync(config.state_sync) && !complete {
        let finalization: Finalization =
            probe_mailbox.subscribe().await.expect("the probe lives as long as the node");
        plan = plan.set_floor(finalization).await;
    }
    let consensus_floor = consensus_floor(&finalizations, &plan, &genesis).await;

    let (marshal_actor, marshal, floor) =
        MarshalActor::<_, Standard<ConsensusBlock>, _, _, _, _, _>::init(
            context.child("marshal"),
            finalizations,
            blocks,
            marshal::Config {
                provider,
                epocher: FixedEpocher::new(EPOCH_LENGTH),
                start: plan.marshal_start(Digested::compute(genesis.clone(), &Sequential).await),
                partition_prefix: prefix.clone(),
                mailbox_size: MAILBOX,
                view_retention: VIEW_RETENTION,
                prunable_items_per_section: ARCHIVE_SECTION,
                page_cache: page_cache.clone(),
                replay_buffer: BUFFER,
                key_write_buffer: BUFFER,
                value_write_buffer: BUFFER,
                block_codec_config: config.max_block,
                max_repair: NZUsize!(32),
                max_pending_acks: NZUsize!(16),
                strategy: Sequential,
            },
        )
        .await;

    let (state_resolver, state_mailbox) =
        qmdb_resolver::Actor::<_, PublicKey, _, _, mmr::Family, StateDb<E>>::new(
            context.child("state_resolver"),
            qmdb_resolver::Config {
                peer_provider: peers,
                blocker: blocker.clone(),
                database: None::<Databases<E>>,
                mailbox_size: MAILBOX,
                me: Some(public_key),
                fetch_timeout: NZDuration!(Duration::from_secs(5)),
                fetch_retry_delay: Duration::from_millis(100),
                max_serve_ops: SYNC_BATCH,
                priority_requests: false,
                priority_responses: false,
            },
        );
    state_resolver.start(channels.state);

    let (stateful_actor, stateful) = Stateful::new(
        context.child("stateful"),
        StatefulConfig {
            application: app,
            db_config: db_config(&prefix, page_cache.clone(), BUFFER),
            provider: (),
            marshal: (marshal.clone(), floor),
            mailbox_size: MAILBOX,
            plan,
            resolvers: state_mailbox,
            sync_config: SyncEngineConfig {
                fetch_batch_size: SYNC_BATCH,
                apply_batch_size: SYNC_BATCH,
                max_outstanding_requests: NZUsize!(8),
            },
            prune_config: Some(PruneConfig {
                maintenance_interval: NZUsize!(64),
                retained_marshal_blocks: config.retained_blocks,
                retained_qmdb_blocks: 0,
            }),
            strategy: Sequential,
        },
    );
    let deferred = Deferred::new(
        context.child("deferred"),
        Paced::new(stateful.clone(), config.pacer),
        marshal.clone(),
        FixedEpocher::new(EPOCH_LENGTH),
    );
    seeds.attach(marshal.clone());
    marshal_actor.start(observe(stateful.clone()), buffer, resolver);
    probe_mailbox.attach(marshal.clone());
    stateful_actor.start();

    let consensus = simplex::Engine::new(
        // The parent context: when consensus ends, every other actor ends with it.
        context,
        simplex::Config {
            scheme,
            elector: Random::<Sha256>::new(RandomVersion::V1),
            blocker,
            automaton: deferred.clone(),
            relay: deferred.clone(),
            reporter: Reporters::from((SeedReporter::new(seeds), deferred)),
            strategy: Sequential,
            partition: format!("{prefix}-simplex"),
            mailbox_size: MAILBOX,
            epoch: EPOCH,
            floor: consensus_floor,
            replay_buffer: BUFFER,
            write_buffer: BUFFER,
            page_cache,
            leader_timeout: config.heartbeat + Duration::from_secs(1),
            certification_timeout: config.heartbeat + Duration::from_secs(2),
            timeout_retry: Duration::from_millis(500),
            view_retention: VIEW_RETENTION,
            skip: SkipPolicy::Enabled {
                timeout: Duration::from_secs(5),
                budget: simplex::SkipBudget::Participants,
            },
            fetch_timeout: NZDuration!(Duration::from_secs(1)),
            fetch_retry_delay: Duration::from_millis(500),
            forward: ForwardPolicy::Disabled,
            track_historical_votes: false,
        },
    );
    let handle = consensus.start(channels.votes, channels.certificates, channels.resolver);
    Engine { handle, marshal, stateful }
}
