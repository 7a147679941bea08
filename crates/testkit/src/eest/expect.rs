//! Comparing what happened with what a vector expects.

use super::{Alloc, Rejection, Vector};
use alloy_primitives::{KECCAK256_EMPTY, keccak256};
use cairn_evm::{
    BlockOutput, Change, ExecuteError, MemoryState, RecoveredTx, TxError, TxRejected,
    revm::context::result::InvalidTransaction,
};
use cairn_primitives::state::{Account, StateKey, StateValue, code_entries};
use std::collections::BTreeMap;

/// The state that holds exactly `alloc`.
pub(super) fn expected_state(alloc: &Alloc) -> MemoryState {
    let mut entries: BTreeMap<StateKey, StateValue> = BTreeMap::new();
    for (address, account) in alloc {
        let code_hash =
            if account.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&account.code) };
        let stored = Account { nonce: account.nonce.to(), balance: account.balance, code_hash };
        if !stored.is_empty() {
            entries.insert(StateKey::account(*address), stored.encode());
        }
        for (slot, value) in account.storage.iter().filter(|(_, value)| !value.is_zero()) {
            entries.insert(StateKey::slot(*address, *slot), StateValue::word(*value));
        }
        if !account.code.is_empty() {
            entries.extend(code_entries(code_hash, &account.code));
        }
    }
    MemoryState { entries }
}

/// The changes are ascending, real, and start from `pre`.
pub(super) fn check_changes(pre: &MemoryState, changes: &[Change]) -> Result<(), String> {
    if !changes.is_sorted_by(|a, b| a.key < b.key) {
        return Err("changes are not strictly ascending".into());
    }
    for change in changes {
        if change.before == change.after {
            return Err(format!("unchanged entry among the changes: {change:?}"));
        }
        if change.before.as_ref() != pre.entries.get(&change.key) {
            return Err(format!("wrong value before the block: {change:?}"));
        }
    }
    Ok(())
}

/// `state` holds exactly the accounts, slots and code that the vector expects, its head, and possibly
/// code that only `pre` used: code is never removed.
pub(super) fn check_state(vector: &Vector, state: &MemoryState) -> Result<(), String> {
    for (address, account) in &vector.post.state {
        let expected = expected_state(&[(*address, account.clone())].into());
        for (key, value) in &expected.entries {
            if state.entries.get(key) != Some(value) {
                return Err(difference(vector, state));
            }
        }
    }
    let expected = expected_state(&vector.post.state).entries;
    let before = expected_state(&vector.pre).entries;
    let old_code = |key: &StateKey| {
        vector.pre.values().any(|account| {
            code_entries(keccak256(&account.code), &account.code).any(|(code, _)| code == *key)
        })
    };
    for key in state.entries.keys() {
        let known = expected.contains_key(key) || *key == StateKey::head();
        if !(known || before.contains_key(key) && old_code(key)) {
            return Err(format!("unexpected entry; {}", difference(vector, state)));
        }
    }
    Ok(())
}

/// Names the accounts and slots of the vector that differ from `state`.
fn difference(vector: &Vector, state: &MemoryState) -> String {
    let mut found = Vec::new();
    let mut addresses: Vec<_> = vector.pre.keys().chain(vector.post.state.keys()).collect();
    addresses.sort();
    addresses.dedup();
    for address in addresses {
        let expected = vector.post.state.get(address).cloned().unwrap_or_default();
        let pre = vector.pre.get(address).cloned().unwrap_or_default();
        let expected_entries = expected_state(&[(*address, expected.clone())].into()).entries;
        let key = StateKey::account(*address);
        let (want, got) = (expected_entries.get(&key), state.entries.get(&key));
        if want != got {
            let (want, got) = (want.map(Account::decode), got.map(Account::decode));
            found.push(format!("account {address}: expected {want:?}, found {got:?}"));
        }
        let mut slots: Vec<_> = pre.storage.keys().chain(expected.storage.keys()).collect();
        slots.sort();
        slots.dedup();
        for slot in slots {
            let want = expected.storage.get(slot).copied().unwrap_or_default();
            let got = state.entries.get(&StateKey::slot(*address, *slot));
            let got = got.map(StateValue::as_word).unwrap_or_default();
            if want != got {
                found.push(format!("slot {slot} of {address}: expected {want}, found {got}"));
            }
        }
    }
    found.join("; ")
}

