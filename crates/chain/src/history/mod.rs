//! The past: blocks, receipts, their indexes, and enough of every block to read past states.
//!
//! One file (redb), written by one durable transaction per block, *before* the block is applied to
//! the live state:
//!
//! ```text
//! execute ─> changes ─> record(block, receipts, old values)  durable ─> apply to the live state
//!                                                      reads: live value, then diffs above height
//! ```
//!
//! **Past states** are reverse diffs: a block keeps the value that each changed entry had before it.
//! The value of a key at height `h` is what the first block above `h` that changed the key replaced,
//! or else the live value. A reader takes the live value first and looks at the diffs after: a block
//! that is applied in between has its diffs recorded already, so no read is torn ([`StateAt`]).
//!
//! **Indexes.** The keys of the newest blocks are in memory ([`recent`]), older entries in buckets
//! ([`buckets`]); both are rebuilt from the file on start.
//!
//! **Invariants.** Heights from `earliest` to `tip` are complete. A block at or below the applied
//! height is never replaced; one above it may be (the node stopped between record and apply).
//! Nothing is changed in memory until the transaction is durable, and after a failed write the
//! store refuses further writes until it is opened again.
//!
//! **Limits.** [`HistoryConfig::state_history`] blocks of diffs, or all with `archive`. After a
//! crash the whole file is checked once, at about 1 GB/s.

mod buckets;
mod error;
mod format;
mod open;
mod recent;
mod view;
mod write;

#[cfg(test)]
mod tests;

pub use error::HistoryError;
pub use view::StateAt;

use crate::sealed::stored_transactions;
use alloy_primitives::{B256, Bloom, keccak256};
use cairn_primitives::state::StateKey;
use format::{Before, CHUNK, prefix};
use parking_lot::{Mutex, RwLock};
use recent::Recent;
use redb::{Database, ReadTransaction, ReadableDatabase as _};
use std::{
    ops::RangeInclusive,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

/// Most blocks of diffs that are kept without `archive`; more would make memory the index of a
/// database.
pub const MAX_STATE_HISTORY: u64 = 16_384;

/// What to keep, and how much memory to use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryConfig {
    /// Keep the diffs of all blocks.
    pub archive: bool,
    /// Otherwise keep the diffs of this many blocks, at most [`MAX_STATE_HISTORY`]. Memory holds 8
    /// bytes for each of their diffs, also with `archive`.
    pub state_history: u64,
    /// Memory for cached pages in bytes.
    pub cache_bytes: usize,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self { archive: false, state_history: 1_024, cache_bytes: 64 << 20 }
    }
}

impl HistoryConfig {
    /// Blocks whose diff keys are in memory.
    fn diffs_in_memory(&self) -> u64 {
        if self.archive { self.state_history.max(buckets::GROUPS) } else { self.state_history }
    }
}

/// A block as the store takes it: encoded, with what the indexes need.
#[derive(Clone, Debug)]
pub(crate) struct RawBlock {
    pub height: u64,
    pub hash: B256,
    pub parent: B256,
    pub block: Vec<u8>,
    pub receipts: Vec<u8>,
    pub bloom: Bloom,
    pub transactions: Vec<B256>,
    /// Entries that the block changes and their values before it, by increasing key.
    pub diffs: Vec<(StateKey, Before)>,
}

/// A recorded block: its hash, its encoding, its receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredBlock {
    pub hash: B256,
    pub block: Vec<u8>,
    pub receipts: Vec<u8>,
}

/// The store. Shared by reference; all methods block on the disk, none for long.
#[derive(Debug)]
pub struct History {
    db: Database,
    path: PathBuf,
    config: HistoryConfig,
    index: RwLock<Index>,
    writing: Mutex<()>,
    failed: AtomicBool,
}

/// The table of diffs, open for reading.
type DiffRows = redb::ReadOnlyTable<(u64, u32), &'static [u8]>;

/// What memory knows about the file.
#[derive(Clone, Debug, Default)]
struct Index {
    /// Earliest and newest height of the complete range.
    span: Option<(u64, u64)>,
    /// Oldest height whose state can be read.
    oldest_state: u64,
    /// No diffs are on disk at or below this height.
    pruned: u64,
    transactions: Recent,
    diffs: Recent,
}

impl History {
    /// First height of the complete range of blocks; block 0 is there whatever this says.
    #[must_use]
    pub fn earliest(&self) -> Option<u64> {
        self.index.read().span.map(|(earliest, _)| earliest)
    }

    /// Newest recorded height.
    #[must_use]
    pub fn tip(&self) -> Option<u64> {
        self.index.read().span.map(|(_, tip)| tip)
    }

    /// Oldest height whose state can be read.
    #[must_use]
    pub fn oldest_state(&self) -> u64 {
        self.index.read().oldest_state
    }

    /// The block at `height`.
    pub(crate) fn block(&self, height: u64) -> Result<Option<StoredBlock>, HistoryError> {
        self.read(|txn| {
            let Some(row) = txn.open_table(format::BLOCKS)?.get(height)? else { return Ok(None) };
            let receipts = txn.open_table(format::RECEIPTS)?.get(height)?;
            let receipts = receipts.map(|row| row.value().to_vec()).unwrap_or_default();
            let (hash, block) = row.value().split_at_checked(32).unwrap_or((&[0; 32], &[]));
            Ok(Some(StoredBlock { hash: B256::from_slice(hash), block: block.to_vec(), receipts }))
        })
    }

