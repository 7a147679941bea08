//! `ots_*` and `erigon_getHeaderByNumber`: what the Otterscan explorer asks for beyond `eth_*`.
//!
//! Searching the transactions of an address needs an index that a node does not keep; those methods
//! are absent.
//!
//! Limit: [`MAX_PAGE`] transactions a page.

use crate::{
    api::{Api, Module, method},
    convert::{self, RpcBlock, RpcHeader},
    debug::{Gate, TraceError, budget::Budget, find, gated, replay},
    error::RpcError,
    params::Args,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_rpc_types_eth::BlockTransactions;
use alloy_rpc_types_trace::{
    geth::CallConfig,
    otterscan::{InternalOperation, TraceEntry},
};
use cairn_chain::Sealed;
use cairn_evm::{
    BlockEnv, StateDb, evm_with,
    revm::{InspectEvm as _, context::result::ExecutionResult},
};
use revm_inspectors::{
    otterscan::InternalOperationsInspector,
    tracing::{
        TracingInspector, TracingInspectorConfig,
        types::{CallKind, CallTrace},
    },
};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Version of the API that Otterscan checks for.
const API_LEVEL: u64 = 8;
/// Most transactions a page.
const MAX_PAGE: usize = 100;
/// Length of `0x` and a function selector in hexadecimal.
const SELECTOR_CHARS: usize = 10;

pub(crate) fn register(module: &mut Module, gate: &Gate) {
    method(module, "ots_getApiLevel", |_, _| async { Ok::<_, RpcError>(API_LEVEL) });
    method(module, "ots_hasCode", has_code);
    method(module, "ots_getBlockDetails", block_details);
    method(module, "ots_getBlockDetailsByHash", block_details_by_hash);
    method(module, "ots_getBlockTransactions", block_transactions);
    method(module, "erigon_getHeaderByNumber", header_by_number);
    gated(module, gate, "ots_getTransactionError", transaction_error);
    gated(module, gate, "ots_traceTransaction", trace_transaction);
    gated(module, gate, "ots_getInternalOperations", internal_operations);
}

/// A block without its transactions.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SlimBlock {
    #[serde(flatten)]
    header: Value,
    uncles: Vec<B256>,
    withdrawals: Vec<()>,
    transaction_count: usize,
}

/// New coins of a block: none, by the block itself.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Issuance {
    block_reward: U256,
    uncle_reward: U256,
    issuance: U256,
}

/// A block as its page shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockDetails {
    block: SlimBlock,
    issuance: Issuance,
    /// Paid by all transactions, burned or not, in wei.
    total_fees: U256,
}

/// One page of the transactions of a block.
#[derive(Clone, Debug, Serialize)]
struct Page {
    fullblock: Value,
    receipts: Vec<Value>,
}

async fn has_code(api: Api, mut args: Args) -> Result<bool, RpcError> {
    let address: Address = args.next("address")?;
    let id: Option<BlockId> = args.optional("block")?;
    Ok(api.at(id)?.account(address).await?.code_hash != KECCAK256_EMPTY)
}

async fn header_by_number(api: Api, mut args: Args) -> Result<Option<RpcHeader>, RpcError> {
    let number: BlockNumberOrTag = args.next("block")?;
    Ok(api.block(number.into())?.map(|block| convert::header(&block)))
}

async fn block_details(api: Api, mut args: Args) -> Result<Option<BlockDetails>, RpcError> {
    let number: BlockNumberOrTag = args.next("block")?;
    api.block(number.into())?.map(|block| details(&block)).transpose()
}

async fn block_details_by_hash(api: Api, mut args: Args) -> Result<Option<BlockDetails>, RpcError> {
    let hash: B256 = args.next("hash")?;
    api.by_hash(hash)?.map(|block| details(&block)).transpose()
}

fn details(block: &Sealed) -> Result<BlockDetails, RpcError> {
    let mut header = json(&convert::header(block))?;
    header["logsBloom"] = Value::Null;
    let fee = |receipt: &cairn_evm::TxReceipt| {
        U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price)
    };
    Ok(BlockDetails {
        block: SlimBlock {
            header,
            uncles: Vec::new(),
            withdrawals: Vec::new(),
            transaction_count: block.transactions.len(),
        },
        issuance: Issuance::default(),
        total_fees: block.receipts.iter().map(fee).sum(),
    })
}

async fn block_transactions(api: Api, mut args: Args) -> Result<Option<Page>, RpcError> {
    let number: BlockNumberOrTag = args.next("block")?;
    let page: usize = args.next("page")?;
    let size: usize = args.next("pageSize")?;
    if size > MAX_PAGE {
        return Err(RpcError::Params(format!("pageSize exceeds {MAX_PAGE}")));
    }
    api.block(number.into())?.map(|block| transactions(&block, page, size)).transpose()
}

/// Page `page` of a block; page 0 has the last transactions.
fn transactions(block: &Sealed, page: usize, size: usize) -> Result<Page, RpcError> {
    let count = block.transactions.len();
    let end = count.saturating_sub(page.saturating_mul(size));
    let range = end.saturating_sub(size)..end;
    let shown = range.clone().filter_map(|index| convert::transaction(block, index)).collect();
    let mut fullblock = json(&RpcBlock {
        header: convert::header(block),
        uncles: Vec::new(),
        transactions: BlockTransactions::Full(shown),
        withdrawals: Vec::new(),
    })?;
    fullblock["logsBloom"] = Value::Null;
    fullblock["transactionCount"] = count.into();
    for tx in fullblock["transactions"].as_array_mut().into_iter().flatten() {
        if let Some(Value::String(input)) = tx.get_mut("input") {
            input.truncate(SELECTOR_CHARS);
        }
    }
    let receipt = |index| {
        let mut receipt = json(&convert::receipt(block, index))?;
        receipt["logs"] = Value::Null;
        receipt["logsBloom"] = Value::Null;
        receipt["timestamp"] = block.block.header.timestamp.into();
        Ok(receipt)
    };
    Ok(Page { fullblock, receipts: range.map(receipt).collect::<Result<_, RpcError>>()? })
}

