//! Bounds of what a client can ask for.

use std::time::Duration;

/// Bounds of what a client can ask for. Beyond them it gets an error that names the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an HTTP body or WebSocket message.
    pub body_bytes: u32,
    /// Bytes of an answer; of all answers together for a batch.
    pub response_bytes: u32,
    /// Requests in a batch.
    pub batch: u32,
    /// HTTP requests and WebSocket connections at a time.
    pub connections: u32,
    /// Subscriptions of one WebSocket connection.
    pub subscriptions: u32,
    /// Filters of all clients together.
    pub filters: usize,
    /// A filter that nobody asks for so long is forgotten.
    pub filter_idle: Duration,
    /// Gas of `eth_call` and the like.
    pub call_gas: u64,
    /// EVM runs at a time, of calls and the like; others wait.
    pub calls: usize,
    /// Blocks that `eth_getLogs` may span.
    pub log_blocks: u64,
    /// Logs that `eth_getLogs` may return.
    pub logs: usize,
    /// Blocks of `eth_feeHistory`; a longer range is cut.
    pub fee_history: u64,
    /// Longest time that `eth_sendRawTransactionSync` waits.
    pub sync_wait: Duration,
    /// Time that it waits when the client names none.
    pub sync_wait_default: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            body_bytes: 10 << 20,
            response_bytes: 25 << 20,
            batch: 1_000,
            connections: 10_000,
            subscriptions: 1_024,
            filters: 10_000,
            filter_idle: Duration::from_secs(300),
            call_gas: 50_000_000,
            calls: cores.max(2),
            log_blocks: 100_000,
            logs: 20_000,
            fee_history: 1_024,
            sync_wait: Duration::from_secs(60),
            sync_wait_default: Duration::from_secs(20),
        }
    }
}
