//! Executing a block, and building one.
//!
//! Both run the same steps: install genesis accounts, make the protocol's writes, run transactions in
//! order, count base fees and the proposer's block, collect the changes. They differ in what an invalid transaction means: it makes a block
//! invalid ([`execute`]), and is left out of a new one ([`build`]).
//!
//! The base fee of every transaction is burned and its tip goes to the block's beneficiary, so
//! `Σ balances before = Σ balances after + fees.burned`.

mod reject;
mod run;

pub use reject::TxRejected;

use self::run::{Executor, Failure, install, touched};
use crate::db::{Overlay, StateDb, run};
use crate::env::{BlockEnv, evm_with};
use crate::receipt::{TxReceipt, logs_bloom, receipts_root};
use crate::system::SystemStep;
use crate::transaction::RecoveredTx;
use crate::view::{Change, StateError, StateView};
use alloy_consensus::Transaction as _;
use alloy_primitives::{B256, Bloom, U256};
use cairn_contracts::supply;
use cairn_primitives::state::StateValue;
use std::sync::Arc;

/// Gas of the cheapest possible transaction; with less left, a block is full.
const MIN_TX_GAS: u64 = 21_000;
/// Number of transactions whose accounts are read ahead together.
const READ_AHEAD: usize = 256;

/// Where the fees of a block went, in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// Base fees, burned.
    pub burned: U256,
    /// Tips, credited to the beneficiary.
    pub tips: U256,
}

/// Result of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockOutput {
    /// The transactions, in order.
    pub transactions: Vec<Arc<RecoveredTx>>,
    /// Their receipts.
    pub receipts: Vec<TxReceipt>,
    /// Gas they used together.
    pub gas_used: u64,
    /// Every state entry that changed, ascending by key.
    pub changes: Vec<Change>,
    /// Fees they paid.
    pub fees: Fees,
}

impl BlockOutput {
    /// Root of the receipts trie.
    #[must_use]
    pub fn receipts_root(&self) -> B256 {
        receipts_root(&self.receipts)
    }

    /// Bloom filter over all logs.
    #[must_use]
    pub fn logs_bloom(&self) -> Bloom {
        logs_bloom(&self.receipts)
    }
}

/// Why a block cannot be executed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExecuteError {
    /// A transaction may not be in the block.
    #[error("transaction {index} is invalid: {reason}")]
    Invalid {
        /// Its position.
        index: usize,
        /// The violated rule.
        reason: TxRejected,
    },
    /// The block's gas limit does not cover a transaction's gas limit.
    #[error("transaction {index} may use {needed} gas, but only {left} are left in the block")]
    GasLimit {
        /// Its position.
        index: usize,
        /// Its gas limit.
        needed: u64,
        /// Gas left.
        left: u64,
    },
    /// The block's transactions are too long together.
    #[error("the block holds {bytes} bytes of transactions; at most {max} are allowed")]
    Bytes {
        /// Their encoded length.
        bytes: u64,
        /// Most bytes allowed.
        max: u64,
    },
    /// The local database failed; the block may be valid.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Offers transactions to a block that is being built, best first.
pub trait TxSource: Send {
    /// The next candidate; `None` if there is none.
    ///
    /// Called ahead of use, so candidates may be left over when the block is full.
    fn next(&mut self) -> Option<Arc<RecoveredTx>>;

    /// `tx` was left out for the reason `why`. The source must offer no later transaction of its
    /// sender; those offered already are passed over silently.
    fn rejected(&mut self, tx: &Arc<RecoveredTx>, why: &TxRejected);
}

/// Bounds of a block that is being built, beside its gas limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildLimits {
    /// Most bytes of encoded transactions.
    pub bytes: usize,
    /// Most transactions.
    pub transactions: usize,
}

