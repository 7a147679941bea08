//! `eth_*` about the chain, its blocks, transactions and receipts.

use crate::{
    api::{Api, Module, blocking, method},
    convert::{self, RpcBlock, RpcReceipt, RpcTransaction},
    error::RpcError,
    params::Args,
};
use alloy_consensus::Transaction as _;
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U64};
use cairn_chain::Sealed;
use cairn_evm::RecoveredTx;
use serde_json::{Value, json};
use std::sync::Arc;

/// Most transactions of the pending block in JSON.
const MAX_PENDING: usize = 1_000;

pub(crate) fn register(module: &mut Module) {
    method(
        module,
        "eth_chainId",
        |api, _| async move { Ok(U64::from(api.chain().genesis().chain_id)) },
    );
    method(module, "eth_blockNumber", |api, _| async move {
        Ok(U64::from(api.chain().head().number()))
    });
    method(module, "eth_syncing", |_, _| async { Ok(false) });
    method(module, "eth_accounts", |_, _| async { Ok(Vec::<Address>::new()) });
    method(module, "eth_config", config);
    method(module, "eth_getBlockByNumber", block);
    method(module, "eth_getBlockByHash", block_by_hash);
    method(module, "eth_getBlockReceipts", block_receipts);
    for name in ["eth_getBlockTransactionCountByNumber", "eth_getBlockTransactionCountByHash"] {
        method(module, name, transaction_count);
    }
    for name in ["eth_getUncleCountByBlockHash", "eth_getUncleCountByBlockNumber"] {
        method(module, name, uncle_count);
    }
    for name in ["eth_getUncleByBlockHashAndIndex", "eth_getUncleByBlockNumberAndIndex"] {
        method(module, name, |_, _| async { Ok(Value::Null) });
    }
    for name in ["eth_getTransactionByBlockHashAndIndex", "eth_getTransactionByBlockNumberAndIndex"]
    {
        method(module, name, transaction_by_place);
    }
    for name in
        ["eth_getRawTransactionByBlockHashAndIndex", "eth_getRawTransactionByBlockNumberAndIndex"]
    {
        method(module, name, raw_transaction_by_place);
    }
    method(module, "eth_getTransactionByHash", transaction);
    method(module, "eth_getRawTransactionByHash", raw_transaction);
    method(module, "eth_getTransactionReceipt", receipt);
    method(module, "eth_getTransactionBySenderAndNonce", transaction_by_sender);
}

/// A block as JSON. What waits in the pool has no hash, so the pending block is put together by hand.
#[derive(Clone, serde::Serialize)]
#[serde(untagged)]
enum AnyBlock {
    Known(Box<RpcBlock>),
    Pending(Value),
}

async fn block(api: Api, mut args: Args) -> Result<Option<AnyBlock>, RpcError> {
    let id: BlockId = args.next("block")?;
    let full: bool = args.or_default("full")?;
    if id == BlockId::pending() {
        return Ok(Some(AnyBlock::Pending(pending_block(&api, full)?)));
    }
    let block = api.block(id)?;
    Ok(block.map(|block| AnyBlock::Known(Box::new(convert::block(&block, full)))))
}

async fn block_by_hash(api: Api, mut args: Args) -> Result<Option<RpcBlock>, RpcError> {
    let hash: B256 = args.next("hash")?;
    let full: bool = args.or_default("full")?;
    Ok(api.by_hash(hash)?.map(|block| convert::block(&block, full)))
}

