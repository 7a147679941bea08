//! `eth_call` and `eth_createAccessList`, and what all calls share.
//!
//! A call is a transaction that nobody signed. It runs as geth runs it: nonce and sender's code are not
//! checked, the block's gas limit and the cap for one transaction do not apply, the base fee counts as
//! zero unless the call names a price. The sender must be able to pay for value, and for gas at the
//! price that the call names.

use crate::{
    api::{Api, At, Module, method},
    error::{RpcError, halt_text, invalid_text},
    eth::overrides,
    params::Args,
};
use alloy_eips::{
    BlockId,
    eip2930::{AccessList, AccessListResult},
};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use cairn_evm::{
    BlockEnv, StateDb, StateError, evm_with,
    revm::{
        ExecuteEvm as _, InspectEvm as _,
        context::{
            CfgEnv, TxEnv,
            either::Either,
            result::{EVMError, ExecutionResult, InvalidTransaction},
        },
    },
};
use revm_inspectors::access_list::AccessListInspector;

/// Times that an access list is widened by what a run with it touches.
const ACCESS_LIST_ROUNDS: usize = 16;

pub(crate) fn register(module: &mut Module) {
    method(module, "eth_call", call);
    method(module, "eth_createAccessList", create_access_list);
}

/// A call as clients send it: request, block, overrides.
#[derive(Debug)]
pub struct Call {
    /// The request.
    pub request: TransactionRequest,
    /// State overrides.
    pub state: StateOverride,
    /// Block overrides.
    pub block: BlockOverrides,
}

impl Call {
    /// Takes the parameters `request, block?, stateOverrides?, blockOverrides?`.
    ///
    /// # Errors
    /// If one is malformed.
    pub fn parse(args: &mut Args) -> Result<(Self, Option<BlockId>), RpcError> {
        let request: TransactionRequest = args.next("call")?;
        let id = args.optional("block")?;
        let (state, block) =
            (args.or_default("state overrides")?, args.or_default("block overrides")?);
        check(&request)?;
        Ok((Self { request, state, block }, id))
    }

    /// Puts the overrides over `env` and `db`.
    ///
    /// # Errors
    /// See [`overrides`].
    pub fn prepare(&self, env: &mut BlockEnv, db: &mut StateDb<'_>) -> Result<(), RpcError> {
        overrides::apply_block(env, db, &self.block)?;
        overrides::apply_state(db, &self.state)
    }
}

/// Refuses requests that contradict themselves.
fn check(request: &TransactionRequest) -> Result<(), RpcError> {
    let fees = request.max_fee_per_gas.or(request.max_priority_fee_per_gas);
    if request.gas_price.is_some() && fees.is_some() {
        return Err(RpcError::params(
            "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
        ));
    }
    if request.max_fee_per_gas < request.max_priority_fee_per_gas
        && let (Some(cap), Some(tip)) = (request.max_fee_per_gas, request.max_priority_fee_per_gas)
    {
        return Err(RpcError::Params(format!(
            "maxFeePerGas ({cap}) < maxPriorityFeePerGas ({tip})"
        )));
    }
    if request.blob_versioned_hashes.is_some() || request.max_fee_per_blob_gas.is_some() {
        return Err(RpcError::params("blob transactions (type 3) do not exist on this chain"));
    }
    let input = &request.input;
    if input.input.is_some() && input.data.is_some() && input.input != input.data {
        return Err(RpcError::params(
            "both \"data\" and \"input\" are set and not equal, please use \"input\" to pass \
             transaction call data",
        ));
    }
    Ok(())
}

/// Most wei per gas that a request is ready to pay; zero if it says nothing.
#[must_use]
pub fn price(request: &TransactionRequest) -> u128 {
    let tip = request.max_priority_fee_per_gas;
    request.gas_price.or(request.max_fee_per_gas).or(tip).unwrap_or_default()
}

/// The transaction that `request` stands for, with `gas` as its gas limit.
#[must_use]
pub fn tx_env(request: &TransactionRequest, env: &BlockEnv, gas: u64) -> TxEnv {
    let authorizations = request.authorization_list.as_deref().unwrap_or_default();
    let access_list = request.access_list.clone().unwrap_or_default();
    let tx_type = match request {
        _ if !authorizations.is_empty() => 4,
        TransactionRequest { max_fee_per_gas: Some(_), .. }
        | TransactionRequest { max_priority_fee_per_gas: Some(_), .. } => 2,
        _ if request.access_list.is_some() => 1,
        _ => 0,
    };
    TxEnv {
        tx_type,
        caller: request.from.unwrap_or_default(),
        gas_limit: gas,
        gas_price: price(request),
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data: request.input.input().cloned().unwrap_or_default(),
        nonce: request.nonce.unwrap_or_default(),
        chain_id: Some(env.chain_id),
        access_list,
        gas_priority_fee: match tx_type {
            2 | 4 => Some(request.max_priority_fee_per_gas.unwrap_or_default()),
            _ => None,
        },
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: authorizations.iter().cloned().map(Either::Left).collect(),
    }
}

