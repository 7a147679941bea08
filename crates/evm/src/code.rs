//! A bounded cache of contract code by hash.
//!
//! Code is stored in pieces and analysed before it runs; a popular contract would be read and
//! analysed again in every block. Entries are immutable (named by their hash), so the cache never
//! needs invalidation and may be shared by every state view of a node.

use alloy_primitives::{B256, map::B256Map};
use revm::bytecode::Bytecode;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bounded cache of analysed code; the oldest entries leave first.
#[derive(Debug)]
pub struct CodeCache {
    entries: Mutex<Entries>,
    limit_bytes: usize,
}

#[derive(Debug, Default)]
struct Entries {
    by_hash: B256Map<Bytecode>,
    order: VecDeque<B256>,
    bytes: usize,
}

impl CodeCache {
    /// An empty cache that holds at most `limit_bytes` of code.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { entries: Mutex::default(), limit_bytes }
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<Bytecode> {
        self.lock().by_hash.get(hash).cloned()
    }

    pub(crate) fn insert(&self, hash: B256, code: &Bytecode) {
        let mut entries = self.lock();
        if code.len() > self.limit_bytes || entries.by_hash.insert(hash, code.clone()).is_some() {
            return;
        }
        entries.order.push_back(hash);
        entries.bytes += code.len();
        while entries.bytes > self.limit_bytes {
            let Some(oldest) = entries.order.pop_front() else { break };
            let freed = entries.by_hash.remove(&oldest).map_or(0, |code| code.len());
            entries.bytes -= freed;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Entries are complete between statements, so a panic elsewhere cannot have torn them.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for CodeCache {
    /// A cache of 64 MiB.
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_code_leaves_first_and_the_bound_holds() {
        let cache = CodeCache::new(100);
        let code = |byte: u8| Bytecode::new_raw(vec![byte; 30].into());
        let len = code(1).len();
        for byte in 1..=10 {
            cache.insert(B256::repeat_byte(byte), &code(byte));
            cache.insert(B256::repeat_byte(byte), &code(byte));
        }
        assert!(cache.lock().bytes <= 100);
        let lengths = {
            let entries = cache.lock();
            (entries.by_hash.len(), entries.order.len())
        };
        assert_eq!(lengths.0, lengths.1);
        assert_eq!(cache.lock().by_hash.len(), 100 / len);
        assert!(cache.get(&B256::repeat_byte(1)).is_none());
        assert!(cache.get(&B256::repeat_byte(10)).is_some());
        cache.insert(B256::repeat_byte(99), &Bytecode::new_raw(vec![1; 101].into()));
        assert!(cache.get(&B256::repeat_byte(99)).is_none());
    }
}
