//! JSON-RPC of a node, over HTTP and WebSocket on one port.
//!
//! ```text
//!  TCP ── axum ─┬─ GET /health, /metrics
//!               ├─ POST /  gate ─┬─ batch of eth_sendRawTransaction ── batch::submit (many at once)
//!               │                └─ all else ─┐
//!               └─ GET / (WebSocket) ─────────┴─ jsonrpsee ── methods ── Api ── Chain, EVM
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`server`] | the port, its limits, health and metrics |
//! | `body` | bodies that are not requests |
//! | `batch` | batches of raw transactions, past the general dispatcher |
//! | [`api`] | what every method works on: chain, limits, filters |
//! | [`params`] | positional parameters and their errors |
//! | [`error`] | codes and texts of errors, those that client libraries know |
//! | [`convert`] | blocks, transactions and receipts in their JSON form |
//! | [`eth`], `web3`, `cairn`, `txpool`, `ots` | methods by name space |
//! | `debug` | `debug_*`: past blocks executed again under a tracer |
//! | `simulate` | `eth_simulateV1` |
//!
//! A block is final when it becomes the head, so `latest`, `safe` and `finalized` are one block, no log
//! is ever removed and no subscription ever reports a reorganization.
//!
//! A name space is a function `register(&mut Module)`, called in [`module`].

pub mod api;
mod batch;
mod body;
mod cairn;
pub mod convert;
mod debug;
pub mod error;
pub mod eth;
pub mod limits;
mod measure;
mod ots;
pub mod params;
pub mod server;
mod simulate;
#[cfg(test)]
mod testing;
mod txpool;
mod web3;

pub use api::{Api, Module};
pub use error::RpcError;
pub use limits::Limits;
pub use server::{Config, Options, ServeError, Server, serve, serve_with};

/// All methods.
#[must_use]
pub fn module(api: Api) -> Module {
    let mut module = Module::new(api);
    web3::register(&mut module);
    eth::register(&mut module);
    cairn::register(&mut module);
    txpool::register(&mut module);
    let gate = debug::Gate::new();
    debug::register(&mut module, &gate);
    simulate::register(&mut module, &gate);
    ots::register(&mut module, &gate);
    module
}
