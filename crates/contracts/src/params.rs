//! `Params`: the tunables of the network.
//!
//! What they are and their bounds: [`cairn_protocol::params`]. Storage: slot 0 is a mapping from the
//! Keccak-256 hash of a name to `value + 1`; zero means that the default holds.

use crate::PARAMS;
use crate::call::Call;
use crate::host::Outcome;
use crate::storage::Mapping;
use alloy_primitives::{B256, U256, keccak256};
use cairn_protocol::params::Param;

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