/// Executes a block.
///
/// # Errors
/// [`ExecuteError::State`] if the local database fails; any other variant means that the block is
/// invalid.
pub async fn execute(
    env: &BlockEnv,
    step: &SystemStep,
    txs: &[Arc<RecoveredTx>],
    view: &dyn StateView,
) -> Result<BlockOutput, ExecuteError> {
    let bytes = txs.iter().map(|tx| tx.encoded.len() as u64).sum::<u64>();
    if bytes > env.rules.block_bytes {
        return Err(ExecuteError::Bytes { bytes, max: env.rules.block_bytes });
    }
    run(view, Overlay::default(), |db| {
        db.prefetch(touched(env, step, txs))?;
        install(db, step)?;
        Ok(execute_all(env, txs, db).and_then(|output| finish(env, step, db, output)))
    })
    .await?
}

fn execute_all(
    env: &BlockEnv,
    txs: &[Arc<RecoveredTx>],
    db: &mut StateDb<'_>,
) -> Result<BlockOutput, ExecuteError> {
    let mut executor = Executor::new(env, evm_with(env, db, ()));
    for (index, tx) in txs.iter().enumerate() {
        match executor.run(tx) {
            Ok(()) => {}
            Err(Failure::Rejected(TxRejected::BlockGas { needed, left })) => {
                return Err(ExecuteError::GasLimit { index, needed, left });
            }
            Err(Failure::Rejected(reason)) => return Err(ExecuteError::Invalid { index, reason }),
            Err(Failure::State(error)) => return Err(error.into()),
        }
    }
    Ok(executor.into_output())
}

/// Builds a block from what `source` offers. Also bound by the rules' byte limit.
///
/// # Errors
/// If the local database fails.
pub async fn build(
    env: &BlockEnv,
    step: &SystemStep,
    source: &mut dyn TxSource,
    limits: BuildLimits,
    view: &dyn StateView,
) -> Result<BlockOutput, StateError> {
    run(view, Overlay::default(), |db| {
        db.prefetch(touched(env, step, &[]))?;
        install(db, step)?;
        let output = build_all(env, source, limits, db)?;
        finish(env, step, db, output)
    })
    .await
}

fn build_all(
    env: &BlockEnv,
    source: &mut dyn TxSource,
    limits: BuildLimits,
    db: &mut StateDb<'_>,
) -> Result<BlockOutput, StateError> {
    let rule_bytes = usize::try_from(env.rules.block_bytes).unwrap_or(usize::MAX);
    let mut bytes_left = limits.bytes.min(rule_bytes);
    let mut left_out = alloy_primitives::map::AddressSet::default();
    let mut executor = Executor::new(env, evm_with(env, db, ()));
    loop {
        let room = limits.transactions.saturating_sub(executor.count());
        let ahead = room.min(READ_AHEAD);
        let batch: Vec<_> = std::iter::from_fn(|| source.next()).take(ahead).collect();
        if batch.is_empty() || executor.gas_left() < MIN_TX_GAS {
            return Ok(executor.into_output());
        }
        executor.prefetch(&batch)?;
        for tx in batch {
            if left_out.contains(&tx.sender) {
                continue;
            }
            let rejected = match tx.encoded.len() {
                needed if needed > bytes_left => {
                    TxRejected::BlockBytes { needed, left: bytes_left }
                }
                needed => match executor.run(&tx) {
                    Ok(()) => {
                        bytes_left -= needed;
                        continue;
                    }
                    Err(Failure::Rejected(reason)) => reason,
                    Err(Failure::State(error)) => return Err(error),
                },
            };
            left_out.insert(tx.sender);
            source.rejected(&tx, &rejected);
        }
    }
}

/// Adds the changes to the `output` of the transactions.
fn finish<E: From<StateError>>(
    env: &BlockEnv,
    step: &SystemStep,
    db: &mut StateDb<'_>,
    mut output: BlockOutput,
) -> Result<BlockOutput, E> {
    if env.rules.system_contracts {
        for (contract, slot, by) in supply::at_end_of_block(output.fees.burned, env.beneficiary) {
            let value = db.slot(contract, slot)?.saturating_add(by);
            db.set_slot(contract, slot, value);
        }
    }
    output.changes = db.take_changes(StateValue::head(env.number, step.timestamp_ms))?;
    Ok(output)
}

/// Gas limit that a transaction asks for.
fn gas_limit(tx: &RecoveredTx) -> u64 {
    tx.envelope.gas_limit()
}

#[cfg(test)]
mod tests;
