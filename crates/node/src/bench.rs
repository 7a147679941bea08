//! Measurements of execution over the real state database, without consensus and network.
//!
//! Each block of transfers is executed on the fiber, hashed, applied and made durable, exactly as a
//! node does it; only signatures are left out, because a node recovers senders once, at admission.

mod reads;

pub use reads::{ReadsBench, ReadsReport, reads};

use crate::{
    state::{Databases, db_config, seal},
    storage,
};
use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use cairn_evm::{
    BlockEnv, CodeCache, GenesisAccount, RecoveredTx, Round, StateView, SystemStep, execute,
    system_accounts, system_step,
};
use cairn_primitives::state::StateKey;
use cairn_protocol::rules::Rules;
use commonware_glue::stateful::db::DatabaseSet;
use commonware_runtime::{Runner as _, Supervisor as _, tokio as runtime};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

const CHAIN_ID: u64 = 1;

/// What to measure.
#[derive(Clone, Debug)]
pub struct ExecutorBench {
    /// Empty directory for the database.
    pub directory: PathBuf,
    /// Accounts that exist before the measurement.
    pub accounts: usize,
    /// Blocks to execute.
    pub blocks: usize,
    /// Transfers in each block, between accounts spread over all that exist.
    pub transfers: usize,
    /// Memory for cached pages of the state, in bytes.
    pub page_cache_bytes: usize,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct ExecutorReport {
    /// Keys in the database at the end.
    pub keys: usize,
    /// Transfers executed.
    pub transfers: usize,
    /// Time in the EVM, including reads of the state.
    pub execute: Duration,
    /// Time for hashing the changes into the state root.
    pub merkleize: Duration,
    /// Time for applying them and making them durable.
    pub commit: Duration,
    /// Time to open the database again with all its keys.
    pub reopen: Duration,
    /// Resident memory of the process after reopening, in bytes; 0 where the system does not tell.
    pub resident_bytes: u64,
}

impl ExecutorReport {
    /// Transfers a second, with everything.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rate(&self) -> f64 {
        let total = self.execute + self.merkleize + self.commit;
        self.transfers as f64 / total.as_secs_f64()
    }
}

fn address(index: usize) -> Address {
    Address::from_slice(keccak256(index.to_be_bytes()).split_at(12).1)
}

fn transfer(from: usize, to: usize, nonce: u64) -> Arc<RecoveredTx> {
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(address(to)),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    let signature = Signature::new(U256::from(1), U256::from(1), false);
    let encoded = TxEnvelope::from(transaction.into_signed(signature)).encoded_2718();
    let recovered = RecoveredTx::with_sender(Bytes::from(encoded), address(from), CHAIN_ID);
    Arc::new(recovered.expect("a well-formed transfer"))
}

fn environment(number: u64) -> BlockEnv {
    BlockEnv {
        chain_id: CHAIN_ID,
        number,
        timestamp: number,
        beneficiary: Address::repeat_byte(0xbe),
        gas_limit: u64::MAX,
        base_fee: 1_000_000_000,
        prevrandao: B256::ZERO,
        parent_hash: B256::ZERO,
        rules: Rules { gas_limit: u64::MAX, ..Rules::V1 },
    }
}

fn step(env: &BlockEnv, accounts: Vec<(Address, GenesisAccount)>) -> SystemStep {
    let round = Round { epoch: 0, view: env.number };
    system_step(env, env.number * 1_000, round, &[], accounts)
}

/// Runs the measurement on a runtime of its own; blocks the calling thread.
///
/// # Panics
/// Panics if the directory cannot be used.
#[must_use]
pub fn executor(bench: &ExecutorBench) -> ExecutorReport {
    let config = || runtime::Config::new().with_storage_directory(&bench.directory);
    let mut report =
        runtime::Runner::new(config()).start(|context| measure(context, bench.clone()));
    let (start, page_cache_bytes) = (Instant::now(), bench.page_cache_bytes);
    (report.reopen, report.resident_bytes) =
        runtime::Runner::new(config()).start(|context| async move {
            let databases = open(&context, page_cache_bytes).await;
            let opened = (start.elapsed(), resident_bytes());
            let state = crate::state::LiveState::new(databases);
            let head = state.get(&StateKey::head()).await.expect("the database reads");
            assert!(head.is_some(), "the reopened database must hold the chain head");
            opened
        });
    report
}

async fn open(context: &runtime::Context, page_cache_bytes: usize) -> Databases<runtime::Context> {
    let page_cache = storage::page_cache(page_cache_bytes);
    let config = db_config("bench", page_cache, storage::BUFFER);
    Databases::init(context.child("state"), config, None).await
}

/// Accounts installed by one block while filling the database.
const FILL: usize = 20_000;

async fn measure(context: runtime::Context, bench: ExecutorBench) -> ExecutorReport {
    let databases = open(&context, bench.page_cache_bytes).await;
    let codes = CodeCache::default();
    let mut number = 0;
    let mut accounts: Vec<_> = (0..bench.accounts)
        .map(|i| {
            let balance = U256::from(10).pow(U256::from(20));
            (address(i), GenesisAccount { balance, ..GenesisAccount::default() })
        })
        .collect();
    accounts.extend(system_accounts());
    for chunk in accounts.chunks(FILL) {
        number += 1;
        let env = environment(number);
        let step = step(&env, chunk.to_vec());
        apply(&databases, &env, &step, &[], &codes).await;
    }
    let mut report = ExecutorReport {
        keys: bench.accounts,
        transfers: bench.blocks * bench.transfers,
        execute: Duration::ZERO,
        merkleize: Duration::ZERO,
        commit: Duration::ZERO,
        reopen: Duration::ZERO,
        resident_bytes: 0,
    };
    let mut sent = vec![0u64; bench.accounts];
    for block in 0..bench.blocks {
        number += 1;
        let transactions: Vec<_> = (0..bench.transfers)
            .map(|i| {
                // Large odd strides spread senders and recipients over all accounts.
                let from = (block * bench.transfers + i).wrapping_mul(7_919) % bench.accounts;
                let to = (from + 1 + i.wrapping_mul(104_729)) % bench.accounts;
                let nonce = sent[from];
                sent[from] += 1;
                transfer(from, to, nonce)
            })
            .collect();
        let env = environment(number);
        let step = step(&env, Vec::new());
        let [execute, merkleize, commit] =
            apply(&databases, &env, &step, &transactions, &codes).await;
        report.execute += execute;
        report.merkleize += merkleize;
        report.commit += commit;
    }
    report
}

async fn apply(
    databases: &Databases<runtime::Context>,
    env: &BlockEnv,
    step: &SystemStep,
    transactions: &[Arc<RecoveredTx>],
    codes: &CodeCache,
) -> [Duration; 3] {
    let batch = databases.new_batches().await;
    let start = Instant::now();
    let output = {
        let view = crate::state::BatchView::new(&batch, codes);
        execute(env, step, transactions, &view).await.expect("transfers are valid")
    };
    let executed = start.elapsed();
    let (sealed, _) = seal(batch, &output.changes).await.expect("the database hashes");
    let merkleized = start.elapsed();
    databases.apply(sealed).await;
    let barrier = databases.finalize().await;
    barrier.durable().await;
    let committed = start.elapsed();
    [executed, merkleized - executed, committed - merkleized]
}

/// Resident memory of this process in bytes; 0 where the system does not tell.
#[must_use]
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}
