//! State and block overrides of calls.

use crate::error::RpcError;
use alloy_primitives::{Address, B256, U256, keccak256, map::B256HashMap};
use alloy_rpc_types_eth::{
    BlockOverrides,
    state::{AccountOverride, StateOverride},
};
use cairn_evm::{BlockEnv, StateDb, revm::bytecode::Bytecode};

/// Puts state overrides over the state of a call.
///
/// # Errors
/// If an override contradicts itself or asks for what is not supported, or the state cannot be read.
pub fn apply_state(db: &mut StateDb<'_>, overrides: &StateOverride) -> Result<(), RpcError> {
    for (address, account) in overrides {
        apply_account(db, *address, account)?;
    }
    Ok(())
}

fn apply_account(
    db: &mut StateDb<'_>,
    address: Address,
    account: &AccountOverride,
) -> Result<(), RpcError> {
    if account.move_precompile_to.is_some() {
        return Err(RpcError::params("movePrecompileToAddress is not supported"));
    }
    if account.state.is_some() && account.state_diff.is_some() {
        return Err(RpcError::Params(format!(
            "account {address:#x} has both 'state' and 'stateDiff'"
        )));
    }
    let mut info = db.account(address)?.unwrap_or_default();
    info.balance = account.balance.unwrap_or(info.balance);
    info.nonce = account.nonce.unwrap_or(info.nonce);
    if let Some(code) = &account.code {
        let bytecode = Bytecode::new_raw_checked(code.clone())
            .map_err(|error| RpcError::Params(format!("code of account {address:#x}: {error}")))?;
        info.code_hash = keccak256(code);
        info.code = Some(bytecode);
    }
    db.set_account(address, info)?;
    if let Some(state) = &account.state {
        db.hide_storage(address);
        set_slots(db, address, state);
    }
    if let Some(diff) = &account.state_diff {
        set_slots(db, address, diff);
    }
    Ok(())
}

fn set_slots(db: &mut StateDb<'_>, address: Address, slots: &B256HashMap<B256>) {
    for (slot, value) in slots {
        db.set_slot(address, U256::from_be_bytes(slot.0), U256::from_be_bytes(value.0));
    }
}

/// Puts block overrides over the block of a call.
///
/// # Errors
/// If a number does not fit.
pub fn apply_block(
    env: &mut BlockEnv,
    db: &mut StateDb<'_>,
    overrides: &BlockOverrides,
) -> Result<(), RpcError> {
    let fits = |name: &str, value: U256| {
        u64::try_from(value).map_err(|_| RpcError::Params(format!("{name} exceeds 64 bits")))
    };
    if let Some(number) = overrides.number {
        env.number = fits("number", number)?;
    }
    if let Some(base_fee) = overrides.base_fee {
        env.base_fee = fits("baseFeePerGas", base_fee)?;
    }
    if let Some(blob_base_fee) = overrides.blob_base_fee {
        env.rules.blob_base_fee = fits("blobBaseFee", blob_base_fee)?;
    }
    env.timestamp = overrides.time.unwrap_or(env.timestamp);
    env.gas_limit = overrides.gas_limit.unwrap_or(env.gas_limit);
    env.beneficiary = overrides.coinbase.unwrap_or(env.beneficiary);
    env.prevrandao = overrides.random.unwrap_or(env.prevrandao);
    for (number, hash) in overrides.block_hash.iter().flatten() {
        db.set_block_hash(*number, *hash);
    }
    Ok(())
}
