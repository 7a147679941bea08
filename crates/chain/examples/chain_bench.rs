//! Measures history and pool:
//! `cargo run --release -p cairn-chain --example chain_bench [DIRECTORY [BLOCKS]]`.
//!
//! History: blocks of 2,000 transfers between random accounts, beside a plain file to which the
//! same number of bytes is appended and synced. Pool: admission with and without cached senders,
//! building order, removal. One line each; nothing gates on the numbers.

use alloy_consensus::{Header, SignableTransaction as _, TxEip1559};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use cairn_chain::{
    Backend, Chain, ChainConfig, Genesis, HistoryConfig, Pool, PoolConfig, Sealed,
    block::{Block, BlockExtra, base_header, transactions_root},
    chain::{ProofError, StateProof},
    genesis::{Committee, EmptyState, GENESIS_VERSION, Parameters},
    pool::Origin,
};
use cairn_evm::{Change, RecoveredTx, StateError, StateView, TxEnvelope, TxReceipt};
use cairn_primitives::state::{Account, StateKey, StateValue};
use cairn_protocol::Rules;
use futures::{executor::block_on, future::BoxFuture};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};
use std::{
    error::Error,
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const CHAIN_ID: u64 = 7_357;
const TRANSFERS: usize = 2_000;
const ACCOUNTS: u64 = 500_000;

/// A node whose every account is rich.
#[derive(Debug)]
struct Rich;

fn rich_account(nonce: u64) -> StateValue {
    Account { nonce, balance: U256::from(10).pow(U256::from(24)), ..Account::default() }.encode()
}

impl StateView for Rich {
    fn get<'a>(&'a self, _: &'a StateKey) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        Box::pin(std::future::ready(Ok(Some(rich_account(0)))))
    }
}

impl Backend for Rich {
    fn prove<'a>(&'a self, _: &'a [StateKey]) -> BoxFuture<'a, Result<StateProof, ProofError>> {
        Box::pin(async { Err(ProofError::State("a bench has no proofs".into())) })
    }
    fn finalization(&self, _: u64) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(async { None })
    }
    fn gossip(&self, _: Vec<Arc<RecoveredTx>>) {}
    fn peers(&self) -> usize {
        0
    }
}

fn transfer(nonce: u64, tip: u128, to: Address) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 50_000_000_000,
        max_priority_fee_per_gas: tip,
        to: TxKind::Call(to),
        value: U256::from(1_000_000_000_000_000_u64),
        ..TxEip1559::default()
    }
}

/// A transaction of the right size that nobody signed.
fn unsigned(rng: &mut SmallRng, sender: Address, tx: TxEip1559) -> Arc<RecoveredTx> {
    let word = |rng: &mut SmallRng| U256::from_be_bytes(rng.random::<[u8; 32]>());
    let signature = Signature::new(word(rng), word(rng), rng.random());
    let envelope = TxEnvelope::from(tx.into_signed(signature));
    let encoded = Bytes::from(envelope.encoded_2718());
    Arc::new(RecoveredTx { envelope, sender, hash: keccak256(&encoded), encoded })
}

fn address(number: u64) -> Address {
    Address::from_slice(&keccak256(number.to_be_bytes())[12..])
}

