//! What every Cairn process needs to be operated: logs, metrics and a clean way to stop.
//!
//! Free-standing: nothing here knows about blocks, state or RPC, and no other Cairn crate is used.
//!
//! - [`log`]: one `tracing` subscriber on standard error, as text or as JSON lines.
//! - [`metrics`]: counters, gauges and histograms in a [`metrics::Registry`] that prints the
//!   Prometheus text format.
//! - [`shutdown`]: one signal that every task of a process can wait for.

pub mod log;
pub mod metrics;
pub mod shutdown;

pub use log::{LogError, LogFormat, LogOptions};
pub use metrics::{Counter, Gauge, Histogram, Registry};
pub use shutdown::Shutdown;
