//! Where EVM work of these methods runs: off the threads that serve requests, a few at a time.

use super::TraceError;
use crate::error::RpcError;
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::Semaphore, task::spawn_blocking, time::timeout};

/// Traces and simulations at a time.
pub(crate) const TRACES: usize = 4;
/// How long one waits for its turn.
const WAIT: Duration = Duration::from_secs(10);

/// Lets [`TRACES`] pieces of work through at a time. Clones share the places.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(TRACES)))
    }

    /// Runs `work` on a thread that may block. It goes on if the client goes away; its own limits
    /// end it.
    pub(crate) async fn run<T, E, F>(
        &self,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<TraceError> + Send + 'static,
        F: Future<Output = Result<T, E>>,
    {
        let busy = || TraceError::Busy { running: TRACES, waited: WAIT };
        let place = timeout(WAIT, self.0.clone().acquire_owned()).await;
        let place = place.map_err(|_| busy())?.map_err(|_| busy())?;
        let runtime = Handle::current();
        let task = spawn_blocking(move || {
            let result = runtime.block_on(work());
            drop(place);
            result
        });
        let failed = |error: tokio::task::JoinError| {
            TraceError::Rpc(RpcError::Internal(format!("the work was lost: {error}")))
        };
        task.await.map_err(failed)?
    }
}
