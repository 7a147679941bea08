//! `debug_*`: traces of past transactions, blocks and calls, and raw encodings.
//!
//! ```text
//! state after the parent ─ protocol writes ─ earlier transactions ─ the traced one + inspector
//!        (history)             (replay)           (replay)               (tracer, budget)
//! ```
//!
//! A past transaction is executed again exactly as it was; if it then uses other gas than its receipt
//! says, the trace is refused rather than shown. Tracers and their JSON are geth's: the struct logger
//! (default), `callTracer`, `prestateTracer`, `4byteTracer`, `noopTracer`, and also `flatCallTracer`
//! and `muxTracer`. There are no JavaScript tracers.
//!
//! Limits: [`gate::TRACES`] traces at a time, each on a thread that may block; [`budget`] bounds what
//! a trace records and how long it runs; an answer is no longer than the server's limit.

pub(crate) mod budget;
mod error;
mod gate;
mod raw;
pub(crate) mod replay;
mod tracer;

pub(crate) use error::TraceError;
pub(crate) use gate::Gate;

use crate::{
    api::{Api, Module},
    error::RpcError,
    eth::call::Call,
    params::Args,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_trace::geth::{GethDebugTracingCallOptions, GethDebugTracingOptions};
use cairn_chain::Sealed;
use cairn_evm::{BlockEnv, StateDb};
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use tracer::Traces;

/// One transaction of a traced block.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockTrace {
    tx_hash: B256,
    result: Box<RawValue>,
}

pub(crate) fn register(module: &mut Module, gate: &Gate) {
    raw::register(module);
    gated(module, gate, "debug_traceTransaction", trace_transaction);
    gated(module, gate, "debug_traceBlockByNumber", trace_block_by_number);
    gated(module, gate, "debug_traceBlockByHash", trace_block_by_hash);
    gated(module, gate, "debug_traceCall", trace_call);
}

/// Registers `handler`, which runs its EVM work through `gate`, as the method `name`.
pub(crate) fn gated<F, Fut, T, E>(module: &mut Module, gate: &Gate, name: &'static str, handler: F)
where
    F: Fn(Api, Gate, Args) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Serialize + Clone + 'static,
    E: Into<ErrorObjectOwned>,
{
    let gate = gate.clone();
    let run = move |params: jsonrpsee::types::Params<'static>, api: Arc<Api>, _| {
        let args = Args::parse(&params);
        let (handler, gate) = (handler.clone(), gate.clone());
        async move { handler(Api::clone(&api), gate, args?).await.map_err(Into::into) }
    };
    module.register_async_method(name, run).expect("every method has a name of its own");
}

/// The block that holds the transaction `hash`, and the position in it.
pub(crate) fn find(api: &Api, hash: B256) -> Result<(Arc<Sealed>, usize), RpcError> {
    let unknown = || RpcError::refused(format!("transaction {hash} not found"));
    let (number, index) = api.chain().locate(hash)?.ok_or_else(unknown)?;
    let block = api.by_number(number)?.ok_or_else(unknown)?;
    Ok((block, usize::try_from(index).map_err(|_| unknown())?))
}

async fn trace_transaction(
    api: Api,
    gate: Gate,
    mut args: Args,
) -> Result<Box<RawValue>, TraceError> {
    let hash: B256 = args.next("hash")?;
    let mut traces = Traces::new(args.or_default("options")?, api.limits())?;
    let (block, index) = find(&api, hash)?;
    gate.run(move || async move {
        let chain = api.chain();
        let run = |env: &BlockEnv, db: &mut StateDb<'_>| traces.transaction(env, db, &block, index);
        replay::upto(chain, &block, index, run).await
    })
    .await
}

async fn trace_block_by_number(
    api: Api,
    gate: Gate,
    mut args: Args,
) -> Result<Vec<BlockTrace>, TraceError> {
    let number: BlockNumberOrTag = args.next("block")?;
    trace_block(number.into(), args.or_default("options")?, api, gate).await
}

async fn trace_block_by_hash(
    api: Api,
    gate: Gate,
    mut args: Args,
) -> Result<Vec<BlockTrace>, TraceError> {
    let hash: B256 = args.next("block")?;
    trace_block(hash.into(), args.or_default("options")?, api, gate).await
}

async fn trace_block(
    id: BlockId,
    options: GethDebugTracingOptions,
    api: Api,
    gate: Gate,
) -> Result<Vec<BlockTrace>, TraceError> {
    let mut traces = Traces::new(options, api.limits())?;
    let block = api.known_block(id)?;
    gate.run(move || async move {
        replay::upto(api.chain(), &block, 0, |env, db| {
            let traced = |(index, tx_hash)| {
                let result = traces.transaction(env, db, &block, index)?;
                Ok(BlockTrace { tx_hash, result })
            };
            block.transactions.iter().map(|tx| tx.hash).enumerate().map(traced).collect()
        })
        .await
    })
    .await
}

async fn trace_call(api: Api, gate: Gate, mut args: Args) -> Result<Box<RawValue>, TraceError> {
    let request: TransactionRequest = args.next("transaction")?;
    let id: BlockId = args.or_default("block")?;
    let options: GethDebugTracingCallOptions = args.or_default("options")?;
    let mut traces = Traces::new(options.tracing_options, api.limits())?;
    let block = api.known_block(id)?;
    let state = options.state_overrides.unwrap_or_default();
    let call = Call { request, state, block: options.block_overrides.unwrap_or_default() };
    let cap = api.limits().call_gas;
    let index = options.tx_index.map(|index| usize::try_from(index).unwrap_or(usize::MAX));
    gate.run(move || async move {
        let run = |env: &BlockEnv, db: &mut StateDb<'_>| traces.call(env, db, &call, cap);
        match index {
            Some(index) => replay::upto(api.chain(), &block, index, run).await,
            None => replay::after(api.chain(), &block, run).await,
        }
    })
    .await
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
