//! A block with what its execution produced, and how the history stores it.
//!
//! The stored receipts of a block are its senders (20 bytes each, in order), so that loading a
//! block recovers no signatures, followed by the RLP list of its receipts.

use crate::{
    block::{Block, BlockExtra},
    history::{HistoryError, RawBlock, StoredBlock},
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{Decodable as _, Encodable as _, Header};
use cairn_evm::{Change, RecoveredTx, TxError, TxReceipt, logs_bloom, receipts_root};
use std::sync::Arc;

const SENDER_BYTES: usize = 20;

/// A block, its hash, its transactions with their senders, and its receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The block.
    pub block: Block,
    /// Its hash.
    pub hash: B256,
    /// Its transactions, decoded.
    pub transactions: Vec<Arc<RecoveredTx>>,
    /// What they did.
    pub receipts: Vec<TxReceipt>,
}

/// Why a block and its receipts, which came from outside, are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// A transaction does not decode or is not signed.
    #[error("transaction {index}: {source}")]
    Transaction {
        /// Its place in the block.
        index: usize,
        /// What is wrong.
        source: TxError,
    },
    /// The receipts do not decode.
    #[error("receipts are not valid RLP: {0}")]
    Receipts(#[from] alloy_rlp::Error),
    /// Other receipts than those that the header commits to.
    #[error("the receipts are not those of the block")]
    ForeignReceipts,
}

impl Sealed {
    /// Puts a checked block and receipts that came from elsewhere together. Senders are recovered;
    /// everything in the receipts is checked against header and transactions.
    ///
    /// # Errors
    /// See [`SealedError`].
    pub fn from_parts(block: Block, receipts: &[u8], chain_id: u64) -> Result<Self, SealedError> {
        let decode = |(index, encoded): (usize, &Bytes)| {
            RecoveredTx::decode(encoded.clone(), chain_id)
                .map(Arc::new)
                .map_err(|source| SealedError::Transaction { index, source })
        };
        let transactions: Vec<_> =
            block.transactions.iter().enumerate().map(decode).collect::<Result<_, _>>()?;
        let receipts: Vec<TxReceipt> = alloy_rlp::decode_exact(receipts)?;
        let sealed = Self { hash: block.hash(), block, transactions, receipts };
        let derived = sealed.receipts.len() == sealed.transactions.len()
            && (0..sealed.receipts.len()).all(|index| sealed.is_derived(index));
        if !derived || receipts_root(&sealed.receipts) != sealed.block.header.receipts_root {
            return Err(SealedError::ForeignReceipts);
        }
        Ok(sealed)
    }

    /// Whether what a receipt says beyond the receipts root follows from block and transaction.
    fn is_derived(&self, index: usize) -> bool {
        let (receipt, tx) = (&self.receipts[index], &self.transactions[index]);
        let before = index.checked_sub(1).map_or(0, |i| self.receipts[i].cumulative_gas_used);
        let base_fee = self.block.header.base_fee_per_gas;
        let nonce = tx.envelope.nonce();
        let created = tx.envelope.kind().is_create().then(|| tx.sender.create(nonce));
        receipt.cumulative_gas_used.checked_sub(before) == Some(receipt.gas_used)
            && receipt.effective_gas_price == tx.envelope.effective_gas_price(base_fee)
            && receipt.contract_address == created
            && receipt.tx_type == u8::from(tx.envelope.tx_type())
    }

    /// The receipts as [`Sealed::from_parts`] takes them.
    #[must_use]
    pub fn encode_receipts(&self) -> Vec<u8> {
        alloy_rlp::encode(&self.receipts)
    }

    /// Block 0, which has no transactions.
    #[must_use]
    pub fn genesis(block: Block) -> Self {
        Self { hash: block.hash(), block, transactions: Vec::new(), receipts: Vec::new() }
    }

    /// Height of the block.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.block.header.number
    }

    /// The block as the history stores it; `changes` are what it did to the state.
    pub(crate) fn to_raw(&self, changes: &[Change]) -> RawBlock {
        let mut diffs: Vec<_> = changes.iter().map(|c| (c.key, c.before)).collect();
        diffs.sort_unstable_by_key(|(key, _)| *key);
        let mut receipts = Vec::with_capacity(64 * self.receipts.len());
        for transaction in &self.transactions {
            receipts.extend_from_slice(transaction.sender.as_slice());
        }
        self.receipts.encode(&mut receipts);
        RawBlock {
            height: self.number(),
            hash: self.hash,
            parent: self.block.header.parent_hash,
            block: self.block.encode(),
            receipts,
            bloom: logs_bloom(&self.receipts),
            transactions: self.transactions.iter().map(|tx| tx.hash).collect(),
            diffs,
        }
    }

    /// Reads a block of the chain `chain_id` back.
    pub(crate) fn from_stored(
        height: u64,
        stored: &StoredBlock,
        chain_id: u64,
    ) -> Result<Self, HistoryError> {
        let bad = |reason: &str| HistoryError::Undecodable { height, reason: reason.into() };
        let block = decode_block(&stored.block).map_err(|error| bad(&error.to_string()))?;
        let senders = block.transactions.len() * SENDER_BYTES;
        let (senders, mut receipts) =
            stored.receipts.split_at_checked(senders).ok_or_else(|| bad("senders are missing"))?;
        let receipts = Vec::<TxReceipt>::decode(&mut receipts)
            .map_err(|error| bad(&format!("receipts: {error}")))?;
        if receipts.len() != block.transactions.len() || block.hash() != stored.hash {
            return Err(bad("its parts do not belong together"));
        }
        let transactions = block
            .transactions
            .iter()
            .zip(senders.as_chunks::<SENDER_BYTES>().0)
            .map(|(encoded, sender)| {
                RecoveredTx::with_sender(encoded.clone(), Address::from(sender), chain_id)
                    .map(Arc::new)
            })
            .collect::<Result<_, _>>()
            .map_err(|error| bad(&format!("transactions: {error}")))?;
        Ok(Self { hash: stored.hash, block, transactions, receipts })
    }
}

