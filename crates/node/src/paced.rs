//! Pacing of proposals, outside of the state actor.
//!
//! [`Paced`] waits *before* a proposal enters the state actor. While `Stateful` runs
//! `Application::propose` it queues every other message, finalizations included, so a proposer that
//! slept there would hold back the block before its own.

use crate::{
    app::App,
    block::ConsensusBlock,
    types::{Context, Runtime, Scheme},
};
use commonware_consensus::{Application, Handoff, marshal::ancestry::Ancestry};
use commonware_cryptography::Digested;
use futures::StreamExt as _;
use std::marker::PhantomData;

/// An application whose proposals keep the pace of the network.
pub(crate) struct Paced<E, A> {
    inner: A,
    app: App,
    runtime: PhantomData<fn() -> E>,
}

impl<E, A> std::fmt::Debug for Paced<E, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paced").finish_non_exhaustive()
    }
}

impl<E, A: Clone> Clone for Paced<E, A> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), app: self.app.clone(), runtime: PhantomData }
    }
}

impl<E, A> Paced<E, A> {
    /// Paces `inner` by what waits in the pool of `app`.
    pub(crate) const fn new(inner: A, app: App) -> Self {
        Self { inner, app, runtime: PhantomData }
    }
}

impl<E, A> Application<E> for Paced<E, A>
where
    E: Runtime,
    A: Application<
            E,
            SigningScheme = Scheme,
            Context = Context,
            Block = ConsensusBlock,
            Input = (),
        >,
{
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = ConsensusBlock;
    type Input = ();

    async fn prepare(
        &mut self,
        context: (E, Context),
        ancestry: impl Ancestry<ConsensusBlock>,
        input: (),
    ) -> Handoff<Digested<ConsensusBlock>> {
        self.inner.prepare(context, ancestry, input).await
    }

    async fn propose(
        &mut self,
        context: (E, Context),
        ancestry: impl Ancestry<ConsensusBlock>,
        input: (),
    ) -> Option<Digested<ConsensusBlock>> {
        let parent = ancestry.clone().next().await?.inner().block().clone();
        self.app.wait_for_pace(&context.0, &parent).await;
        self.inner.propose(context, ancestry, input).await
    }

    async fn verify(
        &mut self,
        context: (E, Context),
        ancestry: impl Ancestry<ConsensusBlock>,
    ) -> bool {
        self.inner.verify(context, ancestry).await
    }
}
