//! Blocks, transactions and receipts in their JSON form, which is geth's.
//!
//! One field is Cairn's own: `timestampMs` of a block, its time in milliseconds.

use alloy_consensus::{
    Eip658Value, Receipt, ReceiptEnvelope, ReceiptWithBloom, Transaction as _,
    transaction::Recovered,
};
use alloy_eips::Typed2718 as _;
use alloy_primitives::{B256, U64, U256};
use alloy_rpc_types_eth::{BlockTransactions, Header, Log, Transaction, TransactionReceipt};
use cairn_chain::Sealed;
use cairn_evm::{RecoveredTx, TxEnvelope, TxReceipt};
use serde::Serialize;

/// A transaction in JSON.
pub type RpcTransaction = Transaction<TxEnvelope>;

/// A receipt in JSON.
pub type RpcReceipt = TransactionReceipt<ReceiptEnvelope<Log>>;

/// A header in JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcHeader {
    /// Ethereum's fields.
    #[serde(flatten)]
    pub header: Header,
    /// Time of the block in milliseconds since 1970.
    pub timestamp_ms: U64,
}

/// A block in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct RpcBlock {
    /// Its header.
    #[serde(flatten)]
    pub header: RpcHeader,
    /// Always empty.
    pub uncles: Vec<B256>,
    /// Transactions or their hashes.
    pub transactions: BlockTransactions<RpcTransaction>,
    /// Always empty.
    pub withdrawals: Vec<()>,
}

/// The header of `block`, with the size of the whole block.
#[must_use]
pub fn header(block: &Sealed) -> RpcHeader {
    RpcHeader {
        header: Header {
            hash: block.hash,
            inner: block.block.header.clone(),
            total_difficulty: None,
            size: Some(U256::from(size(block))),
        },
        timestamp_ms: U64::from(block.block.extra.timestamp_ms),
    }
}

/// Length of the block's RLP encoding in Ethereum, without what is Cairn's own.
fn size(block: &Sealed) -> usize {
    use alloy_rlp::{Encodable as _, length_of_length};
    let item = |tx: &alloy_primitives::Bytes| match tx.first() {
        // A legacy transaction is a list, others are strings in the list of transactions.
        Some(0xc0..) => tx.len(),
        _ => tx.len() + length_of_length(tx.len()),
    };
    let transactions: usize = block.block.transactions.iter().map(item).sum();
    let empty_lists = 2;
    let payload =
        block.block.header.length() + transactions + length_of_length(transactions) + empty_lists;
    payload + length_of_length(payload)
}

/// A block with its transactions, or their hashes unless `full`.
#[must_use]
pub fn block(block: &Sealed, full: bool) -> RpcBlock {
    let transactions = if full {
        let all = block.transactions.iter().enumerate();
        BlockTransactions::Full(all.map(|(i, tx)| included(block, i, tx)).collect())
    } else {
        BlockTransactions::Hashes(block.transactions.iter().map(|tx| tx.hash).collect())
    };
    RpcBlock { header: header(block), uncles: Vec::new(), transactions, withdrawals: Vec::new() }
}

/// Transaction number `index` of `block`.
#[must_use]
pub fn transaction(block: &Sealed, index: usize) -> Option<RpcTransaction> {
    block.transactions.get(index).map(|tx| included(block, index, tx))
}

fn included(block: &Sealed, index: usize, tx: &RecoveredTx) -> RpcTransaction {
    let base_fee = block.block.header.base_fee_per_gas;
    Transaction {
        block_hash: Some(block.hash),
        block_number: Some(block.number()),
        transaction_index: Some(index as u64),
        effective_gas_price: Some(tx.envelope.effective_gas_price(base_fee)),
        block_timestamp: Some(block.block.header.timestamp),
        ..pending(tx, base_fee)
    }
}

/// A transaction that waits for a block.
#[must_use]
pub fn pending(tx: &RecoveredTx, base_fee: Option<u64>) -> RpcTransaction {
    Transaction {
        inner: Recovered::new_unchecked(tx.envelope.clone(), tx.sender),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: Some(tx.envelope.effective_gas_price(base_fee)),
        block_timestamp: None,
    }
}

/// All logs of `block`, in order.
pub fn logs(block: &Sealed) -> impl Iterator<Item = Log> + '_ {
    let mut first = 0;
    block.receipts.iter().enumerate().flat_map(move |(index, receipt)| {
        let start = first;
        first += receipt.logs.len() as u64;
        receipt_logs(block, index, receipt, start)
    })
}

fn receipt_logs<'a>(
    block: &'a Sealed,
    index: usize,
    receipt: &'a TxReceipt,
    first: u64,
) -> impl Iterator<Item = Log> + 'a {
    let hash = block.transactions.get(index).map(|tx| tx.hash);
    receipt.logs.iter().zip(first..).map(move |(log, log_index)| Log {
        inner: log.clone(),
        block_hash: Some(block.hash),
        block_number: Some(block.number()),
        block_timestamp: Some(block.block.header.timestamp),
        transaction_hash: hash,
        transaction_index: Some(index as u64),
        log_index: Some(log_index),
        removed: false,
    })
}

/// All receipts of `block`, in order.
#[must_use]
pub fn receipts(block: &Sealed) -> Vec<RpcReceipt> {
    (0..block.receipts.len()).filter_map(|index| receipt(block, index)).collect()
}

/// The receipt of transaction number `index` of `block`.
#[must_use]
pub fn receipt(block: &Sealed, index: usize) -> Option<RpcReceipt> {
    let (tx, receipt) = (block.transactions.get(index)?, block.receipts.get(index)?);
    let before = block.receipts.get(..index)?;
    let first: usize = before.iter().map(|receipt| receipt.logs.len()).sum();
    Some(TransactionReceipt {
        inner: envelope(block, index, tx, receipt, first as u64),
        transaction_hash: tx.hash,
        transaction_index: Some(index as u64),
        block_hash: Some(block.hash),
        block_number: Some(block.number()),
        gas_used: receipt.gas_used,
        effective_gas_price: receipt.effective_gas_price,
        blob_gas_used: None,
        blob_gas_price: None,
        from: tx.sender,
        to: tx.envelope.to(),
        contract_address: receipt.contract_address,
    })
}

fn envelope(
    block: &Sealed,
    index: usize,
    tx: &RecoveredTx,
    receipt: &TxReceipt,
    first_log: u64,
) -> ReceiptEnvelope<Log> {
    let inner = ReceiptWithBloom {
        logs_bloom: receipt.bloom(),
        receipt: Receipt {
            status: Eip658Value::Eip658(receipt.success),
            cumulative_gas_used: receipt.cumulative_gas_used,
            logs: receipt_logs(block, index, receipt, first_log).collect(),
        },
    };
    match tx.envelope.ty() {
        1 => ReceiptEnvelope::Eip2930(inner),
        2 => ReceiptEnvelope::Eip1559(inner),
        4 => ReceiptEnvelope::Eip7702(inner),
        _ => ReceiptEnvelope::Legacy(inner),
    }
}

#[cfg(test)]
mod tests;
