//! Coins that come into being and disappear.
//!
//! At every block, over all accounts:
//!
//! ```text
//! Σ balances = genesis + minted − burned fees − burned base fees
//! ```
//!
//! Escrow, stake, bonds and treasury are balances of the system contracts that hold them. The four
//! counters are the first slots of the `Rewards` contract. The protocol writes the first at block 1 and
//! adds the base fees of every block at its end (see [`at_end_of_block`]); contracts mint and burn only
//! through [`mint`] and [`burn`], which count.

use crate::call::Call;
use crate::host::Outcome;
use crate::storage::{Field, Mapping};
use crate::{REWARDS, STAKING};
use alloy_primitives::{Address, U256};

/// Coins of the genesis allocations, in wei.
pub const GENESIS: Field<U256> = Field::new(REWARDS, 0);
/// Coins minted since, in wei.
pub const MINTED: Field<U256> = Field::new(REWARDS, 1);
/// Protocol fees and forfeits burned by contracts, in wei.
pub const BURNED_FEES: Field<U256> = Field::new(REWARDS, 2);
/// Base fees burned by transactions, in wei.
pub const BURNED_BASE_FEES: Field<U256> = Field::new(REWARDS, 3);
/// Unix time of block 1 in seconds: when epoch 0 began.
pub const STARTED_AT: Field<u64> = Field::new(REWARDS, 4);
/// Index of the running epoch, as of its last roll; written by `Rewards`.
pub const EPOCH: Field<u64> = Field::new(REWARDS, 5);
/// Slot of `Staking` that counts blocks since genesis.
pub const BLOCKS: Field<u64> = Field::new(STAKING, 0);
/// Slot of `Staking` that counts the blocks of each proposer since genesis, by payout address.
pub const PROPOSED: Mapping<Address, u64> = Mapping::new(STAKING, 1);

/// Mints `amount` wei to `to`, and counts it.
///
/// # Errors
/// See [`crate::Host::mint`].
pub fn mint(call: &mut Call<'_>, to: Address, amount: U256) -> Outcome<()> {
    if amount.is_zero() {
        return Ok(());
    }
    let minted = MINTED.get(call)?.saturating_add(amount);
    MINTED.set(call, minted)?;
    call.host().mint(to, amount)
}

/// Burns `amount` wei that the system contract `from` holds, and counts it.
///
/// # Errors
/// See [`crate::Host::burn`].
pub fn burn(call: &mut Call<'_>, from: Address, amount: U256) -> Outcome<()> {
    if amount.is_zero() {
        return Ok(());
    }
    let burned = BURNED_FEES.get(call)?.saturating_add(amount);
    BURNED_FEES.set(call, burned)?;
    call.host().burn(from, amount)
}

/// Slots of system contracts that grow by a number at the end of every block: base fees burned, and
/// the blocks of `beneficiary`, the validator that proposed it.
#[must_use]
pub fn at_end_of_block(base_fees: U256, beneficiary: Address) -> [(Address, U256, U256); 3] {
    let add = |(contract, slot), by| (contract, slot, by);
    [
        add(BURNED_BASE_FEES.place(), base_fees),
        add(BLOCKS.place(), U256::ONE),
        (STAKING, PROPOSED.slot(beneficiary), U256::ONE),
    ]
}

/// Slots that the protocol writes at block 1: the coins of all genesis accounts in wei, and the
/// block's timestamp in seconds.
#[must_use]
pub fn at_genesis(coins: U256, timestamp: u64) -> [(Address, U256, U256); 2] {
    let ((rewards, genesis), (_, started)) = (GENESIS.place(), STARTED_AT.place());
    [(rewards, genesis, coins), (rewards, started, U256::from(timestamp))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryHost;

    #[test]
    fn what_is_minted_and_burned_is_counted() {
        let mut host = MemoryHost::with_gas(1_000_000);
        let holder = Address::repeat_byte(1);
        let mut call = Call::internal(&mut host, REWARDS, holder);
        mint(&mut call, REWARDS, U256::from(70)).unwrap();
        burn(&mut call, REWARDS, U256::from(30)).unwrap();
        mint(&mut call, holder, U256::ZERO).unwrap();
        assert_eq!(MINTED.get(&mut call), Ok(U256::from(70)));
        assert_eq!(BURNED_FEES.get(&mut call), Ok(U256::from(30)));
        assert_eq!(host.balances, [(REWARDS, U256::from(40))].into());
    }

    #[test]
    fn burning_more_than_there_is_is_fatal() {
        let mut host = MemoryHost::with_gas(1_000_000);
        let mut call = Call::internal(&mut host, REWARDS, REWARDS);
        assert!(matches!(burn(&mut call, REWARDS, U256::ONE), Err(crate::Fault::Fatal(_))));
    }
}
