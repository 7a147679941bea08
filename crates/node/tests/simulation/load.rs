//! Transfers into the simulated pools, and how long they take.

use crate::transfer::transfer;
use alloy_primitives::B256;
use cairn_chain::{Chain, pool::PoolError};
use commonware_runtime::{Clock as _, deterministic::Context};
use futures::FutureExt as _;
use parking_lot::Mutex;
use rand::RngExt as _;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Accounts that have coins: each validator sends for one.
pub const SENDERS: u8 = 16;

/// How validators load their network.
#[derive(Clone)]
pub struct Load {
    /// Mean time between two transactions of one validator.
    pub every: Duration,
    /// Times from submission to a final receipt at the validator that took the transaction.
    pub receipts: Arc<Mutex<Vec<Duration>>>,
}

impl Load {
    pub fn every(every: Duration) -> Self {
        Self { every, receipts: Arc::default() }
    }
}

/// Submits transfers of one sender for ever; what an earlier life of the validator sent is skipped.
pub async fn send(mut context: Context, chain: Chain, sender: u8, load: Load) {
    let mut heads = chain.subscribe();
    let mut waiting: BTreeMap<B256, SystemTime> = BTreeMap::new();
    let mut nonce = 0;
    loop {
        match chain.submit(transfer(sender, nonce)).await {
            Ok(hash) => {
                waiting.insert(hash, context.current());
                nonce += 1;
            }
            Err(PoolError::AlreadyKnown | PoolError::NonceTooLow { .. }) => {
                nonce += 1;
                continue;
            }
            Err(_) => {}
        }
        let pause = load.every / 2 + load.every.mul_f64(context.random_range(0.0..1.0));
        let mut wake = Box::pin(context.sleep(pause).fuse());
        loop {
            futures::select_biased! {
                head = Box::pin(heads.recv().fuse()) => {
                    // A validator that fell far behind misses heads: those receipts do not count.
                    let Ok(head) = head else { continue };
                    let now = context.current();
                    for hash in head.transactions.iter().map(|tx| tx.hash) {
                        let Some(sent) = waiting.remove(&hash) else { continue };
                        let taken = now.duration_since(sent).unwrap_or_default();
                        load.receipts.lock().push(taken);
                    }
                }
                () = wake => break,
            }
        }
    }
}
