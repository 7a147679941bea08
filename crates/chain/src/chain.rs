//! [`Chain`]: the one handle through which RPC, indexers and the node itself see the chain.
//!
//! ```text
//! node ── record ─> history (durable) ── apply ── publish ─> head, pool, subscribers
//! RPC  ── by_number, locate, state_at, submit, … ─> Chain ─> history, pool, Backend (the node)
//! ```
//!
//! The head is the newest block that is final and applied: what was recorded but not published yet
//! does not exist for readers. There are no reorganisations, so the head only moves up.
//!
//! Limits: [`CACHED_BLOCKS`] decoded blocks in memory; a subscriber that falls behind by more than
//! [`HEADS`] heads misses some and is told so.

mod cache;

#[cfg(test)]
mod tests;

use crate::{
    block::Block,
    genesis::Genesis,
    history::{History, HistoryConfig, HistoryError, StateAt},
    pool::{JournalError, Origin, Pool, PoolConfig, PoolError},
    sealed::Sealed,
};
use alloy_primitives::{B256, Bloom, Bytes};
use cache::Cache;
use cairn_evm::{Change, RecoveredTx, StateView};
use cairn_primitives::state::StateKey;
use cairn_protocol::fees::{ParentGas, next_base_fee};
use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use std::{fmt, ops::RangeInclusive, path::PathBuf, sync::Arc};
use tokio::sync::broadcast;
use tracing::{info, warn};

/// Decoded blocks that are kept in memory.
pub const CACHED_BLOCKS: usize = 256;

/// Heads that a subscriber may fall behind.
pub const HEADS: usize = 1_024;

/// File of the history in a node's directory.
pub const HISTORY_FILE: &str = "history.redb";

/// File of the local transactions in a node's directory.
const JOURNAL_FILE: &str = "transactions.journal";

/// Proofs of state entries at one height, encoded for the light client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateProof {
    /// Height of the block whose state root the proofs lead to.
    pub height: u64,
    /// One for each key.
    pub proofs: Vec<Bytes>,
}

/// Why there is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The state database failed.
    #[error("the state cannot be read: {0}")]
    State(String),
}

/// What the chain needs of the running node. Reads see the latest applied state.
pub trait Backend: StateView {
    /// Proves presence or absence of `keys` in the latest applied state.
    fn prove<'a>(&'a self, keys: &'a [StateKey]) -> BoxFuture<'a, Result<StateProof, ProofError>>;

    /// The encoded certificate that finalized the block at `height`, if this node has it.
    fn finalization(&self, height: u64) -> BoxFuture<'_, Option<Bytes>>;

    /// Sends transactions to all peers.
    fn gossip(&self, transactions: Vec<Arc<RecoveredTx>>);

    /// Number of other nodes in the network.
    fn peers(&self) -> usize;
}

/// What a chain is made of.
#[derive(Clone)]
pub struct ChainConfig {
    /// The network.
    pub genesis: Genesis,
    /// Block 0 of the network.
    pub genesis_block: Block,
    /// Where history and journal are kept; in memory without.
    pub directory: Option<PathBuf>,
    /// Keep the past of the state for ever.
    pub archive: bool,
    /// The node.
    pub backend: Arc<dyn Backend>,
}

impl fmt::Debug for ChainConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainConfig")
            .field("network", &self.genesis.name)
            .field("directory", &self.directory)
            .field("archive", &self.archive)
            .finish_non_exhaustive()
    }
}

/// Why a chain cannot be opened or started.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The journal of local transactions cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The state is ahead of the history.
    #[error(
        "the state is that of block {applied}, but the history ends at block {tip}: files of the \
         data directory are missing or from another time; restore it from a backup, or move it \
         away and let the node sync again"
    )]
    Behind {
        /// Height of the applied state.
        applied: u64,
        /// Last recorded height.
        tip: u64,
    },
}

/// The chain of a node. Clones share it.
#[derive(Clone)]
pub struct Chain(Arc<Inner>);

struct Inner {
    genesis: Genesis,
    backend: Arc<dyn Backend>,
    history: Arc<History>,
    pool: Pool,
    head: RwLock<Arc<Sealed>>,
    heads: broadcast::Sender<Arc<Sealed>>,
    cache: Mutex<Cache>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = &self.0.genesis.name;
        f.debug_struct("Chain")
            .field("network", network)
            .field("head", &self.head().number())
            .finish()
    }
}

impl Chain {
    /// Opens the chain in its directory with default limits. Its head is block 0 until
    /// [`Chain::start_at`].
    ///
    /// # Errors
    /// See [`ChainError`].
    pub fn open(config: ChainConfig) -> Result<Self, ChainError> {
        let history = HistoryConfig { archive: config.archive, ..HistoryConfig::default() };
        Self::open_with(config, history, PoolConfig::default())
    }

