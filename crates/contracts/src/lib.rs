//! The native system contracts of Cairn.
//!
//! A system contract is Rust code behind a Solidity ABI at a fixed address. Its state is ordinary
//! account storage and it reaches the chain only through an object-safe [`Host`]: the EVM implements
//! it over its journal, [`memory::MemoryHost`] in memory for tests.
//!
//! ```text
//! call data ── decode (strict ABI) ── handler ── Host: sload, sstore, emit, charge
//!                                        └─ Ok(return data) | Fault::{Revert, OutOfGas, Fatal}
//! ```
//!
//! | address | contract | module |
//! |---|---|---|
//! | `0x…ca01` | `Params` | tunables, changed by governance |
//! | `0x…ca02` | `Features` | feature gates |
//! | `0x…ca03` | `Staking` | stake, seats, votes |
//! | `0x…ca04` | `Assets` | physical assets as tokens |
//! | `0x…ca05` | `Market` | offers, agreements, escrow |
//! | `0x…ca06` | `Work` | credits of work units |
//! | `0x…ca07` | `Crypto` | [`crypto`] |
//! | `0x…ca08` | `Beacon` | [`beacon`] |
//! | `0x…ca09` | `Rewards` | epochs, pools, claims; counters of [`supply`] |
//! | `0x…ca0a` | `Treasury` | funds spent by governance |
//! | `0x…ca20` | timelock of OpenZeppelin | not native; the only admin of those above |
//!
//! Invariants: a handler that fails leaves no trace (the caller of [`run`] undoes writes and logs);
//! nothing is read from storage before it is paid for; native code never calls EVM code. The ABIs are
//! the files in `solidity/interfaces`, read by [`abi`].
#![cfg_attr(
    not(test),
    deny(clippy::float_arithmetic, clippy::indexing_slicing, clippy::unwrap_used)
)]

pub mod abi;
pub mod beacon;
pub mod call;
pub mod crypto;
pub mod ed25519;
pub mod features;
pub mod host;
pub mod memory;
pub mod params;
pub mod storage;
pub mod supply;
pub mod treasury;

pub use call::{Call, dispatch, run};
pub use host::{BlockInfo, Fault, Host, Outcome, revert};

use alloy_primitives::{Address, Bytes, address};

/// Address of the `Params` contract.
pub const PARAMS: Address = address!("000000000000000000000000000000000000ca01");
/// Address of the `Features` contract.
pub const FEATURES: Address = address!("000000000000000000000000000000000000ca02");
/// Address of the `Staking` contract.
pub const STAKING: Address = address!("000000000000000000000000000000000000ca03");
/// Address of the `Assets` contract.
pub const ASSETS: Address = address!("000000000000000000000000000000000000ca04");
/// Address of the `Market` contract.
pub const MARKET: Address = address!("000000000000000000000000000000000000ca05");
/// Address of the `Work` contract.
pub const WORK: Address = address!("000000000000000000000000000000000000ca06");
/// Address of the `Crypto` contract.
pub const CRYPTO: Address = address!("000000000000000000000000000000000000ca07");
/// Address of the `Beacon` contract.
pub const BEACON: Address = address!("000000000000000000000000000000000000ca08");
/// Address of the `Rewards` contract.
pub const REWARDS: Address = address!("000000000000000000000000000000000000ca09");
/// Address of the `Treasury` contract.
pub const TREASURY: Address = address!("000000000000000000000000000000000000ca0a");
/// Address of the timelock that executes what governance decided (Solidity, placed by genesis): the
/// only account that may change parameters, features and classes, and spend from the treasury.
pub const TIMELOCK: Address = address!("000000000000000000000000000000000000ca20");

/// Code that every system contract's account carries: `INVALID`. It makes `extcodesize` non-zero and
/// halts if it is ever run in the storage of another account (EIP-7702 delegation).
pub const STUB_CODE: &[u8] = &[0xfe];

/// Entry of a contract: takes the call data, answers the return data.
pub type Handler = fn(&mut Call<'_>, &[u8]) -> Outcome<Bytes>;

/// One system contract.
#[derive(Clone, Copy, Debug)]
pub struct SystemContract {
    /// Where it lives.
    pub address: Address,
    /// Name as in its interface, without the `I`.
    pub name: &'static str,
    /// Its code.
    pub handler: Handler,
}

/// All system contracts of the chain, by ascending address.
pub static CONTRACTS: &[SystemContract] = &[
    SystemContract { address: PARAMS, name: "Params", handler: params::handle },
    SystemContract { address: FEATURES, name: "Features", handler: features::handle },
    SystemContract { address: CRYPTO, name: "Crypto", handler: crypto::handle },
    SystemContract { address: BEACON, name: "Beacon", handler: beacon::handle },
    SystemContract { address: TREASURY, name: "Treasury", handler: treasury::handle },
];
