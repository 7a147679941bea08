//! An in-memory [`Host`] for tests of contracts without an EVM.
//!
//! Gas is counted with flat prices (100 a read, 5,000 a write, 375 a log, 6,700 a movement of coins): it shows that work is paid
//! for, not what it costs on the chain.

use crate::abi::ISystem;
use crate::call::{Reached, run};
use crate::host::{BlockInfo, Fault, Host, Outcome, revert};
use crate::{CONTRACTS, SystemContract};
use alloy_primitives::{Address, Bytes, Log, LogData, U256};
use std::collections::BTreeMap;

/// Storage, logs and gas in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryHost {
    /// The current block.
    pub block: BlockInfo,
    /// Slots that are not zero.
    pub storage: BTreeMap<(Address, U256), U256>,
    /// Balances that are not zero, in wei.
    pub balances: BTreeMap<Address, U256>,
    /// Logs so far.
    pub logs: Vec<Log>,
    /// Gas left.
    pub gas: u64,
    /// Whether writes are refused.
    pub is_static: bool,
    /// If set, every storage access fails with this message.
    pub broken: Option<String>,
}

impl MemoryHost {
    /// A host with `gas` and nothing else.
    #[must_use]
    pub fn with_gas(gas: u64) -> Self {
        Self { gas, ..Self::default() }
    }

    /// Calls the system contract at `to` as `caller`, undoing writes, coins and logs on a fault.
    ///
    /// # Errors
    /// What the contract answers.
    ///
    /// # Panics
    /// If there is no system contract at `to`, or `caller` has less than `value` wei.
    pub fn call(
        &mut self,
        caller: Address,
        to: Address,
        value: U256,
        input: &[u8],
    ) -> Outcome<Bytes> {
        let contract: &SystemContract = CONTRACTS
            .iter()
            .find(|contract| contract.address == to)
            .expect("tests call addresses of system contracts");
        let before = (self.storage.clone(), self.balances.clone(), self.logs.len());
        self.take(caller, value).expect("the caller has the coins that it sends");
        self.give(to, value);
        let outcome = run(contract, self, Reached { target: to, caller, value }, input);
        if outcome.is_err() {
            (self.storage, self.balances) = (before.0, before.1);
            self.logs.truncate(before.2);
        }
        outcome
    }

    /// Adds `amount` wei to the balance of `to`.
    pub fn give(&mut self, to: Address, amount: U256) {
        if !amount.is_zero() {
            let balance = self.balances.entry(to).or_default();
            *balance = balance.checked_add(amount).expect("no test has 2^256 wei");
        }
    }

    fn take(&mut self, from: Address, amount: U256) -> Outcome<()> {
        let balance = self.balances.get(&from).copied().unwrap_or_default();
        match balance.checked_sub(amount) {
            None => Err(Fault::Fatal(format!("{from} has {balance} wei, less than {amount}"))),
            Some(U256::ZERO) => {
                self.balances.remove(&from);
                Ok(())
            }
            Some(rest) => {
                self.balances.insert(from, rest);
                Ok(())
            }
        }
    }

    /// What every call that moves coins checks and pays.
    fn coins(&mut self) -> Outcome<()> {
        if self.is_static {
            return revert(ISystem::StaticCallNotAllowed {});
        }
        self.charge(6_700)?;
        self.check()
    }

    fn check(&self) -> Outcome<()> {
        self.broken.as_ref().map_or(Ok(()), |message| Err(Fault::Fatal(message.clone())))
    }
}

impl Host for MemoryHost {
    fn block(&self) -> BlockInfo {
        self.block
    }

    fn charge(&mut self, gas: u64) -> Outcome<()> {
        let Some(left) = self.gas.checked_sub(gas) else {
            self.gas = 0;
            return Err(Fault::OutOfGas);
        };
        self.gas = left;
        Ok(())
    }

    fn sload(&mut self, address: Address, slot: U256) -> Outcome<U256> {
        self.charge(100)?;
        self.check()?;
        Ok(self.storage.get(&(address, slot)).copied().unwrap_or_default())
    }

    fn sstore(&mut self, address: Address, slot: U256, value: U256) -> Outcome<()> {
        if self.is_static {
            return revert(ISystem::StaticCallNotAllowed {});
        }
        self.charge(5_000)?;
        self.check()?;
        if value.is_zero() {
            self.storage.remove(&(address, slot));
        } else {
            self.storage.insert((address, slot), value);
        }
        Ok(())
    }

    fn emit(&mut self, address: Address, log: LogData) -> Outcome<()> {
        if self.is_static {
            return revert(ISystem::StaticCallNotAllowed {});
        }
        self.charge(375)?;
        self.logs.push(Log { address, data: log });
        Ok(())
    }

    fn balance(&mut self, account: Address) -> Outcome<U256> {
        self.charge(100)?;
        self.check()?;
        Ok(self.balances.get(&account).copied().unwrap_or_default())
    }

    fn transfer(&mut self, from: Address, to: Address, amount: U256) -> Outcome<()> {
        self.coins()?;
        self.take(from, amount)?;
        self.give(to, amount);
        Ok(())
    }

    fn mint(&mut self, to: Address, amount: U256) -> Outcome<()> {
        self.coins()?;
        self.give(to, amount);
        Ok(())
    }

    fn burn(&mut self, from: Address, amount: U256) -> Outcome<()> {
        self.coins()?;
        self.take(from, amount)
    }
}