/// The head's successor as far as it is known: what the pool would put in, unexecuted.
fn pending_block(api: &Api, full: bool) -> Result<Value, RpcError> {
    let head = api.chain().head();
    let base_fee = api.next_base_fee(&head);
    let timestamp_ms =
        head.block.extra.timestamp_ms + api.chain().genesis().rules().min_block_interval_ms;
    let transactions = fitting(api, base_fee, head.block.header.gas_limit);
    let sealed = Sealed {
        hash: B256::ZERO,
        block: cairn_chain::block::Block {
            header: alloy_consensus::Header {
                number: head.number() + 1,
                parent_hash: head.hash,
                timestamp: timestamp_ms / 1_000,
                base_fee_per_gas: Some(base_fee),
                gas_limit: head.block.header.gas_limit,
                ..cairn_chain::block::base_header()
            },
            extra: cairn_chain::block::BlockExtra { timestamp_ms, ..Default::default() },
            transactions: transactions.iter().map(|tx| tx.encoded.clone()).collect(),
        },
        transactions: transactions.clone(),
        receipts: Vec::new(),
    };
    let mut block = serde_json::to_value(convert::block(&sealed, false))
        .map_err(|error| RpcError::Internal(error.to_string()))?;
    for unknown in ["hash", "nonce", "miner", "logsBloom"] {
        block[unknown] = Value::Null;
    }
    if full {
        let all = transactions.iter().map(|tx| convert::pending(tx, Some(base_fee)));
        block["transactions"] = json!(all.collect::<Vec<_>>());
    }
    Ok(block)
}

/// The pool's best transactions up to a block's gas limit.
fn fitting(api: &Api, base_fee: u64, mut gas_left: u64) -> Vec<Arc<RecoveredTx>> {
    let fits = |tx: &Arc<RecoveredTx>| {
        let left = gas_left.checked_sub(tx.envelope.gas_limit());
        gas_left = left.unwrap_or(gas_left);
        left.is_some()
    };
    api.chain().pool().best(base_fee).take(MAX_PENDING).take_while(fits).collect()
}

async fn block_receipts(api: Api, mut args: Args) -> Result<Option<Vec<RpcReceipt>>, RpcError> {
    let id: BlockId = args.next("block")?;
    Ok(api.block(id)?.map(|block| convert::receipts(&block)))
}

async fn transaction_count(api: Api, mut args: Args) -> Result<Option<U64>, RpcError> {
    let id: BlockId = args.next("block")?;
    if id == BlockId::pending() {
        return Ok(Some(U64::from(api.chain().pool().status().0)));
    }
    Ok(api.block(id)?.map(|block| U64::from(block.transactions.len())))
}

async fn uncle_count(api: Api, mut args: Args) -> Result<Option<U64>, RpcError> {
    Ok(api.block(args.next("block")?)?.map(|_| U64::ZERO))
}

/// The block and the index that a client names.
fn place(api: &Api, args: &mut Args) -> Result<Option<(Arc<Sealed>, usize)>, RpcError> {
    let block = api.block(args.next("block")?)?;
    let index: U64 = args.next("index")?;
    Ok(block.zip(usize::try_from(index.to::<u64>()).ok()))
}

async fn transaction_by_place(
    api: Api,
    mut args: Args,
) -> Result<Option<RpcTransaction>, RpcError> {
    let place = place(&api, &mut args)?;
    Ok(place.and_then(|(block, index)| convert::transaction(&block, index)))
}

async fn raw_transaction_by_place(api: Api, mut args: Args) -> Result<Option<Bytes>, RpcError> {
    let place = place(&api, &mut args)?;
    Ok(place.and_then(|(block, index)| block.block.transactions.get(index).cloned()))
}

/// The block that includes a transaction, and its index there.
pub(crate) fn locate(api: &Api, hash: B256) -> Result<Option<(Arc<Sealed>, usize)>, RpcError> {
    let head = api.chain().head();
    if let Some(index) = head.transactions.iter().position(|tx| tx.hash == hash) {
        return Ok(Some((head, index)));
    }
    let Some((height, index)) = api.chain().locate(hash)? else { return Ok(None) };
    let block = api.by_number(height)?;
    Ok(block.zip(usize::try_from(index).ok()))
}

/// A transaction of the pool. One that the head includes may still be there for a moment.
fn waiting(api: &Api, hash: B256) -> Option<Arc<RecoveredTx>> {
    let head = api.chain().head();
    let waiting = api.chain().pool().get(&hash)?;
    let included = head.transactions.iter().any(|tx| tx.hash == hash);
    (!included).then_some(waiting)
}

