//! The transaction pool: what waits for a block.
//!
//! ```text
//! RPC, gossip ─ bytes ─> decode, recover (all threads, cache of the process) ─> check (no state)
//!        ─> read sender's nonce and balance (async) ─> Book (one lock) ─> Best ─> block builder
//!                                                        ^ on_block: included, stale
//! ```
//!
//! * A transaction is **pending** if its sender can execute it now: all nonces below are used or
//!   pending. It is **queued** if a nonce is missing. Whether it pays the base fee of the next block
//!   does not matter for that; it must pay at least the lowest base fee the chain can have.
//! * Order for blocks is by tip at the base fee, then by admission; within a sender by nonce.
//! * A sender must be able to pay for all it has in the pool. A replacement pays at least 10 % more
//!   in both fee caps.
//! * A full pool takes what pays more than the cheapest it has, which leaves.
//! * Limits are in [`PoolConfig`]; every refusal is a [`PoolError`] with geth's text.
//!
//! The pool is a cache of what might be in a block: nothing here is consensus.

mod admission;
mod best;
mod book;
mod check;
mod config;
mod error;
mod eviction;
mod journal;
mod metrics;
mod queue;
mod senders;

#[cfg(test)]
mod tests;

pub use best::Best;
pub use config::{MAX_TRANSACTION_BYTES, PoolConfig};
pub use error::PoolError;
pub use journal::JournalError;
pub use metrics::PoolMetrics;

use crate::sealed::Sealed;
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, Bytes, keccak256, map::AddressHashSet};
use book::Book;
use cairn_evm::{RecoveredTx, StateView, TxError};
use cairn_protocol::Rules;
use config::{ANNOUNCEMENTS, MAX_SUSPECTS};
use journal::Journal;
use metrics::{add, set};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, Weak},
};
use tokio::sync::{broadcast, watch};

/// How often accounts are read again when a block comes in between.
const MAX_READS: usize = 8;

/// Where a transaction comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A user of this node: kept over a restart and sent to peers again until it is in a block.
    Local,
    /// Another node.
    Remote,
}

/// Transactions of one sender by nonce.
pub type SenderContent = BTreeMap<u64, Arc<RecoveredTx>>;

/// Everything in the pool.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Executable transactions.
    pub pending: BTreeMap<Address, SenderContent>,
    /// Transactions behind a missing nonce.
    pub queued: BTreeMap<Address, SenderContent>,
}

/// The pool. Clones share it.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    chain_id: u64,
    rules: Rules,
    book: Mutex<Book>,
    suspects: Mutex<AddressHashSet>,
    pending: watch::Sender<usize>,
    announcements: broadcast::Sender<Arc<RecoveredTx>>,
    journal_path: Option<std::path::PathBuf>,
    journal: OnceLock<Journal>,
    metrics: Arc<PoolMetrics>,
}

impl Shared {
    /// Has the account of `sender` read again at the next opportunity.
    fn suspect(&self, sender: Address) {
        let mut suspects = self.suspects.lock();
        if suspects.len() < MAX_SUSPECTS {
            suspects.insert(sender);
        }
    }

    /// Drops a transaction that can never be executed.
    fn discard(&self, sender: Address, nonce: u64) {
        let mut book = self.book.lock();
        let before = book.executable() + book.waiting();
        book.remove(sender, nonce);
        add(&self.metrics.dropped_total, before - book.executable() - book.waiting());
        self.publish(&book);
    }

    /// Tells everyone how many transactions there are now.
    fn publish(&self, book: &Book) {
        let executable = book.executable();
        set(&self.metrics.pending, executable);
        set(&self.metrics.queued, book.waiting());
        set(&self.metrics.bytes, book.bytes());
        self.pending.send_if_modified(|count| std::mem::replace(count, executable) != executable);
    }
}

impl Pool {
    /// An empty pool of the chain `chain_id` under `rules`, before any block.
    #[must_use]
    pub fn new(chain_id: u64, rules: Rules, base_fee: u64, config: PoolConfig) -> Self {
        let journal_path = config.journal.clone();
        Self(Arc::new(Shared {
            chain_id,
            rules,
            book: Mutex::new(Book::new(config, base_fee)),
            suspects: Mutex::default(),
            pending: watch::Sender::new(0),
            announcements: broadcast::Sender::new(ANNOUNCEMENTS),
            journal_path,
            journal: OnceLock::new(),
            metrics: Arc::default(),
        }))
    }

