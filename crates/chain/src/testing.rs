//! Keys, signed transactions and states for the tests of this crate.

use crate::{
    block::{Block, BlockExtra, base_header, transactions_root},
    sealed::Sealed,
};
use alloy_consensus::{Header, SignableTransaction, Signed, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use cairn_evm::{MemoryState, RecoveredTx, StateError, StateView, TxEnvelope, TxReceipt};
use cairn_primitives::state::{Account, StateKey, StateValue};
use futures::future::BoxFuture;
use parking_lot::RwLock;
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub(crate) const CHAIN_ID: u64 = 7_357;
pub(crate) const GWEI: u128 = 1_000_000_000;

/// A directory that is removed in the end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("cairn-chain-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Key number `seed`.
pub(crate) fn key(seed: u64) -> SecretKey {
    SecretKey::from_byte_array(keccak256(seed.to_be_bytes()).0).unwrap()
}

/// Address of key number `seed`.
pub(crate) fn address(seed: u64) -> Address {
    let public = PublicKey::from_secret_key(SECP256K1, &key(seed)).serialize_uncompressed();
    Address::from_slice(&keccak256(&public[1..])[12..])
}

/// The transaction signed by key number `seed`, encoded.
pub(crate) fn sign<T>(seed: u64, tx: T) -> Bytes
where
    T: SignableTransaction<Signature>,
    TxEnvelope: From<Signed<T>>,
{
    use alloy_eips::eip2718::Encodable2718 as _;
    let message = Message::from_digest(tx.signature_hash().0);
    let signature = SECP256K1.sign_ecdsa_recoverable(message, &key(seed));
    let (recovery, bytes) = signature.serialize_compact();
    let odd = i32::from(recovery) == 1;
    let signature = Signature::from_bytes_and_parity(&bytes, odd);
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

/// A transfer of 1 wei that pays `max_fee` of which `tip` may be a tip, in wei per gas.
pub(crate) fn transfer(nonce: u64, max_fee: u128, tip: u128) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: tip,
        to: TxKind::Call(Address::repeat_byte(0x70)),
        value: U256::from(1),
        ..TxEip1559::default()
    }
}

/// A transaction that claims to be from `sender`; nobody signed it.
pub(crate) fn unsigned(sender: Address, tx: TxEip1559) -> Arc<RecoveredTx> {
    let signature = Signature::new(U256::from(1), U256::from_be_slice(sender.as_slice()), false);
    let envelope = TxEnvelope::from(tx.into_signed(signature));
    let encoded = Bytes::from(alloy_rlp::encode(&envelope));
    Arc::new(RecoveredTx { envelope, sender, hash: keccak256(&encoded), encoded })
}

/// A live state that tests can write.
#[derive(Clone, Default)]
pub(crate) struct Live(pub(crate) Arc<RwLock<MemoryState>>);

impl Live {
    pub(crate) fn set(&self, address: Address, nonce: u64, balance: u128) {
        let account = Account { nonce, balance: U256::from(balance), ..Account::default() };
        self.0.write().entries.insert(StateKey::account(address), account.encode());
    }
}

impl StateView for Live {
    fn get<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        let value = self.0.read().entries.get(key).copied();
        Box::pin(async move { Ok(value) })
    }
}

/// A block on `parent` with these transactions, each of which used 21,000 gas.
pub(crate) fn sealed(number: u64, parent: B256, transactions: Vec<Arc<RecoveredTx>>) -> Sealed {
    let encoded: Vec<Bytes> = transactions.iter().map(|tx| tx.encoded.clone()).collect();
    let extra = BlockExtra { timestamp_ms: number * 1_000, ..BlockExtra::default() };
    let gas = |count: usize| count as u64 * 21_000;
    let header = Header {
        number,
        parent_hash: parent,
        timestamp: number,
        gas_limit: 100_000_000,
        gas_used: gas(transactions.len()),
        base_fee_per_gas: Some(1_000_000_000),
        transactions_root: transactions_root(&encoded),
        parent_beacon_block_root: Some(extra.commitment()),
        ..base_header()
    };
    let receipts = (1..=transactions.len())
        .map(|i| TxReceipt {
            success: true,
            gas_used: gas(1),
            cumulative_gas_used: gas(i),
            ..TxReceipt::default()
        })
        .collect();
    let block = Block { header, extra, transactions: encoded };
    Sealed { hash: block.hash(), block, transactions, receipts }
}
