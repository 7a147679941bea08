//! Ids, keys and values that every other crate shares.
//!
//! Nothing here does IO, keeps state or runs async code. [`state`] is the one place that says how
//! an account, a storage slot or a piece of code is named and encoded in the authenticated state,
//! so that execution, history, proofs and the light client cannot drift apart.

pub mod state;
