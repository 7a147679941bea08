//! `eth_simulateV1`: calls in blocks that build on a past one, without a trace left.
//!
//! ```text
//! request ── plan ──> blocks without gaps ── run ──> executed blocks, results of calls
//!          numbers, times                   overrides, calls one after the other
//! ```
//!
//! Every simulated block sees what the earlier ones wrote. Semantics, defaults and error codes are
//! those of geth. What differs: the state has no Merkle-Patricia root, so `stateRoot` is zero;
//! blocks follow each other by one second; `PREVRANDAO` stays that of the base block, as in a block
//! that publishes no seed; precompiles and system contracts can be neither moved nor overridden.
//!
//! Limits: [`plan::MAX_BLOCKS`] blocks; all calls together get the gas of one `eth_call`; time and
//! recorded bytes are bounded as for traces, with which simulations share their places.

mod error;
mod logs;
mod plan;
mod run;

pub(crate) use error::SimulateError;

use crate::{
    api::{Api, Module},
    convert::RpcBlock,
    debug::{Gate, budget::Budget, gated},
    params::Args,
};
use alloy_eips::BlockId;
use alloy_rpc_types_eth::simulate::{SimulatePayload, SimulatedBlock};
use cairn_evm::on_state;

pub(crate) fn register(module: &mut Module, gate: &Gate) {
    gated(module, gate, "eth_simulateV1", simulate);
}

async fn simulate(
    api: Api,
    gate: Gate,
    mut args: Args,
) -> Result<Vec<SimulatedBlock<RpcBlock>>, SimulateError> {
    let payload: SimulatePayload = args.next("opts")?;
    let id: Option<BlockId> = args.optional("block")?;
    let at = api.at(id)?;
    let header = &at.block.block.header;
    let blocks = plan::plan(header.number, header.timestamp, payload.block_state_calls)?;
    let mut simulation = run::Simulation {
        validation: payload.validation,
        transfers: payload.trace_transfers,
        full: payload.return_full_transactions,
        initial_base_fee: api.chain().genesis().parameters.initial_base_fee,
        env: api.env(&at.block),
        parent: header.clone(),
        parent_hash: at.block.hash,
        gas_left: api.limits().call_gas,
        budget: Budget::default(),
    };
    gate.run(move || async move {
        let done = on_state(at.state.as_ref(), |db| {
            blocks.into_iter().map(|block| simulation.block(db, block)).collect()
        });
        done.await?
    })
    .await
}

#[cfg(test)]
mod tests;