/// Decodes a block that was checked before it was stored.
fn decode_block(mut encoded: &[u8]) -> alloy_rlp::Result<Block> {
    let mut parts = Header::decode_bytes(&mut encoded, true)?;
    Ok(Block {
        header: alloy_consensus::Header::decode(&mut parts)?,
        extra: BlockExtra::decode(&mut parts)?,
        transactions: Vec::decode(&mut parts)?,
    })
}

/// The encoded transactions of an encoded block, without looking at anything else.
pub(crate) fn stored_transactions(mut block: &[u8]) -> alloy_rlp::Result<Vec<&[u8]>> {
    let mut parts = Header::decode_bytes(&mut block, true)?;
    Header::decode_bytes(&mut parts, true)?;
    Header::decode_bytes(&mut parts, true)?;
    let mut list = Header::decode_bytes(&mut parts, true)?;
    let mut transactions = Vec::new();
    while !list.is_empty() {
        transactions.push(Header::decode_bytes(&mut list, false)?);
    }
    Ok(transactions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        block::{base_header, transactions_root},
        testing::{CHAIN_ID, GWEI, address, sealed, sign, transfer},
    };

    #[test]
    fn transactions_are_found_without_decoding_the_block() {
        let transactions = vec![Bytes::from_static(&[2, 1, 1]), Bytes::from(vec![9; 300])];
        let header = alloy_consensus::Header {
            transactions_root: transactions_root(&transactions),
            ..base_header()
        };
        let block = Block { header, extra: BlockExtra::default(), transactions };
        let encoded = block.encode();
        assert_eq!(decode_block(&encoded), Ok(block.clone()));
        let found = stored_transactions(&encoded).unwrap();
        assert_eq!(found, block.transactions.iter().map(|tx| &tx[..]).collect::<Vec<_>>());
        assert!(stored_transactions(&encoded[..encoded.len() - 1]).is_err());
    }

    /// A block of two transfers whose header commits to its receipts.
    fn block_of_two() -> Sealed {
        let transactions: Vec<_> = (0..2)
            .map(|nonce| {
                let encoded = sign(1, transfer(nonce, 2 * GWEI, GWEI / 2));
                Arc::new(RecoveredTx::decode(encoded, CHAIN_ID).unwrap())
            })
            .collect();
        let mut block = sealed(7, B256::repeat_byte(3), transactions);
        for receipt in &mut block.receipts {
            receipt.effective_gas_price = GWEI + GWEI / 2;
            receipt.tx_type = 2;
        }
        block.block.header.receipts_root = receipts_root(&block.receipts);
        block.hash = block.block.hash();
        block
    }

    #[test]
    fn a_block_from_elsewhere_gets_its_senders_and_keeps_its_receipts() {
        let block = block_of_two();
        let receipts = block.encode_receipts();
        let read = Sealed::from_parts(block.block.clone(), &receipts, CHAIN_ID).unwrap();
        assert_eq!(read, block);
        assert!(read.transactions.iter().all(|tx| tx.sender == address(1)));
    }

    #[test]
    fn foreign_parts_are_refused() {
        let good = block_of_two();
        let edits: [fn(&mut TxReceipt); 5] = [
            |receipt| receipt.success = false,
            |receipt| receipt.gas_used += 1,
            |receipt| receipt.effective_gas_price += 1,
            |receipt| receipt.contract_address = Some(Address::ZERO),
            |receipt| receipt.tx_type = 1,
        ];
        for edit in edits {
            let mut bad = good.clone();
            edit(&mut bad.receipts[1]);
            let refused = Sealed::from_parts(good.block.clone(), &bad.encode_receipts(), CHAIN_ID);
            assert_eq!(refused, Err(SealedError::ForeignReceipts));
        }
        let receipts = alloy_rlp::encode(good.receipts[..1].to_vec());
        let refused = Sealed::from_parts(good.block.clone(), &receipts, CHAIN_ID);
        assert_eq!(refused, Err(SealedError::ForeignReceipts));
        let refused = Sealed::from_parts(good.block.clone(), &[1, 2, 3], CHAIN_ID);
        assert!(matches!(refused, Err(SealedError::Receipts(_))));
        let refused = Sealed::from_parts(good.block, &receipts, CHAIN_ID + 1);
        assert!(matches!(refused, Err(SealedError::Transaction { index: 0, .. })));
    }
}
