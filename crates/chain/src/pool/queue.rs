//! The transactions of one sender.

use alloy_consensus::Transaction as _;
use alloy_primitives::U256;
use cairn_evm::RecoveredTx;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// A transaction in the pool, with what ordering needs.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub tx: Arc<RecoveredTx>,
    pub nonce: u64,
    /// Most it pays, in wei per gas.
    pub max_fee: u128,
    /// Most of that which may be a tip.
    pub max_tip: u128,
    /// Most it can cost its sender, in wei.
    pub cost: U256,
    /// Number of its admission: the earlier of two that pay the same goes first.
    pub sequence: u64,
    /// Whether it came in at this node.
    pub local: bool,
}

impl Entry {
    pub(super) fn new(tx: Arc<RecoveredTx>, sequence: u64, local: bool) -> Self {
        let envelope = &tx.envelope;
        let max_fee = envelope.max_fee_per_gas();
        let gas = U256::from(envelope.gas_limit()).saturating_mul(U256::from(max_fee));
        Self {
            nonce: envelope.nonce(),
            max_fee,
            max_tip: envelope.max_priority_fee_per_gas().unwrap_or(max_fee),
            cost: gas.saturating_add(envelope.value()),
            sequence,
            local,
            tx,
        }
    }

    /// Tip at a base fee, in wei per gas; `None` if the base fee is above what is paid.
    pub(super) fn tip_at(&self, base_fee: u64) -> Option<u128> {
        Some(self.max_fee.checked_sub(u128::from(base_fee))?.min(self.max_tip))
    }
}

/// What the state says about a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Funds {
    /// Next nonce.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
}

/// The transactions of one sender: those that can be executed one after the other from the nonce
/// that the state has, and those that wait for a missing nonce.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub funds: Funds,
    /// Number of the head at which `funds` were read.
    pub read_at: u64,
    /// Nonces `funds.nonce`, `funds.nonce + 1`, and so on.
    ready: VecDeque<Entry>,
    /// Nonces above those of `ready`, with at least one missing in between.
    waiting: BTreeMap<u64, Entry>,
    /// Sum of the costs of all entries.
    cost: U256,
}

impl Queue {
    pub(super) const fn new(funds: Funds, read_at: u64) -> Self {
        Self { funds, read_at, ready: VecDeque::new(), waiting: BTreeMap::new(), cost: U256::ZERO }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.waiting.is_empty()
    }

    pub(super) const fn ready(&self) -> &VecDeque<Entry> {
        &self.ready
    }

    pub(super) const fn waiting(&self) -> &BTreeMap<u64, Entry> {
        &self.waiting
    }

    /// Sum of what all entries can cost, in wei.
    pub(super) const fn cost(&self) -> U256 {
        self.cost
    }

    /// First nonce for which there is no executable transaction.
    pub(super) fn next_nonce(&self) -> u64 {
        self.funds.nonce + self.ready.len() as u64
    }

    pub(super) fn get(&self, nonce: u64) -> Option<&Entry> {
        self.position(nonce).and_then(|i| self.ready.get(i)).or_else(|| self.waiting.get(&nonce))
    }

    /// The entry with the highest nonce but `skip`.
    pub(super) fn last(&self, skip: usize) -> Option<&Entry> {
        self.waiting.values().rev().chain(self.ready.iter().rev()).nth(skip)
    }

    pub(super) fn is_ready(&self, nonce: u64) -> bool {
        self.position(nonce).is_some_and(|i| i < self.ready.len())
    }

    fn position(&self, nonce: u64) -> Option<usize> {
        usize::try_from(nonce.checked_sub(self.funds.nonce)?).ok()
    }

    /// Puts `entry`, whose nonce is not below that of the state, in its place; returns the entry
    /// that it replaces.
    pub(super) fn put(&mut self, entry: Entry) -> Option<Entry> {
        debug_assert!(entry.nonce >= self.funds.nonce);
        let nonce = entry.nonce;
        let added = entry.cost;
        let ready = self.ready.len();
        let replaced = match self.position(nonce) {
            Some(i) if i < ready => self.ready.get_mut(i).map(|old| std::mem::replace(old, entry)),
            Some(i) if i == ready => {
                self.ready.push_back(entry);
                None
            }
            _ => self.waiting.insert(nonce, entry),
        };
        let removed = replaced.as_ref().map_or(U256::ZERO, |old| old.cost);
        self.cost = self.cost.saturating_sub(removed).saturating_add(added);
        replaced
    }

    /// Moves what no longer waits to the executable ones; returns how many moved: they are the last.
    pub(super) fn promote(&mut self) -> usize {
        let before = self.ready.len();
        while let Some(first) = self.waiting.first_entry() {
            if *first.key() != self.funds.nonce + self.ready.len() as u64 {
                break;
            }
            self.ready.push_back(first.remove());
        }
        self.ready.len() - before
    }

    /// Removes and returns the entry with the highest nonce.
    pub(super) fn pop_last(&mut self) -> Option<Entry> {
        let last = self.waiting.pop_last().map(|(_, entry)| entry);
        let last = last.or_else(|| self.ready.pop_back());
        self.forget(last.as_slice());
        last
    }

    /// Sets the next nonce to `nonce` and returns the entries that are now past, in nonce order.
    /// A nonce below the known one changes nothing.
    pub(super) fn advance(&mut self, nonce: u64) -> Vec<Entry> {
        let Some(steps) = nonce.checked_sub(self.funds.nonce).filter(|n| *n > 0) else {
            return Vec::new();
        };
        let steps = usize::try_from(steps).unwrap_or(usize::MAX).min(self.ready.len());
        let mut past: Vec<Entry> = self.ready.drain(..steps).collect();
        self.funds.nonce = nonce;
        if self.ready.is_empty() {
            let rest = self.waiting.split_off(&nonce);
            past.extend(std::mem::replace(&mut self.waiting, rest).into_values());
        }
        self.forget(&past);
        past
    }

    /// Takes out every entry from the first one that costs more than the balance, except that up to
    /// `keep` later ones stay and wait. Returns (the entries taken out for good, how many executable
    /// ones now wait).
    pub(super) fn cut_unpayable(&mut self, keep: usize) -> (Vec<Entry>, usize) {
        let balance = self.funds.balance;
        let Some(first) = self.ready.iter().position(|entry| entry.cost > balance) else {
            return (Vec::new(), 0);
        };
        let mut out = Vec::new();
        let mut demoted = 0;
        for entry in self.ready.split_off(first) {
            if entry.cost > balance || self.waiting.len() >= keep {
                out.push(entry);
            } else {
                demoted += 1;
                self.waiting.insert(entry.nonce, entry);
            }
        }
        self.forget(&out);
        (out, demoted)
    }

    /// Removes the executable entry `nonce`; those after it wait, as far as `keep` allows.
    pub(super) fn cut(&mut self, nonce: u64, keep: usize) -> Vec<Entry> {
        let Some(at) = self.position(nonce).filter(|at| *at < self.ready.len()) else {
            let removed: Vec<_> = self.waiting.remove(&nonce).into_iter().collect();
            self.forget(&removed);
            return removed;
        };
        let mut out = Vec::new();
        for entry in self.ready.split_off(at) {
            if entry.nonce == nonce || self.waiting.len() >= keep {
                out.push(entry);
            } else {
                self.waiting.insert(entry.nonce, entry);
            }
        }
        self.forget(&out);
        out
    }

    fn forget(&mut self, gone: &[Entry]) {
        for entry in gone {
            self.cost = self.cost.saturating_sub(entry.cost);
        }
    }
}
