//! Writing blocks: one durable transaction for a block or for several at once.

use super::{
    History, HistoryConfig, HistoryError, Index, RawBlock, buckets,
    format::{
        BLOCKS, BLOOMS, CHUNK, DIFF_INDEX, DIFFS, HEIGHTS, META, META_EARLIEST, META_OLDEST_STATE,
        META_PRUNED, RECEIPTS, TX_INDEX, encode_diff, prefix,
    },
    open::recent_transactions,
    recent::{Keys, Recent},
};
use alloy_primitives::{B256, Bloom};
use redb::{ReadableTable as _, Table, WriteTransaction};
use std::sync::{Arc, atomic::Ordering};

/// Blocks whose diffs one transaction removes at most: a long history that is cut short goes
/// little by little.
const PRUNED_PER_BLOCK: u64 = 32;

type Rows<'t, K> = Table<'t, K, &'static [u8]>;

/// All tables, open for writing.
struct Tables<'t> {
    meta: Rows<'t, &'static str>,
    blocks: Rows<'t, u64>,
    receipts: Rows<'t, u64>,
    blooms: Rows<'t, u64>,
    heights: Table<'t, &'static [u8; 32], u64>,
    diffs: Rows<'t, (u64, u32)>,
    tx_index: Rows<'t, (u16, u64)>,
    diff_index: Rows<'t, (u16, u64)>,
}

/// Why a transaction is given up.
enum Refusal {
    Database(redb::Error),
    Rule(HistoryError),
}

impl<E: Into<redb::Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

impl History {
    /// Records `blocks`, by increasing height, in one durable transaction. `applied` is a height
    /// whose state is known to be applied.
    ///
    /// A block that is recorded already changes nothing. Another block at a height above `applied`
    /// replaces what is recorded from there on.
    ///
    /// # Errors
    /// [`HistoryError::Conflict`], [`HistoryError::Gap`], [`HistoryError::Parent`] leave the store
    /// as it was; after any other error it takes no more writes until it is opened again.
    pub(crate) fn record(&self, blocks: &[RawBlock], applied: u64) -> Result<(), HistoryError> {
        let _writing = self.writing.lock();
        self.check_writable()?;
        match self.write(blocks, applied) {
            Ok(()) => Ok(()),
            Err(Refusal::Rule(error)) => Err(error),
            Err(Refusal::Database(error)) => {
                self.failed.store(true, Ordering::Release);
                Err(self.error(error))
            }
        }
    }

    /// Makes `block` the first of a history that has at most block 0. What it changed is not known,
    /// so the oldest state that can be read is the one after it.
    ///
    /// # Errors
    /// [`HistoryError::Gap`] if there are blocks already; else as [`History::record`].
    pub(crate) fn adopt(&self, block: &RawBlock) -> Result<(), HistoryError> {
        let _writing = self.writing.lock();
        self.check_writable()?;
        let mut index = self.index.read().clone();
        if let Some((_, tip)) = index.span.filter(|(_, tip)| *tip > 0) {
            return Err(HistoryError::Gap { tip, offered: block.height });
        }
        let mut write = || -> Result<(), redb::Error> {
            let txn = self.db.begin_write()?;
            {
                let mut tables = Tables::open(&txn)?;
                tables.start_at(block.height, block.height, &mut index)?;
                tables.insert(block)?;
                tables.index_block(block, &mut index, &self.config)?;
            }
            Ok(txn.commit()?)
        };
        write().map_err(|error| {
            self.failed.store(true, Ordering::Release);
            self.error(error)
        })?;
        *self.index.write() = index;
        Ok(())
    }

    fn write(&self, blocks: &[RawBlock], applied: u64) -> Result<(), Refusal> {
        let mut index = self.index.read().clone();
        let tip = index.span.map(|(_, tip)| tip);
        let txn = self.db.begin_write()?;
        let mut changed = false;
        {
            let mut tables = Tables::open(&txn)?;
            for block in blocks {
                changed |= tables.put(block, applied, &mut index, &self.config)?;
            }
        }
        if !changed {
            return Ok(txn.abort()?);
        }
        // Readers find a diff by its place, so they must not see a replaced block with the old index.
        let replaces = blocks.iter().any(|block| tip >= Some(block.height));
        if replaces {
            let mut current = self.index.write();
            txn.commit()?;
            *current = index;
        } else {
            // Whoever reads a state whose diffs are being removed is told so.
            self.index.write().oldest_state = index.oldest_state;
            txn.commit()?;
            *self.index.write() = index;
        }
        Ok(())
    }
}

