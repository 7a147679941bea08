//! The Commonware types that this network is built from, named once.

use commonware_consensus::{simplex, types::Epoch};
use commonware_cryptography::{bls12381::primitives::variant::MinSig, ed25519, keccak256};
use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use rand_core::CryptoRng;

/// Keccak-256 digest: the hash of an Ethereum header is what validators certify.
pub type Digest = keccak256::Digest;

/// Key that names a node in the network.
pub type PublicKey = ed25519::PublicKey;

/// Threshold signatures with a per-view random seed: signatures in G1, keys in G2.
pub type Scheme = simplex::scheme::bls12381_threshold::vrf::Scheme<PublicKey, MinSig>;

/// Consensus data handed to the application with each block.
pub type Context = simplex::types::Context<Digest, PublicKey>;

/// What consensus reports as it goes.
pub type Activity = simplex::types::Activity<Scheme, Digest>;

/// Proof that a quorum finalized a block.
pub type Finalization = simplex::types::Finalization<Scheme, Digest>;

/// The only epoch so far: the committee is fixed.
pub const EPOCH: Epoch = Epoch::zero();

/// What a node needs from the runtime it runs on.
pub trait Runtime: CryptoRng + Spawner + Metrics + Clock + Storage + Send + Sync + 'static {}

impl<T> Runtime for T where
    T: CryptoRng + Spawner + Metrics + Clock + Storage + Send + Sync + 'static
{
}
