//! What must hold at the end of every run.

use crate::cluster::ValidatorState;
use cairn_node::types::PublicKey;
use commonware_consensus::{marshal::Identifier, types::Height};
use commonware_cryptography::Digestible as _;
use commonware_glue::simulate::{property::Property, tracker::ProgressTracker};
use std::{future::Future, pin::Pin};

/// All validators that are not Byzantine hold the same blocks and states up to a height, and money
/// moved.
#[derive(Clone, Copy)]
pub struct SameChain {
    from: u64,
    to: u64,
}

impl SameChain {
    pub fn up_to(height: u64) -> Self {
        Self { from: 1, to: height }
    }

    /// For runs in which a node joins late and has no blocks from before.
    pub fn between(from: u64, to: u64) -> Self {
        Self { from, to }
    }

    async fn check_states(self, states: &[&ValidatorState]) -> Result<(), String> {
        let mut transactions = 0;
        for height in self.from..=self.to {
            let mut seen = None;
            for state in states {
                let Some(marshal) = &state.marshal else { continue };
                let Some(block) = marshal.get_block(Identifier::Height(Height::new(height))).await
                else {
                    return Err(format!("no block at height {height}"));
                };
                let expected = *seen.get_or_insert_with(|| block.digest());
                if expected != block.digest() {
                    return Err(format!("two blocks at height {height}"));
                }
                let chain = state.chains.lock().get(&state.index).cloned();
                let chain = chain.ok_or("a validator without a chain")?;
                let stored = chain.by_number(height).map_err(|e| e.to_string())?;
                let stored = stored.ok_or_else(|| format!("history lacks block {height}"))?;
                if stored.hash.0 != block.digest().0 {
                    return Err(format!("history has another block at height {height}"));
                }
                transactions += stored.transactions.len();
            }
        }
        if transactions == 0 {
            return Err("no transaction was included".into());
        }
        Ok(())
    }
}

impl Property<PublicKey, ValidatorState> for SameChain {
    fn name(&self) -> &str {
        "same chain"
    }

    fn check<'a>(
        &'a self,
        _tracker: &'a ProgressTracker<PublicKey>,
        states: &'a [&'a ValidatorState],
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> {
        Box::pin(async move {
            let result = self.check_states(states).await;
            // The simulator insists that nothing outlives it.
            for state in states {
                state.chains.lock().clear();
            }
            result
        })
    }
}
