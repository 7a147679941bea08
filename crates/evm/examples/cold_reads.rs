//! The worst read pattern: one transaction of 30 M gas that reads a new storage slot with every step.
//! It is compared with a second transaction of the block that reads the same slots, with as many reads
//! of one slot, and with the reads alone.
//!
//! `cargo run --release -p cairn-evm --example cold_reads`

use alloy_consensus::{SignableTransaction as _, TxEip1559};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use cairn_evm::{
    BlockEnv, GenesisAccount, MemoryState, RecoveredTx, Round, StateView as _, TxEnvelope, execute,
    system_step,
};
use cairn_primitives::state::StateKey;
use cairn_protocol::Rules;
use std::{sync::Arc, time::Instant};

/// Reads of the transaction; 14,000 cold ones take just under 30 M gas.
const READS: u64 = 14_000;
const READER: Address = Address::repeat_byte(1);
const SENDER: Address = Address::repeat_byte(2);

/// `for i in (1..=calldata[0]).rev() { sload(i) }`, or `sload(0)` each time.
fn code(cold: bool) -> Bytes {
    let key = if cold { 0x80 } else { 0x5f }; // dup1 or push0
    vec![0x5f, 0x35, 0x5b, key, 0x54, 0x50, 0x60, 1, 0x90, 0x03, 0x80, 0x60, 2, 0x57, 0x00].into()
}

fn state(env: &BlockEnv, cold: bool) -> MemoryState {
    let reader = GenesisAccount {
        nonce: 1,
        code: code(cold),
        storage: (0..=READS).map(|slot| (U256::from(slot), U256::from(slot + 1))).collect(),
        ..Default::default()
    };
    let sender = GenesisAccount { balance: U256::from(10u128.pow(24)), ..Default::default() };
    let accounts = vec![(READER, reader), (SENDER, sender)];
    let step = system_step(env, 0, Round { epoch: 0, view: 1 }, &[], accounts);
    let mut state = MemoryState::default();
    let output = futures::executor::block_on(execute(env, &step, &[], &state));
    state.apply(&output.expect("genesis executes").changes);
    state
}

fn transaction(nonce: u64) -> Arc<RecoveredTx> {
    let tx = TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 35_000_000,
        to: TxKind::Call(READER),
        input: U256::from(READS).to_be_bytes::<32>().to_vec().into(),
        ..Default::default()
    };
    let envelope = TxEnvelope::from(tx.into_signed(Signature::test_signature()));
    let tx = RecoveredTx::with_sender(envelope.encoded_2718().into(), SENDER, 1)
        .expect("the transaction is well-formed");
    Arc::new(tx)
}

/// Least time of several runs of `work`, in milliseconds.
fn millis(mut work: impl FnMut()) -> f64 {
    let times = (0..20).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e3
    });
    times.fold(f64::INFINITY, f64::min)
}

/// Time of a block of `count` such transactions.
fn block(state: &MemoryState, env: &BlockEnv, count: u64) -> f64 {
    let txs: Vec<_> = (0..count).map(transaction).collect();
    let step = system_step(env, 1, Round { epoch: 0, view: 2 }, &[], Vec::new());
    millis(|| {
        let output = futures::executor::block_on(execute(env, &step, &txs, state))
            .expect("the block is valid");
        assert!(output.receipts.iter().all(|receipt| receipt.success));
    })
}

/// Time of the same reads without an EVM.
fn raw(state: &MemoryState) -> f64 {
    millis(|| {
        futures::executor::block_on(async {
            for slot in 0..READS {
                let key = StateKey::slot(READER, U256::from(slot));
                assert!(state.get(&key).await.expect("the state is in memory").is_some());
            }
        });
    })
}

fn main() {
    let rules = Rules { tx_gas_limit: 40_000_000, ..Rules::V1 };
    let gas_limit = rules.gas_limit;
    let env = BlockEnv { chain_id: 1, number: 1, gas_limit, rules, ..Default::default() };
    let next = BlockEnv { number: 2, ..env };
    let reading = state(&env, true);
    let cold = block(&reading, &next, 1);
    let again = block(&reading, &next, 2) - cold;
    let warm = block(&state(&env, false), &next, 1);
    let raw = raw(&reading);
    println!("{READS} reads by one transaction of 30 M gas");
    println!("new slots:                  {cold:>6.2} ms");
    println!("the same in the next one:   {again:>6.2} ms ({:.1} times faster)", cold / again);
    println!("one slot again and again:   {warm:>6.2} ms");
    println!("the state alone, no EVM:    {raw:>6.2} ms");
}
