//! What a system contract can ask of the chain.

use alloy_primitives::{Address, Bytes, LogData, U256};
use alloy_sol_types::SolError;
use cairn_protocol::Rules;

/// Why a call did not return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call is refused with ABI-encoded error data. Writes and logs are undone, the rest of the
    /// gas goes back.
    Revert(Bytes),
    /// The gas ran out. Writes and logs are undone, all gas is spent.
    OutOfGas,
    /// The local database failed. The whole block must be abandoned: this is never the caller's
    /// fault and must never become part of the chain's history.
    Fatal(String),
}

/// Result of anything a system contract does.
pub type Outcome<T> = Result<T, Fault>;

/// Refuses the call with a Solidity error.
///
/// # Errors
/// Always: that is its purpose.
pub fn revert<T>(error: impl SolError) -> Outcome<T> {
    Err(Fault::Revert(error.abi_encode().into()))
}

/// The block in which a call runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockInfo {
    /// Chain id (EIP-155).
    pub chain_id: u64,
    /// Height.
    pub number: u64,
    /// Unix time in seconds.
    pub timestamp: u64,
    /// Account that receives the tips of this block: that of the validator that proposed it.
    pub beneficiary: Address,
    /// Parameters of the protocol at this height.
    pub rules: Rules,
}

/// View of the chain that a system contract works through. Object-safe, so that contracts do not
/// depend on the EVM.
///
/// Gas is charged before the work it pays for, at the same prices as the matching opcodes.
pub trait Host {
    /// The current block.
    fn block(&self) -> BlockInfo;

    /// Spends `gas`.
    ///
    /// # Errors
    /// [`Fault::OutOfGas`] if less is left.
    fn charge(&mut self, gas: u64) -> Outcome<()>;

    /// Reads a storage slot, at the price of `SLOAD`.
    ///
    /// # Errors
    /// [`Fault::OutOfGas`], or [`Fault::Fatal`] if the database fails.
    fn sload(&mut self, address: Address, slot: U256) -> Outcome<U256>;

    /// Writes a storage slot, at the price of `SSTORE`.
    ///
    /// # Errors
    /// A revert with `StaticCallNotAllowed` in a static call; otherwise as [`Host::sload`].
    fn sstore(&mut self, address: Address, slot: U256, value: U256) -> Outcome<()>;

    /// Emits a log, at the price of `LOG`.
    ///
    /// # Errors
    /// As [`Host::sstore`].
    fn emit(&mut self, address: Address, log: LogData) -> Outcome<()>;

    /// Balance of `account` in wei, at the price of `BALANCE`.
    ///
    /// # Errors
    /// As [`Host::sload`].
    fn balance(&mut self, account: Address) -> Outcome<U256>;

    /// Moves `amount` wei from the system contract `from` to `to`, at the price of a `CALL` with
    /// value. No code of `to` runs. An amount of zero is free and does nothing.
    ///
    /// # Errors
    /// [`Fault::Fatal`] if `from` owns less: contracts keep books of what they hold, so that is a
    /// bug, never the caller's fault; otherwise as [`Host::sstore`].
    fn transfer(&mut self, from: Address, to: Address, amount: U256) -> Outcome<()>;

    /// Creates `amount` wei in the account `to`; priced as [`Host::transfer`]. The caller counts what
    /// it mints (see [`crate::supply`]).
    ///
    /// # Errors
    /// As [`Host::sstore`].
    fn mint(&mut self, to: Address, amount: U256) -> Outcome<()>;

    /// Destroys `amount` wei of the system contract `from`. The caller counts what it burns.
    ///
    /// # Errors
    /// As [`Host::transfer`].
    fn burn(&mut self, from: Address, amount: U256) -> Outcome<()>;
}
