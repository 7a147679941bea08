//! The rules of Cairn as pure functions: everything a node must agree on that is not execution of
//! EVM code. This crate can be read alone as *the* statement of the rules.
//!
//! | module | rule |
//! |---|---|
//! | [`rules`] | the parameters of a block; the only place where protocol versions differ |
//! | [`fees`] | base fee of the next block (EIP-1559) |
//! | [`pacing`] | when a block may be proposed and which timestamp it may carry |
//! | [`params`] | the tunables of the network with their bounds |
//! | [`features`] | changes of the protocol that governance switches on |
//! | [`beacon`] | which random seeds a block publishes, and how late |
//!
//! Nothing here does IO, keeps state, reads a clock or draws randomness: whatever a rule needs is
//! an argument. Integers only; every rounding is named where it happens.
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

pub mod beacon;
pub mod features;
pub mod fees;
pub mod pacing;
pub mod params;
pub mod rules;

pub use rules::{Rules, Spec};
