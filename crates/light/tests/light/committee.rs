//! A real committee that finalizes what it is told.

use alloy_primitives::B256;
use cairn_light::TrustAnchor;
use commonware_codec::Encode as _;
use commonware_consensus::{
    simplex::{
        scheme::bls12381_threshold::vrf::Scheme as VrfScheme,
        types::{Finalization, Finalize, Notarization, Notarize, Proposal},
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::{
    Signer as _,
    bls12381::{
        dkg::feldman_desmedt::deal,
        primitives::{sharing::Mode, variant::MinSig},
    },
    ed25519, keccak256,
};
use commonware_parallel::Sequential;
use commonware_utils::{N3f1, non_empty, ordered::Set};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

pub(crate) type Scheme = VrfScheme<ed25519::PublicKey, MinSig>;
pub(crate) type Finalized = Finalization<Scheme, keccak256::Digest>;
pub(crate) type Notarized = Notarization<Scheme, keccak256::Digest>;

pub(crate) const CHAIN_ID: u64 = 99;

/// Validators with their shares.
pub(crate) struct Committee {
    pub(crate) anchor: TrustAnchor,
    schemes: Vec<Scheme>,
}

pub(crate) fn proposal(epoch: u64, view: u64, hash: B256) -> Proposal<keccak256::Digest> {
    Proposal {
        round: Round::new(Epoch::new(epoch), View::new(view)),
        parent: View::new(view - 1),
        payload: keccak256::Digest::from(hash.0),
    }
}

impl Committee {
    /// `n` validators; the same ones for the same `n`.
    pub(crate) fn of(n: u64, chain_id: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(n);
        let keys: Vec<_> = (0..n).map(|i| ed25519::PrivateKey::from_seed(i).public_key()).collect();
        let players: Set<_> = keys.try_into().expect("keys differ");
        let (output, shares) =
            deal::<MinSig, _, N3f1>(&mut rng, Mode::NonZeroCounter, players.clone())
                .expect("deals");
        let sharing = output.public().clone();
        let namespace = format!("cairn/{chain_id}").into_bytes();
        let signer = |share: &_| {
            Scheme::signer(&namespace, players.clone(), sharing.clone(), Clone::clone(share))
                .expect("the share fits")
        };
        let schemes = shares.values().iter().map(signer).collect();
        let identity = sharing.public().encode().to_vec();
        Self { anchor: TrustAnchor { chain_id, identity }, schemes }
    }

    pub(crate) fn finalize(&self, proposal: &Proposal<keccak256::Digest>) -> Finalized {
        let vote = |scheme| Finalize::sign(scheme, proposal.clone()).expect("signs");
        let votes: Vec<_> = self.schemes.iter().map(vote).collect();
        Finalization::from_finalizes(&self.schemes[0], non_empty![@votes.iter()], &Sequential)
            .expect("a quorum")
    }

    pub(crate) fn notarize(&self, proposal: &Proposal<keccak256::Digest>) -> Notarized {
        let vote = |scheme| Notarize::sign(scheme, proposal.clone()).expect("signs");
        let votes: Vec<_> = self.schemes.iter().map(vote).collect();
        Notarization::from_notarizes(&self.schemes[0], non_empty![@votes.iter()], &Sequential)
            .expect("a quorum")
    }

    /// An encoded certificate for the block with `hash`, proposed in epoch 0, view 12.
    pub(crate) fn certify(&self, hash: B256) -> Vec<u8> {
        self.finalize(&proposal(0, 12, hash)).encode().to_vec()
    }
}
