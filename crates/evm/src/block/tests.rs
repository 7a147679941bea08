use super::*;
use crate::testing::{
    ALICE, AwkwardView, BASE_FEE, BOB, PROPOSER, account, advance, balance, call, contract, env,
    genesis, rich, sent, slot, step,
};
use crate::{CodeCache, GenesisAccount, MemoryState};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes, TxKind, keccak256};
use cairn_contracts::{STAKING, supply};
use cairn_primitives::state::{StateKey, StateValue, code_entries};
use futures::{FutureExt as _, executor::block_on, future::BoxFuture};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;

const CAROL: Address = Address::repeat_byte(0xca);

fn transfer(from: Address, nonce: u64, to: Address, value: u64) -> Arc<RecoveredTx> {
    sent(from, TxEip1559 { nonce, value: U256::from(value), ..call(to, 21_000) })
}

fn create(from: Address, nonce: u64, init_code: impl Into<Bytes>) -> Arc<RecoveredTx> {
    let input = init_code.into();
    sent(from, TxEip1559 { nonce, to: TxKind::Create, input, ..call(from, 1_000_000) })
}

/// Init code that deploys `code` (at most 255 bytes).
fn deploying(code: &[u8]) -> Vec<u8> {
    let length = u8::try_from(code.len()).unwrap();
    let mut init = vec![0x60, length, 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xf3];
    init.extend(code);
    init
}

/// Offers a list; after a rejection, nothing more of that sender.
#[derive(Default)]
struct Queue {
    txs: VecDeque<Arc<RecoveredTx>>,
    rejections: Vec<(B256, TxRejected)>,
}

impl Queue {
    fn new(txs: Vec<Arc<RecoveredTx>>) -> Self {
        Self { txs: txs.into(), rejections: Vec::new() }
    }
}

impl TxSource for Queue {
    fn next(&mut self) -> Option<Arc<RecoveredTx>> {
        self.txs.pop_front()
    }

    fn rejected(&mut self, tx: &Arc<RecoveredTx>, why: &TxRejected) {
        self.txs.retain(|later| later.sender != tx.sender);
        self.rejections.push((tx.hash, why.clone()));
    }
}

const UNLIMITED: BuildLimits = BuildLimits { bytes: usize::MAX, transactions: usize::MAX };

fn build_from(
    state: &MemoryState,
    env: &BlockEnv,
    limits: BuildLimits,
    txs: Vec<Arc<RecoveredTx>>,
) -> (BlockOutput, Vec<(B256, TxRejected)>) {
    let mut queue = Queue::new(txs);
    let output = block_on(build(env, &step(env), &mut queue, limits, state)).unwrap();
    (output, queue.rejections)
}

#[test]
fn a_transfer_moves_value_burns_the_base_fee_and_tips() {
    let mut state = genesis(Vec::new());
    let output = advance(&mut state, &env(2), &[transfer(ALICE, 0, CAROL, 5)]).unwrap();
    let receipt = &output.receipts[0];
    assert_eq!((receipt.success, receipt.gas_used, receipt.tx_type), (true, 21_000, 2));
    assert_eq!(receipt.effective_gas_price, u128::from(BASE_FEE) + 7);
    assert_eq!(output.fees.burned, U256::from(21_000 * BASE_FEE));
    assert_eq!(output.fees.tips, U256::from(21_000 * 7));
    assert_eq!(balance(&state, CAROL), U256::from(5));
    assert_eq!(balance(&state, PROPOSER), output.fees.tips);
    let paid = U256::from(5) + output.fees.burned + output.fees.tips;
    assert_eq!(balance(&state, ALICE), rich().balance - paid);
    assert_eq!(account(&state, ALICE).unwrap().nonce, 1);
}

#[test]
fn changes_run_backwards() {
    let start = genesis(vec![(CAROL, contract(vec![0x43, 0x5f, 0x55]))]); // sstore(0, number)
    let mut state = start.clone();
    let txs = [
        transfer(ALICE, 0, BOB, 5),
        sent(ALICE, TxEip1559 { nonce: 1, ..call(CAROL, 100_000) }),
        create(ALICE, 2, deploying(&[0x5f; 100])),
    ];
    let output = advance(&mut state, &env(2), &txs).unwrap();
    assert!(output.receipts.iter().all(|receipt| receipt.success));
    assert!(output.changes.is_sorted_by(|a, b| a.key < b.key));
    assert_ne!(state, start);
    let reverse: Vec<_> = output
        .changes
        .iter()
        .map(|change| Change { before: change.after, after: change.before, ..*change })
        .collect();
    state.apply(&reverse);
    assert_eq!(state, start);
}

