//! Which seeds a block publishes, read from the state that it builds on.

use crate::{
    seeds::{self, SeedBook},
    types::Scheme,
};
use alloy_primitives::U256;
use cairn_chain::block::{Block, PublishedSeed};
use cairn_contracts::{
    BEACON,
    beacon::{LATEST_SLOT, Round, decode_round, round_slot},
};
use cairn_evm::{StateError, StateView};
use cairn_primitives::state::{StateKey, StateValue};
use cairn_protocol::{
    beacon::{check, select},
    rules::Rules,
};
use commonware_consensus::types::{Epoch, Round as ConsensusRound, View};
use std::collections::BTreeMap;

/// Why the seeds of a block are refused.
#[derive(Debug, thiserror::Error)]
pub enum SeedsRejected {
    /// Heights that the rules do not allow.
    #[error(transparent)]
    Rule(#[from] cairn_protocol::beacon::SeedError),
    /// A seed names another round than the one of its block.
    #[error("seed of height {0} names a round that was not that block's")]
    Round(u64),
    /// Not the committee's signature.
    #[error("seed of height {0} is not signed by the committee")]
    Signature(u64),
    /// The database failed.
    #[error(transparent)]
    State(#[from] StateError),
}

async fn word(view: &dyn StateView, slot: U256) -> Result<U256, StateError> {
    let value = view.get(&StateKey::slot(BEACON, slot)).await?;
    Ok(value.as_ref().map_or(U256::ZERO, StateValue::as_word))
}

async fn latest(view: &dyn StateView) -> Result<u64, StateError> {
    Ok(word(view, LATEST_SLOT).await?.saturating_to())
}

async fn round_of(view: &dyn StateView, height: u64) -> Result<Option<Round>, StateError> {
    Ok(decode_round(height, word(view, round_slot(height)).await?))
}

/// Seeds that an honest proposer publishes at `number`: as many as are due and known.
///
/// # Errors
/// If the database fails.
pub async fn due(
    rules: &Rules,
    number: u64,
    book: &SeedBook,
    view: &dyn StateView,
) -> Result<Vec<PublishedSeed>, StateError> {
    let last = latest(view).await?;
    let newest = cairn_protocol::beacon::newest(rules, number).unwrap_or(0);
    let window = rules.seed_patience + rules.block_seeds;
    let mut known = BTreeMap::new();
    for height in (last + 1).max(newest.saturating_sub(window))..=newest {
        let Some(round) = round_of(view, height).await? else { continue };
        let at = ConsensusRound::new(Epoch::new(round.epoch), View::new(round.view));
        if let Some(signature) = book.find(height, at).await {
            let Round { epoch, view } = round;
            known.insert(height, PublishedSeed { height, epoch, view, signature });
        }
        if known.len() as u64 >= rules.block_seeds {
            break;
        }
    }
    let heights = select(rules, number, last, |height| known.contains_key(&height));
    Ok(heights.iter().filter_map(|height| known.remove(height)).collect())
}

/// Checks the seeds that `block` publishes.
///
/// # Errors
/// See [`SeedsRejected`].
pub async fn check_published(
    rules: &Rules,
    block: &Block,
    scheme: &Scheme,
    view: &dyn StateView,
) -> Result<(), SeedsRejected> {
    let published = &block.extra.seeds;
    if published.is_empty() {
        return Ok(());
    }
    let heights: Vec<u64> = published.iter().map(|seed| seed.height).collect();
    check(rules, block.number(), latest(view).await?, &heights)?;
    for seed in published {
        let named = Round { epoch: seed.epoch, view: seed.view };
        if round_of(view, seed.height).await? != Some(named) {
            return Err(SeedsRejected::Round(seed.height));
        }
        if !seeds::verify(scheme, seed) {
            return Err(SeedsRejected::Signature(seed.height));
        }
    }
    Ok(())
}
