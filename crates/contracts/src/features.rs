//! `Features`: which changes of the protocol are active, and from when.
//!
//! What a feature is: [`cairn_protocol::features`]. Storage: slot 0 maps an id to its first epoch plus
//! one (zero: not scheduled), slot 1 counts the ids ever scheduled, slot 2 maps a position to an id,
//! slot 3 maps an account to the release that it signalled, slot 4 maps an id to its position plus one.
//!
//! Invariants: at most [`MAX_FEATURES`] ids; an active feature stays active for ever.

use crate::FEATURES;
use crate::abi::IFeatures::{self, IFeaturesCalls};
use crate::call::{Call, dispatch};
use crate::host::{Outcome, revert};
use crate::storage::{Field, Mapping};
use crate::supply;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use cairn_protocol::features::{self, Feature, MAX_FEATURES};

/// First epoch of a feature plus one, by id.
pub const ACTIVATION: Mapping<B256, U256> = Mapping::new(FEATURES, 0);
/// Number of ids that were ever scheduled.
pub const COUNT: Field<u64> = Field::new(FEATURES, 1);
/// Ids in order of their first schedule.
pub const IDS: Mapping<u64, B256> = Mapping::new(FEATURES, 2);
/// Release that an account signalled, in ASCII.
pub const VERSIONS: Mapping<Address, B256> = Mapping::new(FEATURES, 3);
/// Position of an id plus one.
const POSITION: Mapping<B256, u64> = Mapping::new(FEATURES, 4);

/// Whether `feature` is active in the running epoch.
///
/// # Errors
/// See [`crate::Host::sload`].
pub fn is_active(call: &mut Call<'_>, feature: Feature) -> Outcome<bool> {
    active(call, feature.id().into())
}

/// First epoch of the stored word of [`ACTIVATION`]; `None`: not scheduled.
#[must_use]
pub fn decode_activation(word: U256) -> Option<u64> {
    // Only 64-bit epochs are ever stored.
    word.checked_sub(U256::ONE).map(|epoch| epoch.saturating_to())
}

/// Answers a call.
pub(crate) fn handle(call: &mut Call<'_>, input: &[u8]) -> Outcome<Bytes> {
    dispatch(call, input, &[], |call, function| match function {
        IFeaturesCalls::schedule(args) => schedule(call, &args).map(|()| Vec::new()),
        IFeaturesCalls::cancel(IFeatures::cancelCall { feature }) => {
            cancel(call, feature).map(|()| Vec::new())
        }
        IFeaturesCalls::signalVersion(IFeatures::signalVersionCall { version }) => {
            let validator = call.caller;
            VERSIONS.set(call, validator, version)?;
            call.emit(&IFeatures::VersionSignalled { validator, version })?;
            Ok(Vec::new())
        }
        IFeaturesCalls::versionOf(IFeatures::versionOfCall { validator }) => {
            let version = VERSIONS.get(call, validator)?;
            Ok(IFeatures::versionOfCall::abi_encode_returns(&version))
        }
        IFeaturesCalls::isActive(IFeatures::isActiveCall { feature }) => {
            active(call, feature).map(|yes| IFeatures::isActiveCall::abi_encode_returns(&yes))
        }
        IFeaturesCalls::activation(IFeatures::activationCall { feature }) => {
            let first = first_epoch(call, feature)?;
            let (scheduled, epoch) = (first.is_some(), first.unwrap_or_default());
            let answer = IFeatures::activationReturn { scheduled, epoch };
            Ok(IFeatures::activationCall::abi_encode_returns(&answer))
        }
        IFeaturesCalls::count(_) => {
            let count = U256::from(COUNT.get(call)?);
            Ok(IFeatures::countCall::abi_encode_returns(&count))
        }
        IFeaturesCalls::featureAt(IFeatures::featureAtCall { index }) => {
            let id = at(call, index)?;
            Ok(IFeatures::featureAtCall::abi_encode_returns(&id))
        }
    })
}

fn first_epoch(call: &mut Call<'_>, id: B256) -> Outcome<Option<u64>> {
    ACTIVATION.get(call, id).map(decode_activation)
}

fn active(call: &mut Call<'_>, id: B256) -> Outcome<bool> {
    let first = first_epoch(call, id)?;
    Ok(features::is_active(first, supply::EPOCH.get(call)?))
}

fn at(call: &mut Call<'_>, index: U256) -> Outcome<B256> {
    let count = COUNT.get(call)?;
    match u64::try_from(index) {
        Ok(position) if position < count => IDS.get(call, position),
        _ => revert(IFeatures::NoSuchFeature { index, count: U256::from(count) }),
    }
}

/// Refuses to touch a feature that is active in the epoch `current`.
fn require_inactive(feature: B256, first: Option<u64>, current: u64) -> Outcome<()> {
    match first.filter(|_| features::is_active(first, current)) {
        Some(epoch) => revert(IFeatures::AlreadyActive { feature, epoch }),
        None => Ok(()),
    }
}

fn schedule(call: &mut Call<'_>, args: &IFeatures::scheduleCall) -> Outcome<()> {
    call.require_governance()?;
    let IFeatures::scheduleCall { feature, epoch } = *args;
    if !features::is_name(&feature.0) {
        return revert(IFeatures::MalformedFeature { feature });
    }
    let current = supply::EPOCH.get(call)?;
    let first = first_epoch(call, feature)?;
    require_inactive(feature, first, current)?;
    if epoch <= current || epoch == u64::MAX {
        return revert(IFeatures::EpochNotAhead { feature, epoch, current });
    }
    if POSITION.get(call, feature)? == 0 {
        let count = COUNT.get(call)?;
        if count >= MAX_FEATURES {
            return revert(IFeatures::TooManyFeatures { max: U256::from(MAX_FEATURES) });
        }
        IDS.set(call, count, feature)?;
        POSITION.set(call, feature, count.saturating_add(1))?;
        COUNT.set(call, count.saturating_add(1))?;
    }
    ACTIVATION.set(call, feature, U256::from(epoch).saturating_add(U256::ONE))?;
    call.emit(&IFeatures::FeatureScheduled { feature, epoch })
}

fn cancel(call: &mut Call<'_>, feature: B256) -> Outcome<()> {
    call.require_governance()?;
    let first = first_epoch(call, feature)?;
    if first.is_none() {
        return revert(IFeatures::NotScheduled { feature });
    }
    require_inactive(feature, first, supply::EPOCH.get(call)?)?;
    ACTIVATION.set(call, feature, U256::ZERO)?;
    call.emit(&IFeatures::FeatureCancelled { feature })
}

#[cfg(test)]
mod tests;
