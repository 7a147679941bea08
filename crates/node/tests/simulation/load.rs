//! Signed transfers for the simulated pools, and how long they take.

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use cairn_chain::{Chain, pool::PoolError};
use commonware_runtime::{Clock as _, deterministic::Context};
use futures::FutureExt as _;
use parking_lot::Mutex;
use rand::RngExt as _;
use secp256k1::{Message, SECP256K1, SecretKey};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Chain id of simulated networks.
pub const CHAIN_ID: u64 = 4_711;

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

/// Secret key of sender `index`.
pub fn secret(index: u8) -> SecretKey {
    SecretKey::from_byte_array([index + 1; 32]).expect("a small non-zero number is a key")
}

/// Address of sender `index`.
pub fn address(index: u8) -> Address {
    let public = secret(index).public_key(SECP256K1).serialize_uncompressed();
    Address::from_slice(&keccak256(&public[1..])[12..])
}

/// A signed transfer of `nonce + 1` wei to an account that depends on the nonce.
pub fn transfer(sender: u8, nonce: u64) -> Bytes {
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: TxKind::Call(Address::left_padding_from(&(nonce % 50 + 0x1000).to_be_bytes())),
        value: U256::from(nonce + 1),
        ..TxEip1559::default()
    };
    let hash = transaction.signature_hash();
    let (id, bytes) = SECP256K1
        .sign_ecdsa_recoverable(Message::from_digest(hash.0), &secret(sender))
        .serialize_compact();
    let signature = Signature::from_bytes_and_parity(&bytes, i32::from(id) == 1);
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
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
