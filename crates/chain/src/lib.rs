//! Everything a node knows about its chain, apart from consensus and the live state.
//!
//! | module | owns |
//! |---|---|
//! | [`block`], [`genesis`] | the formats that all nodes agree on |
//! | [`sealed`] | a block with what its execution produced |
//! | [`history`] | past blocks, receipts, indexes and past states, on disk |
//! | [`pool`] | transactions that wait for a block |
//! | [`chain`] | [`Chain`], the handle through which RPC and node use all of this |
//!
//! There is no consensus, no network and no authenticated state here: the node implements
//! [`chain::Backend`] for what this crate needs of them.

pub mod block;
pub mod chain;
pub mod genesis;
pub mod history;
pub mod pool;
pub mod sealed;

#[cfg(test)]
mod testing;

pub use chain::{Backend, Chain, ChainConfig, ChainError};
pub use genesis::Genesis;
pub use history::{History, HistoryConfig, HistoryError};
pub use pool::{Pool, PoolConfig, PoolError};
pub use sealed::{Sealed, SealedError};
