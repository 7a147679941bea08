//! What execution needs from the state, and what it gives back.

use crate::code::CodeCache;
use cairn_primitives::state::{StateKey, StateValue};
use futures::future::BoxFuture;
use std::collections::BTreeMap;

/// The local database failed. Always fatal to the work at hand: it says nothing about the block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("state database failed: {0}")]
pub struct StateError(pub String);

impl revm::database_interface::DBErrorMarker for StateError {}

/// One consistent state that can be read. Object-safe.
pub trait StateView: Send + Sync {
    /// Value of `key`; `None` if it is absent.
    fn get<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>>;

    /// Values of `keys`, in their order. Databases that read in parallel should override this.
    fn get_many<'a>(
        &'a self,
        keys: &'a [StateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<StateValue>>, StateError>> {
        Box::pin(async move {
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                values.push(self.get(key).await?);
            }
            Ok(values)
        })
    }

    /// Contract code that was read before, if this view shares a cache. Code is named by its hash,
    /// so one cache serves every state of the node.
    fn code_cache(&self) -> Option<&CodeCache> {
        None
    }
}

/// One entry of the state that a block changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its key.
    pub key: StateKey,
    /// Value before the block; `None` if it was absent.
    pub before: Option<StateValue>,
    /// Value after the block; `None` if it is removed. Never equal to `before`.
    pub after: Option<StateValue>,
}

/// A state in memory, for tests and tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    /// All entries.
    pub entries: BTreeMap<StateKey, StateValue>,
}

impl MemoryState {
    /// Applies the changes of a block.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change.after {
                Some(value) => self.entries.insert(change.key, value),
                None => self.entries.remove(&change.key),
            };
        }
    }
}

impl StateView for MemoryState {
    fn get<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        Box::pin(std::future::ready(Ok(self.entries.get(key).copied())))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [StateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<StateValue>>, StateError>> {
        let values = keys.iter().map(|key| self.entries.get(key).copied()).collect();
        Box::pin(std::future::ready(Ok(values)))
    }
}
