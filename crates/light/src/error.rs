//! Why a proof does not convince.

use crate::{MAX_DESCENDANTS, MAX_SLOTS};
use alloy_primitives::B256;
use std::fmt;

/// What was being decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A finality certificate.
    Certificate,
    /// A block header.
    Header,
    /// A proof of one key of the state.
    Proof,
    /// The document with all of it.
    Bundle,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Header => "block header",
            Self::Proof => "state proof",
            Self::Bundle => "proof document",
        })
    }
}

/// Why a proof does not convince.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// The anchor's key is not a group public key.
    #[error(
        "the committee's key is not a BLS12-381 public key of 96 bytes; take it from the genesis file"
    )]
    BadIdentity,
    /// Something is longer than it ever has to be.
    #[error("the {part} has {found} bytes; at most {limit} are allowed")]
    TooLong {
        /// What is too long.
        part: Part,
        /// Its length in bytes.
        found: usize,
        /// The longest that is accepted.
        limit: usize,
    },
    /// Something cannot be decoded.
    #[error("the {part} cannot be decoded: {why}")]
    Malformed {
        /// What cannot be decoded.
        part: Part,
        /// What is wrong with it.
        why: String,
    },
    /// A proof is of a version that this program does not know.
    #[error("the state proof is of version {0}, which this program does not know; update it")]
    UnknownVersion(u8),
    /// The certificate is not signed by this committee for this chain.
    #[error("the certificate is not signed by the committee of this chain")]
    ForgedCertificate,
    /// The seed is not signed by this committee for this round.
    #[error("the seed is not signed by the committee of this chain for epoch {epoch}, view {view}")]
    ForgedSeed {
        /// Epoch of the round.
        epoch: u64,
        /// View of the round.
        view: u64,
    },
    /// A header is not the one that was certified, or not the parent of the next one.
    #[error("block header has hash {found}, but {expected} is demanded")]
    WrongHeader {
        /// The hash that is demanded.
        expected: B256,
        /// The hash of the header given.
        found: B256,
    },
    /// More headers than a bundle may have.
    #[error("{found} headers follow the block; at most {MAX_DESCENDANTS} are allowed")]
    TooManyHeaders {
        /// How many there are.
        found: usize,
    },
    /// The proof does not show what is asked, for this key and this state root.
    #[error("the state proof does not lead to the block's state root")]
    ForgedProof,
    /// The bundle names more storage words than allowed.
    #[error("{found} storage proofs; at most {MAX_SLOTS} are allowed")]
    TooManySlots {
        /// How many there are.
        found: usize,
    },
    /// The bundle says another height than its header.
    #[error("the bundle says block {claimed}, its header says {found}")]
    WrongHeight {
        /// Height in the bundle.
        claimed: u64,
        /// Height in the header.
        found: u64,
    },
}

impl LightError {
    /// `part` cannot be decoded because of `why`.
    pub(crate) fn malformed(part: Part, why: impl fmt::Display) -> Self {
        Self::Malformed { part, why: why.to_string() }
    }
}

/// Refuses `bytes` of more than `limit`.
pub(crate) const fn bounded(part: Part, bytes: &[u8], limit: usize) -> Result<(), LightError> {
    if bytes.len() > limit {
        return Err(LightError::TooLong { part, found: bytes.len(), limit });
    }
    Ok(())
}
