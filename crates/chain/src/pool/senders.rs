//! Senders of transactions seen lately, shared by all nodes of the process.
//!
//! Recovering a sender costs more than everything else about a transfer. A transaction passes the
//! pool of the node that takes it, the pools of its peers and every block it is in; nodes that share
//! a process recover it once. A transaction hash covers the signature, so a cached sender can never
//! belong to other bytes.

use super::metrics::{PoolMetrics, add};
use alloy_primitives::{Address, B256, Bytes, map::B256HashMap};
use cairn_evm::{RecoveredTx, TxError};
use parking_lot::Mutex;
use rayon::prelude::*;
use std::sync::{Arc, LazyLock};

const SHARDS: usize = 16;

/// Senders per shard and generation: two generations of 16 shards hold at most 2^19 senders, about
/// 40 MiB.
const GENERATION: usize = 1 << 14;

/// Fewer signatures than this are not worth waking other threads for.
const PARALLEL: usize = 4;

/// The newer and the older half of a shard: when the newer is full, the older is forgotten.
#[derive(Default)]
struct Shard {
    new: B256HashMap<Address>,
    old: B256HashMap<Address>,
}

static SENDERS: LazyLock<[Mutex<Shard>; SHARDS]> = LazyLock::new(Default::default);

fn shard(hash: &B256) -> &'static Mutex<Shard> {
    &SENDERS[usize::from(hash[31]) % SHARDS]
}

fn find(hash: &B256) -> Option<Address> {
    let shard = shard(hash).lock();
    shard.new.get(hash).or_else(|| shard.old.get(hash)).copied()
}

fn remember(hash: B256, sender: Address) {
    let mut shard = shard(&hash).lock();
    if shard.new.len() >= GENERATION {
        shard.old = std::mem::take(&mut shard.new);
    }
    shard.new.insert(hash, sender);
}

/// Decodes one transaction, whose Keccak-256 hash is `hash`; its sender comes from the cache if it
/// is there.
fn decode(
    encoded: Bytes,
    hash: B256,
    chain_id: u64,
    metrics: &PoolMetrics,
) -> Result<Arc<RecoveredTx>, TxError> {
    if let Some(sender) = find(&hash) {
        add(&metrics.sender_cache_hits_total, 1);
        return RecoveredTx::with_sender(encoded, sender, chain_id).map(Arc::new);
    }
    let tx = RecoveredTx::decode(encoded, chain_id)?;
    add(&metrics.recovered_total, 1);
    remember(tx.hash, tx.sender);
    Ok(Arc::new(tx))
}

/// Decodes transactions, given with their hashes, on all threads, keeping their order.
pub(super) fn decode_all(
    encoded: Vec<(Bytes, B256)>,
    chain_id: u64,
    metrics: &PoolMetrics,
) -> Vec<Result<Arc<RecoveredTx>, TxError>> {
    let one = |(encoded, hash)| decode(encoded, hash, chain_id, metrics);
    if encoded.len() < PARALLEL {
        return encoded.into_iter().map(one).collect();
    }
    encoded.into_par_iter().with_min_len(PARALLEL).map(one).collect()
}