/// Lifts the checks that only transactions have to pass.
pub fn relax(cfg: &mut CfgEnv, price: u128) {
    cfg.disable_nonce_check = true;
    cfg.disable_eip3607 = true;
    cfg.disable_block_gas_limit = true;
    cfg.disable_base_fee = price == 0;
    cfg.tx_gas_limit_cap = Some(u64::MAX);
}

/// Runs `tx` without keeping what it writes.
///
/// # Errors
/// If the call cannot even start, or the state cannot be read.
pub fn execute(
    env: &BlockEnv,
    db: &mut StateDb<'_>,
    tx: TxEnv,
) -> Result<Result<ExecutionResult, InvalidTransaction>, RpcError> {
    let mut evm = evm_with(env, db, ());
    relax(&mut evm.ctx.cfg, tx.gas_price);
    outcome(evm.transact(tx).map(|done| done.result))
}

pub(crate) fn outcome<R>(
    result: Result<R, EVMError<StateError>>,
) -> Result<Result<R, InvalidTransaction>, RpcError> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(EVMError::Transaction(reason)) => Ok(Err(reason)),
        Err(EVMError::Database(error)) => Err(error.into()),
        Err(other) => Err(RpcError::Refused(other.to_string())),
    }
}

/// What a call returned, or the error that it ended with.
///
/// # Errors
/// If it reverted or ran out of gas, and so on.
pub fn output(result: ExecutionResult) -> Result<Bytes, RpcError> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => Err(RpcError::Reverted(output)),
        ExecutionResult::Halt { reason, .. } => Err(RpcError::Refused(halt_text(&reason))),
    }
}

/// Error for a call that cannot even start.
#[must_use]
pub fn invalid(reason: &InvalidTransaction) -> RpcError {
    RpcError::Refused(format!("err: {}", invalid_text(reason)))
}

/// Most gas that the sender of `request` can buy at its price.
///
/// # Errors
/// If the state cannot be read or the sender cannot even pay for the value.
pub fn allowance(db: &mut StateDb<'_>, request: &TransactionRequest) -> Result<u64, RpcError> {
    let price = price(request);
    if price == 0 {
        return Ok(u64::MAX);
    }
    let sender = request.from.unwrap_or_default();
    let balance = db.account(sender)?.unwrap_or_default().balance;
    let value = request.value.unwrap_or_default();
    let Some(left) = balance.checked_sub(value) else {
        return Err(RpcError::Refused(format!(
            "insufficient funds for gas * price + value: address {sender:#x} have {balance} want {value}"
        )));
    };
    Ok(u64::try_from(left / U256::from(price)).unwrap_or(u64::MAX))
}

async fn call(api: Api, mut args: Args) -> Result<Bytes, RpcError> {
    let (call, id) = Call::parse(&mut args)?;
    let at = api.at(id)?;
    let (mut env, cap) = (api.env_at(&at), api.limits().call_gas);
    api.run(at.state, move |db| {
        call.prepare(&mut env, db)?;
        let gas = match call.request.gas {
            Some(gas) => gas.min(cap),
            None => cap.min(allowance(db, &call.request)?),
        };
        let tx = tx_env(&call.request, &env, gas);
        output(execute(&env, db, tx)?.map_err(|reason| invalid(&reason))?)
    })
    .await
}

async fn create_access_list(api: Api, mut args: Args) -> Result<AccessListResult, RpcError> {
    let request: TransactionRequest = args.next("call")?;
    let id = args.optional("block")?;
    let state: StateOverride = args.or_default("state overrides")?;
    check(&request)?;
    let call = Call { request, state, block: BlockOverrides::default() };
    let at: At = api.at(id)?;
    let (mut env, cap) = (api.env_at(&at), api.limits().call_gas);
    api.run(at.state, move |db| {
        call.prepare(&mut env, db)?;
        let allowance = allowance(db, &call.request)?;
        let gas = call.request.gas.unwrap_or(u64::MAX).min(cap).min(allowance);
        widen(&env, db, call.request, gas)
    })
    .await
}

/// Runs the call with a wider and wider list, until a run touches nothing beyond it.
fn widen(
    env: &BlockEnv,
    db: &mut StateDb<'_>,
    mut request: TransactionRequest,
    gas: u64,
) -> Result<AccessListResult, RpcError> {
    let mut list: AccessList = request.access_list.take().unwrap_or_default();
    for _ in 0..ACCESS_LIST_ROUNDS {
        request.access_list = Some(list.clone());
        let tx = tx_env(&request, env, gas);
        let mut evm = evm_with(env, db, AccessListInspector::new(list.clone()));
        relax(&mut evm.ctx.cfg, tx.gas_price);
        let result = evm.inspect_tx(tx).map(|done| done.result);
        let result = outcome(result)?.map_err(|reason| invalid(&reason))?;
        let touched = evm.inspector.into_access_list();
        if touched == list {
            let gas_used = U256::from(result.tx_gas_used());
            let error = output(result).err().map(|error| error.to_string());
            return Ok(AccessListResult { access_list: list, gas_used, error });
        }
        list = touched;
    }
    Err(RpcError::refused(
        "the access list does not settle: the call depends on the gas it has left",
    ))
}

/// The account that a call comes from.
#[must_use]
pub fn sender(request: &TransactionRequest) -> Address {
    request.from.unwrap_or_default()
}
