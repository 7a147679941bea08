//! Why a transaction is not taken. The texts are geth's where geth has one: client libraries
//! classify errors by them.

use alloy_primitives::U256;
use cairn_evm::TxError;

/// Why the pool refuses a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The very transaction is in the pool.
    #[error("already known")]
    AlreadyKnown,
    /// The sender has used this nonce already.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// Next nonce of the sender.
        next: u64,
        /// Nonce of the transaction.
        nonce: u64,
    },
    /// The nonce is 2^64 - 1 (EIP-2681).
    #[error("nonce has max value")]
    NonceMax,
    /// The sender cannot pay for this transaction, or not for all it has in the pool.
    #[error("insufficient funds for gas * price + value: have {have} want {want}")]
    InsufficientFunds {
        /// Balance in wei.
        have: U256,
        /// Most that the sender's transactions can cost together, in wei.
        want: U256,
    },
    /// A transaction with this nonce is in the pool, and this one does not pay 10 % more.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The gas limit does not cover what every such transaction uses.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas {
        /// Gas limit of the transaction.
        gas: u64,
        /// Least gas limit.
        needed: u64,
    },
    /// The gas limit does not cover the floor for calldata (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorDataGas {
        /// Gas limit of the transaction.
        gas: u64,
        /// Least gas limit.
        needed: u64,
    },
    /// The gas limit is above that of a block.
    #[error("exceeds block gas limit")]
    GasLimit,
    /// The gas limit is above the cap for one transaction (EIP-7825).
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasLimitTooHigh {
        /// Most gas that a transaction may ask for.
        cap: u64,
        /// Gas limit of the transaction.
        gas: u64,
    },
    /// The transaction pays less than the base fee can ever be.
    #[error(
        "max fee per gas less than block base fee: maxFeePerGas: {max_fee}, baseFee: {base_fee}"
    )]
    FeeCapTooLow {
        /// Most the transaction pays, in wei per gas.
        max_fee: u128,
        /// Lowest base fee of this chain, in wei per gas.
        base_fee: u64,
    },
    /// The tip is above the fee cap.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFeeCap,
    /// The encoding is too long.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Bytes of the encoding.
        size: usize,
        /// Most bytes.
        limit: usize,
    },
    /// The init code is too long (EIP-3860).
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCodeSize {
        /// Bytes of init code.
        size: usize,
        /// Most bytes.
        limit: usize,
    },
    /// The authorization list of a type 4 transaction is empty (EIP-7702).
    #[error("set code tx must have at least one authorization tuple")]
    EmptyAuthorizations,
    /// The sender has too many transactions in the pool.
    #[error("account limit exceeded: the pool takes {limit} {kind} transactions of one account")]
    AccountLimit {
        /// Most transactions of this kind.
        limit: usize,
        /// `pending`, or `queued` for those behind a missing nonce.
        kind: &'static str,
    },
    /// No sender can be recovered from the signature.
    #[error("invalid sender")]
    InvalidSender,
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    InvalidChainId {
        /// The chain it is signed for.
        have: u64,
        /// This chain.
        want: u64,
    },
    /// A blob transaction.
    #[error(
        "transaction type not supported: blob transactions (type 3) do not exist on this chain, \
         send the data as calldata"
    )]
    Blobs,
    /// Bytes that are not a transaction.
    #[error("{0}")]
    Malformed(String),
    /// The pool is full and everything in it pays more.
    #[error("txpool is full")]
    Full,
    /// The node cannot read the sender's account.
    #[error("the node cannot read its state: {0}")]
    State(String),
}

impl From<TxError> for PoolError {
    fn from(error: TxError) -> Self {
        match error {
            TxError::Blob => Self::Blobs,
            TxError::WrongChain { expected, actual } => {
                Self::InvalidChainId { have: actual, want: expected }
            }
            TxError::Signature(_) => Self::InvalidSender,
            TxError::Malformed(_) | TxError::NotCanonical => Self::Malformed(error.to_string()),
        }
    }
}
