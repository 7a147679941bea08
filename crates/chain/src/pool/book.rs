//! All transactions of the pool and the orders in which they are looked at. Guarded by one lock.
//!
//! | index | order | for |
//! |---|---|---|
//! | `queues` | sender, nonce | admission, blocks |
//! | `heads` | first executable of each sender by tip cap, then admission | building |
//! | `ranks` | all: waiting before executable, then by tip at the base fee, then newest first | eviction |
//! | `locals` | admission | gossip again, journal |
//!
//! Invariants: every transaction is in its queue, `by_hash` and `ranks` exactly once; no queue is
//! empty; the limits of [`PoolConfig`] hold after every call. All calls are O(log n) in the pool for
//! each transaction that enters, leaves or becomes executable.
//!
//! What leaves a full pool is decided in [`super::eviction`].

use super::{
    PoolConfig, PoolError,
    config::REPLACEMENT_BUMP,
    eviction::{Rank, Room},
    queue::{Entry, Funds, Queue},
};
use alloy_primitives::{
    Address, B256,
    map::{AddressHashMap, B256HashMap},
};
use cairn_evm::RecoveredTx;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Place of a sender in the building order: tip cap, admission, sender.
pub(super) type Head = (Reverse<u128>, u64, Address);

/// What an admission did.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    /// Transactions that became executable: the admitted one, those that waited for it.
    pub executable: Vec<Arc<RecoveredTx>>,
    pub replaced: usize,
    pub evicted: usize,
}

#[derive(Debug)]
pub(super) struct Book {
    pub(super) config: PoolConfig,
    pub(super) queues: AddressHashMap<Queue>,
    pub(super) by_hash: B256HashMap<Arc<RecoveredTx>>,
    heads: BTreeSet<Head>,
    pub(super) ranks: BTreeSet<Rank>,
    locals: BTreeMap<u64, Arc<RecoveredTx>>,
    pub(super) base_fee: u64,
    /// Base fee at which `ranks` were computed.
    pub(super) ranked_at: u64,
    executable: usize,
    pub(super) bytes: usize,
    sequence: u64,
    /// Number of the head: accounts read at an older one must be read again.
    head: u64,
}

impl Book {
    pub(super) fn new(config: PoolConfig, base_fee: u64) -> Self {
        Self {
            config,
            queues: AddressHashMap::default(),
            by_hash: B256HashMap::default(),
            heads: BTreeSet::new(),
            ranks: BTreeSet::new(),
            locals: BTreeMap::new(),
            base_fee,
            ranked_at: base_fee,
            executable: 0,
            bytes: 0,
            sequence: 0,
            head: 0,
        }
    }

    pub(super) const fn executable(&self) -> usize {
        self.executable
    }

