//! Why a simulation failed as a whole, with the codes of the execution API specification.

use crate::{
    debug::TraceError,
    error::{INTERNAL_ERROR, RpcError, invalid_text},
};
use cairn_evm::{
    StateError,
    revm::context::result::{EVMError, InvalidTransaction},
};
use jsonrpsee::types::{ErrorObjectOwned, error::INVALID_PARAMS_CODE};

/// Why a simulation failed. A call that merely reverts is no failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimulateError {
    /// An error that other methods have too.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// No turn, too much time, too large.
    #[error(transparent)]
    Limit(Box<TraceError>),
    /// There is nothing to simulate.
    #[error("empty input")]
    Empty,
    /// More blocks than allowed, with those that fill gaps.
    #[error("too many blocks: at most {max} may be simulated, gaps included")]
    TooManyBlocks {
        /// Most blocks.
        max: u64,
    },
    /// Block numbers do not increase.
    #[error("block numbers must be in order: {number} <= {previous}")]
    Number {
        /// Number of the block.
        number: u64,
        /// Number of the block before.
        previous: u64,
    },
    /// Times do not increase.
    #[error("block timestamps must be in order: {timestamp} <= {previous}")]
    Timestamp {
        /// Time of the block, in seconds.
        timestamp: u64,
        /// Time of the block before, in seconds.
        previous: u64,
    },
    /// A call asks for more gas than its block has left.
    #[error("block gas limit reached: {used} + {wanted} > {limit}")]
    BlockGas {
        /// Gas used by earlier calls of the block.
        used: u64,
        /// Gas of the call.
        wanted: u64,
        /// Gas limit of the block.
        limit: u64,
    },
    /// A call is not a valid transaction.
    #[error("{}", invalid_text(.0))]
    Invalid(InvalidTransaction),
}

impl SimulateError {
    /// Code of the error in JSON-RPC.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Rpc(error) => error.code(),
            Self::Limit(_) | Self::TooManyBlocks { .. } => -38_026,
            Self::Empty => INVALID_PARAMS_CODE,
            Self::Number { .. } => -38_020,
            Self::Timestamp { .. } => -38_021,
            Self::BlockGas { .. } => -38_015,
            Self::Invalid(reason) => invalid_code(reason),
        }
    }

    pub(crate) fn from_evm(error: EVMError<StateError>) -> Self {
        match error {
            EVMError::Transaction(reason) => Self::Invalid(reason),
            EVMError::Database(error) => Self::Rpc(error.into()),
            other => Self::Rpc(RpcError::Internal(other.to_string())),
        }
    }
}

fn invalid_code(reason: &InvalidTransaction) -> i32 {
    use InvalidTransaction as Invalid;
    match reason {
        Invalid::NonceTooLow { .. } => -38_010,
        Invalid::NonceTooHigh { .. } => -38_011,
        Invalid::GasPriceLessThanBasefee => -38_012,
        Invalid::CallGasCostMoreThanGasLimit { .. } | Invalid::GasFloorMoreThanGasLimit { .. } => {
            -38_013
        }
        Invalid::LackOfFundForMaxFee { .. } | Invalid::OverflowPaymentInTransaction => -38_014,
        Invalid::RejectCallerWithCode => -38_024,
        Invalid::CreateInitCodeSizeLimit => -38_025,
        Invalid::PriorityFeeGreaterThanMaxFee => INVALID_PARAMS_CODE,
        _ => INTERNAL_ERROR,
    }
}

impl From<SimulateError> for ErrorObjectOwned {
    fn from(error: SimulateError) -> Self {
        match error {
            SimulateError::Rpc(error) => error.into(),
            other => Self::owned(other.code(), other.to_string(), None::<()>),
        }
    }
}

impl From<TraceError> for SimulateError {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::Rpc(error) => Self::Rpc(error),
            other => Self::Limit(Box::new(other)),
        }
    }
}

impl From<StateError> for SimulateError {
    fn from(error: StateError) -> Self {
        Self::Rpc(error.into())
    }
}
