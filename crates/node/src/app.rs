//! The chain as a deterministic state machine under consensus: build, check, record, publish.
//!
//! ```text
//! propose: wait for the pace ─> build on the parent's state ─> assemble header ─> block
//! process: check against the parent ─> execute ─> compare every commitment ─> accept or reject
//! capture: write block, receipts and reverse diffs to the history (durable before the state is)
//! finalized: publish the block to RPC, pool and subscribers
//! ```
//!
//! A block is rejected only for what it and its ancestry show for ever: the local clock may delay
//! an answer but never change it.

use crate::{
    assemble::{Template, assemble},
    beacon::{self, SeedsRejected},
    block::{ConsensusBlock, matches_context},
    seeds::SeedBook,
    state::{BatchView, Databases, SyncTarget, is_stale, seal, sync_target},
    types::{Context, Runtime, Scheme},
};
use alloy_primitives::B256;
use cairn_chain::pool::Best;
use cairn_chain::{Chain, Genesis, Sealed, block::Block};
use cairn_evm::{BlockOutput, Change, CodeCache, RecoveredTx, TxRejected, TxSource};
use cairn_protocol::{pacing, rules::Rules};
use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_glue::stateful::{Application, Finality, Input, Proposed, db::DatabaseSet};
use futures::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use tracing::{debug, warn};

/// How far ahead of the local clock a block may be before its check waits.
const CLOCK_TOLERANCE_MS: u64 = 500;

/// Most unfinalized ancestors whose transactions a proposer looks through.
const MAX_UNFINALIZED: usize = 64;

/// The application. Clones share everything.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chain: Chain,
    genesis_block: ConsensusBlock,
    scheme: Scheme,
    seeds: SeedBook,
    codes: CodeCache,
    executed: Mutex<BTreeMap<(u64, B256), Arc<Executed>>>,
}

/// What executing a block produced, kept until the block or a competitor is finalized.
#[derive(Debug)]
struct Executed {
    sealed: Arc<Sealed>,
    changes: Vec<Change>,
}

/// Why a block is not accepted.
#[derive(Debug, thiserror::Error)]
enum Rejection {
    #[error("{0} is not what the rules demand")]
    Rule(&'static str),
    #[error("transaction {0} cannot be decoded or is not signed")]
    Transaction(usize),
    #[error("execution: {0}")]
    Execution(String),
    #[error("another branch was finalized meanwhile")]
    Stale,
}

impl App {
    /// An application that keeps its blocks in `chain`.
    #[must_use]
    pub fn new(chain: Chain, genesis_block: Block, scheme: Scheme) -> Self {
        Self(Arc::new(Inner {
            chain,
            genesis_block: ConsensusBlock::new(genesis_block),
            scheme,
            seeds: SeedBook::default(),
            codes: CodeCache::default(),
            executed: Mutex::default(),
        }))
    }

    /// Block 0.
    #[must_use]
    pub fn genesis_block(&self) -> ConsensusBlock {
        self.0.genesis_block.clone()
    }

    /// Seeds of past views.
    #[must_use]
    pub fn seeds(&self) -> &SeedBook {
        &self.0.seeds
    }

    fn network(&self) -> &Genesis {
        self.0.chain.genesis()
    }

    fn rules(&self) -> Rules {
        self.network().rules()
    }

    fn remember(&self, block: &ConsensusBlock, output: BlockOutput) {
        let BlockOutput { transactions, receipts, changes, .. } = output;
        let sealed = Sealed {
            block: Block::clone(block.block()),
            hash: block.hash(),
            transactions,
            receipts,
        };
        let executed = Executed { sealed: Arc::new(sealed), changes };
        let key = (block.block().number(), block.hash());
        self.0.executed.lock().insert(key, Arc::new(executed));
    }

    /// Waits until a child of `parent` is due.
    pub(crate) async fn wait_for_pace<E: Runtime>(&self, runtime: &E, parent: &Block) {
        let rules = self.rules();
        let pool = self.0.chain.pool();
        let taken: Vec<B256> =
            parent.transactions.iter().map(alloy_primitives::keccak256).collect();
        let mut pending = pool.watch_pending();
        loop {
            let now = now_ms(runtime);
            let count = *pending.borrow_and_update();
            let waiting = count > taken.iter().filter(|hash| pool.get(hash).is_some()).count();
            let due = pacing::propose_at(&rules, parent.extra.timestamp_ms, waiting);
            if now >= due {
                return;
            }
            let sleep = runtime.sleep(Duration::from_millis(due - now));
            if waiting {
                sleep.await;
            } else {
                futures::select_biased! {
                    _ = Box::pin(pending.changed()).fuse() => {}
                    () = Box::pin(sleep).fuse() => {}
                }
            }
        }
    }

    fn timestamp<E: Runtime>(&self, runtime: &E, parent_ms: u64) -> u64 {
        let now = now_ms(runtime);
        let first = self.0.genesis_block.block().extra.timestamp_ms == parent_ms;
        if first { now } else { pacing::timestamp(&self.rules(), parent_ms, now) }
    }

