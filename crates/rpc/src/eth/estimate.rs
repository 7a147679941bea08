//! `eth_estimateGas`: the lowest gas limit at which a call succeeds.
//!
//! As in geth: one run with all the gas there is tells whether the call can succeed at all and what it
//! uses; then the limit is found by bisection, to within 1.5 %.

use super::call::{Call, allowance, execute, invalid, output, tx_env};
use crate::{
    api::{Api, Module, method},
    error::RpcError,
    params::Args,
};
use alloy_primitives::{KECCAK256_EMPTY, TxKind, U64};
use alloy_rpc_types_eth::TransactionRequest;
use cairn_evm::{
    BlockEnv, StateDb,
    revm::context::{
        TxEnv,
        result::{ExecutionResult, HaltReason, InvalidTransaction},
    },
};

/// Gas of a transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Gas that a call with value hands to the callee on top, which must be there but is not used.
const CALL_STIPEND: u64 = 2_300;
/// The bisection stops when bounds differ by less than one part in this many.
const PRECISION: u64 = 66;

pub(crate) fn register(module: &mut Module) {
    method(module, "eth_estimateGas", estimate_gas);
}

async fn estimate_gas(api: Api, mut args: Args) -> Result<U64, RpcError> {
    let (call, id) = Call::parse(&mut args)?;
    let at = api.at(id)?;
    let (mut env, cap) = (api.env_at(&at), api.limits().call_gas);
    api.run(at.state, move |db| {
        call.prepare(&mut env, db)?;
        Ok(U64::from(estimate(&env, db, &call.request, cap)?))
    })
    .await
}

/// The lowest gas limit, up to `cap`, at which `request` succeeds.
fn estimate(
    env: &BlockEnv,
    db: &mut StateDb<'_>,
    request: &TransactionRequest,
    cap: u64,
) -> Result<u64, RpcError> {
    let most = env.gas_limit.min(env.rules.tx_gas_limit).min(cap);
    let asked = request.gas.filter(|gas| *gas >= TRANSFER_GAS).unwrap_or(most);
    let highest = asked.min(most).min(allowance(db, request)?);
    let tx = |gas| tx_env(request, env, gas);
    if is_transfer(db, request)? && succeeds(env, db, tx(TRANSFER_GAS))? {
        return Ok(TRANSFER_GAS);
    }
    let result = match execute(env, db, tx(highest))? {
        Ok(result) => result,
        Err(reason) if too_little(&reason) => return Err(exceeds(highest)),
        Err(reason) => return Err(invalid(&reason)),
    };
    let (used, refunded) = (result.tx_gas_used(), result.gas().inner_refunded());
    if matches!(&result, ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. }) {
        return Err(exceeds(highest));
    }
    output(result)?;
    let optimistic = (used + refunded + CALL_STIPEND) / 63 * 64 + 64;
    search(env, db, Bounds { fails: used.saturating_sub(1), works: highest }, optimistic, tx)
}

/// A limit at which the call fails, and one at which it succeeds.
struct Bounds {
    fails: u64,
    works: u64,
}

fn search(
    env: &BlockEnv,
    db: &mut StateDb<'_>,
    mut bounds: Bounds,
    optimistic: u64,
    tx: impl Fn(u64) -> TxEnv,
) -> Result<u64, RpcError> {
    if optimistic < bounds.works {
        if succeeds(env, db, tx(optimistic))? {
            bounds.works = optimistic;
        } else {
            bounds.fails = optimistic;
        }
    }
    while bounds.fails + 1 < bounds.works {
        if bounds.works - bounds.fails < bounds.works / PRECISION {
            break;
        }
        let middle = bounds.fails + (bounds.works - bounds.fails) / 2;
        // The limit is most often near what was used, far below the bound that works.
        let middle = middle.min(bounds.fails.saturating_mul(2).max(bounds.fails + 1));
        if succeeds(env, db, tx(middle))? {
            bounds.works = middle;
        } else {
            bounds.fails = middle;
        }
    }
    Ok(bounds.works)
}

/// Whether `request` only moves value to an account without code.
fn is_transfer(db: &mut StateDb<'_>, request: &TransactionRequest) -> Result<bool, RpcError> {
    let Some(TxKind::Call(to)) = request.to else { return Ok(false) };
    let plain = request.input.input().is_none_or(|input| input.is_empty())
        && request.access_list.is_none()
        && request.authorization_list.is_none();
    Ok(plain && db.account(to)?.is_none_or(|account| account.code_hash == KECCAK256_EMPTY))
}

fn succeeds(env: &BlockEnv, db: &mut StateDb<'_>, tx: TxEnv) -> Result<bool, RpcError> {
    match execute(env, db, tx)? {
        Ok(result) => Ok(result.is_success()),
        Err(reason) if too_little(&reason) => Ok(false),
        Err(reason) => Err(invalid(&reason)),
    }
}

const fn too_little(reason: &InvalidTransaction) -> bool {
    matches!(
        reason,
        InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
            | InvalidTransaction::GasFloorMoreThanGasLimit { .. }
    )
}

fn exceeds(allowance: u64) -> RpcError {
    RpcError::Refused(format!("gas required exceeds allowance ({allowance})"))
}
