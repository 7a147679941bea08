//! Block execution: the EVM with Cairn's system contracts over an asynchronous state.
//!
//! ```text
//!             BlockEnv, SystemStep, transactions
//!                          |
//!   execute / build ── one fiber ── one EVM ── StateDb (overlay) ──┐ asks for keys it lacks
//!        |                                                         v
//!   BlockOutput: receipts, fees,                          dyn StateView (async)
//!   changes with before and after
//! ```
//!
//! * The state is asynchronous, the EVM is not. The whole block runs on one [`fiber`]; a read that the
//!   overlay cannot answer suspends the fiber, never the thread.
//! * The protocol's own writes ([`SystemStep`]) come before the first transaction.
//! * The result is a function of the inputs alone: no clock, no hash order, no floats.
//! * A failing local database is an error of the node ([`StateError`]), never a result of a block.
//!
//! Entry points: [`execute`] checks a block, [`build`] makes one, [`on_state`] with [`evm_with`] runs
//! anything else (calls, traces, estimates).

pub mod block;
pub mod code;
pub mod db;
pub mod env;
pub mod fiber;
pub mod receipt;
pub mod system;
pub mod transaction;
pub mod view;

pub use block::{
    BlockOutput, BuildLimits, ExecuteError, Fees, TxRejected, TxSource, build, execute,
};
pub use code::CodeCache;
pub use db::{StateDb, on_state};
pub use env::{BlockEnv, CairnEvm, evm_with};
pub use receipt::{TxReceipt, logs_bloom, receipts_root, transactions_root};
pub use system::{
    GenesisAccount, GenesisError, Round, Seed, SystemStep, system_accounts, system_step,
};
pub use transaction::{RecoveredTx, TxEnvelope, TxError};
pub use view::{Change, MemoryState, StateError, StateView};

pub use revm;

#[cfg(test)]
mod testing;
