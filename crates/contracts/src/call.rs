//! One call into a system contract: guards, decoding, dispatch.

use crate::abi::ISystem;
use crate::host::{BlockInfo, Host, Outcome, revert};
use crate::{SystemContract, TIMELOCK};
use alloy_primitives::{Address, B256, Bytes, FixedBytes, U256, keccak256};
use alloy_sol_types::{SolEvent, SolInterface, abi::AbiDecoderConfig};

/// Gas of reaching a system contract at all.
pub const BASE_GAS: u64 = 100;
/// Gas for each started 32 bytes of call data: they are decoded and copied.
pub const INPUT_WORD_GAS: u64 = 3;
/// Gas of deriving a mapping's slot: Keccak-256 of two words.
pub const MAPPING_GAS: u64 = 42;

/// A call that is being answered.
pub struct Call<'a> {
    host: &'a mut dyn Host,
    /// The contract's own address.
    pub this: Address,
    /// Who calls.
    pub caller: Address,
    /// Coins sent along, in wei.
    pub value: U256,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("this", &self.this)
            .field("caller", &self.caller)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// How a contract was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Whose storage the call runs in. Differs from the contract's address under `DELEGATECALL` and
    /// `CALLCODE`.
    pub target: Address,
    /// Who calls.
    pub caller: Address,
    /// Coins sent along, in wei.
    pub value: U256,
}

/// Runs `contract` on `input`.
///
/// # Errors
/// The contract's own faults, and a revert if it was reached by `DELEGATECALL` or `CALLCODE`.
pub fn run(
    contract: &SystemContract,
    host: &mut dyn Host,
    reached: Reached,
    input: &[u8],
) -> Outcome<Bytes> {
    if reached.target != contract.address {
        return revert(ISystem::DelegateCallNotAllowed {});
    }
    host.charge(BASE_GAS.saturating_add(words(input.len()).saturating_mul(INPUT_WORD_GAS)))?;
    let Reached { caller, value, .. } = reached;
    (contract.handler)(&mut Call { host, this: contract.address, caller, value }, input)
}

