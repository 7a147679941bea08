//! The document that carries a proof from a node to whoever checks it.

use crate::{
    LightError, TrustAnchor, verify_account, verify_ancestor, verify_finality, verify_slot,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use cairn_primitives::state::Account;
use serde::{Deserialize, Serialize};

/// Most storage words in one bundle.
pub const MAX_SLOTS: usize = 256;

/// Proof of an account and some of its storage at a final block: what `cairn_getProof` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofBundle {
    /// Height of the block.
    #[serde(with = "quantity")]
    pub block_number: u64,
    /// RLP of its header.
    pub header: Bytes,
    /// RLP of the headers after it, parent before child, up to the certified one; often none.
    pub descendants: Vec<Bytes>,
    /// Finality certificate of the block, or of the last descendant.
    pub certificate: Bytes,
    /// The account.
    pub address: Address,
    /// Proof that it is in the state, or not.
    pub account_proof: Bytes,
    /// Proofs of its storage words.
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
    /// Storage words, in the order of the bundle.
    pub storage: Vec<(U256, U256)>,
}

impl ProofBundle {
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
            block_hash: header.hash_slow(),
            timestamp: header.timestamp,
            state_root: root,
            account,
            storage,
        })
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