    pub(super) fn waiting(&self) -> usize {
        self.by_hash.len() - self.executable
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn head(&self) -> u64 {
        self.head
    }

    pub(super) fn get(&self, hash: &B256) -> Option<&Arc<RecoveredTx>> {
        self.by_hash.get(hash)
    }

    pub(super) fn queue(&self, sender: &Address) -> Option<&Queue> {
        self.queues.get(sender)
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = (&Address, &Queue)> {
        self.queues.iter()
    }

    /// Local transactions, earliest first.
    pub(super) fn locals(&self) -> impl Iterator<Item = &Arc<RecoveredTx>> {
        self.locals.values()
    }

    /// Whether the account of `sender` has to be read before its transaction can be judged.
    pub(super) fn needs_funds(&self, sender: &Address) -> bool {
        self.queues.get(sender).is_none_or(|queue| queue.read_at != self.head)
    }

    /// Senders after `cursor` in the building order, with the first executable transaction of each.
    pub(super) fn heads_after(&self, cursor: Option<Head>) -> impl Iterator<Item = (Head, &Entry)> {
        let range = match cursor {
            Some(head) => (std::ops::Bound::Excluded(head), std::ops::Bound::Unbounded),
            None => (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded),
        };
        self.heads
            .range(range)
            .filter_map(|head| Some((*head, self.queues.get(&head.2)?.ready().front()?)))
    }

    /// Takes `tx` in. `funds` must be given if [`Book::needs_funds`] of its sender, and may come from
    /// a later head than the pool knows.
    pub(super) fn insert(
        &mut self,
        tx: Arc<RecoveredTx>,
        funds: Option<Funds>,
        local: bool,
    ) -> Result<Admitted, PoolError> {
        if self.by_hash.contains_key(&tx.hash) {
            return Err(PoolError::AlreadyKnown);
        }
        let sender = tx.sender;
        if let Some(funds) = funds {
            self.refresh(sender, funds);
        }
        let entry = Entry::new(tx, self.sequence + 1, local);
        let fresh = Queue::new(funds.unwrap_or_default(), self.head);
        let queue = self.queues.get(&sender).unwrap_or(&fresh);
        let replaces = check(queue, &entry, &self.config)?;
        let executable = entry.nonce <= queue.next_nonce();
        let room = replaces.unwrap_or_default();
        let evicted = self.make_room(&entry, executable, room)?;
        self.sequence += 1;
        self.queues.entry(sender).or_insert(fresh);
        let mut admitted = self.put(sender, entry);
        admitted.evicted = evicted;
        Ok(admitted)
    }

    fn put(&mut self, sender: Address, entry: Entry) -> Admitted {
        let (tx, sequence, nonce) = (entry.tx.clone(), entry.sequence, entry.nonce);
        let (rank, local) = (self.rank(&entry, true), entry.local);
        self.by_hash.insert(tx.hash, tx.clone());
        self.bytes += tx.encoded.len();
        if local {
            self.locals.insert(sequence, tx.clone());
        }
        let mut replaced = None;
        let mut executable = self.edit(sender, |queue| {
            replaced = queue.put(entry);
            queue.promote();
            Vec::new()
        });
        if let Some(old) = &replaced {
            self.forget(old);
        }
        let ready = self.queues.get(&sender).is_some_and(|queue| queue.is_ready(nonce));
        if !ready {
            self.ranks.insert(rank.waiting());
        } else if replaced.is_some() {
            self.ranks.insert(rank);
            executable.push(tx);
        }
        Admitted { executable, replaced: usize::from(replaced.is_some()), evicted: 0 }
    }

    /// Notes what the state says about a sender; returns how many of its transactions that ends.
    pub(super) fn refresh(&mut self, sender: Address, funds: Funds) -> usize {
        let (head, keep) = (self.head, self.config.queued_per_sender);
        let before = self.by_hash.len();
        self.edit(sender, |queue| {
            let mut gone = queue.advance(funds.nonce);
            queue.promote();
            queue.funds.balance = funds.balance;
            queue.read_at = head;
            if queue.cost() > funds.balance {
                gone.extend(queue.cut_unpayable(keep).0);
            }
            gone
        });
        before - self.by_hash.len()
    }

    /// A new head, whose transactions had these (sender, nonce); returns how many left the pool.
    pub(super) fn advance(
        &mut self,
        included: impl Iterator<Item = (Address, u64)>,
        base_fee: u64,
    ) -> usize {
        let before = self.by_hash.len();
        self.head += 1;
        self.base_fee = base_fee;
        for (sender, nonce) in included {
            self.edit(sender, |queue| {
                let past = queue.advance(nonce + 1);
                queue.promote();
                past
            });
        }
        before - self.by_hash.len()
    }

    /// Removes a transaction that can never be executed; what follows it waits.
    pub(super) fn remove(&mut self, sender: Address, nonce: u64) {
        let keep = self.config.queued_per_sender;
        self.edit(sender, |queue| queue.cut(nonce, keep));
    }

    /// Changes the queue of a sender by `change`, which returns what left it, and brings every
    /// index up to date. Returns the transactions that became executable.
    pub(super) fn edit(
        &mut self,
        sender: Address,
        change: impl FnOnce(&mut Queue) -> Vec<Entry>,
    ) -> Vec<Arc<RecoveredTx>> {
        let Some(queue) = self.queues.get_mut(&sender) else { return Vec::new() };
        let (old_head, old_ready, old_end) = (head(queue), queue.ready().len(), queue.next_nonce());
        let gone = change(queue);
        let (new_head, new_ready, new_end) = (head(queue), queue.ready().len(), queue.next_nonce());
        let first = old_end.max(queue.funds.nonce);
        let promoted: Vec<Entry> =
            (first..new_end).filter_map(|nonce| queue.get(nonce)).cloned().collect();
        let demoted: Vec<Entry> =
            (new_end..old_end).filter_map(|nonce| queue.waiting().get(&nonce)).cloned().collect();
        if queue.is_empty() {
            self.queues.remove(&sender);
        }
        if old_head != new_head {
            old_head.map(|head| self.heads.remove(&head));
            new_head.map(|head| self.heads.insert(head));
        }
        self.executable = self.executable + new_ready - old_ready;
        gone.iter().for_each(|entry| self.forget(entry));
        for entry in &promoted {
            self.ranks.remove(&self.rank(entry, false));
            self.ranks.insert(self.rank(entry, true));
        }
        for entry in &demoted {
            self.ranks.remove(&self.rank(entry, true));
            self.ranks.insert(self.rank(entry, false));
        }
        promoted.into_iter().map(|entry| entry.tx).collect()
    }

    fn forget(&mut self, entry: &Entry) {
        self.by_hash.remove(&entry.tx.hash);
        self.bytes -= entry.tx.encoded.len();
        if entry.local {
            self.locals.remove(&entry.sequence);
        }
        if !self.ranks.remove(&self.rank(entry, true)) {
            self.ranks.remove(&self.rank(entry, false));
        }
    }
}

fn head(queue: &Queue) -> Option<Head> {
    let first = queue.ready().front()?;
    Some((Reverse(first.max_tip), first.sequence, first.tx.sender))
}

/// Judges `entry` by what its sender has and what it has in the pool already; returns what it frees
/// if it replaces another.
fn check(queue: &Queue, entry: &Entry, config: &PoolConfig) -> Result<Option<Room>, PoolError> {
    let (next, nonce) = (queue.funds.nonce, entry.nonce);
    if nonce < next {
        return Err(PoolError::NonceTooLow { next, nonce });
    }
    let have = queue.funds.balance;
    if entry.cost > have {
        return Err(PoolError::InsufficientFunds { have, want: entry.cost });
    }
    let old = queue.get(nonce);
    if let Some(old) = old {
        let enough = |new: u128, old: u128| {
            new > old && new.saturating_mul(100) >= old.saturating_mul(100 + REPLACEMENT_BUMP)
        };
        if !enough(entry.max_fee, old.max_fee) || !enough(entry.max_tip, old.max_tip) {
            return Err(PoolError::ReplacementUnderpriced);
        }
    }
    let freed = old.map_or_else(Default::default, |old| old.cost);
    let want = queue.cost().saturating_sub(freed).saturating_add(entry.cost);
    if want > have {
        return Err(PoolError::InsufficientFunds { have, want });
    }
    if let Some(old) = old {
        return Ok(Some(Room { transactions: 1, bytes: old.tx.encoded.len() }));
    }
    let (limit, kind, count) = if nonce == queue.next_nonce() {
        (config.pending_per_sender, "pending", queue.ready().len())
    } else {
        (config.queued_per_sender, "queued", queue.waiting().len())
    };
    if count >= limit {
        return Err(PoolError::AccountLimit { limit, kind });
    }
    Ok(None)
}

#[cfg(test)]
impl Book {
    /// Checks every invariant of the book.
    pub(super) fn verify(&self) {
        let mut ranks = BTreeSet::new();
        let mut heads = BTreeSet::new();
        let (mut count, mut bytes, mut executable, mut locals) = (0, 0, 0, 0);
        for (sender, queue) in &self.queues {
            assert!(!queue.is_empty(), "an empty queue is kept");
            heads.extend(head(queue));
            executable += queue.ready().len();
            let nonces: Vec<u64> = queue.ready().iter().map(|e| e.nonce).collect();
            let next = queue.funds.nonce;
            assert_eq!(nonces, (next..queue.next_nonce()).collect::<Vec<_>>());
            let waiting = queue.waiting();
            assert!(waiting.iter().all(|(n, e)| *n == e.nonce && *n > queue.next_nonce()));
            assert!(waiting.len() <= self.config.queued_per_sender);
            let mut cost = alloy_primitives::U256::ZERO;
            for entry in queue.ready().iter().chain(waiting.values()) {
                assert_eq!(entry.tx.sender, *sender);
                assert!(self.by_hash.contains_key(&entry.tx.hash));
                assert!(ranks.insert(self.rank(entry, queue.is_ready(entry.nonce))));
                assert_eq!(self.locals.contains_key(&entry.sequence), entry.local);
                locals += usize::from(entry.local);
                bytes += entry.tx.encoded.len();
                count += 1;
                cost += entry.cost;
            }
            assert_eq!(cost, queue.cost());
        }
        assert_eq!(count, self.by_hash.len());
        assert_eq!((bytes, executable, locals), (self.bytes, self.executable, self.locals.len()));
        assert_eq!(ranks, self.ranks);
        assert_eq!(heads, self.heads);
        assert!(count <= self.config.transactions && bytes <= self.config.bytes);
    }
}