#[test]
fn what_ends_as_it_began_is_no_change() {
    // Stores 1 at slot 0, then 0 again; slot 1 holds 7 and gets 7.
    let code = [0x60, 1, 0x5f, 0x55, 0x5f, 0x5f, 0x55, 0x60, 7, 0x60, 1, 0x55];
    let storage = [(U256::from(1), U256::from(7))].into();
    let mut state = genesis(vec![(CAROL, GenesisAccount { storage, ..contract(code.to_vec()) })]);
    let output = advance(&mut state, &env(2), &[sent(ALICE, call(CAROL, 100_000))]).unwrap();
    let changed = |key| output.changes.iter().any(|change| change.key == key);
    assert!(output.receipts[0].success);
    assert!(!changed(StateKey::slot(CAROL, U256::ZERO)));
    assert!(!changed(StateKey::slot(CAROL, U256::from(1))));
    assert!(!changed(StateKey::account(CAROL)));
    assert!(changed(StateKey::account(ALICE)));
}

#[test]
fn a_touched_empty_account_does_not_exist() {
    let mut state = genesis(Vec::new());
    advance(&mut state, &env(2), &[transfer(ALICE, 0, CAROL, 0)]).unwrap();
    assert_eq!(account(&state, CAROL), None);
    // Emptied to the last wei, a sender keeps its nonce and stays.
    let cost = U256::from(21_000) * U256::from(1_000_000);
    let mut state = genesis(vec![(CAROL, GenesisAccount { balance: cost, ..Default::default() })]);
    let exact = TxEip1559 { max_priority_fee_per_gas: 1_000_000 - 1_000, ..call(BOB, 21_000) };
    advance(&mut state, &env(2), &[sent(CAROL, exact)]).unwrap();
    let left = account(&state, CAROL).unwrap();
    assert_eq!((left.balance, left.nonce), (U256::ZERO, 1));
}

#[test]
fn a_contract_destroyed_in_its_creation_leaves_nothing() {
    // Init code: sstore(0, 1); selfdestruct(caller).
    let mut state = genesis(Vec::new());
    let init = vec![0x60, 1, 0x5f, 0x55, 0x33, 0xff];
    let output = advance(&mut state, &env(2), &[create(ALICE, 0, init)]).unwrap();
    let address = output.receipts[0].contract_address.unwrap();
    assert_eq!(address, ALICE.create(0));
    assert!(output.receipts[0].success);
    assert_eq!(account(&state, address), None);
    assert_eq!(slot(&state, address, 0), U256::ZERO);
}

#[test]
fn an_older_contract_survives_selfdestruct_without_its_balance() {
    let code = vec![0x33, 0xff]; // selfdestruct(caller)
    let mut state = genesis(Vec::new());
    let made = TxEip1559 { value: U256::from(9), ..call(ALICE, 1_000_000) };
    let made = TxEip1559 { to: TxKind::Create, input: deploying(&code).into(), ..made };
    let output = advance(&mut state, &env(2), &[sent(ALICE, made)]).unwrap();
    let address = output.receipts[0].contract_address.unwrap();
    assert_eq!(balance(&state, address), U256::from(9));
    advance(&mut state, &env(3), &[sent(BOB, call(address, 100_000))]).unwrap();
    let left = account(&state, address).unwrap();
    assert_eq!((left.balance, left.nonce, left.code_hash), (U256::ZERO, 1, keccak256(&code)));
}