impl<'t> Tables<'t> {
    fn open(txn: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            meta: txn.open_table(META)?,
            blocks: txn.open_table(BLOCKS)?,
            receipts: txn.open_table(RECEIPTS)?,
            blooms: txn.open_table(BLOOMS)?,
            heights: txn.open_table(HEIGHTS)?,
            diffs: txn.open_table(DIFFS)?,
            tx_index: txn.open_table(TX_INDEX)?,
            diff_index: txn.open_table(DIFF_INDEX)?,
        })
    }

    /// Adds one block; tells whether anything changed.
    fn put(
        &mut self,
        block: &RawBlock,
        applied: u64,
        index: &mut Index,
        config: &HistoryConfig,
    ) -> Result<bool, Refusal> {
        if let Some((earliest, tip)) = index.span
            && (earliest..=tip).contains(&block.height)
        {
            let recorded = self.hash_at(block.height)?;
            if recorded == block.hash {
                return Ok(false);
            }
            if block.height <= applied || block.height == earliest {
                let (height, offered) = (block.height, block.hash);
                return Err(Refusal::Rule(HistoryError::Conflict { height, recorded, offered }));
            }
            self.take_back(block.height, tip, index, config)?;
        }
        match index.span {
            // A node that joins by state sync has block 0 and then starts anywhere.
            Some((0, 0)) if block.height > 1 => {
                self.start_at(block.height, block.height - 1, index)?;
            }
            Some((earliest, tip)) => {
                self.check_follows(block, tip)?;
                index.span = Some((earliest, block.height));
            }
            None => self.start_at(block.height, block.height.saturating_sub(1), index)?,
        }
        self.insert(block)?;
        self.index_block(block, index, config)?;
        self.prune(block.height, index, config)?;
        Ok(true)
    }

    fn hash_at(&self, height: u64) -> Result<B256, redb::Error> {
        let row = self.blocks.get(height)?;
        let hash = row.as_ref().and_then(|row| row.value().first_chunk::<32>());
        hash.map(B256::from).ok_or_else(|| super::corrupted("a block is missing"))
    }

    fn check_follows(&self, block: &RawBlock, tip: u64) -> Result<(), Refusal> {
        if block.height != tip + 1 {
            return Err(Refusal::Rule(HistoryError::Gap { tip, offered: block.height }));
        }
        let recorded = self.hash_at(tip)?;
        if recorded != block.parent {
            let (height, parent) = (block.height, block.parent);
            return Err(Refusal::Rule(HistoryError::Parent { height, parent, recorded }));
        }
        Ok(())
    }

    /// Makes `height` the first block of the complete range.
    fn start_at(
        &mut self,
        height: u64,
        oldest_state: u64,
        index: &mut Index,
    ) -> Result<(), redb::Error> {
        let below = height.saturating_sub(1);
        *index = Index {
            span: Some((height, height)),
            oldest_state,
            pruned: below,
            transactions: Recent::starting_at(height),
            diffs: Recent::starting_at(height),
        };
        self.put_number(META_EARLIEST, height)?;
        self.put_number(META_OLDEST_STATE, oldest_state)?;
        self.put_number(META_PRUNED, below)
    }

    fn put_number(&mut self, name: &'static str, number: u64) -> Result<(), redb::Error> {
        self.meta.insert(name, number.to_be_bytes().as_slice())?;
        Ok(())
    }

    fn insert(&mut self, block: &RawBlock) -> Result<(), redb::Error> {
        let height = block.height;
        let mut row = self.blocks.insert_reserve(height, 32 + block.block.len())?;
        let (hash, encoded) = row.as_mut().split_at_mut(32);
        hash.copy_from_slice(block.hash.as_slice());
        encoded.copy_from_slice(&block.block);
        drop(row);
        self.receipts.insert(height, block.receipts.as_slice())?;
        if block.bloom != Bloom::ZERO {
            self.blooms.insert(height, block.bloom.as_slice())?;
        }
        self.heights.insert(&block.hash.0, height)?;
        let mut row = Vec::new();
        for (chunk, diffs) in (0..).zip(block.diffs.chunks(CHUNK)) {
            row.clear();
            for (key, before) in diffs {
                encode_diff(key, before, &mut row);
            }
            self.diffs.insert((height, chunk), row.as_slice())?;
        }
        Ok(())
    }

    fn index_block(
        &mut self,
        block: &RawBlock,
        index: &mut Index,
        config: &HistoryConfig,
    ) -> Result<(), redb::Error> {
        let hashes = block.transactions.iter().map(|hash| prefix(&hash.0));
        index.transactions.push(Arc::new(Keys::sort(hashes)));
        index.transactions.keep_last(buckets::GROUPS);
        buckets::flush(&mut self.tx_index, &index.transactions, block.height)?;

        let keys = block.diffs.iter().map(|(key, _)| prefix(&key.0)).collect();
        index.diffs.push(Arc::new(Keys::in_order(keys)));
        if config.archive {
            buckets::flush(&mut self.diff_index, &index.diffs, block.height)?;
            index.diffs.keep_last(config.diffs_in_memory());
        }
        Ok(())
    }

    /// Removes diffs that are too old to keep.
    fn prune(
        &mut self,
        tip: u64,
        index: &mut Index,
        config: &HistoryConfig,
    ) -> Result<(), redb::Error> {
        let floor = tip.saturating_sub(config.state_history);
        if config.archive || floor <= index.pruned {
            return Ok(());
        }
        index.oldest_state = index.oldest_state.max(floor);
        index.diffs.keep_last(config.state_history);
        let until = floor.min(index.pruned + PRUNED_PER_BLOCK);
        self.diffs.retain_in((index.pruned + 1, 0)..(until + 1, 0), |_, _| false)?;
        index.pruned = until;
        self.put_number(META_OLDEST_STATE, index.oldest_state)?;
        self.put_number(META_PRUNED, until)
    }

    /// Removes the blocks from `height` to `tip`, none of which is applied.
    fn take_back(
        &mut self,
        height: u64,
        tip: u64,
        index: &mut Index,
        config: &HistoryConfig,
    ) -> Result<(), redb::Error> {
        for at in (height..=tip).rev() {
            buckets::undo(&mut self.tx_index, at)?;
            if config.archive {
                buckets::undo(&mut self.diff_index, at)?;
            }
            let hash = self.hash_at(at)?;
            self.heights.remove(&hash.0)?;
            self.blocks.remove(at)?;
            self.receipts.remove(at)?;
            self.blooms.remove(at)?;
            self.diffs.retain_in((at, 0)..(at + 1, 0), |_, _| false)?;
        }
        let earliest = index.span.map_or(0, |(earliest, _)| earliest);
        index.span = Some((earliest, height - 1));
        index.transactions = recent_transactions(&self.blocks, earliest, height - 1)?;
        index.diffs.truncate(height);
        Ok(())
    }
}