    /// Like [`Chain::open`] with other limits. `archive` of `config` wins over that of `history`;
    /// the pool's journal is in the directory unless `pool` names another.
    ///
    /// # Errors
    /// See [`ChainError`].
    pub fn open_with(
        config: ChainConfig,
        history: HistoryConfig,
        mut pool: PoolConfig,
    ) -> Result<Self, ChainError> {
        let ChainConfig { genesis, genesis_block, directory, archive, backend } = config;
        let first = Sealed::genesis(genesis_block);
        let limits = HistoryConfig { archive, ..history };
        let history = match &directory {
            Some(directory) => History::open(&directory.join(HISTORY_FILE), first.hash, limits)?,
            None => History::in_memory(first.hash, limits)?,
        };
        if history.tip().is_none() {
            history.record(&[first.to_raw(&[])], 0)?;
        }
        pool.journal = pool.journal.or_else(|| Some(directory?.join(JOURNAL_FILE)));
        let base_fee = genesis.parameters.initial_base_fee;
        let pool = Pool::new(genesis.chain_id, genesis.rules(), base_fee, pool);
        Ok(Self(Arc::new(Inner {
            genesis,
            backend,
            history: Arc::new(history),
            pool,
            head: RwLock::new(Arc::new(first)),
            heads: broadcast::Sender::new(HEADS),
            cache: Mutex::new(Cache::new(CACHED_BLOCKS)),
        })))
    }

    /// Makes the recorded block `applied`, whose state the backend has, the head, and takes the
    /// local transactions of the last run into the pool. The backend must be readable by now.
    ///
    /// After state sync the history has nothing but block 0; the head then stays there until the
    /// next block is published.
    ///
    /// # Errors
    /// See [`ChainError`].
    pub async fn start_at(&self, applied: u64) -> Result<(), ChainError> {
        let tip = self.0.history.tip().unwrap_or_default();
        match self.load(applied)? {
            Some(block) => self.publish(block),
            None if tip == 0 => warn!(applied, "the history begins after this block"),
            None => return Err(ChainError::Behind { applied, tip }),
        }
        let restored = self.0.pool.restore(&*self.0.backend).await?;
        info!(head = self.head().number(), earliest = self.earliest(), restored, "chain is open");
        Ok(())
    }

