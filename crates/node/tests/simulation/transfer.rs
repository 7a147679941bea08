//! Signed transfers for the pools of tests.

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, keccak256};
use secp256k1::{Message, SECP256K1, SecretKey};

/// Chain id of the networks.
pub const CHAIN_ID: u64 = 4_711;

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
