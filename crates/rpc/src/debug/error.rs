//! Why there is no trace.

use crate::error::{INTERNAL_ERROR, RpcError, SERVER_ERROR};
use cairn_chain::HistoryError;
use cairn_evm::StateError;
use jsonrpsee::types::{ErrorObjectOwned, error::INVALID_PARAMS_CODE};
use std::time::Duration;

/// Why there is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// An error that other methods have too.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// Block 0 has no transactions, and no parent.
    #[error("genesis is not traceable")]
    Genesis,
    /// Not a tracer of this node.
    #[error(
        "tracer {0:?} is not available: use callTracer, prestateTracer, 4byteTracer, noopTracer, \
         flatCallTracer or muxTracer, or no tracer for opcodes; JavaScript tracers are not supported"
    )]
    Tracer(String),
    /// The options do not fit the tracer.
    #[error("tracerConfig does not fit the tracer: {0}")]
    Config(String),
    /// The time limit is not one.
    #[error("timeout {0:?} is not a duration such as 500ms, 5s or 1m")]
    Timeout(String),
    /// Too many traces wait.
    #[error(
        "{running} traces are running on this node and none ended within {waited:?}; try later"
    )]
    Busy {
        /// Traces at a time.
        running: usize,
        /// How long this one waited.
        waited: Duration,
    },
    /// The trace got too large.
    #[error(
        "the trace records more than {max} bytes; trace fewer transactions, set limit, or use \
         disableStack, disableStorage or another tracer"
    )]
    Large {
        /// Most bytes.
        max: usize,
    },
    /// The trace took too long.
    #[error("the trace ran for more than {0:?}; trace fewer transactions or use a cheaper tracer")]
    Slow(Duration),
    /// A transaction cannot be executed again.
    #[error("transaction {index} of block {number} cannot be executed again: {reason}")]
    Replay {
        /// Height of the block.
        number: u64,
        /// Position in it.
        index: usize,
        /// What the EVM said.
        reason: String,
    },
    /// A transaction did something else than when the block was made.
    #[error(
        "transaction {index} of block {number} used {replayed} gas when executed again, its receipt \
         says {receipt}; this is a fault of the node, please report it"
    )]
    Diverged {
        /// Height of the block.
        number: u64,
        /// Position in it.
        index: usize,
        /// Gas used now.
        replayed: u64,
        /// Gas used according to the receipt.
        receipt: u64,
    },
}

impl TraceError {
    fn code(&self) -> i32 {
        match self {
            Self::Rpc(error) => error.code(),
            Self::Tracer(_) | Self::Config(_) | Self::Timeout(_) => INVALID_PARAMS_CODE,
            Self::Genesis | Self::Busy { .. } | Self::Large { .. } | Self::Slow(_) => SERVER_ERROR,
            Self::Replay { .. } | Self::Diverged { .. } => INTERNAL_ERROR,
        }
    }
}

impl From<TraceError> for ErrorObjectOwned {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::Rpc(error) => error.into(),
            other => Self::owned(other.code(), other.to_string(), None::<()>),
        }
    }
}

impl From<HistoryError> for TraceError {
    fn from(error: HistoryError) -> Self {
        Self::Rpc(error.into())
    }
}

impl From<StateError> for TraceError {
    fn from(error: StateError) -> Self {
        Self::Rpc(error.into())
    }
}
