//! `debug_getRaw*`: consensus encodings.

use crate::{
    api::{Api, Module, method},
    error::RpcError,
    params::Args,
};
use alloy_consensus::{Eip658Value, Receipt, ReceiptEnvelope, TxType};
use alloy_eips::{BlockId, eip2718::Encodable2718 as _};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{BufMut as _, Encodable as _, Header};
use cairn_chain::{Sealed, block::Block};
use cairn_evm::TxReceipt;
use std::sync::Arc;

pub(super) fn register(module: &mut Module) {
    method(module, "debug_getRawHeader", header);
    method(module, "debug_getRawBlock", block);
    method(module, "debug_getRawReceipts", receipts);
    method(module, "debug_getRawTransaction", transaction);
}

fn requested(api: &Api, mut args: Args) -> Result<Arc<Sealed>, RpcError> {
    let id: BlockId = args.next("block")?;
    api.known_block(id)
}

async fn header(api: Api, args: Args) -> Result<Bytes, RpcError> {
    Ok(alloy_rlp::encode(&requested(&api, args)?.block.header).into())
}

async fn block(api: Api, args: Args) -> Result<Bytes, RpcError> {
    Ok(encode_block(&requested(&api, args)?.block).into())
}

async fn receipts(api: Api, args: Args) -> Result<Vec<Bytes>, RpcError> {
    Ok(requested(&api, args)?.receipts.iter().map(encode_receipt).collect())
}

/// The encoding of a transaction of a block or of the pool; empty if there is none, as in geth.
async fn transaction(api: Api, mut args: Args) -> Result<Bytes, RpcError> {
    let hash: B256 = args.next("hash")?;
    if let Some((height, index)) = api.chain().locate(hash)? {
        let block = api.by_number(height)?;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let encoded = block.and_then(|block| Some(block.transactions.get(index)?.encoded.clone()));
        return Ok(encoded.unwrap_or_default());
    }
    Ok(api.chain().pool().get(&hash).map(|tx| tx.encoded.clone()).unwrap_or_default())
}

/// A block as Ethereum's networks encode it: header, transactions, no ommers, no withdrawals.
fn encode_block(block: &Block) -> Vec<u8> {
    let mut transactions = Vec::new();
    for encoded in &block.transactions {
        // A legacy transaction is a list itself; a typed one is a string.
        match encoded.first() {
            Some(first) if *first >= alloy_rlp::EMPTY_LIST_CODE => {
                transactions.extend_from_slice(encoded);
            }
            _ => encoded.encode(&mut transactions),
        }
    }
    let mut payload = Vec::new();
    block.header.encode(&mut payload);
    Header { list: true, payload_length: transactions.len() }.encode(&mut payload);
    payload.extend_from_slice(&transactions);
    payload.put_u8(alloy_rlp::EMPTY_LIST_CODE);
    payload.put_u8(alloy_rlp::EMPTY_LIST_CODE);
    let mut encoded = Vec::new();
    Header { list: true, payload_length: payload.len() }.encode(&mut encoded);
    encoded.extend_from_slice(&payload);
    encoded
}

/// EIP-2718 encoding of a receipt, as the receipts root commits to it.
fn encode_receipt(receipt: &TxReceipt) -> Bytes {
    let body = Receipt {
        status: Eip658Value::Eip658(receipt.success),
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs: receipt.logs.clone(),
    };
    let body = body.with_bloom();
    let envelope = match TxType::try_from(receipt.tx_type).unwrap_or(TxType::Legacy) {
        TxType::Legacy => ReceiptEnvelope::Legacy(body),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(body),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(body),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(body),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(body),
    };
    envelope.encoded_2718().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::proofs::ordered_trie_root_with_encoder;
    use alloy_primitives::{Address, Log};
    use cairn_evm::receipts_root;

    #[test]
    fn receipts_encode_as_their_root_commits_to_them() {
        let log =
            Log::new_unchecked(Address::repeat_byte(1), vec![B256::repeat_byte(2)], Bytes::new());
        let receipts: Vec<_> = [0, 1, 2, 4]
            .into_iter()
            .map(|tx_type| TxReceipt { tx_type, logs: vec![log.clone()], ..TxReceipt::default() })
            .collect();
        let root = ordered_trie_root_with_encoder(&receipts, |receipt, out| {
            out.put_slice(&encode_receipt(receipt));
        });
        assert_eq!(root, receipts_root(&receipts));
    }
}
