//! Executing the blocks of a simulation.

use super::{SimulateError, logs::Logs, plan::Planned};
use crate::{
    convert::{RpcBlock, RpcHeader, RpcTransaction},
    debug::budget::Budget,
    error::{REVERTED, RpcError, halt_text},
    eth::{call, overrides},
};
use alloy_consensus::{
    Block, BlockBody, Header, SignableTransaction as _, Transaction as _, TxEip1559, TxEip2930,
    TxEip7702, TxLegacy, transaction::Recovered,
};
use alloy_eips::{
    Encodable2718 as _, Typed2718 as _,
    eip2935::{HISTORY_SERVE_WINDOW, HISTORY_STORAGE_ADDRESS},
};
use alloy_primitives::{B256, Bytes, Log, Signature, U64, U256};
use alloy_rlp::Encodable as _;
use alloy_rpc_types_eth::{
    BlockTransactions, TransactionRequest,
    simulate::{SimCallResult, SimulateError as CallError, SimulatedBlock},
};
use cairn_chain::block::{base_header, transactions_root};
use cairn_evm::{
    BlockEnv, StateDb, TxEnvelope, TxReceipt, evm_with, logs_bloom, receipts_root,
    revm::{
        DatabaseCommit as _, InspectEvm as _,
        context::{TxEnv, result::ExecutionResult},
    },
};
use cairn_protocol::fees::{ParentGas, next_base_fee};

/// What is the same for all blocks, and what goes from one to the next.
#[derive(Debug)]
pub(super) struct Simulation {
    /// Check nonces, fees and gas limits like those of transactions.
    pub validation: bool,
    /// Report transfers of ether as logs.
    pub transfers: bool,
    /// Answer with transactions instead of their hashes.
    pub full: bool,
    /// Base fee of block 1.
    pub initial_base_fee: u64,
    /// Environment of the block before.
    pub env: BlockEnv,
    /// Header of the block before.
    pub parent: Header,
    /// Its hash.
    pub parent_hash: B256,
    /// Gas left for all calls together.
    pub gas_left: u64,
    /// Bounds of time and records.
    pub budget: Budget,
}

/// What the calls of a block did.
#[derive(Debug, Default)]
struct Done {
    gas_used: u64,
    transactions: Vec<Recovered<TxEnvelope>>,
    receipts: Vec<TxReceipt>,
    results: Vec<(SimCallResult, Vec<Log>)>,
}

impl Simulation {
    /// Executes the next block.
    pub(super) fn block(
        &mut self,
        db: &mut StateDb<'_>,
        planned: Planned,
    ) -> Result<SimulatedBlock<RpcBlock>, SimulateError> {
        let overrides = planned.content.block_overrides.unwrap_or_default();
        self.env.base_fee = self.base_fee();
        overrides::apply_block(&mut self.env, db, &overrides)?;
        self.env.number = planned.number;
        self.env.timestamp = planned.timestamp;
        self.env.parent_hash = self.parent_hash;
        let slot = U256::from(self.parent.number % HISTORY_SERVE_WINDOW as u64);
        db.set_slot(HISTORY_STORAGE_ADDRESS, slot, self.parent_hash.into());
        overrides::apply_state(db, &planned.content.state_overrides.unwrap_or_default())?;
        let mut done = Done::default();
        for request in planned.content.calls {
            self.call(db, request, &mut done)?;
        }
        let header = self.header(&done, overrides.beacon_root.unwrap_or_default());
        self.parent_hash = header.hash_slow();
        self.parent = header;
        Ok(self.sealed(done))
    }

    fn base_fee(&self) -> u64 {
        let parent = &self.parent;
        match (self.validation, parent.number) {
            (false, _) => 0,
            (true, 0) => self.initial_base_fee,
            (true, _) => {
                let base_fee = parent.base_fee_per_gas.unwrap_or_default();
                let (used, limit) = (parent.gas_used, parent.gas_limit);
                next_base_fee(&self.env.rules, ParentGas { base_fee, used, limit })
            }
        }
    }

