//! What can go wrong with a snapshot, and what to do about it.

use crate::{
    state::{Piece, RebuildError},
    storage::StorageVersionError,
};
use alloy_primitives::B256;
use cairn_chain::{ChainError, HistoryError, SealedError, block::BlockError};
use cairn_light::LightError;
use std::path::PathBuf;

/// Why a snapshot cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The operating system refused.
    #[error("cannot use {path}: {source}")]
    Io {
        /// File or directory.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// Another kind of file.
    #[error("{0} is not a snapshot; write one with `cairn state export`")]
    NotASnapshot(PathBuf),
    /// A version that this program does not know.
    #[error("{path} is a snapshot of version {found}, this program reads version {supported}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Version of this program.
        supported: u32,
    },
    /// The file ends early.
    #[error("{0} is cut off; copy it again")]
    Truncated(PathBuf),
    /// A checksum does not match, or the parts are not those of a snapshot.
    #[error("{path} is damaged: {part} at byte {offset}; copy it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part.
        part: &'static str,
        /// Where it begins.
        offset: u64,
    },
    /// A snapshot of another network.
    #[error("the snapshot belongs to the network with genesis {found}, this node to {expected}")]
    OtherNetwork {
        /// Hash of the genesis file in the snapshot.
        found: B256,
        /// Hash of this node's genesis file.
        expected: B256,
    },
    /// The certificate does not hold.
    #[error("the snapshot's block is not final: {0}; do not use this file")]
    NotFinal(#[from] LightError),
    /// Another block than the certified one.
    #[error(
        "the certificate is for block {certified}, the snapshot has {found}; do not use this file"
    )]
    OtherBlock {
        /// Hash in the certificate.
        certified: B256,
        /// Hash of the block in the snapshot.
        found: B256,
    },
    /// The block does not decode.
    #[error("the snapshot's block is not valid: {0}; do not use this file")]
    Block(#[from] BlockError),
    /// Transactions or receipts are not those of the block.
    #[error("the snapshot's block is not valid: {0}; do not use this file")]
    Sealed(#[from] SealedError),
    /// A piece is not part of the block's state.
    #[error("{0:?} of the snapshot is not part of the block's state; do not use this file")]
    ForeignPiece(Piece),
    /// The rebuilt state is another.
    #[error("the snapshot leads to state {found}, its block has {expected}; do not use this file")]
    OtherState {
        /// Root in the header.
        expected: B256,
        /// Root of the rebuilt database.
        found: B256,
    },
    /// The directory is in use.
    #[error("{0} has a state already; import into an empty data directory")]
    NotEmpty(PathBuf),
    /// Nothing to export.
    #[error("{0} has no state of a final block; start the node first")]
    Empty(PathBuf),
    /// The block of the state cannot be exported.
    #[error(
        "block {height}, to which the state belongs, has no {missing} in {path}; start the node, let \
         it finalise another block, stop it and export again"
    )]
    Incomplete {
        /// Height of the state.
        height: u64,
        /// What is missing.
        missing: &'static str,
        /// The node's directory.
        path: PathBuf,
    },
    /// The database cannot be opened, read or written.
    #[error("the storage in {path} failed: {what}")]
    Storage {
        /// Its directory.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The storage was written by another version of this program.
    #[error(transparent)]
    StorageVersion(#[from] StorageVersionError),
    /// The history cannot be used.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl SnapshotError {
    /// An error of the operating system at `path`.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Truncated(path),
            _ => Self::Io { path, source },
        }
    }

    /// A failure of the storage at `path`.
    pub(super) fn storage<E: std::fmt::Display>(
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |error| Self::Storage { path, what: error.to_string() }
    }

    /// What went wrong while the database in `path` was rebuilt.
    pub(super) fn rebuild(path: impl Into<PathBuf>, error: RebuildError<Self>) -> Self {
        match error {
            RebuildError::Source(error) => error,
            RebuildError::Foreign(piece) => Self::ForeignPiece(piece),
            RebuildError::Empty | RebuildError::Database(_) => {
                Self::Storage { path: path.into(), what: error.to_string() }
            }
        }
    }
}

impl From<HistoryError> for SnapshotError {
    fn from(error: HistoryError) -> Self {
        Self::Chain(error.into())
    }
}
