//! Counters of the pool.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters and gauges of the pool, for whoever exports metrics.
        #[derive(Debug, Default)]
        pub struct PoolMetrics {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        impl PoolMetrics {
            /// Name and value of each, in the order of their declaration.
            #[must_use]
            pub fn values(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

metrics! {
    /// Executable transactions now.
    pending,
    /// Transactions behind a missing nonce now.
    queued,
    /// Bytes of encoded transactions now.
    bytes,
    /// Transactions taken since start.
    admitted_total,
    /// Transactions refused since start.
    refused_total,
    /// Transactions replaced by one that pays more since start.
    replaced_total,
    /// Transactions that made room for one that pays more since start.
    evicted_total,
    /// Transactions that left because a block has them or their nonce since start.
    included_total,
    /// Transactions dropped because they became invalid since start.
    dropped_total,
    /// Signatures recovered by this pool since start.
    recovered_total,
    /// Senders found in the cache of the process since start.
    sender_cache_hits_total,
    /// Local transactions that could not be written to the journal since start.
    journal_lost_total,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}

/// Sets a gauge.
pub(super) fn set(gauge: &AtomicU64, n: usize) {
    gauge.store(n as u64, Ordering::Relaxed);
}
