//! Transactions for a new block: best tip first, nonce order within a sender.
//!
//! Nothing is copied in advance. The pool keeps the first executable transaction of every sender
//! ordered by tip cap, which bounds the tip at any base fee; this iterator merges that order lazily:
//!
//! ```text
//! heads by tip cap ──(a few at a time, under the lock)──> heap by tip at the base fee ──> next
//!                                                          ^ the sender's next transactions
//! ```
//!
//! A transaction leaves the heap only if no head still to come can pay more. While the iterator is
//! used the pool may change: each sender is entered once and followed by nonce, so what comes out is
//! in nonce order and without repeats whatever happens meanwhile.

use super::{
    Shared,
    book::{Book, Head},
    queue::Entry,
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, map::AddressHashSet};
use cairn_evm::{RecoveredTx, TxRejected, TxSource};
use std::{
    cmp::Ordering,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

/// Senders that are looked at under one lock.
const HEADS: usize = 64;

/// Transactions of one sender that are fetched at first, and at most, under one lock.
const FIRST_RUN: usize = 4;
const LONGEST_RUN: usize = 256;

/// Best-first iterator over executable transactions that pay a base fee.
#[derive(Debug)]
pub struct Best {
    pool: Arc<Shared>,
    base_fee: u64,
    /// Last head that was looked at; heads after it pay no more than its tip cap.
    cursor: Option<Head>,
    all_seen: bool,
    heap: BinaryHeap<Run>,
    entered: AddressHashSet,
    blocked: AddressHashSet,
}

/// Consecutive transactions of one sender, ordered by its first one.
#[derive(Debug)]
struct Run {
    tip: u128,
    sequence: u64,
    entries: VecDeque<Entry>,
    /// How many to fetch when these are used up; 0 if the sender has no more.
    fetch: usize,
}

impl Run {
    /// A run from `entries`, cut before the first one that does not pay `base_fee`.
    fn new(mut entries: VecDeque<Entry>, base_fee: u64, fetch: usize) -> Option<Self> {
        let payable = entries.iter().take_while(|e| e.tip_at(base_fee).is_some()).count();
        let fetch = if payable < entries.len() { 0 } else { fetch };
        entries.truncate(payable);
        let first = entries.front()?;
        Some(Self { tip: first.tip_at(base_fee)?, sequence: first.sequence, entries, fetch })
    }
}

impl Ord for Run {
    fn cmp(&self, other: &Self) -> Ordering {
        self.tip.cmp(&other.tip).then(other.sequence.cmp(&self.sequence))
    }
}

impl PartialOrd for Run {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Run {}

impl Best {
    pub(super) fn new(pool: Arc<Shared>, base_fee: u64) -> Self {
        Self {
            pool,
            base_fee,
            cursor: None,
            all_seen: false,
            heap: BinaryHeap::new(),
            entered: AddressHashSet::default(),
            blocked: AddressHashSet::default(),
        }
    }

    /// Looks at heads until none that is left can be better than the top of the heap.
    fn fill(&mut self) {
        while !self.all_seen && !self.top_is_best() {
            let pool = self.pool.clone();
            let book = pool.book.lock();
            let mut seen = 0;
            for (head, first) in book.heads_after(self.cursor).take(HEADS) {
                seen += 1;
                self.cursor = Some(head);
                let sender = head.2;
                if first.tip_at(self.base_fee).is_some() && self.entered.insert(sender) {
                    let entries = fetch(&book, &sender, first.nonce, FIRST_RUN);
                    self.heap.extend(Run::new(entries, self.base_fee, FIRST_RUN));
                }
            }
            self.all_seen = seen < HEADS;
        }
    }

    fn top_is_best(&self) -> bool {
        let (Some(top), Some((cap, sequence, _))) = (self.heap.peek(), self.cursor) else {
            return false;
        };
        top.tip > cap.0 || (top.tip == cap.0 && top.sequence <= sequence)
    }

    /// Puts what follows a used transaction back in order.
    fn follow(&mut self, run: Run, used: &Entry) {
        let Run { mut entries, fetch: count, .. } = run;
        let mut next = count;
        if entries.is_empty() && count > 0 {
            next = (count * 4).min(LONGEST_RUN);
            entries = fetch(&self.pool.book.lock(), &used.tx.sender, used.nonce + 1, next);
            if entries.len() < next {
                next = 0;
            }
        }
        self.heap.extend(Run::new(entries, self.base_fee, next));
    }
}

/// Executable transactions of `sender` from `nonce` on.
fn fetch(book: &Book, sender: &Address, nonce: u64, count: usize) -> VecDeque<Entry> {
    let Some(queue) = book.queue(sender) else { return VecDeque::new() };
    let nonces = nonce..nonce.saturating_add(count as u64);
    nonces.take_while(|n| queue.is_ready(*n)).filter_map(|n| queue.get(n)).cloned().collect()
}

impl Iterator for Best {
    type Item = Arc<RecoveredTx>;

    fn next(&mut self) -> Option<Arc<RecoveredTx>> {
        loop {
            self.fill();
            let mut run = self.heap.pop()?;
            let Some(entry) = run.entries.pop_front() else { continue };
            if self.blocked.contains(&entry.tx.sender) {
                continue;
            }
            self.follow(run, &entry);
            return Some(entry.tx);
        }
    }
}

impl TxSource for Best {
    fn next(&mut self) -> Option<Arc<RecoveredTx>> {
        Iterator::next(self)
    }

    fn rejected(&mut self, tx: &Arc<RecoveredTx>, why: &TxRejected) {
        self.blocked.insert(tx.sender);
        match why {
            // The pool's view of the account is out of date.
            TxRejected::NonceTooLow { .. }
            | TxRejected::NonceTooHigh { .. }
            | TxRejected::InsufficientFunds { .. } => self.pool.suspect(tx.sender),
            // The block is full, or the fee may fall.
            TxRejected::FeeTooLow { .. }
            | TxRejected::BlockGas { .. }
            | TxRejected::BlockBytes { .. } => {}
            TxRejected::Invalid(_) => self.pool.discard(tx.sender, tx.envelope.nonce()),
        }
    }
}
