//! Parameters of JSON-RPC requests, as functions of bytes: for fuzzing, and for replaying the corpus
//! in the tests of `crates/rpc`. A parameter may be refused, but must never panic.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{
    BlockId, BlockNumberOrTag, BlockOverrides, Filter, TransactionRequest,
    simulate::SimulatePayload, state::StateOverride,
};
use alloy_rpc_types_trace::geth::{GethDebugTracingCallOptions, GethDebugTracingOptions};
use cairn_rpc::params::Args;
use jsonrpsee::types::Params;
use serde::de::DeserializeOwned;

/// The parameters of a request: reads the first two as everything that some method takes there.
pub fn rpc_params(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    first_two::<Address, U256>(text);
    first_two::<B256, GethDebugTracingOptions>(text);
    first_two::<Bytes, U64>(text);
    first_two::<BlockId, bool>(text);
    first_two::<BlockNumberOrTag, Vec<f64>>(text);
    first_two::<TransactionRequest, BlockId>(text);
    first_two::<TransactionRequest, GethDebugTracingCallOptions>(text);
    first_two::<StateOverride, BlockOverrides>(text);
    first_two::<SimulatePayload, BlockId>(text);
    first_two::<Filter, BlockId>(text);
}

fn first_two<A: DeserializeOwned, B: DeserializeOwned>(text: &str) {
    if let Ok(mut args) = Args::parse(&Params::new(Some(text))) {
        let first = args.next::<A>("first");
        let second = args.optional::<B>("second");
        for error in [first.err(), second.err()].into_iter().flatten() {
            assert!(!error.to_string().is_empty(), "an error says something");
        }
    }
}
