//! Proofs that the state holds a value under a key, or none.
//!
//! Wire format of a proof:
//!
//! ```text
//! version (1) │ kind (1): 1 present, 0 absent │ present: value (72) ‖ key-value proof
//!                                             │ absent:  exclusion proof
//! ```

use crate::LightError;
use alloy_primitives::{Address, B256, U256};
use cairn_primitives::state::{Account, StateKey, StateValue, VALUE_BYTES};
use commonware_codec::{Copying, Decode as _, Encode as _};
use commonware_cryptography::{Sha256, sha256};
use commonware_storage::{
    mmr,
    qmdb::{any::value::FixedEncoding, current::ordered::proof::constant},
};
use commonware_utils::sequence::FixedBytes;

/// Most bytes of one proof.
pub const MAX_PROOF_BYTES: usize = 8 << 10;

/// Most digests in one proof: far more than a tree of 2^60 operations needs.
pub const MAX_DIGESTS: usize = 192;

const VERSION: u8 = 1;
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

type Key = sha256::Digest;
type Value = FixedBytes<VALUE_BYTES>;

/// Proof that a key has a value.
pub type Presence = constant::KeyValueProof<mmr::Family, Key, sha256::Digest, 32>;

/// Proof that a key has no value.
pub type Absence =
    constant::ExclusionProof<mmr::Family, Key, FixedEncoding<Value>, sha256::Digest, 32>;

/// Encodes a proof that a key has `value`.
#[must_use]
pub fn encode_present(value: &Value, proof: &Presence) -> Vec<u8> {
    let mut bytes = vec![VERSION, PRESENT];
    bytes.extend_from_slice(value.as_ref());
    bytes.extend_from_slice(&proof.encode());
    bytes
}

/// Encodes a proof that a key has no value.
#[must_use]
pub fn encode_absent(proof: &Absence) -> Vec<u8> {
    let mut bytes = vec![VERSION, ABSENT];
    bytes.extend_from_slice(&proof.encode());
    bytes
}

fn bad(error: impl ToString) -> LightError {
    LightError::BadProof(error.to_string())
}

/// Checks a proof about `key` against `state_root`; `None` means that the key is proven absent.
fn verify(state_root: B256, key: &StateKey, proof: &[u8]) -> Result<Option<StateValue>, LightError> {
    if proof.len() > MAX_PROOF_BYTES {
        return Err(bad(format!("{} bytes are too many", proof.len())));
    }
    let ([version, kind], body) = proof.split_first_chunk().ok_or_else(|| bad("too short"))?;
    if *version != VERSION {
        return Err(bad(format!("version {version} is not known, update this program")));
    }
    let key = sha256::Digest::from(key.0);
    let root = sha256::Digest::from(state_root.0);
    let (holds, value) = match *kind {
        PRESENT => {
            let (value, rest) =
                body.split_first_chunk::<VALUE_BYTES>().ok_or_else(|| bad("too short"))?;
            let proof = Presence::decode_cfg(Copying(rest), &(MAX_DIGESTS, ())).map_err(bad)?;
            let holds = proof
                .verify::<Sha256, FixedEncoding<Value>>(key, FixedBytes::new(*value), &root);
            (holds, Some(StateValue(*value)))
        }
        ABSENT => {
            let config = (MAX_DIGESTS, Default::default(), ());
            let proof = Absence::decode_cfg(Copying(body), &config).map_err(bad)?;
            (proof.verify::<Sha256>(&key, &root), None)
        }
        kind => return Err(bad(format!("kind {kind} is not known"))),
    };
    if holds { Ok(value) } else { Err(LightError::ForgedProof) }
}

/// Checks a proof about an account; `None` means that it does not exist.
///
/// # Errors
/// [`LightError::BadProof`] or [`LightError::ForgedProof`].
pub fn verify_account(
    state_root: B256,
    address: Address,
    proof: &[u8],
) -> Result<Option<Account>, LightError> {
    let value = verify(state_root, &StateKey::account(address), proof)?;
    Ok(value.as_ref().map(Account::decode))
}

/// Checks a proof about a storage word; an absent word is zero.
///
/// # Errors
/// [`LightError::BadProof`] or [`LightError::ForgedProof`].
pub fn verify_slot(
    state_root: B256,
    address: Address,
    slot: U256,
    proof: &[u8],
) -> Result<U256, LightError> {
    let value = verify(state_root, &StateKey::slot(address, slot), proof)?;
    Ok(value.as_ref().map_or(U256::ZERO, StateValue::as_word))
}
