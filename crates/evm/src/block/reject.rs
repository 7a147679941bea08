//! Why a transaction may not be in a block.

use alloy_primitives::U256;
use revm::context::result::InvalidTransaction;

/// Why a transaction was left out of a block, or made one invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxRejected {
    /// A transaction with this nonce, or a later one, was executed before.
    #[error("nonce too low: transaction has {tx}, account expects {state}")]
    NonceTooLow {
        /// Nonce of the transaction.
        tx: u64,
        /// Next nonce of the account.
        state: u64,
    },
    /// An earlier transaction of the sender is missing.
    #[error("nonce too high: transaction has {tx}, account expects {state}")]
    NonceTooHigh {
        /// Nonce of the transaction.
        tx: u64,
        /// Next nonce of the account.
        state: u64,
    },
    /// The sender cannot pay for value and gas.
    #[error(
        "insufficient funds: value and gas cost up to {cost} wei, the account has {balance} wei"
    )]
    InsufficientFunds {
        /// Most the transaction can cost, in wei.
        cost: U256,
        /// Balance of the sender, in wei.
        balance: U256,
    },
    /// The transaction pays less per gas than the block's base fee.
    #[error(
        "fee too low: the transaction pays at most {max_fee} wei per gas, the base fee is {base_fee} wei"
    )]
    FeeTooLow {
        /// Most the transaction pays, in wei per gas.
        max_fee: u128,
        /// Base fee of the block, in wei per gas.
        base_fee: u64,
    },
    /// The transaction may use more gas than the block has left.
    #[error("the transaction may use {needed} gas, but only {left} are left in the block")]
    BlockGas {
        /// Gas limit of the transaction.
        needed: u64,
        /// Gas left in the block.
        left: u64,
    },
    /// The transaction has more bytes than the block has left.
    #[error("the transaction has {needed} bytes, but only {left} are left in the block")]
    BlockBytes {
        /// Length of the encoded transaction.
        needed: usize,
        /// Bytes left in the block.
        left: usize,
    },
    /// Another rule of Ethereum.
    #[error("{0}")]
    Invalid(InvalidTransaction),
}

impl TxRejected {
    /// Whether the transaction may become valid later without its sender changing it: gas, bytes,
    /// fees, funds and earlier transactions may turn up.
    #[must_use]
    pub const fn may_recover(&self) -> bool {
        match self {
            Self::NonceTooHigh { .. }
            | Self::InsufficientFunds { .. }
            | Self::FeeTooLow { .. }
            | Self::BlockGas { .. }
            | Self::BlockBytes { .. } => true,
            Self::NonceTooLow { .. } | Self::Invalid(_) => false,
        }
    }

    pub(crate) fn from_revm(error: InvalidTransaction, max_fee: u128, base_fee: u64) -> Self {
        match error {
            InvalidTransaction::NonceTooLow { tx, state } => Self::NonceTooLow { tx, state },
            InvalidTransaction::NonceTooHigh { tx, state } => Self::NonceTooHigh { tx, state },
            InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
                Self::InsufficientFunds { cost: *fee, balance: *balance }
            }
            InvalidTransaction::GasPriceLessThanBasefee => Self::FeeTooLow { max_fee, base_fee },
            other => Self::Invalid(other),
        }
    }
}
