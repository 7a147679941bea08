//! Snapshots: the whole state of one final block in one file.
//!
//! A snapshot carries a state to another directory, another machine or another version of the
//! database, and is a backup that proves itself:
//!
//! ```text
//! genesis ─ committee's key ─> certificate ─> header ─> stateRoot, opsRoot ─> every operation
//! ```
//!
//! **What an import checks**: that the file belongs to this genesis; that the committee certified the
//! block; that body and receipts are those of the header; that every operation of the state's log
//! stands in the log that the block commits to; and that the rebuilt database has the block's
//! `stateRoot`. Checksums tell a damaged file from a forged one; they are not what is trusted.
//!
//! **What it does not know**: anything before its block. The node then has block 0 and the blocks from
//! this one on, and past states from this one on.
//!
//! **Who may import**: any follower, and a validator that never voted above the snapshot's block.
//! A validator forgets its votes with its directory; were it to vote in the same views again, the
//! committee would have to count it among its faulty members.
//!
//! A snapshot is written under another name and renamed when it is whole; an import builds its
//! directory beside the node's and renames it in the end. Both work on nodes that do not run; the
//! caller holds the node's lock.

mod error;
mod export;
mod file;
mod import;

pub use error::SnapshotError;
pub use export::export;
pub use import::import;

use crate::node::panic_text;
use alloy_primitives::B256;
use cairn_chain::Genesis;
use commonware_runtime::{
    Runner as _,
    tokio::{Config, Context, Runner},
};
use std::{future::Future, path::PathBuf, thread};

/// Memory for cached pages while a snapshot is made or read, in bytes.
const PAGE_CACHE_BYTES: usize = 64 << 20;

/// The node whose state is written or read.
#[derive(Clone, Debug)]
pub struct Place {
    /// Directory that belongs to this node alone.
    pub data_dir: PathBuf,
    /// The network's genesis.
    pub genesis: Genesis,
    /// Keep the past of the state for ever.
    pub archive: bool,
}

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Height of its block.
    pub height: u64,
    /// Hash of its block.
    pub hash: B256,
    /// Root of its state.
    pub state_root: B256,
    /// Operations of the state's log.
    pub operations: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// Is told how many operations of how many are done.
pub type Progress = Box<dyn FnMut(u64, u64) + Send>;

/// Runs `work` on a thread and runtime of its own, whose storage is in `directory`; panics of the stores
/// become errors.
fn with_storage<T, F, Work>(directory: PathBuf, work: F) -> Result<T, SnapshotError>
where
    T: Send,
    F: FnOnce(Context) -> Work + Send,
    Work: Future<Output = Result<T, SnapshotError>>,
{
    let config = Config::new().with_storage_directory(directory.clone());
    let result = thread::scope(|scope| scope.spawn(|| Runner::new(config).start(work)).join());
    result.unwrap_or_else(|panic| {
        let what = panic_text(panic.as_ref());
        Err(SnapshotError::Storage { path: directory, what })
    })
}
