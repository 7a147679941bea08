//! The state as it was after a past block.

use super::{History, HistoryError};
use cairn_evm::{CodeCache, StateError, StateView};
use cairn_primitives::state::{StateKey, StateValue};
use futures::future::BoxFuture;
use std::{fmt, sync::Arc};

/// The state after block `height`: the live state seen through the diffs of later blocks.
///
/// Stays correct while blocks are applied; a read fails once the height is pruned.
#[derive(Clone)]
pub struct StateAt {
    history: Arc<History>,
    live: Arc<dyn StateView>,
    height: u64,
}

impl fmt::Debug for StateAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateAt").field("height", &self.height).finish_non_exhaustive()
    }
}

impl StateAt {
    /// The state after block `height`, which must be at most the applied height of `live`.
    ///
    /// # Errors
    /// [`HistoryError::StatePruned`] if it is not kept.
    pub fn new(
        history: Arc<History>,
        live: Arc<dyn StateView>,
        height: u64,
    ) -> Result<Self, HistoryError> {
        let oldest = history.oldest_state();
        if height < oldest {
            return Err(HistoryError::StatePruned { height, oldest });
        }
        Ok(Self { history, live, height })
    }

    /// The height.
    #[must_use]
    pub const fn height(&self) -> u64 {
        self.height
    }
}

impl StateView for StateAt {
    fn get<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        Box::pin(async move {
            let values = self.get_many(std::slice::from_ref(key)).await?;
            Ok(values.into_iter().next().flatten())
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [StateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<StateValue>>, StateError>> {
        Box::pin(async move {
            // The order matters: a block applied after the live read has its diffs recorded.
            let live = self.live.get_many(keys).await?;
            let replaced = self.history.replaced(keys, self.height);
            let replaced = replaced.map_err(|error| StateError(error.to_string()))?;
            Ok(live.into_iter().zip(replaced).map(|(live, old)| old.unwrap_or(live)).collect())
        })
    }

    fn code_cache(&self) -> Option<&CodeCache> {
        self.live.code_cache()
    }
}
