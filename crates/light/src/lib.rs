//! A light client: checks what a node says about the state, trusting only the committee's key.
//!
//! ```text
//! TrustAnchor (from the genesis file)
//!      │ verifies
//! certificate ── hash ──> header ── stateRoot ──> proof ──> account or storage word, or its absence
//! ```
//!
//! No node, no network, no clock, no async: everything here is a function of its arguments. The
//! document that travels is a [`ProofBundle`]; nothing in it is believed before it is checked.
//!
//! Limits: [`MAX_PROOF_BYTES`] a proof, [`MAX_DIGESTS`] digests in it, [`MAX_DESCENDANTS`] headers
//! between a block and the one that its certificate names, [`MAX_SLOTS`] storage words a bundle.

mod bundle;
mod finality;
mod header;
mod state;

pub use bundle::{MAX_SLOTS, ProofBundle, StorageProof, Verified};
pub use finality::{CERTIFICATE_BYTES, FinalizedBlock, TrustAnchor, verify_finality};
pub use header::{MAX_DESCENDANTS, MAX_HEADER_BYTES, verify_ancestor, verify_header};
pub use state::{
    Absence, MAX_DIGESTS, MAX_PROOF_BYTES, Presence, encode_absent, encode_present,
    verify_account, verify_slot,
};

use alloy_primitives::B256;

/// Why a proof does not convince.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// The anchor's key is not a group public key.
    #[error("the committee's key is not a BLS12-381 public key of 96 bytes; take it from the genesis file")]
    BadIdentity,
    /// The certificate cannot be decoded.
    #[error("the certificate cannot be decoded: {0}")]
    BadCertificate(String),
    /// The certificate is not signed by this committee for this chain.
    #[error("the certificate is not signed by the committee of this chain")]
    ForgedCertificate,
    /// A header cannot be decoded.
    #[error("a block header cannot be decoded: {0}")]
    BadHeader(String),
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
    /// A proof cannot be decoded.
    #[error("the state proof cannot be decoded: {0}")]
    BadProof(String),
    /// A proof does not lead to the state root.
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
