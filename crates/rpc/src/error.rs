//! Errors as clients get them.
//!
//! Codes and texts are geth's wherever geth has one: ethers and viem classify errors by the text.
//!
//! | code | meaning |
//! |---|---|
//! | 3 | a call reverted; `data` is what it returned |
//! | 4 | a transaction was accepted but not included in time (EIP-7966); `data` is its hash |
//! | -32000 | the request is well-formed but cannot be served |
//! | -32601 | no such method |
//! | -32602 | a parameter is missing or malformed |
//! | -32603 | this node failed |

use alloy_primitives::{B256, Bytes, U256, hex};
use alloy_sol_types::{Panic, PanicKind, Revert, SolError as _};
use cairn_chain::{HistoryError, pool::PoolError};
use cairn_evm::{
    StateError,
    revm::context::result::{HaltReason, InvalidTransaction},
};
use jsonrpsee::types::{ErrorObjectOwned, error::METHOD_NOT_FOUND_CODE};

/// Code of a request that is well-formed but cannot be served.
pub const SERVER_ERROR: i32 = -32_000;
/// Code of a missing or malformed parameter.
pub const INVALID_PARAMS: i32 = -32_602;
/// Code of a failure of this node.
pub const INTERNAL_ERROR: i32 = -32_603;
/// Code of a reverted call.
pub const REVERTED: i32 = 3;
/// Code of a transaction that was not included in time (EIP-7966).
pub const NOT_IN_TIME: i32 = 4;

/// Why a request got no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// A parameter is missing or malformed.
    #[error("{0}")]
    Params(String),
    /// The request is well-formed but cannot be served.
    #[error("{0}")]
    Refused(String),
    /// A call ended in `REVERT` with this data.
    #[error("{}", revert_text(.0))]
    Reverted(Bytes),
    /// A transaction was accepted but not included in time.
    #[error("the transaction is in the pool but was not included within {waited_ms} ms")]
    NotInTime {
        /// Its hash.
        hash: B256,
        /// How long the request waited.
        waited_ms: u128,
    },
    /// A method that exists elsewhere, and what to use instead.
    #[error("{0}")]
    NoSuchMethod(String),
    /// This node failed.
    #[error("{0}")]
    Internal(String),
}

impl RpcError {
    /// A refusal with this text.
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    /// An error about parameters with this text.
    pub fn params(text: impl Into<String>) -> Self {
        Self::Params(text.into())
    }

    /// Code of the error in JSON-RPC.
    #[must_use]
    pub const fn code(&self) -> i32 {
        match self {
            Self::Params(_) => INVALID_PARAMS,
            Self::Refused(_) => SERVER_ERROR,
            Self::Reverted(_) => REVERTED,
            Self::NotInTime { .. } => NOT_IN_TIME,
            Self::NoSuchMethod(_) => METHOD_NOT_FOUND_CODE,
            Self::Internal(_) => INTERNAL_ERROR,
        }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let data = match &error {
            RpcError::Reverted(data) => Some(hex::encode_prefixed(data)),
            RpcError::NotInTime { hash, .. } => Some(hex::encode_prefixed(hash)),
            _ => None,
        };
        Self::owned(error.code(), error.to_string(), data)
    }
}

impl From<StateError> for RpcError {
    fn from(error: StateError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<HistoryError> for RpcError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::StatePruned { height, oldest } => Self::Refused(format!(
                "the state of block {height} is pruned on this node: the oldest it has is that of \
                 block {oldest}; ask a node that runs with --archive"
            )),
            HistoryError::Future { .. } => Self::refused("header not found"),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<PoolError> for RpcError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::State(_) => Self::Internal(error.to_string()),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// Text of an error about a call that reverted with `data`.
fn revert_text(data: &[u8]) -> String {
    match revert_reason(data) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".into(),
    }
}

/// What `Error(string)` or `Panic(uint256)` in `data` say.
#[must_use]
pub fn revert_reason(data: &[u8]) -> Option<String> {
    if let Ok(revert) = Revert::abi_decode(data) {
        return Some(revert.reason);
    }
    let panic = Panic::abi_decode(data).ok()?;
    Some(panic_text(panic.code))
}

/// Geth's words for the code of a Solidity panic.
fn panic_text(code: U256) -> String {
    let known = u32::try_from(code).ok().and_then(PanicKind::from_number);
    match known {
        None => format!("unknown panic code: {code:#x}"),
        Some(kind) => match kind {
            PanicKind::Generic => "generic panic",
            PanicKind::Assert => "assert(false)",
            PanicKind::UnderOverflow => "arithmetic underflow or overflow",
            PanicKind::DivisionByZero => "division or modulo by zero",
            PanicKind::EnumConversionError => "enum overflow",
            PanicKind::StorageEncodingError => "invalid encoded storage byte array accessed",
            PanicKind::EmptyArrayPop => "out-of-bounds array access; popping on an empty array",
            PanicKind::ArrayOutOfBounds => "out-of-bounds access of an array or bytesN",
            PanicKind::ResourceError => "out of memory",
            PanicKind::InvalidInternalFunction => "uninitialized function",
            _ => return format!("unknown panic code: {code:#x}"),
        }
        .into(),
    }
}

/// Geth's words for a run that ended without `RETURN` and `REVERT`.
#[must_use]
pub fn halt_text(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".into(),
        HaltReason::OpcodeNotFound | HaltReason::NotActivated => "invalid opcode".into(),
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID".into(),
        HaltReason::InvalidJump => "invalid jump destination".into(),
        HaltReason::StackUnderflow => "stack underflow".into(),
        HaltReason::StackOverflow => "stack limit reached 1024 (1023)".into(),
        HaltReason::OutOfOffset => "return data out of bounds".into(),
        HaltReason::CreateCollision => "contract address collision".into(),
        HaltReason::PrecompileError => "precompile failed".into(),
        HaltReason::PrecompileErrorWithContext(text) => format!("precompile failed: {text}"),
        HaltReason::NonceOverflow => "nonce uint64 overflow".into(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".into(),
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef".into(),
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded".into(),
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection".into()
        }
        HaltReason::OutOfFunds | HaltReason::OverflowPayment => {
            "insufficient balance for transfer".into()
        }
        HaltReason::CallTooDeep => "max call depth exceeded".into(),
    }
}

/// Geth's words for a call that cannot even start.
#[must_use]
pub fn invalid_text(reason: &InvalidTransaction) -> String {
    use InvalidTransaction as Invalid;
    match reason {
        Invalid::LackOfFundForMaxFee { fee, balance } => {
            format!("insufficient funds for gas * price + value: have {balance} want {fee}")
        }
        Invalid::OverflowPaymentInTransaction => {
            "insufficient funds for gas * price + value: the sum exceeds 256 bits".into()
        }
        Invalid::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        Invalid::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            format!("insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}")
        }
        Invalid::GasPriceLessThanBasefee => "max fee per gas less than block base fee".into(),
        Invalid::PriorityFeeGreaterThanMaxFee => {
            "max priority fee per gas higher than max fee per gas".into()
        }
        Invalid::NonceTooLow { tx, state } => {
            format!("nonce too low: next nonce {state}, tx nonce {tx}")
        }
        Invalid::NonceTooHigh { tx, state } => {
            format!("nonce too high: next nonce {state}, tx nonce {tx}")
        }
        Invalid::NonceOverflowInTransaction => "nonce has max value".into(),
        Invalid::CreateInitCodeSizeLimit => "max initcode size exceeded".into(),
        Invalid::EmptyAuthorizationList => "EIP-7702 transaction with empty auth list".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