#[test]
fn equal_code_is_stored_once() {
    let code = [0x5b; 200]; // 200 jumpdests: three pieces
    let mut state = genesis(Vec::new());
    let txs = [create(ALICE, 0, deploying(&code)), create(BOB, 0, deploying(&code))];
    let output = advance(&mut state, &env(2), &txs).unwrap();
    let entries: Vec<_> = code_entries(keccak256(code), &code).collect();
    assert_eq!(entries.len(), 4);
    for (key, value) in &entries {
        let changes: Vec<_> = output.changes.iter().filter(|change| change.key == *key).collect();
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].before, changes[0].after), (None, Some(*value)));
    }
    let output = advance(&mut state, &env(3), &[create(ALICE, 1, deploying(&code))]).unwrap();
    assert!(output.receipts[0].success);
    assert!(output.changes.iter().all(|change| entries.iter().all(|(key, _)| change.key != *key)));
    // And it runs from the stored pieces.
    let deployed = output.receipts[0].contract_address.unwrap();
    let output = advance(
        &mut state,
        &env(4),
        &[sent(ALICE, TxEip1559 { nonce: 2, ..call(deployed, 100_000) })],
    )
    .unwrap();
    assert_eq!(output.receipts[0].gas_used, 21_000 + 200);
}

#[test]
fn a_failed_transaction_pays_and_logs_nothing() {
    let code = [0x5f, 0x5f, 0xa0, 0x5f, 0x5f, 0xfd]; // log0(0, 0); revert(0, 0)
    let mut state = genesis(vec![(CAROL, contract(code.to_vec()))]);
    let output = advance(&mut state, &env(2), &[sent(ALICE, call(CAROL, 100_000))]).unwrap();
    assert!(!output.receipts[0].success && output.receipts[0].logs.is_empty());
    assert!(output.fees.burned > U256::ZERO);
    let output = advance(&mut state, &env(3), &[create(BOB, 0, vec![0xfe])]).unwrap();
    assert_eq!(output.receipts[0].contract_address, Some(BOB.create(0)));
    assert_eq!(account(&state, BOB.create(0)), None);
}

#[test]
fn an_invalid_transaction_makes_a_block_invalid() {
    let state = genesis(Vec::new());
    let env = env(2);
    let run = |txs: &[Arc<RecoveredTx>]| {
        block_on(execute(&env, &step(&env), txs, &state)).map(drop).unwrap_err()
    };
    let good = transfer(ALICE, 0, BOB, 1);
    let reason = TxRejected::NonceTooLow { tx: 0, state: 1 };
    assert_eq!(run(&[good.clone(), good.clone()]), ExecuteError::Invalid { index: 1, reason });
    let reason = TxRejected::NonceTooHigh { tx: 5, state: 0 };
    assert_eq!(run(&[transfer(ALICE, 5, BOB, 1)]), ExecuteError::Invalid { index: 0, reason });
    let reason = TxRejected::InsufficientFunds {
        cost: U256::from(21_000u64 * 1_000_000 + 1),
        balance: U256::ZERO,
    };
    assert_eq!(run(&[transfer(CAROL, 0, BOB, 1)]), ExecuteError::Invalid { index: 0, reason });
    let cheap = TxEip1559 { max_fee_per_gas: 999, ..call(BOB, 21_000) };
    let reason = TxRejected::FeeTooLow { max_fee: 999, base_fee: BASE_FEE };
    assert_eq!(run(&[sent(ALICE, cheap)]), ExecuteError::Invalid { index: 0, reason });
    let greedy = sent(ALICE, call(BOB, env.rules.tx_gas_limit + 1));
    assert!(matches!(run(&[greedy]), ExecuteError::Invalid { reason: TxRejected::Invalid(_), .. }));
}

#[test]
fn gas_and_byte_limits_hold_for_blocks() {
    let state = genesis(Vec::new());
    let txs = [transfer(ALICE, 0, BOB, 1), transfer(ALICE, 1, BOB, 1), transfer(ALICE, 2, BOB, 1)];
    let tight = BlockEnv { gas_limit: 50_000, ..env(2) };
    let error = block_on(execute(&tight, &step(&tight), &txs, &state)).unwrap_err();
    assert_eq!(error, ExecuteError::GasLimit { index: 2, needed: 21_000, left: 8_000 });
    assert!(block_on(execute(&tight, &step(&tight), &txs[..2], &state)).is_ok());

    let bytes = txs.iter().map(|tx| tx.encoded.len() as u64).sum::<u64>();
    let mut short = env(2);
    short.rules.block_bytes = bytes - 1;
    let error = block_on(execute(&short, &step(&short), &txs, &state)).unwrap_err();
    assert_eq!(error, ExecuteError::Bytes { bytes, max: bytes - 1 });
}

