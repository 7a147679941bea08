//! Transfers a second that the executor alone reaches: state in memory, senders known.
//!
//! `cargo run --release -p cairn-evm --example transfers [TRANSFERS_PER_BLOCK] [ACCOUNTS]`

use alloy_consensus::{SignableTransaction as _, TxEip1559};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use cairn_evm::{
    BlockEnv, BuildLimits, GenesisAccount, MemoryState, RecoveredTx, Round, SystemStep, TxEnvelope,
    TxRejected, TxSource, build, execute, system_accounts, system_step,
};
use cairn_protocol::Rules;
use std::{sync::Arc, time::Instant};

const CHAIN_ID: u64 = 7_777;
const BLOCKS: u64 = 20;

fn account(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

/// A transfer with a placeholder signature: the sender is given, nobody recovers it.
fn transfer(from: u64, to: u64, nonce: u64) -> Arc<RecoveredTx> {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(account(to)),
        value: U256::from(1),
        ..Default::default()
    };
    let envelope = TxEnvelope::from(tx.into_signed(Signature::test_signature()));
    let encoded = Bytes::from(envelope.encoded_2718());
    Arc::new(
        RecoveredTx::with_sender(encoded, account(from), CHAIN_ID)
            .expect("the transfer is well-formed"),
    )
}

fn env(number: u64) -> BlockEnv {
    BlockEnv {
        chain_id: CHAIN_ID,
        number,
        timestamp: number,
        beneficiary: Address::repeat_byte(0xbe),
        gas_limit: u64::MAX,
        base_fee: 1_000_000_000,
        prevrandao: B256::ZERO,
        parent_hash: B256::repeat_byte(7),
        rules: Rules { block_bytes: u64::MAX, ..Rules::V1 },
    }
}

fn step(env: &BlockEnv, accounts: Vec<(Address, GenesisAccount)>) -> SystemStep {
    system_step(env, env.number * 1_000, Round { epoch: 0, view: env.number }, &[], accounts)
}

struct List(std::vec::IntoIter<Arc<RecoveredTx>>);

impl TxSource for List {
    fn next(&mut self) -> Option<Arc<RecoveredTx>> {
        self.0.next()
    }

    fn rejected(&mut self, _tx: &Arc<RecoveredTx>, why: &TxRejected) {
        panic!("a transfer was rejected: {why}");
    }
}

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let per_block = args.next().unwrap_or(2_000);
    let accounts = args.next().unwrap_or(10_000);

    let mut state = MemoryState::default();
    let funded = GenesisAccount { balance: U256::from(10u128.pow(24)), ..Default::default() };
    let genesis = (0..accounts).map(|index| (account(index), funded.clone()));
    let first = env(1);
    let genesis = step(&first, system_accounts().into_iter().chain(genesis).collect());
    let output = futures::executor::block_on(execute(&first, &genesis, &[], &state));
    state.apply(&output.expect("genesis executes").changes);

    let mut nonces = vec![0; usize::try_from(accounts).expect("fits")];
    let (mut executing, mut building, mut counted) = (0.0, 0.0, 0.0);
    for number in 2..2 + BLOCKS {
        let txs: Vec<_> = (0..per_block)
            .map(|index| {
                let from = (index * 7_919 + number * 104_729) % accounts;
                let nonce = &mut nonces[usize::try_from(from).expect("fits")];
                *nonce += 1;
                transfer(from, (from * 31 + 17) % accounts, *nonce - 1)
            })
            .collect();
        let env = env(number);
        let step = step(&env, Vec::new());

        let start = Instant::now();
        let executed = futures::executor::block_on(execute(&env, &step, &txs, &state))
            .expect("the block is valid");
        executing += start.elapsed().as_secs_f64();

        let limits = BuildLimits { bytes: usize::MAX, transactions: usize::MAX };
        let mut source = List(txs.into_iter());
        let start = Instant::now();
        let built = futures::executor::block_on(build(&env, &step, &mut source, limits, &state))
            .expect("the state is in memory");
        building += start.elapsed().as_secs_f64();

        assert_eq!(executed, built, "building and executing agree");
        assert!(executed.receipts.iter().all(|receipt| receipt.success));
        counted += per_block as f64;
        state.apply(&executed.changes);
    }
    println!("{BLOCKS} blocks of {per_block} transfers among {accounts} accounts");
    println!("execute: {:>9.0} transfers/s", counted / executing);
    println!("build:   {:>9.0} transfers/s", counted / building);
}
