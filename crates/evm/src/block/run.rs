//! Running transactions one after the other on one EVM.

use super::{BlockOutput, TxRejected, gas_limit};
use crate::db::StateDb;
use crate::env::{BlockEnv, CairnEvm};
use crate::receipt::TxReceipt;
use crate::system::SystemStep;
use crate::transaction::RecoveredTx;
use crate::view::StateError;
use alloy_consensus::Transaction as _;
use alloy_eips::Typed2718 as _;
use alloy_primitives::{Address, TxKind, U256};
use revm::{
    DatabaseCommit as _, ExecuteEvm as _,
    bytecode::Bytecode,
    context::{ContextTr as _, result::EVMError},
    state::AccountInfo,
};
use std::sync::Arc;

/// Why a transaction did not run.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may not.
    Rejected(TxRejected),
    /// The local database failed.
    State(StateError),
}

/// An EVM with the tally of its block.
pub(super) struct Executor<'e, 'a, 'p> {
    env: &'e BlockEnv,
    evm: CairnEvm<'a, 'p, ()>,
    output: BlockOutput,
}

impl<'e, 'a, 'p> Executor<'e, 'a, 'p> {
    pub(super) fn new(env: &'e BlockEnv, evm: CairnEvm<'a, 'p, ()>) -> Self {
        Self { env, evm, output: BlockOutput::default() }
    }

    pub(super) fn count(&self) -> usize {
        self.output.receipts.len()
    }

    pub(super) fn gas_left(&self) -> u64 {
        self.env.gas_limit.saturating_sub(self.output.gas_used)
    }

    pub(super) fn into_output(self) -> BlockOutput {
        self.output
    }

    /// Reads the accounts that `txs` name in one request.
    pub(super) fn prefetch(&mut self, txs: &[Arc<RecoveredTx>]) -> Result<(), StateError> {
        self.evm.ctx.db_mut().prefetch(txs.iter().flat_map(|tx| parties(tx)))
    }

    /// Runs one transaction and adds it to the block; a rejected one leaves no trace.
    pub(super) fn run(&mut self, tx: &Arc<RecoveredTx>) -> Result<(), Failure> {
        let (needed, left) = (gas_limit(tx), self.gas_left());
        if needed > left {
            return Err(Failure::Rejected(TxRejected::BlockGas { needed, left }));
        }
        let executed = self.evm.transact(tx.tx_env()).map_err(|error| self.failure(tx, error))?;
        self.evm.ctx.db_mut().commit(executed.state);
        let gas_used = executed.result.tx_gas_used();
        let success = executed.result.is_success();
        let price = tx.envelope.effective_gas_price(Some(self.env.base_fee));
        let tip = price.saturating_sub(u128::from(self.env.base_fee));
        let output = &mut self.output;
        output.gas_used += gas_used;
        output.fees.burned += U256::from(self.env.base_fee) * U256::from(gas_used);
        output.fees.tips += U256::from(tip) * U256::from(gas_used);
        output.receipts.push(TxReceipt {
            success,
            gas_used,
            cumulative_gas_used: output.gas_used,
            // A failed transaction emits nothing; the EVM reports what it had emitted before.
            logs: if success { executed.result.into_logs() } else { Vec::new() },
            contract_address: created(tx),
            effective_gas_price: price,
            tx_type: tx.envelope.ty(),
        });
        output.transactions.push(Arc::clone(tx));
        Ok(())
    }

    fn failure(&self, tx: &RecoveredTx, error: EVMError<StateError>) -> Failure {
        match error {
            EVMError::Transaction(error) => {
                let max_fee = tx.envelope.max_fee_per_gas();
                Failure::Rejected(TxRejected::from_revm(error, max_fee, self.env.base_fee))
            }
            EVMError::Database(error) => Failure::State(error),
            EVMError::Custom(message) => Failure::State(StateError(message)),
            EVMError::CustomAny(error) => Failure::State(StateError(error.to_string())),
            EVMError::Header(error) => Failure::State(StateError(error.to_string())),
        }
    }
}

/// Accounts that a block is known to need before it runs.
pub(super) fn touched<'a>(
    env: &BlockEnv,
    step: &'a SystemStep,
    txs: &'a [Arc<RecoveredTx>],
) -> impl Iterator<Item = Address> + use<'a> {
    std::iter::once(env.beneficiary)
        .chain(step.accounts.iter().map(|(address, _)| *address))
        .chain(txs.iter().flat_map(|tx| parties(tx)))
}

/// Sender and recipient.
fn parties(tx: &RecoveredTx) -> impl Iterator<Item = Address> + use<> {
    std::iter::once(tx.sender).chain(tx.envelope.to())
}

/// Where a creation puts its contract.
fn created(tx: &RecoveredTx) -> Option<Address> {
    match tx.envelope.kind() {
        TxKind::Create => Some(tx.sender.create(tx.envelope.nonce())),
        TxKind::Call(_) => None,
    }
}

/// Makes the writes of the protocol.
pub(super) fn install(db: &mut StateDb<'_>, step: &SystemStep) -> Result<(), StateError> {
    for (address, account) in &step.accounts {
        account.check(*address).map_err(|error| StateError(error.to_string()))?;
        let info = AccountInfo::default()
            .with_balance(account.balance)
            .with_nonce(account.nonce)
            .with_code(Bytecode::new_raw(account.code.clone()));
        db.set_account(*address, info)?;
        for (slot, value) in &account.storage {
            db.set_slot(*address, *slot, *value);
        }
    }
    for (address, slot, value) in &step.writes {
        db.set_slot(*address, *slot, *value);
    }
    Ok(())
}