#[test]
fn building_leaves_out_what_is_invalid_and_what_depends_on_it() {
    let state = genesis(Vec::new());
    let bad = transfer(ALICE, 1, BOB, 1);
    let txs = vec![
        transfer(BOB, 0, CAROL, 1),
        bad.clone(),
        transfer(ALICE, 2, BOB, 1),
        transfer(BOB, 1, CAROL, 1),
    ];
    let (output, rejections) = build_from(&state, &env(2), UNLIMITED, txs);
    assert_eq!(output.receipts.len(), 2);
    assert!(output.transactions.iter().all(|tx| tx.sender == BOB));
    assert_eq!(rejections, [(bad.hash, TxRejected::NonceTooHigh { tx: 1, state: 0 })]);
}

#[test]
fn building_respects_every_limit() {
    let state = genesis(Vec::new());
    let txs: Vec<_> = (0..600).map(|nonce| transfer(ALICE, nonce, BOB, 1)).collect();
    let count =
        |env: &BlockEnv, limits| build_from(&state, env, limits, txs.clone()).0.receipts.len();
    assert_eq!(count(&env(2), UNLIMITED), 600);
    assert_eq!(count(&env(2), BuildLimits { transactions: 300, ..UNLIMITED }), 300);
    assert_eq!(count(&env(2), BuildLimits { transactions: 0, ..UNLIMITED }), 0);
    let bytes = txs[..5].iter().map(|tx| tx.encoded.len()).sum::<usize>();
    assert_eq!(count(&env(2), BuildLimits { bytes: bytes + 10, ..UNLIMITED }), 5);
    assert_eq!(count(&BlockEnv { gas_limit: 21_000 * 7 + 5, ..env(2) }, UNLIMITED), 7);
    let mut short = env(2);
    short.rules.block_bytes = bytes as u64;
    assert_eq!(count(&short, UNLIMITED), 5);
}

#[test]
fn an_empty_block_changes_only_what_the_protocol_writes() {
    let mut state = genesis(Vec::new());
    let output = advance(&mut state, &env(2), &[]).unwrap();
    // head, parent hash, round, blocks of all and of the proposer
    assert_eq!(output.changes.len(), 5);
    assert_eq!(state.entries[&StateKey::head()], StateValue::head(2, 1_002_000));
    assert_eq!(account(&state, PROPOSER), None);
}

// calldata[0..32] cold reads of consecutive slots
const READER: &[u8] =
    &[0x5f, 0x35, 0x5b, 0x80, 0x54, 0x50, 0x60, 1, 0x90, 0x03, 0x80, 0x60, 2, 0x57, 0x00];

#[test]
fn cold_reads_cost_one_read_each() {
    let state = genesis(vec![(CAROL, contract(READER))]);
    let mut env = env(2);
    env.rules.tx_gas_limit = 40_000_000; // above EIP-7825, for the worst case
    let mut reads = BTreeMap::new();
    for slots in [1_000u64, 14_000] {
        let view = AwkwardView::new(state.clone());
        let input = U256::from(slots).to_be_bytes::<32>().to_vec().into();
        let tx = sent(ALICE, TxEip1559 { input, ..call(CAROL, 31_000_000) });
        let output = block_on(execute(&env, &step(&env), &[tx], &view)).unwrap();
        assert!(output.receipts[0].success);
        reads.insert(slots, view.keys.load(Ordering::Relaxed));
        assert!(output.gas_used > slots * 2_100);
    }
    assert_eq!(reads[&14_000] - reads[&1_000], 13_000);
    assert!(reads[&1_000] < 1_020, "{reads:?}");
}

#[test]
fn accounts_of_a_block_are_read_in_one_request() {
    let view = AwkwardView::new(genesis(Vec::new()));
    let txs: Vec<_> =
        (0..100u8).map(|i| transfer(ALICE, i.into(), Address::repeat_byte(i + 10), 1)).collect();
    let env = env(2);
    block_on(execute(&env, &step(&env), &txs, &view)).unwrap();
    // Accounts before; the protocol's three counters, then its old slots after.
    assert_eq!(view.requests.load(Ordering::Relaxed), 5);
}

