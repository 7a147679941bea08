//! Committee keys: dealing them, reading and writing them, and the signing scheme they make.
//!
//! For now a trusted dealer makes the threshold key: the machine that runs [`deal`] knows every
//! share until it forgets them. Fit for trials and for networks whose founder is trusted; a
//! distributed key generation replaces it without changing the certificates' format.

use crate::types::{PublicKey, Scheme};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use cairn_chain::genesis::{Committee, Genesis, ValidatorEntry, namespace};
use commonware_codec::{Copying, Decode as _, DecodeExt as _, Encode as _};
use commonware_consensus::types::Participant;
use commonware_cryptography::{
    Signer as _,
    bls12381::{
        dkg::feldman_desmedt::deal as deal_shares,
        primitives::{
            group::Share,
            sharing::{Mode, ModeVersion, Sharing},
            variant::MinSig,
        },
    },
    ed25519::PrivateKey,
};
use commonware_math::algebra::Random as _;
use commonware_utils::{N3f1, ordered::Set};
use rand_core::CryptoRng;
use std::{fmt, num::NonZeroU32};

/// Value of `dealtBy` in a genesis file made by [`deal`].
pub const TRUSTED_DEALER: &str = "trusted-dealer";

/// Secrets of one node.
#[derive(Clone)]
pub struct Identity {
    /// Names the node in the network and authenticates its connections.
    pub key: PrivateKey,
    /// Share of the committee's threshold key; a follower has none.
    pub share: Option<Share>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let validator = self.share.is_some();
        write!(f, "Identity {{ key: {}, validator: {validator} }}", self.key.public_key())
    }
}

/// Why a key file or the committee in a genesis file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// The text is not 32 bytes of hex.
    #[error("node key must be 32 bytes in hex; make one with `cairn key new --node`")]
    BadKey,
    /// The text is not the hex of a share.
    #[error("threshold share is not valid; it is the `share` file that `cairn network init` wrote")]
    BadShare,
    /// The genesis file's committee does not decode.
    #[error(
        "committee.{0} in the genesis file is not valid; write it again with `cairn network init`"
    )]
    BadCommittee(&'static str),
    /// The share belongs to another network or validator.
    #[error(
        "the threshold share does not belong to this committee: check that genesis and share come from the same `cairn network init`"
    )]
    ForeignShare,
    /// The node is no validator but has a share, or the reverse.
    #[error("key {0} is not a validator of this genesis file, yet it has a threshold share")]
    NotAValidator(B256),
}

impl Identity {
    /// A new key without a share.
    pub fn random(rng: impl CryptoRng) -> Self {
        Self { key: PrivateKey::random(rng), share: None }
    }

    /// Reads a node key and, for a validator, its share, both in hex.
    ///
    /// # Errors
    /// See [`CommitteeError`].
    pub fn from_hex(key: &str, share: Option<&str>) -> Result<Self, CommitteeError> {
        let bytes =
            hex::decode(key.trim().trim_start_matches("0x")).map_err(|_| CommitteeError::BadKey)?;
        let key =
            PrivateKey::decode(Copying(bytes.as_slice())).map_err(|_| CommitteeError::BadKey)?;
        let share = share.map(|text| {
            let bytes = hex::decode(text.trim().trim_start_matches("0x"))
                .map_err(|_| CommitteeError::BadShare)?;
            Share::decode(Copying(bytes.as_slice())).map_err(|_| CommitteeError::BadShare)
        });
        Ok(Self { key, share: share.transpose()? })
    }

    /// The node key in hex, for a key file.
    #[must_use]
    pub fn key_hex(&self) -> String {
        hex::encode(self.key.encode())
    }

    /// The share in hex, for a share file.
    #[must_use]
    pub fn share_hex(&self) -> Option<String> {
        self.share.as_ref().map(|share| hex::encode(share.encode()))
    }

    /// Public half of the node key.
    #[must_use]
    pub fn public_key(&self) -> B256 {
        to_b256(&self.key.public_key())
    }
}

/// A dealt committee: what goes into the genesis file, and each validator's secrets in its order.
#[derive(Clone, Debug)]
pub struct Dealt {
    /// For the genesis file.
    pub committee: Committee,
    /// Secrets, in the order of `committee.validators`.
    pub identities: Vec<Identity>,
}

/// Deals a threshold key to `n` new validators. Payout addresses derive from the node keys until
/// their owners set others.
///
/// # Panics
/// Panics if `n` is 0.
pub fn deal(n: usize, mut rng: impl CryptoRng) -> Dealt {
    let keys = (0..n).map(|_| PrivateKey::random(&mut rng)).collect();
    deal_to(keys, rng)
}