    /// Checks what `block` and its `parent` show without execution.
    fn check_header(
        &self,
        block: &Block,
        parent: &Block,
        context: &Context,
    ) -> Result<(), Rejection> {
        let rules = self.rules();
        let (header, extra) = (&block.header, &block.extra);
        let template = Template::new(self.network(), &rules, parent, context, extra.timestamp_ms);
        let parent_ms = parent.extra.timestamp_ms;
        let timely = if parent.number() == 0 {
            extra.timestamp_ms > parent_ms
        } else {
            pacing::check(&rules, parent_ms, extra.timestamp_ms).is_ok()
        };
        let bytes: usize = block.transactions.iter().map(|tx| tx.len()).sum();
        let demands = [
            ("context", matches_context(block, context)),
            ("parentHash", header.parent_hash == parent.hash()),
            ("number", header.number == template.env.number),
            ("timestamp", timely),
            ("gasLimit", header.gas_limit == template.env.gas_limit),
            ("baseFeePerGas", header.base_fee_per_gas == Some(template.env.base_fee)),
            ("miner", header.beneficiary == template.env.beneficiary),
            ("size", bytes as u64 <= rules.block_bytes),
        ];
        match demands.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(Rejection::Rule(field)),
            None => Ok(()),
        }
    }

    async fn check_and_execute<E: Runtime>(
        &self,
        block: &ConsensusBlock,
        parent: &Block,
        batches: crate::state::Batch<E>,
        finality: Finality,
        context: &Context,
    ) -> Result<crate::state::Sealed<E>, Rejection> {
        let inner = block.block();
        let view = BatchView::new(&batches, &self.0.codes);
        if finality == Finality::Candidate {
            self.check_header(inner, parent, context)?;
            match beacon::check_published(&self.rules(), inner, &self.0.scheme, &view).await {
                Ok(()) => {}
                Err(SeedsRejected::State(_)) if view.stale() => return Err(Rejection::Stale),
                Err(SeedsRejected::State(error)) => panic!("{error}"),
                Err(error) => return Err(Rejection::Execution(error.to_string())),
            }
        }
        let transactions = self
            .0
            .chain
            .pool()
            .recover(&inner.transactions)
            .map_err(|(index, _)| Rejection::Transaction(index))?;
        let rules = self.rules();
        let mut template =
            Template::new(self.network(), &rules, parent, context, inner.extra.timestamp_ms);
        template.publish(&inner.extra.seeds, parent);
        let step = template.step(self.network(), &inner.extra.seeds);
        let executed = cairn_evm::execute(&template.env, &step, &transactions, &view).await;
        let output = match executed {
            Ok(output) => output,
            Err(_) if view.stale() => return Err(Rejection::Stale),
            Err(error) => return Err(fatal_or_invalid(error)),
        };
        let (sealed, commitment) = match seal(batches, &output.changes).await {
            Ok(sealed) => sealed,
            Err(error) if is_stale(&error) => return Err(Rejection::Stale),
            Err(error) => panic!("state database failed: {error}"),
        };
        let expected = assemble(&template, &output, &commitment, &inner.extra.seeds);
        if expected.hash() != block.hash() {
            return Err(Rejection::Rule(first_difference(&expected, inner)));
        }
        self.remember(block, output);
        Ok(sealed)
    }
}

/// An invalid block is data; a failing database is the end of this process.
fn fatal_or_invalid(error: cairn_evm::ExecuteError) -> Rejection {
    match error {
        cairn_evm::ExecuteError::State(error) => panic!("{error}"),
        error => Rejection::Execution(error.to_string()),
    }
}

fn first_difference(expected: &Block, given: &Block) -> &'static str {
    let (a, b) = (&expected.header, &given.header);
    let fields = [
        ("gasUsed", a.gas_used == b.gas_used),
        ("receiptsRoot", a.receipts_root == b.receipts_root),
        ("logsBloom", a.logs_bloom == b.logs_bloom),
        ("stateRoot", a.state_root == b.state_root),
        ("mixHash", a.mix_hash == b.mix_hash),
        ("parentBeaconBlockRoot", a.parent_beacon_block_root == b.parent_beacon_block_root),
    ];
    fields.into_iter().find(|(_, same)| !same).map_or("header", |(field, _)| field)
}