/// The transaction was signed by whom the vector says, and emitted the expected logs.
pub(super) fn check_logs(vector: &Vector, output: &BlockOutput) -> Result<(), String> {
    let sender = |tx: &RecoveredTx| tx.sender;
    let found = output.transactions.first().map(|tx| sender(tx));
    if vector.sender.is_some() && vector.sender != found {
        return Err(format!("sender: expected {:?}, found {found:?}", vector.sender));
    }
    let logs: Vec<_> = output.receipts.iter().flat_map(|receipt| receipt.logs.clone()).collect();
    let hash = keccak256(alloy_rlp::encode(&logs));
    if hash == vector.post.logs {
        Ok(())
    } else {
        Err(format!("logs hash: expected {}, found {hash} of {logs:?}", vector.post.logs))
    }
}

/// The rejection is one of the `expected` ones.
pub(super) fn check_rejection(expected: &str, rejection: &Rejection) -> Result<(), String> {
    if expected.split('|').any(|name| matches(name, rejection)) {
        Ok(())
    } else {
        Err(format!("rejected for another reason: expected {expected}, found {rejection:?}"))
    }
}

/// Whether `rejection` is what the suite calls `name`.
fn matches(name: &str, rejection: &Rejection) -> bool {
    use InvalidTransaction as Tx;
    let reason = match rejection {
        Rejection::Execute(ExecuteError::Invalid { reason, .. }) => Some(reason),
        _ => None,
    };
    let invalid = match reason {
        Some(TxRejected::Invalid(invalid)) => Some(invalid),
        _ => None,
    };
    match name.trim_start_matches("TransactionException.") {
        "INSUFFICIENT_ACCOUNT_FUNDS" => {
            matches!(reason, Some(TxRejected::InsufficientFunds { .. }))
        }
        "INSUFFICIENT_MAX_FEE_PER_GAS" => matches!(reason, Some(TxRejected::FeeTooLow { .. })),
        "INTRINSIC_GAS_TOO_LOW" => matches!(
            invalid,
            Some(Tx::CallGasCostMoreThanGasLimit { .. } | Tx::GasFloorMoreThanGasLimit { .. })
        ),
        "INTRINSIC_GAS_BELOW_FLOOR_GAS_COST" => {
            matches!(invalid, Some(Tx::GasFloorMoreThanGasLimit { .. }))
        }
        "SENDER_NOT_EOA" => matches!(invalid, Some(Tx::RejectCallerWithCode)),
        "GAS_LIMIT_EXCEEDS_MAXIMUM" => matches!(invalid, Some(Tx::TxGasLimitGreaterThanCap { .. })),
        "INITCODE_SIZE_EXCEEDED" => matches!(invalid, Some(Tx::CreateInitCodeSizeLimit)),
        "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS" => {
            matches!(invalid, Some(Tx::PriorityFeeGreaterThanMaxFee))
        }
        "NONCE_IS_MAX" => matches!(invalid, Some(Tx::NonceOverflowInTransaction)),
        // A gas price of more than 128 bits is refused while decoding.
        "GASLIMIT_PRICE_PRODUCT_OVERFLOW" => {
            matches!(invalid, Some(Tx::OverflowPaymentInTransaction))
                || matches!(rejection, Rejection::Decode(TxError::Malformed(_)))
        }
        "TYPE_4_EMPTY_AUTHORIZATION_LIST" => matches!(invalid, Some(Tx::EmptyAuthorizationList)),
        "TYPE_4_TX_CONTRACT_CREATION" => {
            matches!(rejection, Rejection::Decode(TxError::Malformed(_)))
        }
        "GAS_ALLOWANCE_EXCEEDED" => {
            matches!(rejection, Rejection::Execute(ExecuteError::GasLimit { .. }))
        }
        _ => false,
    }
}
