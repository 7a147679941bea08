//! Random seeds of past views, collected from certificates for publication in blocks.
//!
//! Every certificate carries the threshold signature over its round. That signature is unique: no
//! proposer can choose among several for the same block, only publish it or fail to. The newest
//! [`MAX_KEPT`] are kept in memory; older ones, and those from before a restart, come from the
//! finalization certificates on disk.

use crate::{
    engine::Marshal,
    types::{Activity, Scheme},
};
use alloy_primitives::FixedBytes;
use cairn_chain::block::PublishedSeed;
use commonware_actor::Feedback;
use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_consensus::{
    Reporter,
    simplex::scheme::bls12381_threshold::vrf::{Seed, Seedable as _},
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::bls12381::primitives::variant::{MinSig, Variant};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

/// Seeds kept in memory.
pub const MAX_KEPT: usize = 4_096;

/// A threshold signature over a round.
pub type SeedSignature = FixedBytes<48>;

/// Seeds by round.
#[derive(Clone, Default)]
pub struct SeedBook(Arc<Inner>);

#[derive(Default)]
struct Inner {
    known: Mutex<BTreeMap<Round, SeedSignature>>,
    marshal: OnceLock<Marshal>,
}

impl std::fmt::Debug for SeedBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeedBook").field("known", &self.0.known.lock().len()).finish()
    }
}

impl SeedBook {
    /// Lets the book look up finalization certificates on disk.
    pub fn attach(&self, marshal: Marshal) {
        let _ = self.0.marshal.set(marshal);
    }

    fn insert(&self, seed: &Seed<MinSig>) {
        let bytes = seed.signature.encode();
        let mut known = self.0.known.lock();
        known.insert(seed.round, FixedBytes::from_slice(&bytes));
        while known.len() > MAX_KEPT {
            known.pop_first();
        }
    }

    /// The seed of the block at `height`, proposed in `round`; `None` if no certificate is known.
    pub async fn find(&self, height: u64, round: Round) -> Option<SeedSignature> {
        if let Some(found) = self.0.known.lock().get(&round) {
            return Some(*found);
        }
        let marshal = self.0.marshal.get()?;
        let finalization = marshal.get_finalization(Height::new(height)).await?;
        if finalization.proposal.round != round {
            return None;
        }
        let seed = finalization.seed();
        self.insert(&seed);
        Some(FixedBytes::from_slice(&seed.signature.encode()))
    }
}

/// Whether `seed` carries the committee's signature over the round that it names.
#[must_use]
pub fn verify(scheme: &Scheme, seed: &PublishedSeed) -> bool {
    let Ok(signature) = <MinSig as Variant>::Signature::decode(Copying(seed.signature.as_slice()))
    else {
        return false;
    };
    let round = Round::new(Epoch::new(seed.epoch), View::new(seed.view));
    Seed::<MinSig>::new(round, signature).verify(scheme)
}

/// Feeds a [`SeedBook`] from what consensus reports.
#[derive(Clone, Debug)]
pub struct SeedReporter(SeedBook);

impl SeedReporter {
    /// Feeds `book`.
    #[must_use]
    pub const fn new(book: SeedBook) -> Self {
        Self(book)
    }
}

impl Reporter for SeedReporter {
    type Activity = Activity;

    fn report(&mut self, activity: Activity) -> Feedback {
        match &activity {
            Activity::Notarization(certificate) | Activity::Certification(certificate) => {
                self.0.insert(&certificate.seed());
            }
            Activity::Finalization(certificate) => self.0.insert(&certificate.seed()),
            Activity::Notarize(_)
            | Activity::Nullify(_)
            | Activity::Nullification(_)
            | Activity::Finalize(_)
            | Activity::ConflictingNotarize(_)
            | Activity::ConflictingFinalize(_)
            | Activity::NullifyFinalize(_) => {}
        }
        Feedback::Ok
    }
}
