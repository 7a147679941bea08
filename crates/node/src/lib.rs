//! A Cairn node: consensus, state database and peer-to-peer network around the chain.
//!
//! This is the only crate that knows Commonware's consensus and its database. The same
//! [`app::App`] runs alone (a committee of one), in a committee over sockets, and in deterministic
//! simulation; [`engine`] wires it, [`node`] puts it on tokio.
//!
//! A finalized block is final: there are no reorganisations. Failures in consensus or storage end
//! the node; it must run under a supervisor, and it recovers from what is on disk.

pub mod app;
pub mod assemble;
pub mod backend;
pub mod beacon;
pub mod bench;
pub mod block;
pub mod committee;
pub mod engine;
pub mod gossip;
pub mod node;
mod paced;
pub mod seeds;
pub mod snapshot;
pub mod state;
mod storage;
pub mod types;

pub use committee::{Identity, deal};
pub use node::{Node, NodeConfig, Peer, StartError, start};
pub use storage::StorageVersionError;