async fn transaction(api: Api, mut args: Args) -> Result<Option<RpcTransaction>, RpcError> {
    let hash: B256 = args.next("hash")?;
    if let Some(tx) = waiting(&api, hash) {
        return Ok(Some(convert::pending(&tx, Some(api.chain().next_base_fee()))));
    }
    Ok(locate(&api, hash)?.and_then(|(block, index)| convert::transaction(&block, index)))
}

async fn raw_transaction(api: Api, mut args: Args) -> Result<Option<Bytes>, RpcError> {
    let hash: B256 = args.next("hash")?;
    if let Some(tx) = waiting(&api, hash) {
        return Ok(Some(tx.encoded.clone()));
    }
    let place = locate(&api, hash)?;
    Ok(place.and_then(|(block, index)| block.block.transactions.get(index).cloned()))
}

async fn receipt(api: Api, mut args: Args) -> Result<Option<RpcReceipt>, RpcError> {
    let hash: B256 = args.next("hash")?;
    Ok(locate(&api, hash)?.and_then(|(block, index)| convert::receipt(&block, index)))
}

/// Finds the block by bisection over the sender's nonce in past states.
async fn transaction_by_sender(
    api: Api,
    mut args: Args,
) -> Result<Option<RpcTransaction>, RpcError> {
    let sender: Address = args.next("sender")?;
    let nonce = args.next::<U64>("nonce")?.to::<u64>();
    let (pending, queued) = api.chain().pool().content_from(&sender);
    if let Some(tx) = pending.get(&nonce).or_else(|| queued.get(&nonce)) {
        return Ok(Some(convert::pending(tx, Some(api.chain().next_base_fee()))));
    }
    let used_at = async |height: u64| {
        Ok::<_, RpcError>(api.at(Some(height.into()))?.account(sender).await?.nonce > nonce)
    };
    let (mut unused, mut used) = (0, api.chain().head().number());
    if !used_at(used).await? {
        return Ok(None);
    }
    while used - unused > 1 {
        let middle = unused + (used - unused) / 2;
        if used_at(middle).await? { used = middle } else { unused = middle }
    }
    blocking(move || {
        let Some(block) = api.by_number(used)? else { return Ok(None) };
        let index = block
            .transactions
            .iter()
            .position(|tx| tx.sender == sender && tx.envelope.nonce() == nonce);
        Ok(index.and_then(|index| convert::transaction(&block, index)))
    })
    .await
}

/// EIP-7910. There is one fork, which is active since block 0.
async fn config(api: Api, _: Args) -> Result<Value, RpcError> {
    let genesis = api.chain().genesis();
    let precompiles: serde_json::Map<_, _> = PRECOMPILES
        .iter()
        .map(|(name, address)| {
            ((*name).into(), json!(Address::left_padding_from(&address.to_be_bytes())))
        })
        .collect();
    let current = json!({
        "activationTime": genesis.timestamp_ms / 1_000,
        "blobSchedule": { "baseFeeUpdateFraction": 5_007_716, "max": 0, "target": 0 },
        "chainId": U64::from(genesis.chain_id),
        "forkId": "0x00000000",
        "precompiles": precompiles,
        "systemContracts": {
            "HISTORY_STORAGE_ADDRESS": alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS,
        },
    });
    Ok(json!({ "current": current, "next": null, "last": null }))
}

/// Ethereum's precompiles in Osaka.
const PRECOMPILES: [(&str, u16); 18] = [
    ("ECREC", 1),
    ("SHA256", 2),
    ("RIPEMD160", 3),
    ("ID", 4),
    ("MODEXP", 5),
    ("BN254_ADD", 6),
    ("BN254_MUL", 7),
    ("BN254_PAIRING", 8),
    ("BLAKE2F", 9),
    ("KZG_POINT_EVALUATION", 10),
    ("BLS12_G1ADD", 11),
    ("BLS12_G1MSM", 12),
    ("BLS12_G2ADD", 13),
    ("BLS12_G2MSM", 14),
    ("BLS12_PAIRING_CHECK", 15),
    ("BLS12_MAP_FP_TO_G1", 16),
    ("BLS12_MAP_FP2_TO_G2", 17),
    ("P256VERIFY", 256),
];
