//! `Params`: the tunables of the network.
//!
//! What they are and their bounds: [`cairn_protocol::params`]. Governance sets a value, only within its
//! bounds. Storage: slot 0 is a mapping from the
//! Keccak-256 hash of a name to `value + 1`; zero means that the default holds.

use crate::PARAMS;
use crate::abi::IParams::{self, IParamsCalls};
use crate::call::{Call, dispatch};
use crate::host::{Outcome, revert};
use crate::storage::Mapping;
use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use cairn_protocol::params::{Bounds, Param};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Values that governance has set, plus one, by [`key`].
pub const VALUES: Mapping<B256, U256> = Mapping::new(PARAMS, 0);

/// Key of a parameter on chain.
#[must_use]
pub fn key(param: Param) -> B256 {
    keccak256(param.bounds().name)
}

/// Value of `param` now; the price of one mapping read.
///
/// # Errors
/// See [`crate::Host::sload`].
pub fn get(call: &mut Call<'_>, param: Param) -> Outcome<u128> {
    let stored = VALUES.get(call, key(param))?;
    // Only values within the bounds are ever stored, and those fit.
    Ok(stored.checked_sub(U256::ONE).map_or(param.bounds().default, |value| value.saturating_to()))
}

/// Gas of a description, beside the read of the value: its texts are copied.
pub const DESCRIBE_GAS: u64 = 200;

static BY_KEY: LazyLock<BTreeMap<B256, Param>> =
    LazyLock::new(|| Param::ALL.iter().map(|param| (key(*param), *param)).collect());

/// Answers a call.
pub(crate) fn handle(call: &mut Call<'_>, input: &[u8]) -> Outcome<Bytes> {
    dispatch(call, input, &[], |call, function| match function {
        IParamsCalls::get(IParams::getCall { key }) => {
            let value = get(call, by_key(key)?)?;
            Ok(IParams::getCall::abi_encode_returns(&U256::from(value)))
        }
        IParamsCalls::value(IParams::valueCall { name }) => {
            let Some(param) = Param::named(&name) else {
                return revert(IParams::UnknownName { name });
            };
            let value = get(call, param)?;
            Ok(IParams::valueCall::abi_encode_returns(&U256::from(value)))
        }
        IParamsCalls::count(_) => {
            Ok(IParams::countCall::abi_encode_returns(&U256::from(Param::ALL.len())))
        }
        IParamsCalls::describe(IParams::describeCall { index }) => {
            let description = describe(call, at(index)?)?;
            Ok(IParams::describeCall::abi_encode_returns(&description))
        }
        IParamsCalls::describeKey(IParams::describeKeyCall { key }) => {
            let description = describe(call, by_key(key)?)?;
            Ok(IParams::describeKeyCall::abi_encode_returns(&description))
        }
        IParamsCalls::set(args) => set(call, &args).map(|()| Vec::new()),
    })
}

fn by_key(key: B256) -> Outcome<Param> {
    BY_KEY.get(&key).map_or_else(|| revert(IParams::UnknownParam { key }), |param| Ok(*param))
}

fn at(index: U256) -> Outcome<Param> {
    let param = usize::try_from(index).ok().and_then(|index| Param::ALL.get(index));
    let count = U256::from(Param::ALL.len());
    param.map_or_else(|| revert(IParams::NoSuchIndex { index, count }), |param| Ok(*param))
}

fn describe(call: &mut Call<'_>, param: Param) -> Outcome<IParams::Description> {
    call.charge(DESCRIBE_GAS)?;
    let Bounds { name, unit, min, max, default, .. } = param.bounds();
    Ok(IParams::Description {
        key: key(param),
        name: name.into(),
        unit: unit.into(),
        min: U256::from(min),
        max: U256::from(max),
        defaultValue: U256::from(default),
        current: U256::from(get(call, param)?),
    })
}

fn set(call: &mut Call<'_>, args: &IParams::setCall) -> Outcome<()> {
    call.require_governance()?;
    let (key, value) = (args.key, args.newValue);
    let param = by_key(key)?;
    let bounds = param.bounds();
    let (min, max) = (U256::from(bounds.min), U256::from(bounds.max));
    if value < min || value > max {
        return revert(IParams::OutOfBounds { key, value, min, max });
    }
    let old = U256::from(get(call, param)?);
    // The greatest value of any parameter fits 128 bits.
    VALUES.set(call, key, value.saturating_add(U256::ONE))?;
    let name = bounds.name.into();
    call.emit(&IParams::ParamChanged { key, name, oldValue: old, newValue: value })
}

#[cfg(test)]
mod tests;