    fn call(
        &mut self,
        db: &mut StateDb<'_>,
        mut request: TransactionRequest,
        done: &mut Done,
    ) -> Result<(), SimulateError> {
        let gas = self.gas(&request, done.gas_used)?;
        let sender = call::sender(&request);
        let nonce = match request.nonce {
            Some(nonce) => nonce,
            None => db.account(sender)?.unwrap_or_default().nonce,
        };
        request.nonce = Some(nonce);
        let tx = call::tx_env(&request, &self.env, gas);
        let envelope = envelope(&request, &tx)?;
        let mut evm = evm_with(&self.env, &mut *db, (self.budget, Logs::new(self.transfers)));
        if self.validation {
            evm.ctx.cfg.disable_eip3607 = true;
        } else {
            call::relax(&mut evm.ctx.cfg, tx.gas_price);
        }
        let ran = evm.inspect_tx(tx);
        let (budget, logs) = evm.inspector;
        self.budget = budget;
        budget.check()?;
        let ran = ran.map_err(SimulateError::from_evm)?;
        db.commit(ran.state);
        self.gas_left = self.gas_left.saturating_sub(ran.result.tx_gas_used());
        let logs = logs.into_kept();
        done.add(Recovered::new_unchecked(envelope, sender), &ran.result, logs, self.env.base_fee);
        Ok(())
    }

    /// Gas limit of a call after `used` gas of its block.
    fn gas(&self, request: &TransactionRequest, used: u64) -> Result<u64, SimulateError> {
        let limit = self.env.gas_limit;
        let left = limit.saturating_sub(used);
        let most = if self.validation { self.env.rules.tx_gas_limit } else { u64::MAX };
        let wanted = request.gas.unwrap_or(left.min(most));
        if wanted > left {
            return Err(SimulateError::BlockGas { used, wanted, limit });
        }
        Ok(wanted.min(self.gas_left))
    }

    fn header(&self, done: &Done, beacon_root: B256) -> Header {
        let env = &self.env;
        let encoded: Vec<Bytes> =
            done.transactions.iter().map(|tx| tx.encoded_2718().into()).collect();
        Header {
            parent_hash: env.parent_hash,
            beneficiary: env.beneficiary,
            transactions_root: transactions_root(&encoded),
            receipts_root: receipts_root(&done.receipts),
            logs_bloom: logs_bloom(&done.receipts),
            number: env.number,
            gas_limit: env.gas_limit,
            gas_used: done.gas_used,
            timestamp: env.timestamp,
            mix_hash: env.prevrandao,
            base_fee_per_gas: Some(env.base_fee),
            parent_beacon_block_root: Some(beacon_root),
            ..base_header()
        }
    }

    /// The answer for the block whose header is now `self.parent`.
    fn sealed(&self, done: Done) -> SimulatedBlock<RpcBlock> {
        let (header, hash) = (self.parent.clone(), self.parent_hash);
        let hashes: Vec<B256> = done.transactions.iter().map(|tx| *tx.hash()).collect();
        let size = size(&header, &done.transactions);
        let mut log_index = 0..;
        let calls = done.results.into_iter().zip(&hashes).zip(0..).map(|((done, tx), index)| {
            let (mut result, logs) = done;
            let logs = logs.into_iter().zip(&mut log_index);
            result.logs = logs
                .map(|(inner, log_index)| alloy_rpc_types_eth::Log {
                    inner,
                    block_hash: Some(hash),
                    block_number: Some(header.number),
                    block_timestamp: Some(header.timestamp),
                    transaction_hash: Some(*tx),
                    transaction_index: Some(index),
                    log_index: Some(log_index),
                    removed: false,
                })
                .collect();
            result
        });
        let calls = calls.collect();
        let transactions = if self.full {
            let all = done.transactions.into_iter().zip(0..);
            BlockTransactions::Full(all.map(|(tx, index)| self.transaction(tx, index)).collect())
        } else {
            BlockTransactions::Hashes(hashes)
        };
        let timestamp_ms = U64::from(header.timestamp.saturating_mul(1_000));
        let size = Some(U256::from(size));
        let header =
            alloy_rpc_types_eth::Header { hash, inner: header, total_difficulty: None, size };
        let header = RpcHeader { header, timestamp_ms };
        let inner = RpcBlock { header, uncles: Vec::new(), transactions, withdrawals: Vec::new() };
        SimulatedBlock { inner, calls }
    }

