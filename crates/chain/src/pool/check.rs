//! What can be said about a transaction without looking at any account.

use super::{PoolError, config::MAX_TRANSACTION_BYTES};
use alloy_consensus::Transaction as _;
use cairn_evm::{
    RecoveredTx,
    revm::{
        interpreter::gas::calculate_initial_tx_gas,
        primitives::{eip3860::MAX_INITCODE_SIZE, hardfork::SpecId},
    },
};
use cairn_protocol::{Rules, Spec};

/// Refuses encodings that are not worth decoding.
pub(super) fn check_size(size: usize, rules: &Rules) -> Result<(), PoolError> {
    let limit = usize::try_from(rules.tx_bytes).unwrap_or(usize::MAX).min(MAX_TRANSACTION_BYTES);
    if size > limit {
        return Err(PoolError::Oversized { size, limit });
    }
    Ok(())
}

/// Checks everything that neither needs the sender's account nor changes from block to block.
pub(super) fn check(tx: &RecoveredTx, rules: &Rules) -> Result<(), PoolError> {
    let envelope = &tx.envelope;
    let gas = envelope.gas_limit();
    if envelope.is_create() && envelope.input().len() > MAX_INITCODE_SIZE {
        let size = envelope.input().len();
        return Err(PoolError::InitCodeSize { size, limit: MAX_INITCODE_SIZE });
    }
    if gas > rules.gas_limit {
        return Err(PoolError::GasLimit);
    }
    if gas > rules.tx_gas_limit {
        return Err(PoolError::GasLimitTooHigh { cap: rules.tx_gas_limit, gas });
    }
    let max_fee = envelope.max_fee_per_gas();
    if envelope.max_priority_fee_per_gas().is_some_and(|tip| tip > max_fee) {
        return Err(PoolError::TipAboveFeeCap);
    }
    if max_fee < u128::from(rules.min_base_fee) {
        return Err(PoolError::FeeCapTooLow { max_fee, base_fee: rules.min_base_fee });
    }
    if envelope.nonce() == u64::MAX {
        return Err(PoolError::NonceMax);
    }
    if envelope.is_eip7702() && envelope.authorization_list().is_none_or(<[_]>::is_empty) {
        return Err(PoolError::EmptyAuthorizations);
    }
    check_intrinsic_gas(tx, rules)
}

fn check_intrinsic_gas(tx: &RecoveredTx, rules: &Rules) -> Result<(), PoolError> {
    let envelope = &tx.envelope;
    let list = envelope.access_list().map(|list| list.0.as_slice()).unwrap_or_default();
    let slots: usize = list.iter().map(|item| item.storage_keys.len()).sum();
    let authorizations = envelope.authorization_list().map_or(0, <[_]>::len);
    let spec = match rules.spec {
        Spec::Osaka => SpecId::OSAKA,
    };
    let needed = calculate_initial_tx_gas(
        spec,
        envelope.input(),
        envelope.is_create(),
        list.len() as u64,
        slots as u64,
        authorizations as u64,
        None,
    );
    let gas = envelope.gas_limit();
    if gas < needed.initial_total_gas() {
        return Err(PoolError::IntrinsicGas { gas, needed: needed.initial_total_gas() });
    }
    if gas < needed.floor_gas() {
        return Err(PoolError::FloorDataGas { gas, needed: needed.floor_gas() });
    }
    Ok(())
}
