//! `Treasury`: coins that governance spends.
//!
//! It keeps no storage: what it holds is the balance of its account. Plain transfers are welcome;
//! emission is minted to it without a call.

use crate::TREASURY;
use crate::abi::ITreasury::{self, ITreasuryCalls};
use crate::call::{Call, dispatch};
use crate::host::{Outcome, revert};
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;

/// Longest memo of a payment, in bytes.
pub const MAX_MEMO: usize = 1_024;

/// Answers a call.
pub(crate) fn handle(call: &mut Call<'_>, input: &[u8]) -> Outcome<Bytes> {
    if input.is_empty() {
        let event = ITreasury::Received { from: call.caller, amount: call.value };
        return call.emit(&event).map(|()| Bytes::new());
    }
    dispatch(call, input, &[], |call, function| match function {
        ITreasuryCalls::spend(args) => spend(call, args).map(|()| Vec::new()),
        ITreasuryCalls::funds(_) => {
            let funds = call.host().balance(TREASURY)?;
            Ok(ITreasury::fundsCall::abi_encode_returns(&funds))
        }
    })
}

fn spend(call: &mut Call<'_>, args: ITreasury::spendCall) -> Outcome<()> {
    call.require_governance()?;
    let ITreasury::spendCall { to, amount, memo } = args;
    if to == Address::ZERO || to == TREASURY {
        return revert(ITreasury::InvalidRecipient { to });
    }
    if memo.len() > MAX_MEMO {
        let (length, max) = (U256::from(memo.len()), U256::from(MAX_MEMO));
        return revert(ITreasury::MemoTooLong { length, max });
    }
    let balance = call.host().balance(TREASURY)?;
    if amount > balance {
        return revert(ITreasury::InsufficientFunds { amount, balance });
    }
    call.host().transfer(TREASURY, to, amount)?;
    call.emit(&ITreasury::Spent { to, amount, memo })
}

#[cfg(test)]
mod tests;