    /// Takes the transactions of the journal in and keeps it from now on; returns how many of them
    /// are still good. Without a journal nothing happens.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub async fn restore(&self, state: &dyn StateView) -> Result<usize, JournalError> {
        let Some(path) = self.0.journal_path.clone() else { return Ok(0) };
        let results = self.submit_many(state, journal::read(&path)?, Origin::Local).await;
        let pool: Weak<Shared> = Arc::downgrade(&self.0);
        let alive = Box::new(move || {
            let pool = pool.upgrade();
            pool.map(|pool| pool.book.lock().locals().map(|tx| tx.encoded.clone()).collect())
                .unwrap_or_default()
        });
        let journal = Journal::start(path, alive, self.0.metrics.clone())?;
        let _ = self.0.journal.set(journal);
        Ok(results.iter().filter(|result| result.is_ok()).count())
    }

    /// Decodes the transactions of a block and finds their senders: in the pool, in the cache of the
    /// process, or by recovering them on all threads.
    ///
    /// # Errors
    /// The index of a transaction that is not one, and why.
    pub fn recover(&self, encoded: &[Bytes]) -> Result<Vec<Arc<RecoveredTx>>, (usize, TxError)> {
        let hashes: Vec<B256> = encoded.iter().map(keccak256).collect();
        let known: Vec<_> = {
            let book = self.0.book.lock();
            hashes.iter().map(|hash| book.get(hash).cloned()).collect()
        };
        let all = encoded.iter().zip(hashes).zip(&known);
        let unknown = all.filter(|(_, known)| known.is_none());
        let unknown = unknown.map(|((tx, hash), _)| (tx.clone(), hash)).collect();
        let decoded = senders::decode_all(unknown, self.0.chain_id, &self.0.metrics);
        let mut decoded = decoded.into_iter();
        let all = known.into_iter().enumerate().map(|(i, known)| match known {
            Some(tx) => Ok(tx),
            None => decoded.next().expect("one for each unknown").map_err(|error| (i, error)),
        });
        all.collect()
    }

    /// A new head: what it includes leaves, and what is past. `base_fee` is that of the next block.
    pub fn on_block(&self, block: &Sealed, base_fee: u64) {
        let mut book = self.0.book.lock();
        let included = block.transactions.iter().map(|tx| (tx.sender, tx.envelope.nonce()));
        let gone = book.advance(included, base_fee);
        add(&self.0.metrics.included_total, gone);
        self.0.publish(&book);
    }

    /// Reads the accounts of senders whose transactions did not fit into a block again, and drops
    /// what they can no longer execute or pay. To be called now and then, best after each block.
    ///
    /// # Errors
    /// [`PoolError::State`] if the state cannot be read.
    pub async fn tend(&self, state: &dyn StateView) -> Result<(), PoolError> {
        let suspects: Vec<Address> =
            std::mem::take(&mut *self.0.suspects.lock()).into_iter().collect();
        if suspects.is_empty() {
            return Ok(());
        }
        let head = self.0.book.lock().head();
        let funds = admission::read_funds(state, suspects).await?;
        let mut book = self.0.book.lock();
        if book.head() != head {
            drop(book);
            funds.into_keys().for_each(|sender| self.0.suspect(sender));
            return Ok(());
        }
        let dropped = funds.into_iter().map(|(sender, funds)| book.refresh(sender, funds)).sum();
        add(&self.0.metrics.dropped_total, dropped);
        self.0.publish(&book);
        Ok(())
    }

    /// Executable transactions that pay `base_fee`, best first.
    #[must_use]
    pub fn best(&self, base_fee: u64) -> Best {
        Best::new(self.0.clone(), base_fee)
    }

    /// The transaction with this hash, if it is in the pool.
    #[must_use]
    pub fn get(&self, hash: &B256) -> Option<Arc<RecoveredTx>> {
        self.0.book.lock().get(hash).cloned()
    }

    /// The nonce that the next transaction of `sender` should have; `None` if the sender has no
    /// pending transaction, so that its account says it.
    #[must_use]
    pub fn next_nonce(&self, sender: &Address) -> Option<u64> {
        let book = self.0.book.lock();
        book.queue(sender).filter(|q| !q.ready().is_empty()).map(queue::Queue::next_nonce)
    }

    /// Numbers of (pending, queued) transactions.
    #[must_use]
    pub fn status(&self) -> (usize, usize) {
        let book = self.0.book.lock();
        (book.executable(), book.waiting())
    }

    /// All transactions, by sender and nonce. Copies references, of the whole pool.
    #[must_use]
    pub fn content(&self) -> Content {
        let book = self.0.book.lock();
        let mut content = Content::default();
        for (sender, queue) in book.queues() {
            let (pending, queued) = split(queue);
            if !pending.is_empty() {
                content.pending.insert(*sender, pending);
            }
            if !queued.is_empty() {
                content.queued.insert(*sender, queued);
            }
        }
        content
    }

    /// (Pending, queued) transactions of one sender by nonce.
    #[must_use]
    pub fn content_from(&self, sender: &Address) -> (SenderContent, SenderContent) {
        self.0.book.lock().queue(sender).map(split).unwrap_or_default()
    }

    /// Up to `limit` encoded local transactions, earliest first: what to send to peers again.
    #[must_use]
    pub fn waiting_local(&self, limit: usize) -> Vec<Bytes> {
        self.0.book.lock().locals().take(limit).map(|tx| tx.encoded.clone()).collect()
    }

    /// Every transaction from now on when it becomes pending. A subscriber that falls behind by more
    /// than 8,192 misses some.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<RecoveredTx>> {
        self.0.announcements.subscribe()
    }

    /// Number of pending transactions, to wait on. Works on any runtime.
    #[must_use]
    pub fn watch_pending(&self) -> watch::Receiver<usize> {
        self.0.pending.subscribe()
    }

    /// Counters.
    #[must_use]
    pub fn metrics(&self) -> &PoolMetrics {
        &self.0.metrics
    }
}

fn split(queue: &queue::Queue) -> (SenderContent, SenderContent) {
    let by_nonce = |entry: &queue::Entry| (entry.nonce, entry.tx.clone());
    (queue.ready().iter().map(by_nonce).collect(), queue.waiting().values().map(by_nonce).collect())
}
