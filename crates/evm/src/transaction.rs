//! Transactions: decoding, checks that need no state, the sender.

use alloy_consensus::{
    EthereumTxEnvelope, Transaction as _, TxEip4844, transaction::SignerRecoverable as _,
};
use alloy_eips::{
    Typed2718 as _,
    eip2718::{Decodable2718 as _, Encodable2718 as _},
};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use revm::context::{TxEnv, either::Either};

/// All transaction types of Ethereum without blob side-cars. Type 3 is decoded only to be refused.
pub type TxEnvelope = EthereumTxEnvelope<TxEip4844>;

/// Type byte of a blob transaction (EIP-4844).
const BLOB_TYPE: u8 = 3;

/// Why bytes are not a transaction of this chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// Not a transaction, or bytes left over.
    #[error("cannot decode the transaction: {0}")]
    Malformed(String),
    /// Decodes, but other bytes are its encoding.
    #[error("the transaction is not in its canonical encoding")]
    NotCanonical,
    /// Cairn carries no blobs.
    #[error(
        "blob transactions (type 3) are not supported; send the data as calldata or store it in a bucket"
    )]
    Blob,
    /// Signed for another chain.
    #[error("the transaction is signed for chain {actual}, this is chain {expected}")]
    WrongChain {
        /// This chain.
        expected: u64,
        /// The chain it is signed for.
        actual: u64,
    },
    /// No sender can be recovered, or the signature is not in its canonical (low-s) form.
    #[error("invalid transaction signature: {0}")]
    Signature(String),
}

/// A transaction whose sender is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredTx {
    /// The transaction.
    pub envelope: TxEnvelope,
    /// Who signed it.
    pub sender: Address,
    /// Keccak-256 of `encoded`.
    pub hash: B256,
    /// Canonical EIP-2718 encoding.
    pub encoded: Bytes,
}

impl RecoveredTx {
    /// Decodes a transaction and recovers its sender. Takes about 40 µs, almost all of it the
    /// recovery.
    ///
    /// # Errors
    /// See [`TxError`].
    pub fn decode(encoded: Bytes, chain_id: u64) -> Result<Self, TxError> {
        let envelope = parse(&encoded, chain_id)?;
        let sender =
            envelope.recover_signer().map_err(|error| TxError::Signature(error.to_string()))?;
        Ok(Self { envelope, sender, hash: keccak256(&encoded), encoded })
    }

    /// Decodes a transaction whose sender was recovered before from the very same bytes.
    ///
    /// # Errors
    /// See [`TxError`]; the signature is not looked at.
    pub fn with_sender(encoded: Bytes, sender: Address, chain_id: u64) -> Result<Self, TxError> {
        let envelope = parse(&encoded, chain_id)?;
        Ok(Self { envelope, sender, hash: keccak256(&encoded), encoded })
    }

    /// The transaction as the EVM takes it.
    #[must_use]
    pub fn tx_env(&self) -> TxEnv {
        let tx = &self.envelope;
        let authorizations = tx.authorization_list().unwrap_or_default();
        TxEnv {
            tx_type: tx.ty(),
            caller: self.sender,
            gas_limit: tx.gas_limit(),
            gas_price: tx.max_fee_per_gas(),
            kind: tx.kind(),
            value: tx.value(),
            data: tx.input().clone(),
            nonce: tx.nonce(),
            chain_id: tx.chain_id(),
            access_list: tx.access_list().cloned().unwrap_or_default(),
            gas_priority_fee: tx.max_priority_fee_per_gas(),
            blob_hashes: Vec::new(),
            max_fee_per_blob_gas: 0,
            authorization_list: authorizations.iter().cloned().map(Either::Left).collect(),
        }
    }
}

/// Decodes and checks everything but the signature.
fn parse(encoded: &Bytes, chain_id: u64) -> Result<TxEnvelope, TxError> {
    if encoded.first() == Some(&BLOB_TYPE) {
        return Err(TxError::Blob);
    }
    let envelope = TxEnvelope::decode_2718_exact(encoded)
        .map_err(|error| TxError::Malformed(error.to_string()))?;
    if envelope.encoded_2718() != **encoded {
        return Err(TxError::NotCanonical);
    }
    match envelope.chain_id() {
        // Legacy transactions from before EIP-155 are valid on every chain.
        None => Ok(envelope),
        Some(actual) if actual == chain_id => Ok(envelope),
        Some(actual) => Err(TxError::WrongChain { expected: chain_id, actual }),
    }
}

#[cfg(test)]
mod tests;