#[test]
fn a_broken_state_is_an_error_of_the_node() {
    for key in [StateKey::account(ALICE), StateKey::head(), StateKey::slot(CAROL, U256::from(3))] {
        let view = AwkwardView {
            broken: [(key, ())].into(),
            ..AwkwardView::new(genesis(vec![(CAROL, contract(READER))]))
        };
        let input = U256::from(5).to_be_bytes::<32>().to_vec().into();
        let tx = sent(ALICE, TxEip1559 { input, ..call(CAROL, 100_000) });
        let env = env(2);
        let error =
            block_on(execute(&env, &step(&env), std::slice::from_ref(&tx), &view)).unwrap_err();
        assert_eq!(error, ExecuteError::State(StateError("the disk is gone".into())));
        let mut queue = Queue::new(vec![tx]);
        let error = block_on(build(&env, &step(&env), &mut queue, UNLIMITED, &view)).unwrap_err();
        assert_eq!(error, StateError("the disk is gone".into()));
        assert!(queue.rejections.is_empty());
    }
}

#[test]
fn missing_code_is_a_broken_state() {
    let mut state = genesis(vec![(CAROL, contract(READER))]);
    state.entries.remove(&StateKey::code(keccak256(READER), 1));
    let outcome = advance(&mut state, &env(2), &[sent(ALICE, call(CAROL, 100_000))]);
    assert!(matches!(outcome, Err(ExecuteError::State(_))));
}

/// Shares a code cache with every block.
struct Cached<'a>(&'a AwkwardView, CodeCache);

impl StateView for Cached<'_> {
    fn get<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        self.0.get(key)
    }

    fn code_cache(&self) -> Option<&CodeCache> {
        Some(&self.1)
    }
}

#[test]
fn cached_code_is_not_read_again() {
    let view = AwkwardView::new(genesis(vec![(CAROL, contract(vec![0x5b; 20_000]))]));
    let cached = Cached(&view, CodeCache::default());
    let env = env(2);
    let reads = || {
        let before = view.keys.load(Ordering::Relaxed);
        let tx = sent(ALICE, call(CAROL, 100_000));
        block_on(execute(&env, &step(&env), &[tx], &cached)).unwrap();
        view.keys.load(Ordering::Relaxed) - before
    };
    assert!(reads() > 20_000 / 72);
    assert!(reads() < 20);
}

/// Work that reads `slots` cold slots, over a state that suspends before every read.
fn reading(view: &AwkwardView, slots: u64) -> BoxFuture<'_, BlockOutput> {
    async move {
        let env = env(2);
        let input = U256::from(slots).to_be_bytes::<32>().to_vec().into();
        let tx = sent(ALICE, TxEip1559 { input, ..call(CAROL, 1_000_000) });
        execute(&env, &step(&env), &[tx], view).await.unwrap()
    }
    .boxed()
}

#[test]
fn fibers_interleave_on_a_thread() {
    let view = AwkwardView::new(genesis(vec![(CAROL, contract(READER))]));
    let alone = block_on(reading(&view, 50));
    let all = (0..10).map(|_| reading(&view, 50));
    for output in block_on(futures::future::join_all(all)) {
        assert_eq!(output, alone);
    }
}

#[test]
fn a_fiber_continues_on_any_thread() {
    let view = AwkwardView::new(genesis(vec![(CAROL, contract(READER))]));
    let alone = block_on(reading(&view, 50));
    let mut work = reading(&view, 50);
    let mut polls = 0;
    let output = loop {
        // Every poll on a thread of its own.
        let step = std::thread::scope(|scope| {
            let poll = || {
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                work.as_mut().poll(&mut cx)
            };
            scope.spawn(poll).join().unwrap()
        });
        polls += 1;
        if let std::task::Poll::Ready(output) = step {
            break output;
        }
    };
    assert_eq!(output, alone);
    assert!(polls > 50);
}

