//! Finality certificates: 131 bytes that a quorum of the committee signed together.

use crate::LightError;
use alloy_primitives::B256;
use commonware_codec::{Copying, DecodeExt as _};
use commonware_consensus::simplex::{
    scheme::bls12381_threshold::vrf::Scheme as VrfScheme, types::Finalization,
};
use commonware_cryptography::{
    bls12381::primitives::variant::{MinSig, Variant},
    ed25519, keccak256,
};
use commonware_parallel::Sequential;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

/// Longest encoding of a certificate in bytes: three varints, a digest and two signatures.
pub const CERTIFICATE_BYTES: usize = 3 * 10 + 32 + 96;

type Scheme = VrfScheme<ed25519::PublicKey, MinSig>;

/// What a light client trusts: which chain, and whose signature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    /// EIP-155 chain id; separates the signatures of networks.
    pub chain_id: u64,
    /// The committee's group public key, 96 bytes: `committee.identity` of the genesis file.
    pub identity: Vec<u8>,
}

/// A block that the committee finalized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalizedBlock {
    /// Keccak-256 of its header.
    pub hash: B256,
    /// Epoch of the round in which it was proposed.
    pub epoch: u64,
    /// View of that round.
    pub view: u64,
}

impl TrustAnchor {
    fn scheme(&self) -> Result<Scheme, LightError> {
        let identity = <MinSig as Variant>::Public::decode(Copying(self.identity.as_slice()))
            .map_err(|_| LightError::BadIdentity)?;
        let namespace = format!("cairn/{}", self.chain_id).into_bytes();
        Ok(Scheme::certificate_verifier(&namespace, identity))
    }
}

/// Checks a finality certificate.
///
/// # Errors
/// [`LightError::BadIdentity`], [`LightError::BadCertificate`] or [`LightError::ForgedCertificate`].
pub fn verify_finality(
    anchor: &TrustAnchor,
    certificate: &[u8],
) -> Result<FinalizedBlock, LightError> {
    let scheme = anchor.scheme()?;
    if certificate.len() > CERTIFICATE_BYTES {
        let error = format!("{} bytes, at most {CERTIFICATE_BYTES}", certificate.len());
        return Err(LightError::BadCertificate(error));
    }
    let finalization = Finalization::<Scheme, keccak256::Digest>::decode(Copying(certificate))
        .map_err(|error| LightError::BadCertificate(error.to_string()))?;
    // One certificate is checked without batching, so the randomness has nothing to decide.
    let mut rng = ChaCha20Rng::from_seed([0; 32]);
    if !finalization.verify(&mut rng, &scheme, &Sequential) {
        return Err(LightError::ForgedCertificate);
    }
    let proposal = &finalization.proposal;
    Ok(FinalizedBlock {
        hash: B256::from(proposal.payload.0),
        epoch: proposal.round.epoch().get(),
        view: proposal.round.view().get(),
    })
}
