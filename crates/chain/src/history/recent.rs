//! The newest part of an index, in memory: which keys each of the last blocks has.
//!
//! The keys of one block are the sorted first eight bytes of hashes, so they are uniformly spread
//! and a lookup by interpolation touches one or two cache lines per block. Keys that an attacker
//! has ground together only cost the logarithm that a binary search would.

use std::{collections::VecDeque, ops::Range, sync::Arc};

/// The keys of one block, sorted.
#[derive(Debug, Default)]
pub(super) struct Keys {
    prefixes: Box<[u64]>,
    /// Where each key stands in the block; `None` if that is its position here.
    places: Option<Box<[u32]>>,
}

impl Keys {
    /// Keys whose position is their place; they must be sorted already.
    pub(super) fn in_order(prefixes: Vec<u64>) -> Self {
        debug_assert!(prefixes.is_sorted());
        Self { prefixes: prefixes.into(), places: None }
    }

    /// Keys in the order of their places.
    pub(super) fn sort(prefixes: impl Iterator<Item = u64>) -> Self {
        let mut pairs: Vec<(u64, u32)> = prefixes.zip(0..).collect();
        pairs.sort_unstable();
        let (prefixes, places): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        Self { prefixes: prefixes.into(), places: Some(places.into()) }
    }

    /// Places of all keys with this prefix.
    pub(super) fn find(&self, prefix: u64) -> impl Iterator<Item = u32> {
        let start = self.lower_bound(prefix);
        let equal = self.prefixes.get(start..).unwrap_or_default();
        let count = equal.iter().take_while(|p| **p == prefix).count();
        (start..start + count).map(|i| self.place(i))
    }

    /// All (prefix, place) whose prefix starts with the byte `top`.
    pub(super) fn with_top(&self, top: u8) -> impl Iterator<Item = (u64, u32)> {
        let start = self.lower_bound(u64::from(top) << 56);
        let rest = (start..self.prefixes.len()).map(|i| (self.prefixes[i], self.place(i)));
        rest.take_while(move |(prefix, _)| prefix >> 56 == u64::from(top))
    }

    fn place(&self, i: usize) -> u32 {
        match &self.places {
            Some(places) => places[i],
            None => u32::try_from(i).expect("a block has fewer than 2^32 keys"),
        }
    }

    /// Index of the first key not below `prefix`.
    fn lower_bound(&self, prefix: u64) -> usize {
        let keys = &self.prefixes;
        let scaled = (u128::from(prefix) * keys.len() as u128) >> 64;
        let guess = usize::try_from(scaled).expect("below the number of keys");
        let Range { start, end } = bracket(keys, prefix, guess);
        start + keys[start..end].partition_point(|key| *key < prefix)
    }
}

/// A range around `guess` that contains the lower bound of `prefix`, found by doubling steps.
fn bracket(keys: &[u64], prefix: u64, guess: usize) -> Range<usize> {
    let mut step = 8;
    if keys.get(guess).is_some_and(|key| *key < prefix) {
        let mut low = guess;
        loop {
            let high = (low + step).min(keys.len());
            if keys.get(high).is_none_or(|key| *key >= prefix) {
                return low..high;
            }
            (low, step) = (high, step * 2);
        }
    }
    let mut high = guess.min(keys.len());
    loop {
        let low = high.saturating_sub(step);
        if low == 0 || keys[low] < prefix {
            return low..high;
        }
        (high, step) = (low, step * 2);
    }
}

/// Keys of consecutive blocks, ending with the newest recorded one.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    first: u64,
    blocks: VecDeque<Arc<Keys>>,
}

impl Recent {
    /// No blocks; the next one has height `first`.
    pub(super) const fn starting_at(first: u64) -> Self {
        Self { first, blocks: VecDeque::new() }
    }

    /// First height that is covered; one past the newest if none is.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// One past the newest height.
    pub(super) fn end(&self) -> u64 {
        self.first + self.blocks.len() as u64
    }

    pub(super) fn push(&mut self, keys: Arc<Keys>) {
        self.blocks.push_back(keys);
    }

    /// Forgets blocks until at most `count` are left.
    pub(super) fn keep_last(&mut self, count: u64) {
        while self.blocks.len() as u64 > count {
            self.blocks.pop_front();
            self.first += 1;
        }
    }

    /// Forgets all blocks from `height` on.
    pub(super) fn truncate(&mut self, height: u64) {
        while self.end() > height && self.blocks.pop_back().is_some() {}
    }

    /// (height, keys) of all covered heights in `range`.
    pub(super) fn range(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &Keys)> {
        let start = range.start.max(self.first);
        let end = range.end.min(self.end()).max(start);
        let skip = usize::try_from(start - self.first).expect("start is at most the end");
        let take = usize::try_from(end - start).expect("no more than there are blocks");
        let blocks =
            self.blocks.range(skip.min(self.blocks.len())..(skip + take).min(self.blocks.len()));
        (start..end).zip(blocks).map(|(height, keys)| (height, &**keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lower_bound_is_that_of_a_binary_search(
            mut keys in prop::collection::vec(prop_oneof![any::<u64>(), 0..50u64, (u64::MAX - 50)..u64::MAX], 0..300),
            probes in prop::collection::vec(prop_oneof![any::<u64>(), 0..60u64, (u64::MAX - 60)..=u64::MAX], 1..50),
        ) {
            keys.sort_unstable();
            let sorted = Keys::in_order(keys.clone());
            for probe in probes.into_iter().chain(keys.clone()) {
                prop_assert_eq!(sorted.lower_bound(probe), keys.partition_point(|k| *k < probe));
            }
        }

        #[test]
        fn find_yields_every_place(keys in prop::collection::vec(0..20u64, 0..60), probe in 0..20u64) {
            let sorted = Keys::sort(keys.iter().copied());
            let mut found: Vec<u32> = sorted.find(probe).collect();
            found.sort_unstable();
            let expected: Vec<u32> =
                (0..).zip(&keys).filter(|(_, k)| **k == probe).map(|(i, _)| i).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn groups_partition_the_keys(keys in prop::collection::vec(any::<u64>(), 0..200)) {
            let sorted = Keys::sort(keys.iter().copied());
            let mut all: Vec<_> = (0..=255).flat_map(|top| sorted.with_top(top).collect::<Vec<_>>()).collect();
            all.sort_unstable();
            let mut expected: Vec<_> = keys.into_iter().zip(0..).collect();
            expected.sort_unstable();
            prop_assert_eq!(all, expected);
        }
    }

    #[test]
    fn recent_keeps_heights_straight() {
        let mut recent = Recent::starting_at(5);
        for _ in 5..15 {
            recent.push(Arc::default());
        }
        recent.keep_last(6);
        assert_eq!((recent.first(), recent.end()), (9, 15));
        recent.truncate(12);
        assert_eq!((recent.first(), recent.end()), (9, 12));
        let heights = |range| recent.range(range).map(|(h, _)| h).collect::<Vec<_>>();
        assert_eq!(heights(0..100), [9, 10, 11]);
        assert_eq!(heights(10..11), [10]);
        assert_eq!(heights(20..30), [0u64; 0]);
    }
}