#[test]
fn dropping_the_work_ends_its_fiber() {
    let view = AwkwardView {
        hangs_at: Some(1),
        ..AwkwardView::new(genesis(vec![(CAROL, contract(READER))]))
    };
    let witness = Arc::new(());
    let held = Arc::clone(&witness);
    let mut work = crate::on_state(&view, move |db| {
        let _held = held;
        let first = db.account(ALICE);
        let second = db.account(BOB); // never answered
        let third = db.account(CAROL); // refused without asking
        assert!(first.is_ok() && second.is_err() && third.is_err());
    })
    .boxed();
    for _ in 0..5 {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(work.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(Arc::strong_count(&witness), 2);
    drop(work);
    assert_eq!(Arc::strong_count(&witness), 1);
    assert_eq!(view.requests.load(Ordering::Relaxed), 2);
}

#[test]
fn a_fiber_that_never_ran_is_dropped_with_what_it_holds() {
    let view = MemoryState::default();
    let witness = Arc::new(());
    let held = Arc::clone(&witness);
    drop(crate::on_state(&view, move |_| drop(held)));
    assert_eq!(Arc::strong_count(&witness), 1);
}

/// Sum of the balances of the accounts that the conservation test uses.
fn supply(state: &MemoryState) -> U256 {
    let addresses = [ALICE, BOB, CAROL, PROPOSER, THIEF];
    addresses.iter().map(|address| balance(state, *address)).sum()
}

const THIEF: Address = Address::repeat_byte(0x7f);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Whatever is sent, coins are neither made nor lost: the base fee is burned, nothing else.
    #[test]
    fn coins_are_conserved(list in prop::collection::vec((any::<bool>(), 0..4u8, 0..3u64, 21_000..60_000u64), 1..30)) {
        // THIEF passes what it gets on to its caller or reverts, by the parity of the value.
        let code = [0x34, 0x60, 1, 0x16, 0x60, 17, 0x57, 0x5f, 0x5f, 0x5f, 0x5f, 0x34, 0x33, 0x5a, 0xf1, 0x50, 0x00, 0x5b, 0x5f, 0x5f, 0xfd];
        let state = genesis(vec![(CAROL, rich()), (THIEF, contract(code.to_vec()))]);
        let mut nonces = BTreeMap::new();
        let txs: Vec<_> = list
            .into_iter()
            .map(|(alice, to, value, gas)| {
                let from = if alice { ALICE } else { BOB };
                let to = [ALICE, BOB, CAROL, THIEF][usize::from(to)];
                let nonce: &mut u64 = nonces.entry(from).or_default();
                *nonce += 1;
                let value = U256::from(value);
                sent(from, TxEip1559 { nonce: *nonce - 1, value, ..call(to, gas) })
            })
            .collect();
        let env = env(2);
        let executed = block_on(execute(&env, &step(&env), &txs, &state)).unwrap();
        let mut after = state.clone();
        after.apply(&executed.changes);
        prop_assert_eq!(supply(&state) - supply(&after), executed.fees.burned);
        prop_assert_eq!(balance(&after, PROPOSER), executed.fees.tips);
        prop_assert_eq!(executed.gas_used, executed.receipts.iter().map(|r| r.gas_used).sum::<u64>());
        prop_assert_eq!(executed.gas_used, executed.receipts.last().unwrap().cumulative_gas_used);
        prop_assert_eq!(executed.fees.burned, U256::from(executed.gas_used) * U256::from(BASE_FEE));

        // Building the same list, and running it over a state that suspends, give the same block.
        let (built, rejections) = build_from(&state, &env, UNLIMITED, txs.clone());
        prop_assert!(rejections.is_empty());
        prop_assert_eq!(&built, &executed);
        let view = AwkwardView::new(state);
        prop_assert_eq!(&block_on(execute(&env, &step(&env), &txs, &view)).unwrap(), &executed);
    }

    /// A block of two halves does what two blocks do, but for their protocol writes and fees' order.
    #[test]
    fn blocks_compose(count in 2..20u64, cut in 1..19u64) {
        let cut = cut.min(count - 1);
        let txs: Vec<_> = (0..count).map(|nonce| transfer(ALICE, nonce, CAROL, nonce + 1)).collect();
        let (left, right) = txs.split_at(usize::try_from(cut).unwrap());
        let mut whole = genesis(Vec::new());
        let mut halves = whole.clone();
        advance(&mut whole, &env(2), &txs).unwrap();
        advance(&mut halves, &env(2), left).unwrap();
        advance(&mut halves, &env(2), right).unwrap();
        for slot in [supply::BLOCKS.place().1, supply::PROPOSED.slot(PROPOSER)] {
            let key = StateKey::slot(STAKING, slot);
            let blocks = |state: &mut MemoryState| state.entries.remove(&key).unwrap().as_word();
            prop_assert_eq!(blocks(&mut whole) + U256::ONE, blocks(&mut halves));
        }
        prop_assert_eq!(whole, halves);
    }
}