/// Deals a threshold key to validators whose node keys exist.
///
/// # Panics
/// Panics if `keys` is empty or has repeats.
pub fn deal_to(mut keys: Vec<PrivateKey>, rng: impl CryptoRng) -> Dealt {
    keys.sort_by_key(commonware_cryptography::Signer::public_key);
    let players: Set<PublicKey> = keys
        .iter()
        .map(commonware_cryptography::Signer::public_key)
        .collect::<Vec<_>>()
        .try_into()
        .expect("node keys do not repeat");
    let (output, shares) = deal_shares::<MinSig, _, N3f1>(rng, Mode::NonZeroCounter, players)
        .expect("a committee has at least one member");
    let sharing = output.public();
    let validators: Vec<_> = keys.iter().map(|key| entry(&key.public_key())).collect();
    let committee = Committee {
        identity: sharing.public().encode().to_vec().into(),
        polynomial: sharing.encode().to_vec().into(),
        validators,
        dealt_by: TRUSTED_DEALER.into(),
    };
    let identities = keys
        .into_iter()
        .map(|key| {
            let share = shares.get_value(&key.public_key()).cloned();
            Identity { key, share }
        })
        .collect();
    Dealt { committee, identities }
}

fn entry(key: &PublicKey) -> ValidatorEntry {
    let public_key = to_b256(key);
    let payout = Address::from_slice(keccak256(public_key).split_at(12).1);
    ValidatorEntry { public_key, payout }
}

/// The validators' keys as consensus orders them.
///
/// # Errors
/// [`CommitteeError::BadCommittee`] if a key is not an ed25519 key.
pub fn participants(genesis: &Genesis) -> Result<Set<PublicKey>, CommitteeError> {
    let keys: Result<Vec<_>, _> =
        genesis.committee.validators.iter().map(|v| to_public_key(v.public_key)).collect();
    keys?.try_into().map_err(|_| CommitteeError::BadCommittee("validators"))
}

/// The signing scheme of a node: with a share it votes, without one it only verifies.
///
/// # Errors
/// See [`CommitteeError`].
pub fn scheme(genesis: &Genesis, identity: &Identity) -> Result<Scheme, CommitteeError> {
    let participants = participants(genesis)?;
    let sharing = sharing(&genesis.committee)?;
    let namespace = namespace(genesis.chain_id);
    let Some(share) = identity.share.clone() else {
        return Ok(Scheme::verifier(&namespace, participants, sharing));
    };
    let index = participants
        .position(&identity.key.public_key())
        .ok_or_else(|| CommitteeError::NotAValidator(identity.public_key()))?;
    if share.index != Participant::from_usize(index) {
        return Err(CommitteeError::ForeignShare);
    }
    Scheme::signer(&namespace, participants, sharing, share).ok_or(CommitteeError::ForeignShare)
}

fn sharing(committee: &Committee) -> Result<Sharing<MinSig>, CommitteeError> {
    let bad = CommitteeError::BadCommittee("polynomial");
    let n = u32::try_from(committee.validators.len()).ok().and_then(NonZeroU32::new);
    let n = n.ok_or(CommitteeError::BadCommittee("validators"))?;
    let config = (n, ModeVersion::v0());
    let sharing = Sharing::<MinSig>::decode_cfg(Copying(committee.polynomial.as_ref()), &config)
        .map_err(|_| bad.clone())?;
    if sharing.total() != n || sharing.required() != required(n) {
        return Err(bad);
    }
    if sharing.public().encode().as_ref() != committee.identity.as_ref() {
        return Err(CommitteeError::BadCommittee("identity"));
    }
    Ok(sharing)
}

/// Votes that make a quorum of `n` validators: all but a third, rounded up.
fn required(n: NonZeroU32) -> u32 {
    n.get() - (n.get() - 1) / 3
}

/// A node key in the form of the genesis file.
#[must_use]
pub fn to_b256(key: &PublicKey) -> B256 {
    B256::from_slice(key.as_ref())
}

/// A node key from the form of the genesis file.
///
/// # Errors
/// [`CommitteeError::BadCommittee`] if the bytes are not an ed25519 key.
pub fn to_public_key(key: B256) -> Result<PublicKey, CommitteeError> {
    PublicKey::decode(Copying(key.as_slice()))
        .map_err(|_| CommitteeError::BadCommittee("validators"))
}

/// The group's public key of a committee, in the form of the genesis file.
#[must_use]
pub fn group_key(committee: &Committee) -> Bytes {
    committee.identity.clone()
}
