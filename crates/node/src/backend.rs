//! What the [`Chain`](cairn_chain::Chain) handle asks of the running node.

use crate::{engine::Marshal, state::StateStore};
use alloy_primitives::Bytes;
use cairn_chain::chain::{Backend, ProofError, StateProof};
use cairn_evm::{CodeCache, RecoveredTx, StateError, StateView};
use cairn_primitives::state::{StateKey, StateValue};
use commonware_codec::Encode as _;
use commonware_consensus::types::Height;
use futures::future::BoxFuture;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::mpsc;

/// Connects a chain handle to the actors of a node. Reads fail until [`NodeBackend::attach`].
pub struct NodeBackend {
    state: OnceLock<Arc<dyn StateStore>>,
    marshal: OnceLock<Marshal>,
    outbox: mpsc::Sender<Vec<Bytes>>,
    peers: AtomicUsize,
}

impl std::fmt::Debug for NodeBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeBackend").field("attached", &self.state.get().is_some()).finish()
    }
}

impl NodeBackend {
    /// A backend that sends transactions to gossip through `outbox`.
    #[must_use]
    pub const fn new(outbox: mpsc::Sender<Vec<Bytes>>) -> Self {
        Self {
            state: OnceLock::new(),
            marshal: OnceLock::new(),
            outbox,
            peers: AtomicUsize::new(0),
        }
    }

    /// Makes state and certificates available. Later calls have no effect.
    pub fn attach(&self, state: Arc<dyn StateStore>, marshal: Marshal) {
        let _ = self.state.set(state);
        let _ = self.marshal.set(marshal);
    }

    /// Tells how many other nodes belong to the network.
    pub fn set_peers(&self, peers: usize) {
        self.peers.store(peers, Ordering::Relaxed);
    }

    fn state(&self) -> Result<&Arc<dyn StateStore>, StateError> {
        self.state.get().ok_or_else(|| StateError("the state is still being opened".into()))
    }
}

impl StateView for NodeBackend {
    fn get<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        match self.state() {
            Ok(state) => state.get(key),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [StateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<StateValue>>, StateError>> {
        match self.state() {
            Ok(state) => state.get_many(keys),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn code_cache(&self) -> Option<&CodeCache> {
        self.state.get()?.code_cache()
    }
}

impl Backend for NodeBackend {
    fn prove<'a>(&'a self, keys: &'a [StateKey]) -> BoxFuture<'a, Result<StateProof, ProofError>> {
        match self.state() {
            Ok(state) => state.prove(keys),
            Err(error) => Box::pin(async move { Err(ProofError::State(error.to_string())) }),
        }
    }

    fn finalization(&self, height: u64) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(async move {
            let marshal = self.marshal.get()?;
            let finalization = marshal.get_finalization(Height::new(height)).await?;
            Some(finalization.encode().to_vec().into())
        })
    }

    fn gossip(&self, transactions: Vec<Arc<RecoveredTx>>) {
        let encoded = transactions.iter().map(|tx| tx.encoded.clone()).collect();
        // A full queue is made up for: local transactions that wait are sent again.
        let _ = self.outbox.try_send(encoded);
    }

    fn peers(&self) -> usize {
        self.peers.load(Ordering::Relaxed)
    }
}
