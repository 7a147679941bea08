//! What the protocol itself writes, and the system contracts as the EVM sees them.

mod host;

pub use cairn_contracts::beacon::{Round, Seed};
pub use host::SystemPrecompiles;

use crate::env::BlockEnv;
use alloy_eips::eip2935::{HISTORY_SERVE_WINDOW, HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE};
use alloy_primitives::{Address, Bytes, U256};
use cairn_contracts::{BEACON, CONTRACTS, STUB_CODE, beacon, supply};
use revm::bytecode::Bytecode;
use std::collections::BTreeMap;

/// An account as the genesis file gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Balance in wei.
    pub balance: U256,
    /// Nonce.
    pub nonce: u64,
    /// Code; empty for an ordinary account.
    pub code: Bytes,
    /// Storage.
    pub storage: BTreeMap<U256, U256>,
}

/// A genesis account that must not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Such an account would be overwritten when a contract is created at its address; EIP-7610
    /// forbids that, and nothing but a genesis can make one.
    #[error("genesis account {0} has storage but neither nonce nor code; give it a nonce of 1")]
    EmptyWithStorage(Address),
    /// The code is not valid EVM code.
    #[error("genesis account {0} has malformed code (EIP-7702 designator)")]
    Code(Address),
}

impl GenesisAccount {
    /// Checks that the account may stand at `address` in a genesis.
    ///
    /// # Errors
    /// See [`GenesisError`].
    pub fn check(&self, address: Address) -> Result<(), GenesisError> {
        if self.nonce == 0 && self.code.is_empty() && !self.storage.is_empty() {
            return Err(GenesisError::EmptyWithStorage(address));
        }
        match Bytecode::new_raw_checked(self.code.clone()) {
            Ok(_) => Ok(()),
            Err(_) => Err(GenesisError::Code(address)),
        }
    }
}

/// Writes of the protocol, made before the first transaction of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemStep {
    /// Accounts to install; only at height 1.
    pub accounts: Vec<(Address, GenesisAccount)>,
    /// Storage writes: address, slot, value.
    pub writes: Vec<(Address, U256, U256)>,
    /// Timestamp of the block in milliseconds; goes into the head entry with the block's height.
    pub timestamp_ms: u64,
}

/// All protocol writes of the block `env`: the parent's hash (EIP-2935), the block's own consensus
/// round and the seeds it publishes (`Beacon`), at height 1 also the coins of the genesis. `accounts` are the genesis accounts at height 1, and
/// empty after.
///
/// The caller has checked `seeds` with [`cairn_protocol::beacon::check`]. Without system contracts
/// (see [`cairn_protocol::Rules`]) nothing is written.
#[must_use]
pub fn system_step(
    env: &BlockEnv,
    timestamp_ms: u64,
    round: Round,
    seeds: &[Seed],
    accounts: Vec<(Address, GenesisAccount)>,
) -> SystemStep {
    let mut writes = Vec::new();
    if env.rules.system_contracts && !accounts.is_empty() {
        let coins = accounts
            .iter()
            .fold(U256::ZERO, |sum, (_, account)| sum.saturating_add(account.balance));
        writes.extend(supply::at_genesis(coins, env.timestamp));
    }
    if env.rules.system_contracts {
        let slot = history_slot(env.number.saturating_sub(1));
        writes.push((HISTORY_STORAGE_ADDRESS, slot, env.parent_hash.into()));
        let beacon = beacon::writes(env.number, round, seeds).into_iter();
        writes.extend(beacon.map(|(slot, value)| (BEACON, slot, value)));
    }
    SystemStep { accounts, writes, timestamp_ms }
}

/// Slot of the history contract (EIP-2935) that holds the hash of the block at `number`.
#[must_use]
pub fn history_slot(number: u64) -> U256 {
    U256::from(number % HISTORY_SERVE_WINDOW as u64)
}

/// Accounts that every genesis must hold: the system contracts with their stub code, and the history
/// contract of EIP-2935.
#[must_use]
pub fn system_accounts() -> Vec<(Address, GenesisAccount)> {
    let account =
        |code: &Bytes| GenesisAccount { nonce: 1, code: code.clone(), ..Default::default() };
    let stub = Bytes::from_static(STUB_CODE);
    let mut accounts: Vec<_> =
        CONTRACTS.iter().map(|contract| (contract.address, account(&stub))).collect();
    accounts.push((HISTORY_STORAGE_ADDRESS, account(&HISTORY_STORAGE_CODE)));
    accounts
}

#[cfg(test)]
mod tests;
