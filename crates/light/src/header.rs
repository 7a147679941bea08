//! Block headers, and the chain of headers from a block to the one that a certificate names.
//!
//! A header is the RLP list that Ethereum (Osaka) hashes; the block's hash is its Keccak-256. The hash
//! is checked first, so what is decoded afterwards is what a committee finalized: fields that later
//! versions append are skipped.

use crate::{LightError, Part, error::bounded};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::{Decodable, Header as RlpHeader, PayloadView};

/// Most headers between a block and the one that its certificate names.
pub const MAX_DESCENDANTS: usize = 1_024;

/// Longest RLP encoding of a header in bytes.
pub const MAX_HEADER_BYTES: usize = 1_024;

/// Fields of an Osaka header.
const FIELDS: usize = 21;

/// What a header says, as far as a light client has use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Keccak-256 of the header.
    pub hash: B256,
    /// Hash of the block before it.
    pub parent_hash: B256,
    /// Who receives the tips.
    pub beneficiary: Address,
    /// Root of the state after the block.
    pub state_root: B256,
    /// Root of the Merkle-Patricia trie of the transactions.
    pub transactions_root: B256,
    /// Root of the Merkle-Patricia trie of the receipts.
    pub receipts_root: B256,
    /// Height.
    pub number: u64,
    /// Gas used by its transactions.
    pub gas_used: u64,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// `PREVRANDAO` of the block: the newest published seed, delayed by some blocks.
    pub prevrandao: B256,
    /// Base fee in wei per gas.
    pub base_fee_per_gas: u64,
    /// Keccak-256 of the consensus data in the block's body (`parentBeaconBlockRoot`).
    pub consensus_data_hash: B256,
}

/// Decodes the header with this hash.
///
/// # Errors
/// [`LightError::TooLong`], [`LightError::WrongHeader`] or [`LightError::Malformed`].
pub fn verify_header(rlp: &[u8], hash: B256) -> Result<Header, LightError> {
    bounded(Part::Header, rlp, MAX_HEADER_BYTES)?;
    let found = keccak256(rlp);
    if found != hash {
        return Err(LightError::WrongHeader { expected: hash, found });
    }
    decode(rlp, hash).map_err(|why| LightError::malformed(Part::Header, why))
}

fn decode(mut rlp: &[u8], hash: B256) -> Result<Header, alloy_rlp::Error> {
    let PayloadView::List(fields) = RlpHeader::decode_raw(&mut rlp)? else {
        return Err(alloy_rlp::Error::UnexpectedString);
    };
    if !rlp.is_empty() {
        return Err(alloy_rlp::Error::UnexpectedLength);
    }
    let Some(
        [
            parent_hash,
            _ommers_hash,
            beneficiary,
            state_root,
            transactions_root,
            receipts_root,
            _logs_bloom,
            _difficulty,
            number,
            _gas_limit,
            gas_used,
            timestamp,
            _extra_data,
            mix_hash,
            _nonce,
            base_fee_per_gas,
            _withdrawals_root,
            _blob_gas_used,
            _excess_blob_gas,
            parent_beacon_block_root,
            _requests_hash,
        ],
    ) = fields.first_chunk::<FIELDS>()
    else {
        return Err(alloy_rlp::Error::Custom("fewer fields than an Osaka header has"));
    };
    Ok(Header {
        hash,
        parent_hash: whole(parent_hash)?,
        beneficiary: whole(beneficiary)?,
        state_root: whole(state_root)?,
        transactions_root: whole(transactions_root)?,
        receipts_root: whole(receipts_root)?,
        number: whole(number)?,
        gas_used: whole(gas_used)?,
        timestamp: whole(timestamp)?,
        prevrandao: whole(mix_hash)?,
        base_fee_per_gas: whole(base_fee_per_gas)?,
        consensus_data_hash: whole(parent_beacon_block_root)?,
    })
}

fn whole<T: Decodable>(mut field: &[u8]) -> Result<T, alloy_rlp::Error> {
    T::decode(&mut field)
}

/// Decodes a header whose `descendants`, parent before child, end at the block with hash
/// `finalized`. A finalized block makes all its ancestors final.
///
/// # Errors
/// [`LightError::TooManyHeaders`], or as [`verify_header`].
pub fn verify_ancestor(
    rlp: &[u8],
    descendants: &[Bytes],
    finalized: B256,
) -> Result<Header, LightError> {
    if descendants.len() > MAX_DESCENDANTS {
        return Err(LightError::TooManyHeaders { found: descendants.len() });
    }
    let mut wanted = finalized;
    for descendant in descendants.iter().rev() {
        wanted = verify_header(descendant, wanted)?.parent_hash;
    }
    verify_header(rlp, wanted)
}
