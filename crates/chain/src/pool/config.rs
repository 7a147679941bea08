//! Limits of the pool.

use std::path::PathBuf;

/// Longest transaction that is taken, in bytes of its EIP-2718 encoding; as in geth.
pub const MAX_TRANSACTION_BYTES: usize = 128 << 10;

/// Limits of the pool and where it keeps local transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Most transactions.
    pub transactions: usize,
    /// Most bytes of encoded transactions.
    pub bytes: usize,
    /// Most executable transactions of one sender.
    pub pending_per_sender: usize,
    /// Most transactions of one sender that wait for a missing nonce.
    pub queued_per_sender: usize,
    /// File that keeps local transactions over a restart; none are kept without.
    pub journal: Option<PathBuf>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            transactions: 131_072,
            bytes: 256 << 20,
            pending_per_sender: 16_384,
            queued_per_sender: 64,
            journal: None,
        }
    }
}

/// Percent by which a replacement must raise both fee caps.
pub(super) const REPLACEMENT_BUMP: u128 = 10;

/// Transactions that are admitted under one lock, and recovered before others get a turn.
pub(super) const BATCH: usize = 256;

/// Announcements of new pending transactions that a slow subscriber may fall behind.
pub(super) const ANNOUNCEMENTS: usize = 8_192;

/// Senders that a builder reported and whose accounts are to be read again.
pub(super) const MAX_SUSPECTS: usize = 4_096;
