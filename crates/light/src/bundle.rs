//! The document that carries a proof from a node to whoever checks it.
//!
//! It is the JSON that `cairn_getProof` answers, `cairn proof get` writes and `cairn proof verify`
//! reads. It says nothing of whom to trust. Lists are cut off while they are read, before they are
//! too long; members that are not known are skipped.

use crate::{
    LightError, MAX_DESCENDANTS, Part, TrustAnchor, error::bounded, verify_account,
    verify_ancestor, verify_finality, verify_slot,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use cairn_primitives::state::Account;
use serde::{Deserialize, Serialize};

/// Most storage words in one bundle.
pub const MAX_SLOTS: usize = 256;

/// Longest bundle in bytes: all its parts at their limits, in hexadecimal.
pub const MAX_BUNDLE_BYTES: usize = 8 << 20;

/// Version of the document. Documents without one are of this version.
const VERSION: u32 = 1;

/// Proof of an account and some of its storage at a final block: what `cairn_getProof` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofBundle {
    /// Version of the document.
    #[serde(default = "version::current", deserialize_with = "version::known")]
    pub version: u32,
    /// Height of the block.
    #[serde(with = "quantity")]
    pub block_number: u64,
    /// RLP of its header.
    pub header: Bytes,
    /// RLP of the headers after it, parent before child, up to the certified one; often none.
    #[serde(deserialize_with = "list::at_most::<_, _, MAX_DESCENDANTS>")]
    pub descendants: Vec<Bytes>,
    /// Finality certificate of the block, or of the last descendant.
    pub certificate: Bytes,
    /// The account.
    pub address: Address,
    /// Proof that it is in the state, or not.
    pub account_proof: Bytes,
    /// Proofs of its storage words.
    #[serde(deserialize_with = "list::at_most::<_, _, MAX_SLOTS>")]
    pub storage_proofs: Vec<StorageProof>,
}

/// Proof of one storage word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageProof {
    /// Which word.
    pub slot: U256,
    /// Proof that it is set, or not.
    pub proof: Bytes,
}

/// What a bundle proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Height of the final block.
    pub block_number: u64,
    /// Its hash.
    pub block_hash: B256,
    /// Its time in seconds since 1970.
    pub timestamp: u64,
    /// Root of the state after it.
    pub state_root: B256,
    /// The account, if it exists.
    pub account: Option<Account>,
    /// Storage words (slot, value), in the order of the bundle.
    pub storage: Vec<(U256, U256)>,
}

impl ProofBundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// [`LightError::TooLong`] or [`LightError::Malformed`].
    pub fn from_json(json: &[u8]) -> Result<Self, LightError> {
        bounded(Part::Bundle, json, MAX_BUNDLE_BYTES)?;
        serde_json::from_slice(json).map_err(|why| LightError::malformed(Part::Bundle, why))
    }

    /// Checks everything in the bundle against `anchor`.
    ///
    /// # Errors
    /// See [`LightError`].
    pub fn verify(&self, anchor: &TrustAnchor) -> Result<Verified, LightError> {
        if self.storage_proofs.len() > MAX_SLOTS {
            return Err(LightError::TooManySlots { found: self.storage_proofs.len() });
        }
        let finalized = verify_finality(anchor, &self.certificate)?;
        let header = verify_ancestor(&self.header, &self.descendants, finalized.hash)?;
        if header.number != self.block_number {
            let (claimed, found) = (self.block_number, header.number);
            return Err(LightError::WrongHeight { claimed, found });
        }
        let root = header.state_root;
        let account = verify_account(root, self.address, &self.account_proof)?;
        let storage = self
            .storage_proofs
            .iter()
            .map(|item| Ok((item.slot, verify_slot(root, self.address, item.slot, &item.proof)?)))
            .collect::<Result<_, LightError>>()?;
        Ok(Verified {
            block_number: header.number,
            block_hash: header.hash,
            timestamp: header.timestamp,
            state_root: root,
            account,
            storage,
        })
    }
}

/// The version of a document.
mod version {
    use super::VERSION;
    use serde::{Deserialize as _, Deserializer, de::Error as _};

    pub(super) const fn current() -> u32 {
        VERSION
    }

    pub(super) fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        match u32::deserialize(deserializer)? {
            VERSION => Ok(VERSION),
            other => Err(D::Error::custom(format_args!(
                "version {other} is not known, update this program"
            ))),
        }
    }
}

/// Lists of bounded length.
mod list {
    use serde::{
        Deserialize, Deserializer,
        de::{Error as _, SeqAccess, Visitor},
    };
    use std::{fmt, marker::PhantomData};

    struct AtMost<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for AtMost<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == MAX {
                    return Err(A::Error::invalid_length(MAX + 1, &self));
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    pub(super) fn at_most<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de>,
    {
        deserializer.deserialize_seq(AtMost::<T, MAX>(PhantomData))
    }
}

/// A number as a JSON-RPC quantity: `"0x1f"`.
mod quantity {
    use alloy_primitives::U64;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
    pub(super) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        U64::from(*value).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        Ok(U64::deserialize(deserializer)?.to())
    }
}