/// Decodes `input` as one of the functions of the interface `I` and hands it to `answer`.
/// `payable` lists the selectors that accept coins.
///
/// Decoding is strict: gaps, overlaps and dirty padding are refused, so what is decoded is never
/// larger than the call data that was paid for.
///
/// # Errors
/// Reverts on coins for a function that takes none, on an unknown function and on malformed
/// arguments; otherwise what `answer` says.
pub fn dispatch<I: SolInterface>(
    call: &mut Call<'_>,
    input: &[u8],
    payable: &[[u8; 4]],
    answer: impl FnOnce(&mut Call<'_>, I) -> Outcome<Vec<u8>>,
) -> Outcome<Bytes> {
    let selector = selector(input);
    if !call.value.is_zero() && !payable.contains(&selector) {
        return revert(ISystem::NotPayable { value: call.value });
    }
    if input.len() < 4 || !I::valid_selector(selector) {
        return revert(ISystem::UnknownFunction { selector: FixedBytes(selector) });
    }
    match I::abi_decode_with_config(input, AbiDecoderConfig::new().strict(true)) {
        Ok(function) => answer(call, function).map(Bytes::from),
        Err(_) => revert(ISystem::MalformedArguments { selector: FixedBytes(selector) }),
    }
}

impl<'a> Call<'a> {
    /// A call that the protocol itself makes, without coins.
    pub fn internal(host: &'a mut dyn Host, this: Address, caller: Address) -> Self {
        Self { host, this, caller, value: U256::ZERO }
    }
}

impl Call<'_> {
    /// The current block.
    #[must_use]
    pub fn block(&self) -> BlockInfo {
        self.host.block()
    }

    /// Spends `gas`.
    ///
    /// # Errors
    /// See [`Host::charge`].
    pub fn charge(&mut self, gas: u64) -> Outcome<()> {
        self.host.charge(gas)
    }

    /// Reads a slot of this contract.
    ///
    /// # Errors
    /// See [`Host::sload`].
    pub fn get(&mut self, slot: U256) -> Outcome<U256> {
        self.host.sload(self.this, slot)
    }

    /// Writes a slot of this contract.
    ///
    /// # Errors
    /// See [`Host::sstore`].
    pub fn set(&mut self, slot: U256, value: U256) -> Outcome<()> {
        self.host.sstore(self.this, slot, value)
    }

    /// Emits `event` from this contract.
    ///
    /// # Errors
    /// See [`Host::emit`].
    pub fn emit(&mut self, event: &impl SolEvent) -> Outcome<()> {
        self.host.emit(self.this, event.encode_log_data())
    }

    /// Emits `event` from the system contract at `contract`.
    ///
    /// # Errors
    /// See [`Host::emit`].
    pub fn emit_from(&mut self, contract: Address, event: &impl SolEvent) -> Outcome<()> {
        self.host.emit(contract, event.encode_log_data())
    }

    /// The chain, for what the methods of this type do not cover.
    pub fn host(&mut self) -> &mut dyn Host {
        self.host
    }

    /// Refuses everyone but governance: the timelock at [`crate::TIMELOCK`].
    ///
    /// # Errors
    /// A revert with `OnlyGovernance`.
    pub fn require_governance(&self) -> Outcome<()> {
        if self.caller == TIMELOCK {
            return Ok(());
        }
        revert(ISystem::OnlyGovernance { caller: self.caller, governance: TIMELOCK })
    }

    /// Slot of `key` in the Solidity mapping at slot `base`; the hashing is paid for.
    ///
    /// # Errors
    /// See [`Host::charge`].
    pub fn mapping(&mut self, base: u64, key: B256) -> Outcome<U256> {
        self.host.charge(MAPPING_GAS)?;
        let preimage = [key.0, U256::from(base).to_be_bytes::<32>()].concat();
        Ok(keccak256(preimage).into())
    }
}

/// Number of started 32-byte words in `bytes`.
#[must_use]
pub const fn words(bytes: usize) -> u64 {
    bytes.div_ceil(32) as u64
}

/// First four bytes of `input`, padded with zeros.
fn selector(input: &[u8]) -> [u8; 4] {
    let mut selector = [0; 4];
    for (to, from) in selector.iter_mut().zip(input) {
        *to = *from;
    }
    selector
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CONTRACTS, Fault, memory::MemoryHost};
    use alloy_sol_types::SolError as _;

    #[test]
    fn a_call_in_foreign_storage_is_refused() {
        for contract in CONTRACTS {
            let mut host = MemoryHost::with_gas(1_000);
            let reached =
                Reached { target: Address::ZERO, caller: Address::ZERO, value: U256::ZERO };
            let error = ISystem::DelegateCallNotAllowed {}.abi_encode();
            let outcome = run(contract, &mut host, reached, &[]);
            assert_eq!(outcome, Err(Fault::Revert(error.into())), "{}", contract.name);
        }
    }

    #[test]
    fn the_table_is_ascending_and_named_like_its_interfaces() {
        assert!(CONTRACTS.is_sorted_by(|a, b| a.address < b.address));
        let names: Vec<_> = CONTRACTS.iter().map(|contract| contract.name).collect();
        for name in names {
            let file =
                format!("{}/../../solidity/interfaces/I{name}.sol", env!("CARGO_MANIFEST_DIR"));
            assert!(std::fs::exists(&file).unwrap(), "{file}");
        }
    }

    #[test]
    fn a_mapping_slot_is_soliditys() {
        let mut host = MemoryHost::with_gas(1_000);
        let mut call = Call::internal(&mut host, Address::ZERO, Address::ZERO);
        let slot = call.mapping(0, B256::ZERO).unwrap();
        // keccak256 of 64 zero bytes
        let expected = "0xad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5";
        assert_eq!(B256::from(slot).to_string(), expected);
        assert_eq!(host.gas, 1_000 - MAPPING_GAS);
    }
}
