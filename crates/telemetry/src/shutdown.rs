//! One signal to stop, shared by every task of a process.

use std::sync::Arc;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Exit code of a process that was interrupted a second time while it was stopping.
pub const EXIT_INTERRUPTED: i32 = 130;

/// A request to stop that, once made, stays made. Clones share it.
#[derive(Clone, Debug)]
pub struct Shutdown {
    requested: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A shutdown that only [`Self::trigger`] requests.
    #[must_use]
    pub fn new() -> Self {
        Self { requested: Arc::new(watch::Sender::new(false)) }
    }

    /// A shutdown that SIGINT and SIGTERM request too. A second signal ends the process at once
    /// with [`EXIT_INTERRUPTED`]. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the operating system refuses the signal handlers.
    pub fn on_signals() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = Self::new();
        let trigger = shutdown.clone();
        tokio::spawn(async move {
            for round in 0_u8.. {
                let name = tokio::select! {
                    _ = interrupt.recv() => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                };
                if round > 0 {
                    std::process::exit(EXIT_INTERRUPTED);
                }
                tracing::info!(signal = name, "stopping; signal again to stop at once");
                trigger.trigger();
            }
        });
        Ok(shutdown)
    }

    /// Requests the stop. Repeating it changes nothing.
    pub fn trigger(&self) {
        self.requested.send_replace(true);
    }

    /// Whether the stop was requested.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        *self.requested.borrow()
    }

    /// Waits until the stop is requested; returns at once if it was.
    pub async fn triggered(&self) {
        let mut watch = self.requested.subscribe();
        // `self` holds the sender, so the channel cannot close while this waits.
        let _ = watch.wait_for(|requested| *requested).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_sees_the_request_and_late_waiters_return_at_once() {
        let shutdown = Shutdown::new();
        let waiter = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.triggered().await }
        });
        assert!(!shutdown.is_triggered());
        shutdown.trigger();
        shutdown.trigger();
        waiter.await.unwrap();
        shutdown.triggered().await;
        assert!(shutdown.is_triggered());
    }
}
