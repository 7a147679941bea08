//! A validator that says two things at once, and what the others saw of it.
//!
//! The twins of [`Behaviour`](crate::cluster::Behaviour) are the product, twice with one key: both
//! halves propose and vote like honest validators, but with different transactions in their pools,
//! so that in the views that the validator leads two valid blocks compete (after "Twins: BFT Systems
//! Made Robust", arXiv 2004.10617).

use cairn_node::types::{Digest, PublicKey, Scheme};
use commonware_actor::Feedback;
use commonware_codec::DecodeExt as _;
use commonware_consensus::{
    Viewable as _,
    simplex::{mocks::twins::view_partitions, types::Vote},
    types::{TermLength, View},
};
use commonware_p2p::{
    BlockedSubscription, Blocker, Recipients,
    simulated::{Control, Receiver, Sender, SplitForwarder, SplitOrigin, SplitSender, SplitTarget},
};
use commonware_runtime::{IoBuf, Supervisor as _, deterministic::Context};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What happened in a run, for assertions after it.
#[derive(Clone, Default)]
pub struct Evidence(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    notarized: BTreeMap<View, BTreeSet<Digest>>,
    blamed: BTreeSet<PublicKey>,
}

impl Evidence {
    /// Views in which a Byzantine validator voted for two blocks.
    pub fn equivocations(&self) -> usize {
        self.0.lock().notarized.values().filter(|payloads| payloads.len() > 1).count()
    }

    /// Validators that an honest one caught breaking the protocol.
    pub fn blamed(&self) -> Vec<PublicKey> {
        self.0.lock().blamed.iter().cloned().collect()
    }

    fn sent(&self, message: &IoBuf) -> Option<View> {
        let vote = Vote::<Scheme, Digest>::decode(message.clone()).ok()?;
        if let Vote::Notarize(notarize) = &vote {
            let mut seen = self.0.lock();
            seen.notarized.entry(notarize.view()).or_default().insert(notarize.proposal.payload);
        }
        Some(vote.view())
    }
}

/// Notes whom a validator blocks; disconnects from them unless the attack shall go on.
#[derive(Clone)]
pub struct Watch {
    pub control: Control<PublicKey, Context>,
    pub evidence: Option<Evidence>,
    pub disconnect: bool,
}

impl Blocker for Watch {
    type PublicKey = PublicKey;

    fn block(&mut self, peer: PublicKey) -> Feedback {
        if let Some(evidence) = &self.evidence {
            evidence.0.lock().blamed.insert(peer.clone());
        }
        if self.disconnect { self.control.block(peer) } else { Feedback::Ok }
    }

    fn blocked(&mut self) -> BlockedSubscription<PublicKey> {
        self.control.blocked()
    }
}

/// How the two halves of a validator share a channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Votes. `by_view`: each half has its own audience in each view; else all hear both.
    Votes { by_view: bool },
    /// Both halves talk to everybody.
    Both,
    /// Only the first half hears what others send.
    FirstHears,
}

type Pair = (Sender<PublicKey, Context>, Receiver<PublicKey>);
type HalfPair<F> = (SplitSender<PublicKey, Context, F>, Receiver<PublicKey>);

/// Splits a channel between the halves of a validator.
pub fn split(
    context: &Context,
    (sender, receiver): Pair,
    share: Share,
    participants: &Arc<[PublicKey]>,
    evidence: &Evidence,
) -> [HalfPair<impl SplitForwarder<PublicKey>>; 2] {
    let (peers, evidence) = (participants.clone(), evidence.clone());
    let forward = move |origin, recipients: &Recipients<PublicKey>, message: &IoBuf| {
        let Share::Votes { by_view } = share else { return Some(recipients.clone()) };
        let view = evidence.sent(message)?;
        if !by_view {
            return Some(recipients.clone());
        }
        let (first, second) = view_partitions(view, TermLength::ONE, &peers);
        Some(Recipients::Some(match origin {
            SplitOrigin::Primary => first,
            SplitOrigin::Secondary => second,
        }))
    };
    let (first, second) = sender.split_with(forward);
    let (first_hears, second_hears) =
        receiver.split_with(context.child("split"), move |_| match share {
            Share::Votes { .. } | Share::Both => SplitTarget::Both,
            Share::FirstHears => SplitTarget::Primary,
        });
    [(first, first_hears), (second, second_hears)]
}
