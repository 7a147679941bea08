//! What can go wrong with the history file, and what to do about it.

use alloy_primitives::B256;
use std::path::PathBuf;

/// Why the history cannot be opened, read or written.
///
/// Nothing is ever reset behind the operator's back: a file that cannot be used stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file was written for another network.
    #[error(
        "{path} belongs to the network with genesis {found}, this node runs {expected}; use the \
         genesis file of that network or another data directory"
    )]
    OtherChain {
        /// The file.
        path: PathBuf,
        /// Hash of the genesis block that the file names.
        found: B256,
        /// Hash of the genesis block of this node.
        expected: B256,
    },
    /// The file has a format that this program does not know.
    #[error(
        "{path} has format version {found}, this program reads version {supported}; run the \
         program that wrote it, or move the file away and let the node sync again"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Version of this program.
        supported: u32,
    },
    /// The file is damaged, or not a history at all.
    #[error(
        "{path} is damaged ({detail}); it was left as it is: restore the data directory from a \
         backup, or move the whole directory away and let the node sync again"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Another process has the file open.
    #[error("{path} is in use by another process; stop the node that runs on this data directory")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// No space is left on the volume.
    #[error("no space is left for {path}; free some and start the node again, nothing was lost")]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused an operation.
    #[error("cannot use {path}: {source}; check the disk and the permissions, then restart")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An earlier write failed, so the state of the file is unknown until it is opened again.
    #[error("an earlier write to {path} failed; restart the node, it recovers on start")]
    Failed {
        /// The file.
        path: PathBuf,
    },
    /// A block that is already part of the applied chain was to be replaced.
    #[error(
        "block {height} is {recorded} in the history but {offered} was offered, although its state \
         is applied: state and history disagree; restore the data directory from a backup"
    )]
    Conflict {
        /// Height of both blocks.
        height: u64,
        /// Hash of the recorded block.
        recorded: B256,
        /// Hash of the offered block.
        offered: B256,
    },
    /// A block does not follow the last recorded one.
    #[error(
        "block {offered} does not follow block {tip}, the last in the history; the data directory \
         is incomplete: restore it from a backup, or move it away and let the node sync again"
    )]
    Gap {
        /// Last recorded height.
        tip: u64,
        /// Height of the offered block.
        offered: u64,
    },
    /// A block names another parent than the recorded block below it.
    #[error("block {height} has parent {parent}, the history has {recorded} below it")]
    Parent {
        /// Height of the offered block.
        height: u64,
        /// Parent it names.
        parent: B256,
        /// Hash recorded at the height below.
        recorded: B256,
    },
    /// The state at this height is no longer (or never was) kept.
    #[error("state of block {height} is pruned, the oldest kept is that of block {oldest}")]
    StatePruned {
        /// Height asked for.
        height: u64,
        /// Oldest height whose state can be read.
        oldest: u64,
    },
    /// The height is above the head.
    #[error("block {height} does not exist yet, the head is block {head}")]
    Future {
        /// Height asked for.
        height: u64,
        /// Height of the head.
        head: u64,
    },
    /// A recorded block cannot be decoded.
    #[error("block {height} in the history cannot be decoded: {reason}; restore it from a backup")]
    Undecodable {
        /// Height of the block.
        height: u64,
        /// Why not.
        reason: String,
    },
}

/// Where an error of the database happened: turns it into a [`HistoryError`].
pub(super) fn classify(path: &std::path::Path, error: redb::Error) -> HistoryError {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen => HistoryError::Locked { path },
        redb::Error::Io(source) => classify_io(path, source),
        redb::Error::PreviousIo
        | redb::Error::TransactionPoisoned
        | redb::Error::LockPoisoned(_)
        | redb::Error::DatabaseClosed => HistoryError::Failed { path },
        other => HistoryError::Corrupt { path, detail: other.to_string() },
    }
}

pub(super) fn classify_io(path: PathBuf, source: std::io::Error) -> HistoryError {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => HistoryError::DiskFull { path },
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            HistoryError::Corrupt { path, detail: source.to_string() }
        }
        _ => HistoryError::Io { path, source },
    }
}
