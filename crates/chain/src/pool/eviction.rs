//! Which transaction leaves a full pool.
//!
//! Ranks order all transactions: those behind a missing nonce below executable ones, then by tip at
//! the base fee, negative if the base fee is not even covered, then the newest lowest. The base fee
//! moves with every block, ranks follow once it has doubled or halved: the order among transactions
//! that cover it stays right, and only a full pool looks at it.
//!
//! The victim is the last transaction of the sender whose transaction ranks lowest: what comes after
//! a cheap transaction is worth no more than it, and no gap appears. For the same reason a newcomer
//! is worth no more than what its sender has before it.

use super::{PoolError, book::Book, queue::Entry};
use alloy_primitives::{Address, map::AddressHashMap};
use std::cmp::Reverse;

/// Place of a transaction in the eviction order; the smallest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    executable: bool,
    /// Tip at the base fee of the ranking; negative by what is missing to the base fee.
    tip: i128,
    newest: Reverse<u64>,
    sender: Address,
}

impl Rank {
    /// The same transaction behind a missing nonce.
    pub(super) const fn waiting(self) -> Self {
        Self { executable: false, ..self }
    }
}

/// What a replacement frees.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    pub transactions: usize,
    pub bytes: usize,
}

impl Book {
    /// Place of an entry in the eviction order.
    pub(super) fn rank(&self, entry: &Entry, executable: bool) -> Rank {
        let signed = |fee: u128| i128::try_from(fee).unwrap_or(i128::MAX);
        let over = signed(entry.max_fee).saturating_sub(i128::from(self.ranked_at));
        Rank {
            executable,
            tip: over.min(signed(entry.max_tip)),
            newest: Reverse(entry.sequence),
            sender: entry.tx.sender,
        }
    }

    /// Evicts what ranks below `entry` until it fits; `room` is what it frees itself. Changes nothing if it cannot be made to fit.
    pub(super) fn make_room(
        &mut self,
        entry: &Entry,
        executable: bool,
        room: Room,
    ) -> Result<usize, PoolError> {
        let transactions = self.by_hash.len() + 1 - room.transactions;
        let bytes = self.bytes + entry.tx.encoded.len() - room.bytes;
        let mut over_transactions = transactions.saturating_sub(self.config.transactions);
        let mut over_bytes = bytes.saturating_sub(self.config.bytes);
        if over_transactions == 0 && over_bytes == 0 {
            return Ok(0);
        }
        self.rank_again();
        let limit = self.worth(entry, executable);
        let mut victims: AddressHashMap<usize> = AddressHashMap::default();
        for rank in self.ranks.iter().take_while(|rank| **rank < limit) {
            if over_transactions == 0 && over_bytes == 0 {
                break;
            }
            if rank.sender == entry.tx.sender {
                return Err(PoolError::Full);
            }
            let taken = victims.entry(rank.sender).or_default();
            let Some(victim) = self.queues.get(&rank.sender).and_then(|q| q.last(*taken)) else {
                continue;
            };
            *taken += 1;
            over_transactions = over_transactions.saturating_sub(1);
            over_bytes = over_bytes.saturating_sub(victim.tx.encoded.len());
        }
        if over_transactions > 0 || over_bytes > 0 {
            return Err(PoolError::Full);
        }
        let mut evicted = 0;
        for (sender, count) in victims {
            evicted += count;
            self.edit(sender, |queue| (0..count).filter_map(|_| queue.pop_last()).collect());
        }
        Ok(evicted)
    }

    /// Rank of a newcomer, which is worth no more than what its sender has before it.
    fn worth(&self, entry: &Entry, executable: bool) -> Rank {
        let mut rank = self.rank(entry, executable);
        if let Some(queue) = self.queues.get(&entry.tx.sender) {
            let before = queue.ready().iter().chain(queue.waiting().values());
            let before = before.filter(|other| other.nonce < entry.nonce);
            let cheapest = before.map(|other| self.rank(other, executable).tip).min();
            rank.tip = rank.tip.min(cheapest.unwrap_or(rank.tip));
        }
        rank
    }

    /// Ranks everything anew if the base fee has moved far since the last time.
    fn rank_again(&mut self) {
        if self.base_fee / 2 <= self.ranked_at && self.ranked_at / 2 <= self.base_fee {
            return;
        }
        self.ranked_at = self.base_fee;
        let ready = self.queues.values().flat_map(|q| q.ready()).map(|e| self.rank(e, true));
        let waiting =
            self.queues.values().flat_map(|q| q.waiting().values()).map(|e| self.rank(e, false));
        self.ranks = ready.chain(waiting).collect();
    }
}
