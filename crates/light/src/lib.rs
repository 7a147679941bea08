//! A light client: checks what a node says about the state, trusting only the committee's key.
//!
//! ```text
//! TrustAnchor (from the genesis file)
//!      │ verifies
//! certificate ── hash ──> header ── stateRoot ──> proof ──> account or storage word, or its absence
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`finality`] | certificates and seeds of the committee |
//! | [`header`] | headers, and the chain of headers up to a certified one |
//! | [`state`] | the encoding of a proof, and what it says of an account or a word |
//! | `tree` | how a proof leads to the state root |
//! | [`bundle`] | the document that carries all of this |
//!
//! No node, no network, no clock, no randomness, no async: everything here is a function of its
//! arguments. The document that travels is a [`ProofBundle`]; nothing in it is believed before it is
//! checked, and it cannot name the key that it is checked against.
//!
//! Limits: [`CERTIFICATE_BYTES`], [`MAX_HEADER_BYTES`], [`MAX_DESCENDANTS`] headers between a block
//! and the one that its certificate names, [`MAX_PROOF_BYTES`] a proof, [`MAX_DIGESTS`] digests in it,
//! [`MAX_SLOTS`] storage words and [`MAX_BUNDLE_BYTES`] a bundle.
//!
//! Absent on purpose: following the chain. A valid proof shows the state of *some* final block; how
//! old that block is, its timestamp tells.
//!
//! ```no_run
//! use cairn_light::{ProofBundle, TrustAnchor};
//! # fn read() -> Vec<u8> { vec![] }
//! # fn identity_of_the_genesis_file() -> Vec<u8> { vec![] }
//! let anchor = TrustAnchor { chain_id: 9_021, identity: identity_of_the_genesis_file() };
//! let verified = ProofBundle::from_json(&read())?.verify(&anchor)?;
//! println!("{:?} at block {}", verified.account, verified.block_number);
//! # Ok::<(), cairn_light::LightError>(())
//! ```

pub mod bundle;
mod error;
pub mod finality;
pub mod header;
pub mod state;
mod tree;

pub use bundle::{MAX_BUNDLE_BYTES, MAX_SLOTS, ProofBundle, StorageProof, Verified};
pub use error::{LightError, Part};
pub use finality::{CERTIFICATE_BYTES, FinalizedBlock, TrustAnchor, verify_finality, verify_seed};
pub use header::{Header, MAX_DESCENDANTS, MAX_HEADER_BYTES, verify_ancestor, verify_header};
#[cfg(feature = "prover")]
pub use state::{Absence, Presence, encode_absent, encode_present};
pub use state::{KeyProof, MAX_PROOF_BYTES, verify_account, verify_slot};
pub use tree::MAX_DIGESTS;