fn block(rng: &mut SmallRng, parent: &Sealed) -> (Sealed, Vec<Change>) {
    let mut transactions = Vec::with_capacity(TRANSFERS);
    let mut changes = Vec::with_capacity(2 * TRANSFERS);
    for _ in 0..TRANSFERS {
        let ends = [rng.random_range(0..ACCOUNTS), rng.random_range(0..ACCOUNTS)].map(address);
        for end in ends {
            let mut balance = [0; 32];
            balance[22..].copy_from_slice(&rng.random::<[u8; 10]>());
            let account = Account {
                nonce: rng.random_range(0..500),
                balance: U256::from_be_bytes(balance),
                ..Account::default()
            };
            let (before, after) = (Some(account.encode()), Some(rich_account(1)));
            changes.push(Change { key: StateKey::account(end), before, after });
        }
        let tx = transfer(rng.random_range(0..500), 1_000_000_000, ends[1]);
        transactions.push(unsigned(rng, ends[0], tx));
    }
    changes.sort_unstable_by_key(|change| change.key);
    changes.dedup_by_key(|change| change.key);
    let encoded: Vec<Bytes> = transactions.iter().map(|tx| tx.encoded.clone()).collect();
    let extra = BlockExtra::default();
    let header = Header {
        number: parent.number() + 1,
        parent_hash: parent.hash,
        transactions_root: transactions_root(&encoded),
        parent_beacon_block_root: Some(extra.commitment()),
        ..base_header()
    };
    let receipts = (1..=TRANSFERS as u64)
        .map(|i| TxReceipt {
            success: true,
            gas_used: 21_000,
            cumulative_gas_used: 21_000 * i,
            effective_gas_price: 2_000_000_000,
            tx_type: 2,
            ..TxReceipt::default()
        })
        .collect();
    let block = Block { header, extra, transactions: encoded };
    (Sealed { hash: block.hash(), block, transactions, receipts }, changes)
}

fn genesis() -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        name: "bench".into(),
        chain_id: CHAIN_ID,
        timestamp_ms: 0,
        dev: true,
        parameters: Parameters::default(),
        predeploys: Vec::new(),
        allocations: std::collections::BTreeMap::new(),
        committee: Committee::default(),
    }
}

fn open(directory: &Path, archive: bool) -> Result<Chain, Box<dyn Error>> {
    let genesis = genesis();
    let empty = EmptyState { ops_root: B256::ZERO, ops_start: 0, ops_end: 1 };
    let config = ChainConfig {
        genesis_block: genesis.block(empty),
        genesis,
        directory: Some(directory.to_owned()),
        archive,
        backend: Arc::new(Rich),
    };
    let limits = HistoryConfig { state_history: 256, ..HistoryConfig::default() };
    Ok(Chain::open_with(config, limits, PoolConfig::default())?)
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |p: usize| times[(times.len() - 1) * p / 100].as_secs_f64() * 1e3;
    format!("p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms", at(50), at(90), at(99))
}