    /// Height of the newest block in the history. It is final, but right after a crash its state may
    /// still have to be applied again.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.0.history.tip().unwrap_or_default()
    }

    /// The block at `height` of the history, also above the head.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn recorded_block(&self, height: u64) -> Result<Option<Arc<Sealed>>, HistoryError> {
        self.load(height)
    }

    /// The network's genesis.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.0.genesis
    }

    /// The newest block that is final and applied.
    #[must_use]
    pub fn head(&self) -> Arc<Sealed> {
        self.0.head.read().clone()
    }

    /// First height of which this node has all blocks since. It also has block 0.
    #[must_use]
    pub fn earliest(&self) -> u64 {
        self.0.history.earliest().unwrap_or_default()
    }

    /// Oldest height whose state can be read.
    #[must_use]
    pub fn oldest_state(&self) -> u64 {
        self.0.history.oldest_state()
    }

    /// Base fee of the block after the head, in wei per gas.
    #[must_use]
    pub fn next_base_fee(&self) -> u64 {
        self.base_fee_after(&self.head().block)
    }

    fn base_fee_after(&self, block: &Block) -> u64 {
        let header = &block.header;
        if header.number == 0 {
            return self.0.genesis.parameters.initial_base_fee;
        }
        let parent = ParentGas {
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            used: header.gas_used,
            limit: header.gas_limit,
        };
        next_base_fee(&self.0.genesis.rules(), parent)
    }

    /// Every head from now on, in order.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Sealed>> {
        self.0.heads.subscribe()
    }

    /// The block at height `n`; `None` above the head and below [`Chain::earliest`].
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn by_number(&self, n: u64) -> Result<Option<Arc<Sealed>>, HistoryError> {
        let head = self.head();
        if n >= head.number() {
            return Ok((n == head.number()).then_some(head));
        }
        self.load(n)
    }

    /// The block with this hash, if it is at or below the head.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn by_hash(&self, hash: B256) -> Result<Option<Arc<Sealed>>, HistoryError> {
        let head = self.head();
        if head.hash == hash {
            return Ok(Some(head));
        }
        match self.0.history.height_of(hash)? {
            Some(height) => self.by_number(height),
            None => Ok(None),
        }
    }

    /// (Height, index) of the transaction with this hash.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn locate(&self, tx: B256) -> Result<Option<(u64, u32)>, HistoryError> {
        self.0.history.locate(tx, self.head().number())
    }

    /// (Height, logs bloom) of the blocks of `range` up to the head that have logs, by height.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn blooms(&self, range: RangeInclusive<u64>) -> Result<Vec<(u64, Bloom)>, HistoryError> {
        let end = (*range.end()).min(self.head().number());
        if *range.start() > end {
            return Ok(Vec::new());
        }
        self.0.history.blooms(*range.start()..=end)
    }

    /// The state after the block at `height`. It stays that state while the chain grows.
    ///
    /// # Errors
    /// [`HistoryError::StatePruned`], [`HistoryError::Future`].
    pub fn state_at(&self, height: u64) -> Result<Arc<dyn StateView>, HistoryError> {
        let head = self.head().number();
        if height > head {
            return Err(HistoryError::Future { height, head });
        }
        let live: Arc<dyn StateView> = self.0.backend.clone();
        Ok(Arc::new(StateAt::new(self.0.history.clone(), live, height)?))
    }

    /// The transaction pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// The running node.
    #[must_use]
    pub fn backend(&self) -> &dyn Backend {
        &*self.0.backend
    }

    /// Takes a transaction of a user into the pool and sends it to all peers; returns its hash.
    ///
    /// # Errors
    /// See [`PoolError`].
    pub async fn submit(&self, raw: Bytes) -> Result<B256, PoolError> {
        let tx = self.0.pool.submit(&*self.0.backend, raw, Origin::Local).await?;
        let hash = tx.hash;
        self.0.backend.gossip(vec![tx]);
        Ok(hash)
    }

    /// Like [`Chain::submit`] for many at once, whose signatures are recovered on all threads.
    pub async fn submit_many(&self, raw: Vec<Bytes>) -> Vec<Result<B256, PoolError>> {
        let results = self.0.pool.submit_many(&*self.0.backend, raw, Origin::Local).await;
        let accepted: Vec<_> = results.iter().filter_map(|tx| tx.clone().ok()).collect();
        if !accepted.is_empty() {
            self.0.backend.gossip(accepted);
        }
        results.into_iter().map(|tx| tx.map(|tx| tx.hash)).collect()
    }

    /// Takes transactions of a peer into the pool; what is refused is counted and forgotten.
    pub async fn submit_remote(&self, raw: Vec<Bytes>) {
        let _ = self.0.pool.submit_many(&*self.0.backend, raw, Origin::Remote).await;
    }

    /// Makes a block and the `changes` it does to the state durable. To be called before the state
    /// is applied; may be called again for the same block.
    ///
    /// # Errors
    /// See [`HistoryError`]. The state must not be applied then.
    pub fn record(&self, block: &Sealed, changes: &[Change]) -> Result<(), HistoryError> {
        self.0.history.record(&[block.to_raw(changes)], self.head().number())
    }

    /// Makes a block, whose state comes from an export, the first of an empty history. What the block
    /// changed is not known: the oldest state that can be read is the one after it.
    ///
    /// # Errors
    /// [`HistoryError::Gap`] if the history has blocks above block 0.
    pub fn adopt(&self, block: &Sealed) -> Result<(), HistoryError> {
        self.0.history.adopt(&block.to_raw(&[]))
    }

    /// Makes a block, which is recorded, final and applied, the head. A block that is not above the
    /// head changes nothing.
    pub fn publish(&self, block: impl Into<Arc<Sealed>>) {
        let block = block.into();
        {
            let mut head = self.0.head.write();
            if block.number() <= head.number() {
                return;
            }
            *head = block.clone();
        }
        self.0.cache.lock().insert(block.clone());
        self.0.pool.on_block(&block, self.base_fee_after(&block.block));
        // Without subscribers there is nobody to tell.
        let _ = self.0.heads.send(block);
    }

    /// Has the pool look again at senders whose transactions did not fit into a block. To be called
    /// after [`Chain::publish`] where waiting for state reads does no harm.
    pub async fn tend_pool(&self) {
        if let Err(error) = self.0.pool.tend(&*self.0.backend).await {
            warn!(%error, "the pool cannot read accounts");
        }
    }

    fn load(&self, height: u64) -> Result<Option<Arc<Sealed>>, HistoryError> {
        if let Some(block) = self.0.cache.lock().get(height) {
            return Ok(Some(block));
        }
        let Some(stored) = self.0.history.block(height)? else { return Ok(None) };
        let block = Arc::new(Sealed::from_stored(height, &stored, self.0.genesis.chain_id)?);
        // A block above the head may still be replaced.
        if height <= self.head().number() {
            self.0.cache.lock().insert(block.clone());
        }
        Ok(Some(block))
    }
}
