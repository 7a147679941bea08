//! A block with what its execution produced, and how the history stores it.
//!
//! The stored receipts of a block are its senders (20 bytes each, in order), so that loading a
//! block recovers no signatures, followed by the RLP list of its receipts.

use crate::{
    block::{Block, BlockExtra},
    history::{HistoryError, RawBlock, StoredBlock},
};
use alloy_primitives::{Address, B256};
use alloy_rlp::{Decodable as _, Encodable as _, Header};
use cairn_evm::{Change, RecoveredTx, TxReceipt, logs_bloom};
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

impl Sealed {
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
    use crate::block::{base_header, transactions_root};
    use alloy_primitives::Bytes;

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
}