fn history(directory: &Path, archive: bool, blocks: u64) -> Result<(), Box<dyn Error>> {
    let home = directory.join(format!("bench-{archive}"));
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home)?;
    let mut rng = SmallRng::seed_from_u64(1);
    let chain = open(&home, archive)?;
    let mut plain = std::fs::File::create(home.join("plain"))?;
    let (mut times, mut plain_times, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..blocks {
        let (block, changes) = block(&mut rng, &chain.head());
        let bytes = block.block.encode();
        let start = Instant::now();
        chain.record(&block, &changes)?;
        times.push(start.elapsed());
        hashes.push(block.transactions[7].hash);
        chain.publish(block);
        // The same number of bytes as the block's rows have: some 700 KB.
        let start = Instant::now();
        plain.write_all(&bytes)?;
        plain.write_all(&bytes)?;
        plain.sync_data()?;
        plain_times.push(start.elapsed());
    }
    let size = std::fs::metadata(home.join("history.redb"))?.len();
    println!("history, archive {archive}, {blocks} blocks of {TRANSFERS} transfers:");
    let last = times.split_off(times.len() * 3 / 4);
    println!("  record      {}", percentiles(times));
    println!("  last fourth {}", percentiles(last));
    println!(
        "  plain file  {} (two encoded blocks, appended and synced)",
        percentiles(plain_times)
    );
    println!("  size        {} KiB a block", size / blocks / 1_024);
    let start = Instant::now();
    let found = hashes.iter().filter(|hash| chain.locate(**hash).is_ok_and(|at| at.is_some()));
    assert_eq!(found.count(), hashes.len(), "every transaction is found");
    println!("  locate      {:.3} ms each", ms_each(start, hashes.len()));
    let height = chain.oldest_state();
    let view = chain.state_at(height)?;
    let keys: Vec<StateKey> =
        (0..2_000).map(|_| StateKey::account(address(rng.random_range(0..ACCOUNTS)))).collect();
    let start = Instant::now();
    block_on(view.get_many(&keys))?;
    let depth = chain.head().number() - height;
    println!("  old state   {:.4} ms a key, {depth} blocks deep", ms_each(start, keys.len()));
    drop((view, chain));
    let start = Instant::now();
    drop(open(&home, archive)?);
    println!("  open        {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    std::fs::remove_dir_all(home)?;
    Ok(())
}

fn ms_each(start: Instant, count: usize) -> f64 {
    start.elapsed().as_secs_f64() * 1e3 / count as f64
}

fn signed(key: &SecretKey, tx: TxEip1559) -> Result<Bytes, Box<dyn Error>> {
    let message = Message::from_digest(tx.signature_hash().0);
    let (recovery, bytes) = SECP256K1.sign_ecdsa_recoverable(message, key).serialize_compact();
    let signature = Signature::from_bytes_and_parity(&bytes, i32::from(recovery) == 1);
    Ok(TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into())
}

fn pool(senders: u64, each: u64) -> Result<(), Box<dyn Error>> {
    let mut transactions = Vec::new();
    for seed in 0..senders {
        let key = SecretKey::from_byte_array(keccak256((seed << 32 | each).to_be_bytes()).0)?;
        debug_assert!(PublicKey::from_secret_key(SECP256K1, &key).serialize().len() == 33);
        for nonce in 0..each {
            let tip = u128::from(1_000_000_000 + seed * 977 % 1_000_000);
            transactions.push(signed(&key, transfer(nonce, tip, address(seed)))?);
        }
    }
    let count = transactions.len();
    println!("pool, {senders} senders with {each} transactions each, one core unless said:");
    let fresh = || Pool::new(CHAIN_ID, Rules::V1, 1_000_000_000, PoolConfig::default());
    let rate = |start: Instant| count as f64 / start.elapsed().as_secs_f64() / 1e3;
    let admit = |pool: &Pool| {
        let start = Instant::now();
        let results = block_on(pool.submit_many(&Rich, transactions.clone(), Origin::Local));
        assert!(results.iter().all(Result::is_ok), "all are good");
        rate(start)
    };
    println!("  admit, senders unknown   {:.1} k/s on all cores", admit(&fresh()));
    let pool = fresh();
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    println!("  admit, senders cached    {:.1} k/s", one_core.install(|| admit(&pool)));
    let singly = fresh();
    let start = Instant::now();
    for tx in &transactions {
        block_on(singly.submit(&Rich, tx.clone(), Origin::Local))?;
    }
    println!("  the same one by one      {:.1} k/s", rate(start));
    let start = Instant::now();
    let best: Vec<_> = pool.best(1_000_000_000).collect();
    println!("  best order               {:.1} k/s", rate(start));
    assert_eq!(best.len(), count, "all are executable");
    let start = Instant::now();
    let first: Vec<_> = pool.best(1_000_000_000).take(TRANSFERS).collect();
    println!("  first {TRANSFERS} of them       {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    drop(first);
    let blocks: Vec<Sealed> = best
        .chunks(TRANSFERS)
        .map(|chunk| {
            let block =
                genesis().block(EmptyState { ops_root: B256::ZERO, ops_start: 0, ops_end: 1 });
            Sealed { transactions: chunk.to_vec(), ..Sealed::genesis(block) }
        })
        .collect();
    let start = Instant::now();
    blocks.iter().for_each(|block| pool.on_block(block, 1_000_000_000));
    println!("  remove by block          {:.1} k/s", rate(start));
    assert_eq!(pool.status(), (0, 0), "all are gone");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let blocks = std::env::args().nth(2).map_or(Ok(400), |blocks| blocks.parse())?;
    history(Path::new(&directory), false, blocks)?;
    history(Path::new(&directory), true, blocks)?;
    pool(20_000, 1)?;
    pool(4, 5_000)
}
