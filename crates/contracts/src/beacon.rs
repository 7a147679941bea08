//! `Beacon`: delayed random seeds by block height.
//!
//! EVM code only reads here. All writes are made by the protocol before the first transaction of a
//! block (see [`writes`]), following the rule in [`cairn_protocol::beacon`].
//!
//! Storage, with `r = height mod 8192`:
//!
//! | slot | word |
//! |---|---|
//! | 0 | newest height whose seed is published; 0: none |
//! | 2⁶⁴ + r | round of the block at a height: height (64 bits) ‖ epoch (64) ‖ view (64) |
//! | 2·2⁶⁴ + r | height of the seed in the same place of the next ring |
//! | 3·2⁶⁴ + r | the seed |
//!
//! The rings are bounded, so the contract never grows. A seed is valid only under its height's tag: a
//! skipped height leaves the words of 8,192 blocks ago in its place, whose tag differs.

use crate::abi::IBeacon::{self, IBeaconCalls};
use crate::call::{Call, dispatch};
use crate::host::{Outcome, revert};
use alloy_primitives::{B256, Bytes, U256, uint};
use alloy_sol_types::SolCall;

/// Number of heights the contract remembers.
pub const RING: u64 = 8_192;
/// Slot of the newest published height.
pub const LATEST_SLOT: U256 = U256::ZERO;

const ROUNDS: U256 = uint!(0x1_0000_0000_0000_0000_U256);
const TAGS: U256 = uint!(0x2_0000_0000_0000_0000_U256);
const SEEDS: U256 = uint!(0x3_0000_0000_0000_0000_U256);

/// The consensus round that finalised a block. The seed of a block is a threshold signature over its
/// round, so whoever checks a published seed looks the round up here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Epoch of the committee.
    pub epoch: u64,
    /// View within the epoch.
    pub view: u64,
}

/// A seed that a block publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Height of the block it belongs to.
    pub height: u64,
    /// The seed.
    pub seed: B256,
}

/// Slot of the round of the block at `height`.
#[must_use]
pub fn round_slot(height: u64) -> U256 {
    ROUNDS | U256::from(height % RING)
}

/// Slot that says whose seed is in the place of `height`.
#[must_use]
pub fn tag_slot(height: u64) -> U256 {
    TAGS | U256::from(height % RING)
}

/// Slot of the seed of `height`.
#[must_use]
pub fn seed_slot(height: u64) -> U256 {
    SEEDS | U256::from(height % RING)
}

/// Reads the word at [`round_slot`]: `None` if it is not that of `height` (never written, or
/// overwritten by a later block).
#[must_use]
pub fn decode_round(height: u64, word: U256) -> Option<Round> {
    let [view, epoch, at, top] = *word.as_limbs();
    (at == height && top == 0 && !word.is_zero()).then_some(Round { epoch, view })
}

/// Storage writes (slot, value) of the block at `number`, finalised in `round`, which publishes
/// `seeds` (ascending heights).
#[must_use]
pub fn writes(number: u64, round: Round, seeds: &[Seed]) -> Vec<(U256, U256)> {
    let word = U256::from_limbs([round.view, round.epoch, number, 0]);
    let mut writes = vec![(round_slot(number), word)];
    for Seed { height, seed } in seeds {
        writes.push((tag_slot(*height), U256::from(*height)));
        writes.push((seed_slot(*height), U256::from_be_bytes(seed.0)));
    }
    if let Some(newest) = seeds.last() {
        writes.push((LATEST_SLOT, U256::from(newest.height)));
    }
    writes
}

/// Answers a call.
pub(crate) fn handle(call: &mut Call<'_>, input: &[u8]) -> Outcome<Bytes> {
    dispatch(call, input, &[], |call, function| match function {
        IBeaconCalls::seedAt(IBeacon::seedAtCall { height }) => {
            seed_at(call, height).map(|seed| IBeacon::seedAtCall::abi_encode_returns(&seed))
        }
        IBeaconCalls::latest(_) => {
            latest(call).map(|newest| IBeacon::latestCall::abi_encode_returns(&newest))
        }
        IBeaconCalls::delay(_) => {
            let delay = U256::from(call.block().rules.randomness_delay);
            Ok(IBeacon::delayCall::abi_encode_returns(&delay))
        }
    })
}

fn seed_at(call: &mut Call<'_>, height: U256) -> Outcome<B256> {
    let latest = call.get(LATEST_SLOT)?;
    if height > latest {
        return revert(IBeacon::SeedNotYet { height, latest });
    }
    let oldest = latest.saturating_sub(U256::from(RING - 1));
    if height < oldest {
        return revert(IBeacon::SeedTooOld { height, oldest });
    }
    // `latest` was written from a u64 and bounds `height`.
    let place = height.saturating_to::<u64>();
    if height.is_zero() || call.get(tag_slot(place))? != height {
        return revert(IBeacon::SeedSkipped { height });
    }
    Ok(call.get(seed_slot(place))?.into())
}

fn latest(call: &mut Call<'_>) -> Outcome<IBeacon::latestReturn> {
    let height = call.get(LATEST_SLOT)?;
    let seed = if height.is_zero() {
        U256::ZERO
    } else {
        call.get(seed_slot(height.saturating_to::<u64>()))?
    };
    Ok(IBeacon::latestReturn { height, seed: seed.into() })
}

#[cfg(test)]
mod tests;
