//! Finality certificates: 131 bytes or a few more that a quorum of the committee signed together.
//!
//! ```text
//! certificate = proposal ‖ vote signature (48) ‖ seed signature (48)
//! proposal    = round ‖ parent view (varint) ‖ block hash (32)        round = epoch ‖ view (varints)
//! vote signs proposal under "cairn/<chain id>_FINALIZE", seed signs round under "cairn/<chain id>_SEED"
//! ```
//!
//! Signatures are BLS12-381 threshold signatures in G1, checked against one key in G2 that does not
//! change when the committee does. Both are checked, each by itself: a combined check would let
//! whoever relays a certificate trade one against the other, and swap the seed.
//!
//! The format is that of Commonware's simplex (`bls12381_threshold::vrf`). It is written down here
//! again because that crate needs a runtime; a test holds the two together.

use crate::{LightError, Part, error::bounded};
use alloy_primitives::B256;
use commonware_codec::{
    Buf, Copying, DecodeExt as _, Error as CodecError, Read, ReadExt as _, Write as _, varint::UInt,
};
use commonware_cryptography::bls12381::primitives::{
    ops,
    variant::{MinSig, Variant},
};

/// Length of the committee's key in bytes.
pub const IDENTITY_BYTES: usize = 96;
/// Length of a signature in bytes.
pub const SIGNATURE_BYTES: usize = 48;
/// Longest encoding of a certificate in bytes: three varints, a hash and two signatures.
pub const CERTIFICATE_BYTES: usize = 3 * 10 + 32 + 2 * SIGNATURE_BYTES;

type Identity = <MinSig as Variant>::Public;
type Signature = <MinSig as Variant>::Signature;

/// What a light client trusts: which chain, and whose signature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    /// EIP-155 chain id; separates the signatures of networks.
    pub chain_id: u64,
    /// The committee's group public key, [`IDENTITY_BYTES`]: `committee.identity` of the genesis file.
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
    /// The committee's signature over that round: the seed of the round's randomness.
    pub seed: [u8; SIGNATURE_BYTES],
}

impl TrustAnchor {
    fn key(&self) -> Result<Identity, LightError> {
        Identity::decode(Copying(&self.identity)).map_err(|_| LightError::BadIdentity)
    }

    /// What the committee signs votes (`FINALIZE`) or seeds (`SEED`) of this chain under.
    fn namespace(&self, purpose: &str) -> Vec<u8> {
        format!("cairn/{}_{purpose}", self.chain_id).into_bytes()
    }
}

/// Epoch and view.
#[derive(Clone, Copy)]
struct Round {
    epoch: u64,
    view: u64,
}

impl Round {
    fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        UInt(self.epoch).write(&mut bytes);
        UInt(self.view).write(&mut bytes);
        bytes
    }
}

struct Certificate {
    round: Round,
    parent_view: u64,
    payload: [u8; 32],
    vote: Signature,
    seed: Signature,
    seed_bytes: [u8; SIGNATURE_BYTES],
}

impl Certificate {
    /// The proposal, as it was signed.
    fn proposal(&self) -> Vec<u8> {
        let mut bytes = self.round.encode();
        UInt(self.parent_view).write(&mut bytes);
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

impl Read for Certificate {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        let mut number = || UInt::<u64>::read(buf).map(u64::from);
        let round = Round { epoch: number()?, view: number()? };
        let parent_view = number()?;
        let payload = <[u8; 32]>::read(buf)?;
        let vote = Signature::read(buf)?;
        let seed_bytes = <[u8; SIGNATURE_BYTES]>::read(buf)?;
        let seed = Signature::decode(Copying(&seed_bytes))?;
        Ok(Self { round, parent_view, payload, vote, seed, seed_bytes })
    }
}

/// Checks a finality certificate.
///
/// # Errors
/// [`LightError::BadIdentity`], [`LightError::TooLong`], [`LightError::Malformed`] or
/// [`LightError::ForgedCertificate`].
pub fn verify_finality(
    anchor: &TrustAnchor,
    certificate: &[u8],
) -> Result<FinalizedBlock, LightError> {
    let key = anchor.key()?;
    bounded(Part::Certificate, certificate, CERTIFICATE_BYTES)?;
    let certificate = Certificate::decode(Copying(certificate))
        .map_err(|why| LightError::malformed(Part::Certificate, why))?;
    let signed = |purpose: &str, message: &[u8], signature: &Signature| {
        ops::verify_message::<MinSig>(&key, &anchor.namespace(purpose), message, signature)
            .map_err(|_| LightError::ForgedCertificate)
    };
    signed("FINALIZE", &certificate.proposal(), &certificate.vote)?;
    signed("SEED", &certificate.round.encode(), &certificate.seed)?;
    Ok(FinalizedBlock {
        hash: B256::from(certificate.payload),
        epoch: certificate.round.epoch,
        view: certificate.round.view,
        seed: certificate.seed_bytes,
    })
}

/// Checks that `signature` is the seed of a round, as blocks publish it for the `Beacon` contract.
/// There is exactly one for each round.
///
/// # Errors
/// [`LightError::BadIdentity`] or [`LightError::ForgedSeed`].
pub fn verify_seed(
    anchor: &TrustAnchor,
    epoch: u64,
    view: u64,
    signature: &[u8; SIGNATURE_BYTES],
) -> Result<(), LightError> {
    let key = anchor.key()?;
    let round = Round { epoch, view }.encode();
    Signature::decode(Copying(signature))
        .ok()
        .and_then(|signature| {
            ops::verify_message::<MinSig>(&key, &anchor.namespace("SEED"), &round, &signature).ok()
        })
        .ok_or(LightError::ForgedSeed { epoch, view })
}