    /// Height of the block with this hash.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn height_of(&self, hash: B256) -> Result<Option<u64>, HistoryError> {
        self.read(|txn| Ok(txn.open_table(format::HEIGHTS)?.get(&hash.0)?.map(|row| row.value())))
    }

    /// (height, index) of the transaction `hash` at or below `head`.
    pub(crate) fn locate(&self, hash: B256, head: u64) -> Result<Option<(u64, u32)>, HistoryError> {
        let candidates = self.candidates(hash)?;
        for (height, index) in candidates.into_iter().filter(|(height, _)| *height <= head) {
            let same = self.read(|txn| {
                let row = txn.open_table(format::BLOCKS)?.get(height)?;
                let row = row.ok_or_else(|| corrupted("a block is missing"))?;
                let block = row.value().get(32..).unwrap_or_default();
                let transactions = stored_transactions(block);
                let transactions = transactions.map_err(|error| corrupted(&error.to_string()))?;
                Ok(transactions.get(index as usize).is_some_and(|tx| keccak256(tx) == hash))
            })?;
            if same {
                return Ok(Some((height, index)));
            }
        }
        Ok(None)
    }

    /// (height, index) of transactions whose hash begins as `hash` does, newest first: the index
    /// keeps 8 bytes of a hash.
    fn candidates(&self, hash: B256) -> Result<Vec<(u64, u32)>, HistoryError> {
        let prefix = prefix(&hash.0);
        let index = self.index.read();
        let mut found: Vec<_> = self.read(|txn| {
            let rows = txn.open_table(format::TX_INDEX)?;
            let mut found = Vec::new();
            buckets::visit::<(), redb::StorageError>(&rows, prefix, 0, |height, place| {
                found.push((height, place));
                Ok(None)
            })?;
            Ok(found)
        })?;
        for (height, keys) in index.transactions.range(0..u64::MAX) {
            found.extend(keys.find(prefix).map(|place| (height, place)));
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        Ok(found)
    }

    /// (height, logs bloom) of the blocks of `range` that have logs, by height.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn blooms(&self, range: RangeInclusive<u64>) -> Result<Vec<(u64, Bloom)>, HistoryError> {
        self.read(|txn| {
            let mut blooms = Vec::new();
            for row in txn.open_table(format::BLOOMS)?.range(range)? {
                let (height, bloom) = row?;
                let whole = <[u8; 256]>::try_from(bloom.value());
                let bloom = whole.map_err(|_| corrupted("a bloom does not have 256 bytes"))?;
                blooms.push((height.value(), Bloom::from(bloom)));
            }
            Ok(blooms)
        })
    }

    /// For each key the value it had before the first block above `height` that changed it; `None`
    /// if no recorded block above `height` did.
    pub(crate) fn replaced(
        &self,
        keys: &[StateKey],
        height: u64,
    ) -> Result<Vec<Option<Before>>, HistoryError> {
        let index = self.index.read();
        if height < index.oldest_state {
            return Err(HistoryError::StatePruned { height, oldest: index.oldest_state });
        }
        if index.span.is_none_or(|(_, tip)| tip <= height) {
            return Ok(vec![None; keys.len()]);
        }
        self.read(|txn| {
            let diffs = txn.open_table(format::DIFFS)?;
            keys.iter().map(|key| index.first_above(txn, &diffs, key, height)).collect()
        })
    }

    fn read<T>(
        &self,
        reading: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, HistoryError> {
        let run = || reading(&self.db.begin_read()?);
        run().map_err(|error| self.error(error))
    }

    fn error(&self, error: redb::Error) -> HistoryError {
        error::classify(&self.path, error)
    }

    fn check_writable(&self) -> Result<(), HistoryError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(HistoryError::Failed { path: self.path.clone() });
        }
        Ok(())
    }
}

impl Index {
    fn first_above(
        &self,
        txn: &ReadTransaction,
        diffs: &DiffRows,
        key: &StateKey,
        height: u64,
    ) -> Result<Option<Before>, redb::Error> {
        let prefix = prefix(&key.0);
        let value = |at, place| value_before(diffs, key, at, place);
        if height + 1 < self.diffs.first() {
            let rows = txn.open_table(format::DIFF_INDEX)?;
            let found = buckets::visit(&rows, prefix, height + 1, value)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        for (at, keys) in self.diffs.range(height + 1..u64::MAX) {
            for place in keys.find(prefix) {
                if let Some(before) = value(at, place)? {
                    return Ok(Some(before));
                }
            }
        }
        Ok(None)
    }
}

/// Value of `key` before block `height`, whose diff number `place` has the key's prefix; `None` if
/// it is that of another key.
fn value_before(
    diffs: &DiffRows,
    key: &StateKey,
    height: u64,
    place: u32,
) -> Result<Option<Before>, redb::Error> {
    let chunk = u32::try_from(CHUNK).expect("a small constant");
    let row = diffs.get((height, place / chunk))?;
    let row = row.ok_or_else(|| corrupted("a state diff is missing"))?;
    for diff in format::decode_diffs(row.value()) {
        let (found, before) = diff.map_err(corrupted)?;
        if found == *key {
            return Ok(Some(before));
        }
    }
    Ok(None)
}

fn corrupted(what: &str) -> redb::Error {
    redb::Error::Corrupted(what.into())
}
