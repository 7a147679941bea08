//! The worst read pattern: one transaction of 30 million gas, all of which goes into first reads of
//! storage words that are spread over the whole state.

use super::{CHAIN_ID, apply, environment, open, step};
use crate::state::{BatchView, Databases, warm};
use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use cairn_evm::{BlockEnv, CodeCache, GenesisAccount, RecoveredTx, execute};
use cairn_protocol::rules::Rules;
use commonware_glue::stateful::db::DatabaseSet;
use commonware_runtime::{Runner as _, tokio as runtime};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

const READER: Address = Address::repeat_byte(1);
const SENDER: Address = Address::repeat_byte(2);

/// Gas of the transaction.
const GAS: u64 = 30_000_000;

/// Gas of one turn of the reader's loop: a first read of a word, and the loop around it.
const GAS_A_READ: u64 = 2_100 + 43;

/// What to measure.
#[derive(Clone, Debug)]
pub struct ReadsBench {
    /// Empty directory for the database.
    pub directory: PathBuf,
    /// Storage words in the state.
    pub keys: usize,
    /// Memory for cached pages of the state, in bytes.
    pub page_cache_bytes: usize,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct ReadsReport {
    /// Words that the transaction reads.
    pub reads: u64,
    /// Its time in a database that was just opened, with nothing in memory.
    pub cold: Duration,
    /// Its time for the first time in a database that was opened as a node opens it.
    pub first: Duration,
    /// Time that opening takes longer to fill the page cache.
    pub fill: Duration,
    /// Its time in a later block: the database has read the same words before.
    pub warm: Duration,
    /// Its time after the same transaction in the same block, which has the words at hand.
    pub at_hand: Duration,
}

/// Runs the measurement on runtimes of its own; blocks the calling thread.
///
/// # Panics
/// Panics if the directory cannot be used.
#[must_use]
pub fn reads(bench: &ReadsBench) -> ReadsReport {
    let config = || runtime::Config::new().with_storage_directory(&bench.directory);
    let filled = bench.clone();
    runtime::Runner::new(config()).start(|context| fill(context, filled));
    let opened = bench.clone();
    let cold = runtime::Runner::new(config()).start(|context| cold(context, opened));
    let opened = bench.clone();
    let report = runtime::Runner::new(config()).start(|context| measure(context, opened));
    ReadsReport { cold, ..report }
}

/// `for i in 0..calldata[1] { sload(i * calldata[0]) }`
fn code() -> Bytes {
    // step, count, word = 0; then while count > 0: sload(word), word += step, count -= 1.
    const CODE: [u8; 23] = [
        0x5f, 0x35, 0x60, 0x20, 0x35, 0x5f, // step count word
        0x5b, // 6: loop
        0x80, 0x54, 0x50, // sload(word)
        0x82, 0x01, // word += step
        0x90, 0x60, 0x01, 0x90, 0x03, // count -= 1
        0x90, // step count word
        0x81, 0x60, 0x06, 0x57, 0x00, // again while count != 0
    ];
    Bytes::from_static(&CODE)
}

async fn fill(context: runtime::Context, bench: ReadsBench) {
    let databases = open(&context, bench.page_cache_bytes).await;
    let words = (0..bench.keys).map(|word| (U256::from(word), U256::from(word + 1)));
    let reader =
        GenesisAccount { nonce: 1, code: code(), storage: words.collect(), ..Default::default() };
    let sender =
        GenesisAccount { balance: U256::from(10).pow(U256::from(24)), ..Default::default() };
    let env = environment(1);
    let step = step(&env, vec![(READER, reader), (SENDER, sender)]);
    apply(&databases, &env, &step, &[], &CodeCache::default()).await;
}

fn transaction(nonce: u64, step: usize, count: u64) -> Arc<RecoveredTx> {
    let input = [U256::from(step), U256::from(count)].map(|word| word.to_be_bytes::<32>()).concat();
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: GAS,
        max_fee_per_gas: 10_000_000_000,
        to: TxKind::Call(READER),
        input: input.into(),
        ..TxEip1559::default()
    };
    let envelope = TxEnvelope::from(tx.into_signed(Signature::new(U256::ONE, U256::ONE, false)));
    let recovered = RecoveredTx::with_sender(envelope.encoded_2718().into(), SENDER, CHAIN_ID);
    Arc::new(recovered.expect("a well-formed transaction"))
}

/// Two transactions that read the same words, and how many.
fn transactions(bench: &ReadsBench) -> ([Arc<RecoveredTx>; 2], u64) {
    // What does not go into the loop pays for the transaction itself.
    let reads = ((GAS - 50_000) / GAS_A_READ).min(bench.keys as u64);
    let step = bench.keys / usize::try_from(reads).expect("thousands");
    ([0, 1].map(|nonce| transaction(nonce, step, reads)), reads)
}

async fn cold(context: runtime::Context, bench: ReadsBench) -> Duration {
    let databases = open(&context, bench.page_cache_bytes).await;
    block(&databases, &transactions(&bench).0[..1]).await
}

async fn measure(context: runtime::Context, bench: ReadsBench) -> ReadsReport {
    let databases = open(&context, bench.page_cache_bytes).await;
    let start = Instant::now();
    warm(&databases, bench.page_cache_bytes).await.expect("the database reads");
    let fill = start.elapsed();
    let (transactions, reads) = transactions(&bench);
    let first = block(&databases, &transactions[..1]).await;
    let warm = least(&databases, &transactions[..1]).await;
    let both = least(&databases, &transactions).await;
    let at_hand = both.saturating_sub(warm);
    ReadsReport { reads, cold: first, first, fill, warm, at_hand }
}

/// Least time of several runs of a block: what the machine can do when nothing else disturbs it.
async fn least(
    databases: &Databases<runtime::Context>,
    transactions: &[Arc<RecoveredTx>],
) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..5 {
        least = least.min(block(databases, transactions).await);
    }
    least
}

/// Executes a block of `transactions` whose changes are forgotten.
async fn block(
    databases: &Databases<runtime::Context>,
    transactions: &[Arc<RecoveredTx>],
) -> Duration {
    let env = environment(2);
    let env = BlockEnv { rules: Rules { tx_gas_limit: GAS, ..env.rules }, ..env };
    let batch = databases.new_batches().await;
    let codes = CodeCache::default();
    let view = BatchView::new(&batch, &codes);
    let step = step(&env, Vec::new());
    let start = Instant::now();
    let output = execute(&env, &step, transactions, &view).await.expect("the block is valid");
    let taken = start.elapsed();
    assert!(output.receipts.iter().all(|receipt| receipt.success), "the gas must suffice");
    taken
}