fn now_ms<E: Runtime>(runtime: &E) -> u64 {
    let now = runtime.current().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// The pool's best transactions without those that unfinalized ancestors already contain.
struct Untaken {
    best: Best,
    taken: BTreeSet<B256>,
}

impl TxSource for Untaken {
    fn next(&mut self) -> Option<Arc<RecoveredTx>> {
        loop {
            let next = TxSource::next(&mut self.best)?;
            if !self.taken.contains(&next.hash) {
                return Some(next);
            }
        }
    }

    fn rejected(&mut self, tx: &Arc<RecoveredTx>, why: &TxRejected) {
        TxSource::rejected(&mut self.best, tx, why);
    }
}

impl<E: Runtime> Application<E> for App {
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = ConsensusBlock;
    type Databases = Databases<E>;
    type Captured = Option<Arc<Sealed>>;
    type Provider = ();
    type Input = ();

    fn sync_targets(block: &ConsensusBlock) -> SyncTarget {
        let extra = &block.block().extra;
        sync_target(extra.ops_root, extra.ops_start, extra.ops_end)
            .expect("checked when the block was decoded")
    }

    async fn genesis(&mut self) -> ConsensusBlock {
        self.genesis_block()
    }

    async fn propose(
        &mut self,
        (runtime, context): (E, Context),
        mut ancestry: impl Ancestry<ConsensusBlock>,
        batches: crate::state::Batch<E>,
        _input: Input<(), ()>,
    ) -> Option<Proposed<Self, E>> {
        let parent = ancestry.next().await?;
        let parent = parent.inner().block().clone();
        let finalized = self.0.chain.head().block.number();
        let mut taken: BTreeSet<B256> = BTreeSet::new();
        let mut ancestor = Some(parent.clone());
        for _ in 0..MAX_UNFINALIZED {
            let Some(block) = ancestor.take().filter(|b| b.number() > finalized) else { break };
            taken.extend(block.transactions.iter().map(alloy_primitives::keccak256));
            ancestor = ancestry.next().await.map(|b| b.inner().block().clone());
        }
        let timestamp_ms = self.timestamp(&runtime, parent.extra.timestamp_ms);
        let rules = self.rules();
        let view = BatchView::new(&batches, &self.0.codes);
        let mut template = Template::new(self.network(), &rules, &parent, &context, timestamp_ms);
        let seeds = match beacon::due(&rules, template.env.number, &self.0.seeds, &view).await {
            Ok(seeds) => seeds,
            Err(_) if view.stale() => return None,
            Err(error) => panic!("state database failed: {error}"),
        };
        template.publish(&seeds, &parent);
        let step = template.step(self.network(), &seeds);
        let best = self.0.chain.pool().best(template.env.base_fee);
        let mut source = Untaken { best, taken };
        let built =
            cairn_evm::build(&template.env, &step, &mut source, template.limits(&rules), &view);
        let output = match built.await {
            Ok(output) => output,
            Err(_) if view.stale() => return None,
            Err(error) => panic!("state database failed: {error}"),
        };
        let (merkleized, commitment) = match seal(batches, &output.changes).await {
            Ok(sealed) => sealed,
            Err(error) if is_stale(&error) => return None,
            Err(error) => panic!("state database failed: {error}"),
        };
        let block = ConsensusBlock::new(assemble(&template, &output, &commitment, &seeds));
        debug!(number = block.block().number(), transactions = output.transactions.len(), "built");
        self.remember(&block, output);
        Some(Proposed { block, merkleized })
    }

    async fn process(
        &mut self,
        (runtime, context): (E, Context),
        mut ancestry: impl Ancestry<ConsensusBlock>,
        batches: crate::state::Batch<E>,
        finality: Finality,
    ) -> Option<<Databases<E> as DatabaseSet<E>>::Merkleized> {
        let block = ancestry.next().await?.inner().clone();
        let parent = ancestry.next().await?.inner().block().clone();
        if finality == Finality::Candidate {
            let latest = now_ms(&runtime) + CLOCK_TOLERANCE_MS;
            let early = block.block().extra.timestamp_ms.saturating_sub(latest);
            if early > 0 {
                runtime.sleep(Duration::from_millis(early)).await;
            }
        }
        match self.check_and_execute(&block, &parent, batches, finality, &context).await {
            Ok(sealed) => Some(sealed),
            Err(Rejection::Stale) => None,
            Err(reason) => {
                warn!(number = block.block().number(), hash = %block.hash(), %reason, "block rejected");
                None
            }
        }
    }

    async fn capture(
        &mut self,
        _context: (E, Context),
        block: &ConsensusBlock,
        _batches: &crate::state::Sealed<E>,
        _readers: <Databases<E> as DatabaseSet<E>>::Readers,
    ) -> Option<Arc<Sealed>> {
        let key = (block.block().number(), block.hash());
        let executed = self.0.executed.lock().get(&key).cloned();
        let executed = executed.expect("a block is executed before it is applied");
        self.0
            .chain
            .record(&executed.sealed, &executed.changes)
            .expect("history must take the block before the state does");
        Some(executed.sealed.clone())
    }

    async fn finalized(
        &mut self,
        _context: (E, Context),
        block: &ConsensusBlock,
        captured: Option<Arc<Sealed>>,
        _readers: <Databases<E> as DatabaseSet<E>>::Readers,
    ) {
        if let Some(sealed) = captured {
            self.0.chain.publish(sealed);
            self.0.chain.tend_pool().await;
        }
        let next = (block.block().number() + 1, B256::ZERO);
        let mut executed = self.0.executed.lock();
        *executed = executed.split_off(&next);
    }
}