fn json(value: &impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|error| RpcError::Internal(error.to_string()))
}

/// What a transaction that failed returned; empty if it did not fail, or returned nothing.
async fn transaction_error(api: Api, gate: Gate, mut args: Args) -> Result<Bytes, TraceError> {
    let (block, index) = find(&api, args.next("hash")?)?;
    if block.receipts.get(index).is_some_and(|receipt| receipt.success) {
        return Ok(Bytes::new());
    }
    inspect(api, gate, block, index, |env, db, block, index| {
        match run(env, db, block, index, TracingInspectorConfig::none())?.result {
            ExecutionResult::Revert { output, .. } => Ok(output),
            ExecutionResult::Success { .. } | ExecutionResult::Halt { .. } => Ok(Bytes::new()),
        }
    })
    .await
}

/// Transfers, creations and self-destructions inside of a transaction.
async fn internal_operations(
    api: Api,
    gate: Gate,
    mut args: Args,
) -> Result<Vec<InternalOperation>, TraceError> {
    let (block, index) = find(&api, args.next("hash")?)?;
    inspect(api, gate, block, index, |env, db, block, index| {
        let ran = run(env, db, block, index, TracingInspectorConfig::none())?;
        Ok(ran.operations.into_operations())
    })
    .await
}

/// The tree of calls of a transaction, flat and in order.
async fn trace_transaction(
    api: Api,
    gate: Gate,
    mut args: Args,
) -> Result<Vec<TraceEntry>, TraceError> {
    let (block, index) = find(&api, args.next("hash")?)?;
    inspect(api, gate, block, index, |env, db, block, index| {
        let config = TracingInspectorConfig::from_geth_call_config(&CallConfig::default());
        let ran = run(env, db, block, index, config)?;
        Ok(ran.calls.traces().nodes().iter().map(|node| entry(&node.trace)).collect())
    })
    .await
}

fn entry(trace: &CallTrace) -> TraceEntry {
    TraceEntry {
        r#type: trace.kind.to_string(),
        depth: u32::try_from(trace.depth).unwrap_or(u32::MAX),
        from: trace.caller,
        to: trace.address,
        // These transfer nothing, whatever value they see.
        value: (!matches!(trace.kind, CallKind::StaticCall | CallKind::DelegateCall))
            .then_some(trace.value),
        input: trace.data.clone(),
        output: trace.output.clone(),
    }
}

/// Runs `work` in the state that transaction `index` of `block` found.
async fn inspect<R: Send + 'static>(
    api: Api,
    gate: Gate,
    block: Arc<Sealed>,
    index: usize,
    work: impl FnOnce(&BlockEnv, &mut StateDb<'_>, &Sealed, usize) -> Result<R, TraceError>
    + Send
    + 'static,
) -> Result<R, TraceError> {
    gate.run(move || async move {
        let run = |env: &BlockEnv, db: &mut StateDb<'_>| work(env, db, &block, index);
        replay::upto(api.chain(), &block, index, run).await
    })
    .await
}

/// What a transaction did.
struct Ran {
    result: ExecutionResult,
    operations: InternalOperationsInspector,
    calls: TracingInspector,
}

/// Executes transaction `index` of `block`; `config` says what is recorded of its calls.
fn run(
    env: &BlockEnv,
    db: &mut StateDb<'_>,
    block: &Sealed,
    index: usize,
    config: TracingInspectorConfig,
) -> Result<Ran, TraceError> {
    let recorders = (InternalOperationsInspector::default(), TracingInspector::new(config));
    let mut evm = evm_with(env, db, (Budget::default(), recorders));
    let ran = evm.inspect_tx(block.transactions[index].tx_env());
    let (budget, (operations, calls)) = evm.inspector;
    budget.check()?;
    let ran = ran.map_err(|error| replay::unrepeatable(block, index, error))?;
    replay::check(block, index, &ran)?;
    Ok(Ran { result: ran.result, operations, calls })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::Header;
    use cairn_chain::block::{Block, BlockExtra};
    use cairn_evm::TxReceipt;

    #[test]
    fn fees_are_summed_and_blooms_left_out() {
        let receipt = |gas_used, effective_gas_price| TxReceipt {
            gas_used,
            effective_gas_price,
            ..TxReceipt::default()
        };
        let block = Sealed {
            block: Block {
                header: Header::default(),
                extra: BlockExtra::default(),
                transactions: Vec::new(),
            },
            hash: B256::ZERO,
            transactions: Vec::new(),
            receipts: vec![receipt(3, 5), receipt(2, 10)],
        };
        let shown = serde_json::to_value(details(&block).unwrap()).unwrap();
        assert_eq!(shown["totalFees"], "0x23");
        assert_eq!(shown["block"]["transactionCount"], 0);
        assert!(shown["block"]["logsBloom"].is_null());
        assert_eq!(shown["issuance"]["issuance"], "0x0");
    }
}
