//! How a proof of one operation leads to the state root.
//!
//! The state is an append-only log of fixed-size operations, and a bitmap that says which of them are
//! active, that is, still hold. The log is the leaves of a Merkle mountain range (SHA-256). A chunk of
//! 256 bits of the bitmap is hashed together with the subtree of the 256 operations that it is about:
//!
//! ```text
//! state root = H(log root ‖ grafted root [‖ bits in the last chunk (8) ‖ H(last chunk)])
//!                           ╱        ╲
//!                       H(chunk ‖ subtree)   …      height 8: 256 operations; H() of a chunk of zeros
//!                        ╱      ╲                   is its subtree
//!                  operations …
//! ```
//!
//! Bits in the last chunk, and its hash, are there unless the log ends at a chunk's end. Operations are
//! [`OPERATION_BYTES`] long, zero padded:
//!
//! | tag | then |
//! |---|---|
//! | `d2` update | key (32) ‖ value (72) ‖ next active key (32), the last one followed by the first |
//! | `d3` commit | 0 or 1 ‖ metadata (72), zeros if 0 ‖ floor (8): all operations below it are inactive |
//!
//! So one active update proves both that its key has its value, and that no key between it and the
//! next one exists. In an empty state, the last commit is its own floor.
//!
//! The format is that of Commonware's `qmdb::current::ordered::fixed` over `mmr::Family`. Its own
//! verifier needs the storage engine and a runtime; the Merkle half, which does not, is used as it is,
//! and tests hold this module and that verifier together.

use cairn_primitives::state::{KEY_BYTES, StateKey, StateValue, VALUE_BYTES};
use commonware_codec::{Buf, Error as CodecError, Read, ReadExt as _};
use commonware_cryptography::{Hasher as _, Sha256, sha256::Digest};
use commonware_storage::{
    merkle::{Bagging, Family as _, Graftable as _, MAX_PROOF_DIGESTS_PER_ELEMENT, hasher::Hasher},
    mmr::{Family, Location, Position, Proof},
};

/// Most digests in one proof: enough for any log.
pub const MAX_DIGESTS: usize = MAX_PROOF_DIGESTS_PER_ELEMENT;

/// Length of an operation in bytes.
const OPERATION_BYTES: usize = 1 + KEY_BYTES + VALUE_BYTES + KEY_BYTES;
const UPDATE: u8 = 0xd2;
const COMMIT: u8 = 0xd3;

/// Length of a chunk of the bitmap in bytes.
const CHUNK_BYTES: usize = 32;
/// Operations that a chunk is about.
const CHUNK_BITS: u64 = 256;
/// Height of the subtree of a chunk's operations.
const CHUNK_HEIGHT: u32 = CHUNK_BITS.trailing_zeros();

/// The operation that sets `key` to `value`, while `next` is the next active key.
pub(crate) fn update(key: &StateKey, value: &StateValue, next: &StateKey) -> Vec<u8> {
    [&[UPDATE], key.0.as_slice(), value.0.as_slice(), next.0.as_slice()].concat()
}

/// The operation that committed a batch and moved the floor to `floor`.
fn commit(metadata: Option<&StateValue>, floor: u64) -> Vec<u8> {
    let mut bytes = vec![COMMIT, u8::from(metadata.is_some())];
    bytes.extend_from_slice(metadata.map_or(&[0; VALUE_BYTES], |value| &value.0));
    bytes.extend_from_slice(&floor.to_be_bytes());
    bytes.resize(OPERATION_BYTES, 0);
    bytes
}

/// Proof that an operation is in the log, and active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Active {
    location: Location,
    chunk: [u8; CHUNK_BYTES],
    path: Proof<Digest>,
    last_chunk: Option<Digest>,
    log_root: Digest,
}

impl Active {
    /// Whether `operation` is in the log at the proof's location, and active, given the state root.
    pub(crate) fn verify(&self, operation: &[u8], state_root: &Digest) -> bool {
        self.is_active() && self.root(operation).is_some_and(|root| root == *state_root)
    }

    /// As [`Self::verify`], for the commit of an empty state.
    pub(crate) fn verify_empty(&self, metadata: Option<&StateValue>, state_root: &Digest) -> bool {
        self.verify(&commit(metadata, self.location.as_u64()), state_root)
    }

    fn is_active(&self) -> bool {
        let bit = self.location.as_u64() % CHUNK_BITS;
        self.chunk.iter().zip((0..CHUNK_BITS).step_by(8)).any(|(byte, first)| {
            (first..first + 8).contains(&bit) && byte >> (bit - first) & 1 == 1
        })
    }

    /// The state root that the proof leads to from `operation`.
    fn root(&self, operation: &[u8]) -> Option<Digest> {
        let leaves = self.path.leaves.as_u64();
        let index = self.location.as_u64() / CHUNK_BITS;
        let (complete, next_bit) = (leaves / CHUNK_BITS, leaves % CHUNK_BITS);
        // The last chunk is there exactly if the log ends inside one.
        if self.last_chunk.is_some() != (next_bit != 0) {
            return None;
        }
        // A chunk that is not complete is not in the tree: its hash alone vouches for it.
        if index == complete && self.last_chunk != Some(Sha256::hash(&[&self.chunk])) {
            return None;
        }
        let grafted = Grafted { index, chunk: self.chunk, complete };
        let tree = self.path.reconstruct_root(&grafted, &[operation], self.location).ok()?;
        Some(match &self.last_chunk {
            None => Sha256::hash(&[&self.log_root, &tree]),
            Some(last) => Sha256::hash(&[&self.log_root, &tree, &next_bit.to_be_bytes(), last]),
        })
    }
}

impl Read for Active {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self {
            location: Location::read(buf)?,
            chunk: <[u8; CHUNK_BYTES]>::read(buf)?,
            path: Proof::read_cfg(buf, &MAX_DIGESTS)?,
            last_chunk: Option::read(buf)?,
            log_root: Digest::read(buf)?,
        })
    }
}

/// Hashes the nodes of the tree: as any Merkle mountain range, but for the node above one chunk's
/// operations.
#[derive(Clone)]
struct Grafted {
    /// Which chunk.
    index: u64,
    chunk: [u8; CHUNK_BYTES],
    /// Chunks that are complete, and thereby in the tree.
    complete: u64,
}

impl Hasher<Family> for Grafted {
    type Digest = Digest;

    fn hash(&self, parts: &[&[u8]]) -> Digest {
        Sha256::hash(parts)
    }

    fn root_bagging(&self) -> Bagging {
        Bagging::BackwardFold
    }

    fn node_digest(&self, position: Position, left: &Digest, right: &Digest) -> Digest {
        let node = self.hash(&[&position.to_be_bytes(), left, right]);
        if Family::pos_to_height(position) != CHUNK_HEIGHT {
            return node;
        }
        let index = Family::leftmost_leaf(position, CHUNK_HEIGHT).as_u64() / CHUNK_BITS;
        let is_ours = index == self.index && index < self.complete;
        if !is_ours || self.chunk == [0; CHUNK_BYTES] {
            return node;
        }
        self.hash(&[&self.chunk, &node])
    }

    fn node_digest_pair(
        &self,
        [(a, a_left, a_right), (b, b_left, b_right)]: [(Position, &Digest, &Digest); 2],
    ) -> (Digest, Digest) {
        (self.node_digest(a, a_left, a_right), self.node_digest(b, b_left, b_right))
    }
}
