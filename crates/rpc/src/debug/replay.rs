//! Executing past blocks again.

use super::TraceError;
use crate::error::invalid_text;
use cairn_chain::{
    Chain, Genesis, Sealed,
    block::{Block, PublishedSeed},
};
use cairn_evm::{
    BlockEnv, Round, Seed, StateDb, StateError, SystemStep, evm_with, on_state,
    revm::{
        DatabaseCommit as _, ExecuteEvm as _,
        bytecode::Bytecode,
        context::{
            TxEnv,
            result::{EVMError, ResultAndState},
        },
        state::AccountInfo,
    },
    system_step,
};

/// Environment and protocol writes of a block of the chain `genesis`, as when it was made. Block 0
/// was not executed; for it only the environment means something.
#[must_use]
pub(crate) fn replay_env(genesis: &Genesis, block: &Block) -> (BlockEnv, SystemStep) {
    let header = &block.header;
    let env = BlockEnv {
        chain_id: genesis.chain_id,
        number: header.number,
        timestamp: header.timestamp,
        beneficiary: header.beneficiary,
        gas_limit: header.gas_limit,
        base_fee: header.base_fee_per_gas.unwrap_or_default(),
        prevrandao: header.mix_hash,
        parent_hash: header.parent_hash,
        rules: genesis.rules(),
    };
    let extra = &block.extra;
    let seed = |seed: &PublishedSeed| Seed { height: seed.height, seed: seed.value() };
    let seeds: Vec<_> = extra.seeds.iter().map(seed).collect();
    let round = Round { epoch: extra.epoch, view: extra.view };
    let accounts = if header.number == 1 { genesis.accounts() } else { Vec::new() };
    let step = system_step(&env, extra.timestamp_ms, round, &seeds, accounts);
    (env, step)
}

/// Makes the writes of the protocol.
///
/// # Errors
/// If the state cannot be read.
pub(crate) fn install(db: &mut StateDb<'_>, step: &SystemStep) -> Result<(), StateError> {
    for (address, account) in &step.accounts {
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

/// Runs `work` in the state that transaction `index` of `block` found; at most that after the last
/// one.
pub(crate) async fn upto<R: Send>(
    chain: &Chain,
    block: &Sealed,
    index: usize,
    work: impl FnOnce(&BlockEnv, &mut StateDb<'_>) -> Result<R, TraceError> + Send,
) -> Result<R, TraceError> {
    let parent = block.number().checked_sub(1).ok_or(TraceError::Genesis)?;
    let view = chain.state_at(parent)?;
    let (env, step) = replay_env(chain.genesis(), &block.block);
    let replayed = on_state(&*view, |db| {
        install(db, &step)?;
        for index in 0..index.min(block.transactions.len()) {
            transaction(&env, db, block, index)?;
        }
        work(&env, db)
    });
    replayed.await?
}

/// Runs `work` in the state after `block`, in its environment.
pub(crate) async fn after<R: Send>(
    chain: &Chain,
    block: &Sealed,
    work: impl FnOnce(&BlockEnv, &mut StateDb<'_>) -> Result<R, TraceError> + Send,
) -> Result<R, TraceError> {
    let view = chain.state_at(block.number())?;
    let (env, _) = replay_env(chain.genesis(), &block.block);
    on_state(&*view, |db| work(&env, db)).await?
}

/// Executes transaction `index` of `block` and keeps what it did.
fn transaction(
    env: &BlockEnv,
    db: &mut StateDb<'_>,
    block: &Sealed,
    index: usize,
) -> Result<(), TraceError> {
    let tx: TxEnv = block.transactions[index].tx_env();
    let ran = evm_with(env, db, ()).transact(tx);
    let ran = ran.map_err(|error| unrepeatable(block, index, error))?;
    check(block, index, &ran)?;
    db.commit(ran.state);
    Ok(())
}

/// An error of executing transaction `index` of `block` again.
pub(crate) fn unrepeatable(
    block: &Sealed,
    index: usize,
    error: EVMError<StateError>,
) -> TraceError {
    let reason = match error {
        EVMError::Database(error) => return error.into(),
        EVMError::Transaction(reason) => invalid_text(&reason),
        other => other.to_string(),
    };
    TraceError::Replay { number: block.number(), index, reason }
}

/// Checks that transaction `index` did what its receipt says.
pub(crate) fn check(block: &Sealed, index: usize, ran: &ResultAndState) -> Result<(), TraceError> {
    let replayed = ran.result.tx_gas_used();
    match block.receipts.get(index) {
        Some(receipt) if receipt.gas_used != replayed => {
            let (number, receipt) = (block.number(), receipt.gas_used);
            Err(TraceError::Diverged { number, index, replayed, receipt })
        }
        _ => Ok(()),
    }
}
