//! Decoded blocks in memory, least recently used out first.

use crate::sealed::Sealed;
use std::{collections::BTreeMap, sync::Arc};

/// Transactions that all cached blocks may have together: some 150 MiB.
const MAX_TRANSACTIONS: usize = 150_000;

/// The cache.
#[derive(Debug)]
pub(super) struct Cache {
    blocks: BTreeMap<u64, (Arc<Sealed>, u64)>,
    capacity: usize,
    transactions: usize,
    clock: u64,
}

impl Cache {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { blocks: BTreeMap::new(), capacity, transactions: 0, clock: 0 }
    }

    pub(super) fn get(&mut self, height: u64) -> Option<Arc<Sealed>> {
        self.clock += 1;
        let (block, used) = self.blocks.get_mut(&height)?;
        *used = self.clock;
        Some(block.clone())
    }

    pub(super) fn insert(&mut self, block: Arc<Sealed>) {
        self.clock += 1;
        self.transactions += block.transactions.len();
        if let Some((old, _)) = self.blocks.insert(block.number(), (block, self.clock)) {
            self.transactions -= old.transactions.len();
        }
        while self.blocks.len() > self.capacity
            || (self.transactions > MAX_TRANSACTIONS && self.blocks.len() > 1)
        {
            let oldest = self.blocks.iter().min_by_key(|(_, (_, used))| *used);
            let Some(height) = oldest.map(|(height, _)| *height) else { return };
            if let Some((old, _)) = self.blocks.remove(&height) {
                self.transactions -= old.transactions.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{Block, BlockExtra, base_header};

    fn block(number: u64) -> Arc<Sealed> {
        let header = alloy_consensus::Header { number, ..base_header() };
        let extra = BlockExtra::default();
        Arc::new(Sealed::genesis(Block { header, extra, transactions: Vec::new() }))
    }

    #[test]
    fn the_least_recently_used_block_leaves() {
        let mut cache = Cache::new(3);
        (0..3).for_each(|n| cache.insert(block(n)));
        assert!(cache.get(0).is_some());
        cache.insert(block(3));
        cache.insert(block(3));
        let kept: Vec<u64> = (0..4).filter(|n| cache.get(*n).is_some()).collect();
        assert_eq!(kept, [0, 2, 3]);
    }
}
