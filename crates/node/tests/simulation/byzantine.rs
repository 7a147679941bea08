//! A validator that proposes wrong blocks, otherwise the real application.

use alloy_primitives::{B256, Bytes};
use cairn_chain::block::{Block, transactions_root};
use cairn_node::{
    app::App,
    block::ConsensusBlock,
    state::{Batch, Databases, Sealed as SealedState, SyncTarget},
    types::{Context, Runtime, Scheme},
};
use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_glue::stateful::{Application, Finality, Input, Proposed, db::DatabaseSet};
use std::sync::Arc;

/// What is wrong with every block that the validator proposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The header's state root.
    StateRoot,
    /// One transaction is not one.
    Transaction,
    /// The header's receipts root.
    Receipts,
}

impl Fault {
    fn tamper(self, block: &mut Block) {
        match self {
            Self::None => {}
            Self::StateRoot => block.header.state_root = B256::repeat_byte(0xbb),
            Self::Receipts => block.header.receipts_root = B256::repeat_byte(0xcc),
            Self::Transaction => {
                block.transactions.push(Bytes::from_static(&[2, 0xc0]));
                block.header.transactions_root = transactions_root(&block.transactions);
            }
        }
    }
}

/// The real application with faulty proposals.
#[derive(Clone)]
pub struct Faulty {
    pub app: App,
    pub fault: Fault,
}

impl<E: Runtime> Application<E> for Faulty {
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = ConsensusBlock;
    type Databases = Databases<E>;
    type Captured = <App as Application<E>>::Captured;
    type Provider = ();
    type Input = ();

    fn sync_targets(block: &ConsensusBlock) -> SyncTarget {
        <App as Application<E>>::sync_targets(block)
    }

    async fn genesis(&mut self) -> ConsensusBlock {
        <App as Application<E>>::genesis(&mut self.app).await
    }

    async fn propose(
        &mut self,
        context: (E, Context),
        ancestry: impl Ancestry<ConsensusBlock>,
        batches: Batch<E>,
        input: Input<(), ()>,
    ) -> Option<Proposed<Self, E>> {
        let proposed =
            <App as Application<E>>::propose(&mut self.app, context, ancestry, batches, input)
                .await?;
        let mut block: Block = Block::clone(Arc::as_ref(proposed.block.block()));
        self.fault.tamper(&mut block);
        Some(Proposed { block: ConsensusBlock::new(block), merkleized: proposed.merkleized })
    }

    async fn process(
        &mut self,
        context: (E, Context),
        ancestry: impl Ancestry<ConsensusBlock>,
        batches: Batch<E>,
        finality: Finality,
    ) -> Option<SealedState<E>> {
        <App as Application<E>>::process(&mut self.app, context, ancestry, batches, finality).await
    }

    async fn capture(
        &mut self,
        context: (E, Context),
        block: &ConsensusBlock,
        batches: &SealedState<E>,
        readers: <Databases<E> as DatabaseSet<E>>::Readers,
    ) -> Self::Captured {
        <App as Application<E>>::capture(&mut self.app, context, block, batches, readers).await
    }

    async fn finalized(
        &mut self,
        context: (E, Context),
        block: &ConsensusBlock,
        captured: Self::Captured,
        readers: <Databases<E> as DatabaseSet<E>>::Readers,
    ) {
        <App as Application<E>>::finalized(&mut self.app, context, block, captured, readers).await;
    }
}