    fn transaction(&self, inner: Recovered<TxEnvelope>, index: u64) -> RpcTransaction {
        let price = inner.effective_gas_price(self.parent.base_fee_per_gas);
        RpcTransaction {
            inner,
            block_hash: Some(self.parent_hash),
            block_number: Some(self.parent.number),
            transaction_index: Some(index),
            effective_gas_price: Some(price),
            block_timestamp: Some(self.parent.timestamp),
        }
    }
}

impl Done {
    fn add(
        &mut self,
        tx: Recovered<TxEnvelope>,
        result: &ExecutionResult,
        logs: Vec<Log>,
        base_fee: u64,
    ) {
        let gas_used = result.tx_gas_used();
        self.gas_used += gas_used;
        let success = result.is_success();
        self.receipts.push(TxReceipt {
            success,
            gas_used,
            cumulative_gas_used: self.gas_used,
            // Transfers of ether are no logs of the block.
            logs: if success { result.logs().to_vec() } else { Vec::new() },
            contract_address: None,
            effective_gas_price: tx.effective_gas_price(Some(base_fee)),
            tx_type: tx.ty(),
        });
        self.transactions.push(tx);
        let result = SimCallResult {
            return_data: result.output().cloned().unwrap_or_default(),
            logs: Vec::new(),
            gas_used,
            max_used_gas: Some(result.gas().total_gas_spent().max(gas_used)),
            status: success,
            error: call_error(result),
        };
        self.results.push((result, logs));
    }
}

/// The error of a call that ran but failed.
fn call_error(result: &ExecutionResult) -> Option<CallError> {
    match result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { output, .. } => Some(CallError {
            code: REVERTED,
            message: RpcError::Reverted(output.clone()).to_string(),
            data: Some(output.clone()),
        }),
        ExecutionResult::Halt { reason, .. } => Some(CallError {
            code: CallError::VM_EXECUTION_ERROR_CODE,
            message: halt_text(reason),
            data: None,
        }),
    }
}

/// The transaction that a call stands for, with an empty signature. Without a price it is one of
/// EIP-1559, as in geth.
fn envelope(request: &TransactionRequest, tx: &TxEnv) -> Result<TxEnvelope, SimulateError> {
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    let chain_id = tx.chain_id.unwrap_or_default();
    let (nonce, gas_limit, value, to) = (tx.nonce, tx.gas_limit, tx.value, tx.kind);
    let (input, access_list) = (tx.data.clone(), tx.access_list.clone());
    let max_fee_per_gas = tx.gas_price;
    let max_priority_fee_per_gas = tx.gas_priority_fee.unwrap_or_default();
    if let Some(list) = request.authorization_list.clone().filter(|list| !list.is_empty()) {
        let to = to.into_to().ok_or_else(|| {
            RpcError::params("a transaction with an authorization list cannot create a contract")
        })?;
        return Ok(TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to,
            value,
            access_list,
            authorization_list: list,
            input,
        }
        .into_signed(signature)
        .into());
    }
    Ok(match (request.gas_price, request.access_list.is_some()) {
        (Some(gas_price), false) => {
            let chain_id = Some(chain_id);
            TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input }
                .into_signed(signature)
                .into()
        }
        (Some(gas_price), true) => {
            TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input }
                .into_signed(signature)
                .into()
        }
        (None, _) => TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to,
            value,
            access_list,
            input,
        }
        .into_signed(signature)
        .into(),
    })
}

/// Length of the RLP encoding of a block.
fn size(header: &Header, transactions: &[Recovered<TxEnvelope>]) -> usize {
    let transactions = transactions.iter().map(|tx| tx.inner().clone()).collect();
    let withdrawals = Some(alloy_eips::eip4895::Withdrawals::default());
    let body = BlockBody { transactions, ommers: Vec::new(), withdrawals };
    Block { header: header.clone(), body }.length()
}
