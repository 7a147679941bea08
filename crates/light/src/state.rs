//! Proofs that the state holds a value under a key, or none.
//!
//! Wire format of a proof; `tree` says what an operation's proof is:
//!
//! ```text
//! version (1) │ kind 1, present: value (72) ‖ operation's proof ‖ next key (32)
//!             │ kind 0, absent:  0 ‖ operation's proof ‖ key (32) ‖ value (72) ‖ next key (32)
//!             │               or 1 ‖ operation's proof ‖ 0, or 1 ‖ metadata (72)     (empty state)
//! ```
//!
//! The encoders (feature `prover`) take the proofs of the state database itself, so a node cannot
//! write anything else.

use crate::{
    LightError, Part,
    error::bounded,
    tree::{self, Active},
};
use alloy_primitives::{Address, B256, U256};
use cairn_primitives::state::{Account, KEY_BYTES, StateKey, StateValue, VALUE_BYTES};
use commonware_codec::{Buf, Copying, DecodeExt as _, Error as CodecError, Read, ReadExt as _};
use commonware_cryptography::sha256;

#[cfg(feature = "prover")]
pub use prover::{Absence, Presence, encode_absent, encode_present};

/// Most bytes of one proof.
pub const MAX_PROOF_BYTES: usize = 8 << 10;

const VERSION: u8 = 1;
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;
const BETWEEN: u8 = 0;
const EMPTY: u8 = 1;

/// A decoded proof about one key, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProof(Claim);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Claim {
    /// The key has this value.
    Present { value: StateValue, proof: Active, next: StateKey },
    /// The key lies between two neighbours.
    Between { proof: Active, key: StateKey, value: StateValue, next: StateKey },
    /// No key exists.
    Empty { proof: Active, metadata: Option<StateValue> },
}

impl KeyProof {
    /// Decodes a proof.
    ///
    /// # Errors
    /// [`LightError::TooLong`], [`LightError::UnknownVersion`] or [`LightError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LightError> {
        bounded(Part::Proof, bytes, MAX_PROOF_BYTES)?;
        match bytes.split_first() {
            None => Err(LightError::malformed(Part::Proof, "it is empty")),
            Some((&VERSION, body)) => Claim::decode(Copying(body))
                .map(Self)
                .map_err(|why| LightError::malformed(Part::Proof, why)),
            Some((version, _)) => Err(LightError::UnknownVersion(*version)),
        }
    }

    /// The value of `key` in the state with this root; `None` means that it is proven absent.
    ///
    /// # Errors
    /// [`LightError::ForgedProof`] if it proves neither.
    pub fn verify(
        &self,
        state_root: B256,
        key: &StateKey,
    ) -> Result<Option<StateValue>, LightError> {
        let root = sha256::Digest::from(state_root.0);
        let (holds, found) = match &self.0 {
            Claim::Present { value, proof, next } => {
                (proof.verify(&tree::update(key, value, next), &root), Some(*value))
            }
            Claim::Between { proof, key: before, value, next } => {
                let between = is_between(key, before, next);
                (between && proof.verify(&tree::update(before, value, next), &root), None)
            }
            Claim::Empty { proof, metadata } => {
                (proof.verify_empty(metadata.as_ref(), &root), None)
            }
        };
        if holds { Ok(found) } else { Err(LightError::ForgedProof) }
    }
}

/// Whether `key` lies strictly between two neighbours; after the last key comes the first.
fn is_between(key: &StateKey, before: &StateKey, next: &StateKey) -> bool {
    if before < next { before < key && key < next } else { key > before || key < next }
}

impl Read for Claim {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        match u8::read(buf)? {
            PRESENT => {
                Ok(Self::Present { value: value(buf)?, proof: Active::read(buf)?, next: key(buf)? })
            }
            ABSENT => match u8::read(buf)? {
                BETWEEN => Ok(Self::Between {
                    proof: Active::read(buf)?,
                    key: key(buf)?,
                    value: value(buf)?,
                    next: key(buf)?,
                }),
                EMPTY => Ok(Self::Empty {
                    proof: Active::read(buf)?,
                    metadata: bool::read(buf)?.then(|| value(buf)).transpose()?,
                }),
                tag => Err(CodecError::InvalidEnum(tag)),
            },
            tag => Err(CodecError::InvalidEnum(tag)),
        }
    }
}

fn key(buf: &mut impl Buf) -> Result<StateKey, CodecError> {
    <[u8; KEY_BYTES]>::read(buf).map(StateKey)
}

fn value(buf: &mut impl Buf) -> Result<StateValue, CodecError> {
    <[u8; VALUE_BYTES]>::read(buf).map(StateValue)
}

/// Checks a proof about an account; `None` means that it does not exist.
///
/// # Errors
/// As [`KeyProof::decode`] and [`KeyProof::verify`].
pub fn verify_account(
    state_root: B256,
    address: Address,
    proof: &[u8],
) -> Result<Option<Account>, LightError> {
    let value = KeyProof::decode(proof)?.verify(state_root, &StateKey::account(address))?;
    Ok(value.as_ref().map(Account::decode))
}

/// Checks a proof about a storage word; an absent word is zero.
///
/// # Errors
/// As [`KeyProof::decode`] and [`KeyProof::verify`].
pub fn verify_slot(
    state_root: B256,
    address: Address,
    slot: U256,
    proof: &[u8],
) -> Result<U256, LightError> {
    let value = KeyProof::decode(proof)?.verify(state_root, &StateKey::slot(address, slot))?;
    Ok(value.as_ref().map_or(U256::ZERO, StateValue::as_word))
}

/// The encoders, for whoever has the state database.
#[cfg(feature = "prover")]
mod prover {
    use super::{ABSENT, PRESENT, VALUE_BYTES, VERSION};
    use commonware_codec::Encode as _;
    use commonware_cryptography::sha256;
    use commonware_storage::{
        mmr,
        qmdb::{any::value::FixedEncoding, current::ordered::proof::constant},
    };
    use commonware_utils::sequence::FixedBytes;

    type Key = sha256::Digest;
    type Value = FixedBytes<VALUE_BYTES>;

    /// Proof that a key has a value: what `Db::key_value_proof` answers.
    pub type Presence = constant::KeyValueProof<mmr::Family, Key, sha256::Digest, 32>;

    /// Proof that a key has no value: what `Db::exclusion_proof` answers.
    pub type Absence =
        constant::ExclusionProof<mmr::Family, Key, FixedEncoding<Value>, sha256::Digest, 32>;

    /// Encodes a proof that a key has `value`.
    #[must_use]
    pub fn encode_present(value: &Value, proof: &Presence) -> Vec<u8> {
        [&[VERSION, PRESENT], value.as_ref(), &proof.encode()].concat()
    }

    /// Encodes a proof that a key has no value.
    #[must_use]
    pub fn encode_absent(proof: &Absence) -> Vec<u8> {
        [[VERSION, ABSENT].as_slice(), &proof.encode()].concat()
    }
}
