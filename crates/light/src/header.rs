//! Block headers, and the chain of headers from a block to the one that a certificate names.

use crate::LightError;
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable as _;

/// Most headers between a block and the one that its certificate names.
pub const MAX_DESCENDANTS: usize = 1_024;

/// Longest RLP encoding of a header in bytes.
pub const MAX_HEADER_BYTES: usize = 1_024;

/// Decodes the header with this hash.
///
/// # Errors
/// [`LightError::BadHeader`] or [`LightError::WrongHeader`].
pub fn verify_header(rlp: &[u8], hash: B256) -> Result<Header, LightError> {
    if rlp.len() > MAX_HEADER_BYTES {
        return Err(LightError::BadHeader(format!("{} bytes are too many", rlp.len())));
    }
    let found = keccak256(rlp);
    if found != hash {
        return Err(LightError::WrongHeader { expected: hash, found });
    }
    let mut rest = rlp;
    let header =
        Header::decode(&mut rest).map_err(|error| LightError::BadHeader(error.to_string()))?;
    if !rest.is_empty() {
        return Err(LightError::BadHeader("bytes follow the header".into()));
    }
    Ok(header)
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
