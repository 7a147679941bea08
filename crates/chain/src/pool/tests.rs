//! The pool from outside: refusals by text, order, limits, blocks, restarts.

use super::{
    Best, Origin, Pool, PoolConfig, PoolError,
    book::Book,
    queue::{Entry, Funds},
};
use crate::testing::{CHAIN_ID, Directory, GWEI, Live, address, sealed, sign, transfer, unsigned};
use alloy_consensus::{Transaction as _, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use cairn_evm::{RecoveredTx, StateError, StateView, TxRejected, TxSource as _};
use cairn_primitives::state::{StateKey, StateValue};
use cairn_protocol::Rules;
use futures::{executor::block_on, future::BoxFuture};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const ETHER: u128 = 1_000_000_000 * GWEI;
const BASE_FEE: u64 = 1_000_000_000;

fn pool(config: PoolConfig) -> Pool {
    Pool::new(CHAIN_ID, Rules::V1, BASE_FEE, config)
}

fn rich(seeds: std::ops::Range<u64>) -> Live {
    let live = Live::default();
    seeds.for_each(|seed| live.set(address(seed), 0, 1_000 * ETHER));
    live
}

fn submit(pool: &Pool, live: &Live, tx: Bytes) -> Result<Arc<RecoveredTx>, PoolError> {
    let result = block_on(pool.submit(live, tx, Origin::Remote));
    pool.0.book.lock().verify();
    result
}

fn nonces(best: Best) -> Vec<(Address, u64)> {
    best.map(|tx| (tx.sender, tx.envelope.nonce())).collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_refusal_has_its_text() {
    let live = rich(1..4);
    live.set(address(1), 5, ETHER);
    let pool = pool(PoolConfig::default());
    let base = transfer(5, 10 * GWEI, GWEI);
    let known = sign(1, base.clone());
    submit(&pool, &live, known.clone()).unwrap();

    let create = |size: usize, gas_limit| TxEip1559 {
        to: TxKind::Create,
        input: vec![0; size].into(),
        gas_limit,
        ..transfer(6, 10 * GWEI, GWEI)
    };
    let data = |size: usize, gas_limit| TxEip1559 {
        input: vec![1; size].into(),
        gas_limit,
        ..transfer(6, 10 * GWEI, GWEI)
    };
    let set_code = TxEip7702 {
        chain_id: CHAIN_ID,
        nonce: 6,
        gas_limit: 100_000,
        max_fee_per_gas: 10 * GWEI,
        ..TxEip7702::default()
    };
    let blob = TxEip4844 { chain_id: CHAIN_ID, ..TxEip4844::default() };
    let legacy = |chain_id| TxLegacy {
        chain_id,
        nonce: 6,
        gas_limit: 21_000,
        gas_price: 10 * GWEI,
        to: TxKind::Call(Address::ZERO),
        ..TxLegacy::default()
    };
    let mut unrecoverable = sign(1, transfer(6, 10 * GWEI, GWEI)).to_vec();
    let r = unrecoverable.len() - 65;
    unrecoverable[r..r + 32].fill(0xff);

    let poor = "insufficient funds for gas * price + value: have 1000000000000000000 want";
    let rows: Vec<(&str, Bytes, String)> = vec![
        ("known", known, "already known".into()),
        ("past nonce", sign(1, transfer(4, 10 * GWEI, GWEI)), "nonce too low: next nonce 5, tx nonce 4".into()),
        ("last nonce", sign(1, transfer(u64::MAX, 10 * GWEI, GWEI)), "nonce has max value".into()),
        (
            "funds for one",
            sign(1, TxEip1559 { value: U256::from(ETHER), ..transfer(6, 10 * GWEI, GWEI) }),
            format!("{poor} 1000210000000000000"),
        ),
        (
            "funds for all",
            sign(1, TxEip1559 { value: U256::from(ETHER - 300_000 * GWEI), ..transfer(6, 10 * GWEI, GWEI) }),
            format!("{poor} 1000120000000000001"),
        ),
        (
            "replacement of 9 %",
            sign(1, TxEip1559 { max_fee_per_gas: 109 * GWEI / 10, max_priority_fee_per_gas: 109 * GWEI / 100, ..base.clone() }),
            "replacement transaction underpriced".into(),
        ),
        (
            "replacement without more tip",
            sign(1, TxEip1559 { max_fee_per_gas: 20 * GWEI, ..base }),
            "replacement transaction underpriced".into(),
        ),
        (
            "gas of a transfer",
            sign(1, TxEip1559 { gas_limit: 20_999, ..transfer(6, 10 * GWEI, GWEI) }),
            "intrinsic gas too low: gas 20999, minimum needed 21000".into(),
        ),
        (
            "gas of a creation",
            sign(1, create(64, 53_000)),
            "intrinsic gas too low: gas 53000, minimum needed 53260".into(),
        ),
        (
            "floor for calldata (EIP-7623)",
            sign(1, data(1_000, 40_000)),
            "insufficient gas for floor data gas cost: gas 40000, minimum needed 61000".into(),
        ),
        (
            "block gas limit",
            sign(1, TxEip1559 { gas_limit: 100_000_001, ..transfer(6, 10 * GWEI, GWEI) }),
            "exceeds block gas limit".into(),
        ),
        (
            "EIP-7825 cap",
            sign(1, TxEip1559 { gas_limit: 16_777_217, ..transfer(6, 10 * GWEI, GWEI) }),
            "transaction gas limit too high (cap: 16777216, tx: 16777217)".into(),
        ),
        (
            "below any base fee",
            sign(1, transfer(6, 9_999_999, 0)),
            "max fee per gas less than block base fee: maxFeePerGas: 9999999, baseFee: 10000000".into(),
        ),
        (
            "tip above cap",
            sign(1, transfer(6, GWEI, GWEI + 1)),
            "max priority fee per gas higher than max fee per gas".into(),
        ),
        (
            "too long",
            sign(1, data(131_072, 10_000_000)),
            "oversized data: transaction size 131190, limit 131072".into(),
        ),
        (
            "init code (EIP-3860)",
            sign(1, create(49_153, 10_000_000)),
            "max initcode size exceeded: code size 49153, limit 49152".into(),
        ),
        (
            "no authorizations (EIP-7702)",
            sign(1, set_code),
            "set code tx must have at least one authorization tuple".into(),
        ),
        (
            "blobs",
            sign(1, blob),
            "transaction type not supported: blob transactions (type 3) do not exist on this chain, \
             send the data as calldata"
                .into(),
        ),
        ("no sender", unrecoverable.into(), "invalid sender".into()),
        (
            "another chain",
            sign(1, TxEip1559 { chain_id: 1, ..transfer(6, 10 * GWEI, GWEI) }),
            format!("invalid chain id for signer: have 1 want {CHAIN_ID}"),
        ),
        (
            "another chain, legacy",
            sign(1, legacy(Some(1))),
            format!("invalid chain id for signer: have 1 want {CHAIN_ID}"),
        ),
        (
            "an account without anything",
            sign(99, transfer(0, 10 * GWEI, GWEI)),
            "insufficient funds for gas * price + value: have 0 want 210000000000001".into(),
        ),
    ];
    let count = rows.len() as u64;
    for (what, tx, expected) in rows {
        let error = submit(&pool, &live, tx).expect_err(what);
        assert_eq!(error.to_string(), expected, "{what}");
    }
    for garbage in [Bytes::new(), Bytes::from_static(&[9, 9, 9]), Bytes::from_static(&[0xc0])] {
        let error = submit(&pool, &live, garbage).unwrap_err();
        assert!(matches!(error, PoolError::Malformed(_)), "{error}");
    }
    assert_eq!(pool.status(), (1, 0));
    let refused = pool.metrics().values().into_iter().find(|(name, _)| *name == "refused_total");
    assert_eq!(refused, Some(("refused_total", count + 3)));
}

#[test]
fn all_four_types_are_taken() {
    let live = rich(1..2);
    let pool = pool(PoolConfig::default());
    let to = TxKind::Call(Address::repeat_byte(0x70));
    let authorization = alloy_eips::eip7702::SignedAuthorization::new_unchecked(
        alloy_eips::eip7702::Authorization {
            chain_id: U256::ZERO,
            address: Address::ZERO,
            nonce: 0,
        },
        0,
        U256::from(1),
        U256::from(1),
    );
    let set_code = TxEip7702 {
        chain_id: CHAIN_ID,
        nonce: 3,
        gas_limit: 100_000,
        max_fee_per_gas: 10 * GWEI,
        authorization_list: vec![authorization],
        ..TxEip7702::default()
    };
    let transactions = [
        sign(
            1,
            TxLegacy {
                chain_id: Some(CHAIN_ID),
                gas_price: 2 * GWEI,
                gas_limit: 21_000,
                to,
                ..TxLegacy::default()
            },
        ),
        sign(
            1,
            TxEip2930 {
                chain_id: CHAIN_ID,
                nonce: 1,
                gas_price: 2 * GWEI,
                gas_limit: 21_000,
                to,
                ..TxEip2930::default()
            },
        ),
        sign(1, transfer(2, 2 * GWEI, GWEI)),
        sign(1, set_code),
    ];
    for tx in transactions {
        submit(&pool, &live, tx).unwrap();
    }
    assert_eq!(pool.status(), (4, 0));
    assert_eq!(nonces(pool.best(BASE_FEE)).len(), 4);
}

#[test]
fn gaps_wait_and_are_filled() {
    let live = rich(1..2);
    let pool = pool(PoolConfig::default());
    let mut announced = pool.subscribe();
    let mut pending = pool.watch_pending();
    let from = address(1);
    for nonce in [3, 1, 2] {
        submit(&pool, &live, sign(1, transfer(nonce, 2 * GWEI, GWEI))).unwrap();
    }
    assert_eq!((pool.status(), pool.next_nonce(&from)), ((0, 3), None));
    assert!(!pending.has_changed().unwrap() && announced.try_recv().is_err());
    submit(&pool, &live, sign(1, transfer(0, 2 * GWEI, GWEI))).unwrap();
    assert_eq!((pool.status(), pool.next_nonce(&from)), ((4, 0), Some(4)));
    assert_eq!(*pending.borrow_and_update(), 4);
    let order: Vec<u64> =
        std::iter::from_fn(|| announced.try_recv().ok()).map(|tx| tx.envelope.nonce()).collect();
    assert_eq!(order, [0, 1, 2, 3]);
    submit(&pool, &live, sign(1, transfer(9, 2 * GWEI, GWEI))).unwrap();
    let content = pool.content();
    assert_eq!(content.pending[&from].keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(content.queued[&from].keys().copied().collect::<Vec<_>>(), [9]);
    let (ready, waiting) = pool.content_from(&from);
    assert_eq!((ready.len(), waiting.len()), (4, 1));
}

#[test]
fn a_replacement_takes_the_place_and_is_announced() {
    let live = rich(1..2);
    let pool = pool(PoolConfig::default());
    for nonce in 0..3 {
        submit(&pool, &live, sign(1, transfer(nonce, 10 * GWEI, GWEI))).unwrap();
    }
    let mut announced = pool.subscribe();
    let better = sign(1, transfer(1, 11 * GWEI, 11 * GWEI / 10));
    let tx = submit(&pool, &live, better).unwrap();
    assert_eq!(pool.status(), (3, 0));
    assert_eq!(pool.best(BASE_FEE).nth(1).unwrap().hash, tx.hash);
    assert_eq!(announced.try_recv().unwrap().hash, tx.hash);
    assert!(pool.get(&tx.hash).is_some());
}

#[test]
fn limits_of_one_sender_hold() {
    let live = rich(1..2);
    let config =
        PoolConfig { pending_per_sender: 3, queued_per_sender: 2, ..PoolConfig::default() };
    let pool = pool(config);
    for nonce in [0, 1, 2, 7, 8] {
        submit(&pool, &live, sign(1, transfer(nonce, 2 * GWEI, GWEI))).unwrap();
    }
    let error = submit(&pool, &live, sign(1, transfer(9, 2 * GWEI, GWEI))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "account limit exceeded: the pool takes 2 queued transactions of one account"
    );
    let error = submit(&pool, &live, sign(1, transfer(3, 2 * GWEI, GWEI))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "account limit exceeded: the pool takes 3 pending transactions of one account"
    );
    submit(&pool, &live, sign(1, transfer(8, 4 * GWEI, 2 * GWEI))).unwrap();
    assert_eq!(pool.status(), (3, 2));
}

#[test]
fn a_full_pool_keeps_what_pays_most_and_leaves_no_gap() {
    let live = rich(1..9);
    let pool = pool(PoolConfig { transactions: 4, ..PoolConfig::default() });
    // Sender 1: a cheap transaction and a dear one behind it. Sender 2: two of middling tip.
    for (seed, nonce, tip) in [(1, 0, GWEI), (1, 1, 9 * GWEI), (2, 0, 3 * GWEI), (2, 1, 3 * GWEI)] {
        submit(&pool, &live, sign(seed, transfer(nonce, 20 * GWEI, tip))).unwrap();
    }
    let error = submit(&pool, &live, sign(3, transfer(0, 20 * GWEI, GWEI))).unwrap_err();
    assert_eq!(error.to_string(), "txpool is full");
    // Better than the cheapest: the last of its sender leaves, which was worth no more.
    submit(&pool, &live, sign(3, transfer(0, 20 * GWEI, 2 * GWEI))).unwrap();
    assert_eq!(pool.content_from(&address(1)).0.len(), 1);
    submit(&pool, &live, sign(4, transfer(0, 20 * GWEI, 2 * GWEI))).unwrap();
    assert_eq!(pool.next_nonce(&address(1)), None);
    // Nobody pushes out his own earlier transaction, and what waits goes before what can run.
    let error = submit(&pool, &live, sign(3, transfer(1, 20 * GWEI, 5 * GWEI)));
    assert_eq!(error.map(|tx| tx.hash), Err(PoolError::Full));
    let error = submit(&pool, &live, sign(5, transfer(7, 90 * GWEI, 50 * GWEI)));
    assert_eq!(error.map(|tx| tx.hash), Err(PoolError::Full));
    let evicted = pool.metrics().evicted_total.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((pool.status(), evicted), ((4, 0), 2));
}

#[test]
fn bytes_are_limited_too() {
    let live = rich(1..9);
    let pool = pool(PoolConfig { bytes: 5_000, ..PoolConfig::default() });
    let tx = |seed: u64, size: usize, tip: u128| {
        let input = vec![1; size].into();
        sign(seed, TxEip1559 { input, gas_limit: 1_000_000, ..transfer(0, 20 * GWEI, tip) })
    };
    for seed in 1..5 {
        submit(&pool, &live, tx(seed, 1_000, u128::from(seed) * GWEI)).unwrap();
    }
    assert_eq!(submit(&pool, &live, tx(5, 2_500, 2 * GWEI)).unwrap_err(), PoolError::Full);
    submit(&pool, &live, tx(5, 2_500, 3 * GWEI)).unwrap();
    assert_eq!(pool.status(), (3, 0));
}

#[test]
fn transactions_that_cannot_pay_the_base_fee_leave_a_full_pool_first() {
    let live = rich(1..9);
    let pool = pool(PoolConfig { transactions: 2, ..PoolConfig::default() });
    submit(&pool, &live, sign(1, transfer(0, 5 * GWEI, 5 * GWEI))).unwrap();
    submit(&pool, &live, sign(2, transfer(0, 50 * GWEI, GWEI))).unwrap();
    pool.on_block(&sealed(1, B256::ZERO, Vec::new()), 10_000_000_000);
    submit(&pool, &live, sign(3, transfer(0, 50 * GWEI, 2 * GWEI))).unwrap();
    let left: Vec<Address> = pool.content().pending.into_keys().collect();
    assert_eq!(BTreeSet::from_iter(left), BTreeSet::from([address(2), address(3)]));
}

#[test]
fn a_block_removes_what_it_includes_and_what_is_past() {
    let live = rich(1..4);
    let pool = pool(PoolConfig::default());
    for nonce in [0, 1, 2, 4] {
        submit(&pool, &live, sign(1, transfer(nonce, 2 * GWEI, GWEI))).unwrap();
    }
    submit(&pool, &live, sign(2, transfer(0, 2 * GWEI, GWEI))).unwrap();
    // The block has another transaction at nonce 1 than the pool, and fills the gap at 3.
    let included: Vec<_> = [(1, 0, 1), (1, 1, 7), (1, 2, 1), (1, 3, 1)]
        .map(|(seed, nonce, extra)| unsigned(address(seed), transfer(nonce, 2 * GWEI, extra)))
        .into();
    let block = sealed(1, B256::ZERO, included);
    live.set(address(1), 4, ETHER);
    pool.on_block(&block, BASE_FEE);
    pool.0.book.lock().verify();
    let (pending, queued) = pool.content_from(&address(1));
    assert_eq!((pending.into_keys().collect::<Vec<_>>(), queued.len()), (vec![4], 0));
    assert_eq!(pool.status(), (2, 0));
    let error = submit(&pool, &live, sign(1, transfer(3, 2 * GWEI, GWEI))).unwrap_err();
    assert_eq!(error, PoolError::NonceTooLow { next: 4, nonce: 3 });
}

#[test]
fn funds_are_read_again_after_a_block() {
    let live = Live::default();
    let pool = pool(PoolConfig::default());
    live.set(address(1), 0, 21_000 * 2 * GWEI + 1);
    submit(&pool, &live, sign(1, transfer(0, 2 * GWEI, GWEI))).unwrap();
    let second = sign(1, transfer(1, 2 * GWEI, GWEI));
    assert!(matches!(
        submit(&pool, &live, second.clone()),
        Err(PoolError::InsufficientFunds { .. })
    ));
    live.set(address(1), 0, ETHER);
    pool.on_block(&sealed(1, B256::ZERO, Vec::new()), BASE_FEE);
    submit(&pool, &live, second).unwrap();
}

/// A state in which a block arrives during the first read.
struct Moving<'a>(&'a Live, &'a Pool, parking_lot::Mutex<Option<Vec<Arc<RecoveredTx>>>>);

impl StateView for Moving<'_> {
    fn get<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        let value = self.0.0.read().entries.get(key).copied();
        if let Some(transactions) = self.2.lock().take() {
            for tx in &transactions {
                self.0.set(tx.sender, tx.envelope.nonce() + 1, ETHER);
            }
            self.1.on_block(&sealed(1, B256::ZERO, transactions), BASE_FEE);
        }
        Box::pin(async move { Ok(value) })
    }
}

#[test]
fn a_block_between_reading_the_account_and_admission_is_noticed() {
    let live = rich(1..2);
    let pool = pool(PoolConfig::default());
    let included = unsigned(address(1), transfer(0, 2 * GWEI, 1));
    let moving = Moving(&live, &pool, parking_lot::Mutex::new(Some(vec![included])));
    let tx = sign(1, transfer(0, 2 * GWEI, GWEI));
    let error = block_on(pool.submit(&moving, tx, Origin::Remote)).unwrap_err();
    assert_eq!(error, PoolError::NonceTooLow { next: 1, nonce: 0 });
}

#[test]
fn a_failing_state_is_the_nodes_fault() {
    struct Failing;
    impl StateView for Failing {
        fn get<'a>(
            &'a self,
            _: &'a StateKey,
        ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
            Box::pin(async { Err(StateError("disk on fire".into())) })
        }
    }
    let pool = pool(PoolConfig::default());
    let tx = sign(1, transfer(0, 2 * GWEI, GWEI));
    let error = block_on(pool.submit(&Failing, tx, Origin::Remote)).unwrap_err();
    assert_eq!(error.to_string(), "the node cannot read its state: disk on fire");
}

#[test]
fn senders_that_did_not_fit_into_a_block_are_looked_at_again() {
    let live = rich(1..4);
    let pool = pool(PoolConfig::default());
    for (seed, nonce) in [(1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 0)] {
        submit(&pool, &live, sign(seed, transfer(nonce, 2 * GWEI, GWEI))).unwrap();
    }
    // An authorization used nonce 0 of sender 1; a contract emptied the account of sender 2.
    live.set(address(1), 1, ETHER);
    live.set(address(2), 0, 0);
    let mut best = pool.best(BASE_FEE);
    let first = cairn_evm::TxSource::next(&mut best).unwrap();
    best.rejected(&first, &TxRejected::NonceTooLow { tx: 0, state: 1 });
    let second = cairn_evm::TxSource::next(&mut best).unwrap();
    let why = TxRejected::InsufficientFunds { cost: U256::from(1), balance: U256::ZERO };
    best.rejected(&second, &why);
    assert_eq!((first.sender, second.sender), (address(1), address(2)));
    assert_eq!(nonces(best), [(address(3), 0)], "rejected senders are passed over");
    assert_eq!(pool.status(), (6, 0));
    block_on(pool.tend(&live)).unwrap();
    pool.0.book.lock().verify();
    assert_eq!(nonces(pool.best(BASE_FEE)), [(address(1), 1), (address(3), 0)]);
}

#[test]
fn what_can_never_be_executed_is_dropped_and_its_followers_wait() {
    let live = rich(1..2);
    let pool = pool(PoolConfig::default());
    for nonce in 0..3 {
        submit(&pool, &live, sign(1, transfer(nonce, 2 * GWEI, GWEI))).unwrap();
    }
    let mut best = pool.best(BASE_FEE);
    let first = cairn_evm::TxSource::next(&mut best).unwrap();
    let why = cairn_evm::revm::context::result::InvalidTransaction::RejectCallerWithCode;
    best.rejected(&first, &TxRejected::Invalid(why));
    pool.0.book.lock().verify();
    assert_eq!(pool.status(), (0, 2));
}

#[test]
fn the_best_go_first_and_base_fee_is_minded() {
    let live = rich(1..9);
    let pool = pool(PoolConfig::default());
    let rows = [
        (1, 0, 30 * GWEI, 2 * GWEI),
        (1, 1, 30 * GWEI, 9 * GWEI),
        (2, 0, 30 * GWEI, 3 * GWEI),
        (3, 0, 30 * GWEI, 3 * GWEI),
        (4, 0, 10 * GWEI, 9 * GWEI),
        (5, 0, 4 * GWEI, 4 * GWEI),
    ];
    for (seed, nonce, max_fee, tip) in rows {
        submit(&pool, &live, sign(seed, transfer(nonce, max_fee, tip))).unwrap();
    }
    let order = |base_fee| -> Vec<(u64, u64)> {
        let found = nonces(pool.best(base_fee)).into_iter();
        found.map(|(a, n)| ((1..9).find(|s| address(*s) == a).unwrap(), n)).collect()
    };
    assert_eq!(order(BASE_FEE), [(4, 0), (2, 0), (3, 0), (5, 0), (1, 0), (1, 1)]);
    // At 8 gwei, sender 4 can tip 2 only, as much as sender 1, who came first; 5 cannot pay.
    assert_eq!(order(8 * BASE_FEE), [(2, 0), (3, 0), (1, 0), (1, 1), (4, 0)]);
}

#[test]
fn the_pool_may_change_while_a_block_is_built() {
    let live = rich(1..200);
    let pool = pool(PoolConfig::default());
    for seed in 1..150 {
        for nonce in 0..8 {
            let tip = u128::from(seed) * GWEI / 10;
            submit(&pool, &live, sign(seed, transfer(nonce, 30 * GWEI, tip))).unwrap();
        }
    }
    let mut best = pool.best(BASE_FEE);
    let mut seen: BTreeMap<Address, u64> = BTreeMap::new();
    let mut built = Vec::new();
    for step in 0u64.. {
        let Some(tx) = Iterator::next(&mut best) else { break };
        let nonce = tx.envelope.nonce();
        assert_eq!(seen.insert(tx.sender, nonce), nonce.checked_sub(1), "nonce order, no repeats");
        built.push(tx);
        match step % 100 {
            30 => {
                let transactions = std::mem::take(&mut built);
                for tx in &transactions {
                    live.set(tx.sender, tx.envelope.nonce() + 1, 1_000 * ETHER);
                }
                pool.on_block(&sealed(1, B256::ZERO, transactions), BASE_FEE);
            }
            60 => {
                let seed = 150 + step / 100;
                submit(&pool, &live, sign(seed, transfer(0, 90 * GWEI, 50 * GWEI))).unwrap();
            }
            90 => {
                let seed = 1 + step / 10;
                let _ = submit(&pool, &live, sign(seed, transfer(7, 90 * GWEI, 50 * GWEI)));
            }
            _ => {}
        }
    }
    assert!(seen.len() >= 149);
}

#[test]
fn local_transactions_survive_a_restart() {
    let directory = Directory::new();
    let config =
        PoolConfig { journal: Some(directory.path().join("journal")), ..PoolConfig::default() };
    let live = rich(1..4);
    let first = pool(config.clone());
    assert_eq!(block_on(first.restore(&live)).unwrap(), 0);
    let local = [sign(1, transfer(0, 2 * GWEI, GWEI)), sign(1, transfer(1, 2 * GWEI, GWEI))];
    let results = block_on(first.submit_many(&live, local.to_vec(), Origin::Local));
    assert!(results.iter().all(Result::is_ok));
    submit(&first, &live, sign(2, transfer(0, 2 * GWEI, GWEI))).unwrap();
    assert_eq!(first.waiting_local(10), local);
    assert_eq!(first.waiting_local(1), local[..1]);
    drop(first);
    // Meanwhile a block took the first one.
    live.set(address(1), 1, ETHER);
    let second = pool(config.clone());
    assert_eq!(block_on(second.restore(&live)).unwrap(), 1);
    assert_eq!(second.waiting_local(10), local[1..]);
    drop(second);
    std::fs::write(config.journal.as_ref().unwrap(), "something else").unwrap();
    assert!(block_on(pool(config).restore(&live)).is_err());
}

#[test]
fn a_block_is_decoded_with_senders_from_pool_cache_or_recovery() {
    let live = rich(1..40);
    let (here, there) = (pool(PoolConfig::default()), pool(PoolConfig::default()));
    let transactions: Vec<Bytes> = (1..40).map(|s| sign(s, transfer(77, 2 * GWEI, GWEI))).collect();
    for tx in &transactions[..10] {
        submit(&here, &live, tx.clone()).unwrap();
    }
    let recovered = here.recover(&transactions).unwrap();
    let senders: Vec<Address> = recovered.iter().map(|tx| tx.sender).collect();
    assert_eq!(senders, (1..40).map(address).collect::<Vec<_>>());
    assert!(Arc::ptr_eq(&recovered[3], &here.get(&recovered[3].hash).unwrap()));
    // Another node of the process recovers none of them.
    assert_eq!(there.recover(&transactions).unwrap(), recovered);
    let count =
        |pool: &Pool| pool.metrics().recovered_total.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((count(&here), count(&there)), (39, 0));
    let mut bad = transactions;
    bad[20] = Bytes::from_static(&[1, 2, 3]);
    assert_eq!(here.recover(&bad).unwrap_err().0, 20);
}

/// What the naive model offers next: the best by tip and age among the first of each sender.
fn naive_order(book: &Book, base_fee: u64) -> Vec<B256> {
    let mut queues: Vec<Vec<Entry>> =
        book.queues().map(|(_, q)| q.ready().iter().rev().cloned().collect()).collect();
    let mut order = Vec::new();
    loop {
        let heads = queues.iter().enumerate().filter_map(|(i, q)| {
            let first = q.last()?;
            Some((first.tip_at(base_fee)?, std::cmp::Reverse(first.sequence), i))
        });
        let Some((_, _, i)) = heads.max() else { return order };
        order.extend(queues[i].pop().map(|entry| entry.tx.hash));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Submit { sender: u8, nonce: u64, fee: u64, tip: u64 },
    Block { count: usize, base_fee: u64 },
    Refund { sender: u8, balance: u64 },
    Discard { sender: u8, ahead: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..9u8, 0..12u64, 1..40u64, 0..40u64)
            .prop_map(|(sender, nonce, fee, tip)| Step::Submit { sender, nonce, fee, tip: tip.min(fee) }),
        2 => (0..6usize, 1..30u64).prop_map(|(count, base_fee)| Step::Block { count, base_fee }),
        1 => (0..9u8, 0..100u64).prop_map(|(sender, balance)| Step::Refund { sender, balance }),
        1 => (0..9u8, 0..4u64).prop_map(|(sender, ahead)| Step::Discard { sender, ahead }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever happens, every index agrees, limits hold, and blocks are built in the order that a
    /// naive model finds: best tip first, nonces without gap or repeat.
    #[test]
    fn the_book_keeps_its_invariants(
        steps in prop::collection::vec(step(), 1..250),
        transactions in 5..60usize,
        bytes in 800..6_000usize,
        pending_per_sender in 1..8usize,
        queued_per_sender in 0..4usize,
    ) {
        let config = PoolConfig {
            transactions, bytes, pending_per_sender, queued_per_sender, journal: None,
        };
        let pool = pool(config);
        let mut state: BTreeMap<Address, Funds> = BTreeMap::new();
        let funds = |state: &mut BTreeMap<Address, Funds>, sender: u8| {
            let fresh = Funds { nonce: 0, balance: U256::from(60 * 21_000 * GWEI) };
            *state.entry(Address::repeat_byte(sender)).or_insert(fresh)
        };
        for (salt, step) in (0u64..).zip(steps) {
            match step {
                Step::Submit { sender, nonce, fee, tip } => {
                    let known = funds(&mut state, sender);
                    let (fee, tip) = (u128::from(fee) * GWEI, u128::from(tip) * GWEI);
                    let mut tx = transfer(known.nonce.saturating_sub(1) + nonce, fee, tip);
                    tx.value = U256::from(salt);
                    let tx = unsigned(Address::repeat_byte(sender), tx);
                    let mut book = pool.0.book.lock();
                    let needed = book.needs_funds(&tx.sender);
                    let _ = book.insert(tx, needed.then_some(known), salt % 3 == 0);
                }
                Step::Block { count, base_fee } => {
                    let built: Vec<_> = pool.best(base_fee * BASE_FEE).take(count).collect();
                    for tx in &built {
                        let funds = state.get_mut(&tx.sender).unwrap();
                        prop_assert_eq!(funds.nonce, tx.envelope.nonce());
                        funds.nonce += 1;
                    }
                    pool.on_block(&sealed(1, B256::ZERO, built), base_fee * BASE_FEE);
                }
                Step::Refund { sender, balance } => {
                    let mut new = funds(&mut state, sender);
                    new.balance = U256::from(u128::from(balance) * 21_000 * GWEI);
                    state.insert(Address::repeat_byte(sender), new);
                    pool.0.book.lock().refresh(Address::repeat_byte(sender), new);
                }
                Step::Discard { sender, ahead } => {
                    let nonce = funds(&mut state, sender).nonce + ahead;
                    pool.0.discard(Address::repeat_byte(sender), nonce);
                }
            }
            pool.0.book.lock().verify();
        }
        for base_fee in [1, 12, 30] {
            let expected = naive_order(&pool.0.book.lock(), base_fee * BASE_FEE);
            let order: Vec<B256> = pool.best(base_fee * BASE_FEE).map(|tx| tx.hash).collect();
            prop_assert_eq!(order, expected);
        }
    }

    /// The lazy merge agrees with the naive order for many senders and long queues too.
    #[test]
    fn the_building_order_is_exact_for_large_pools(
        rows in prop::collection::vec((1..30u64, 0..8u64, 1..300u64), 200..400),
        base_fee in 0..20u64,
    ) {
        let pool = pool(PoolConfig::default());
        for (i, (fee, tip, length)) in (0u64..).zip(rows) {
            let sender = Address::left_padding_from(&i.to_be_bytes());
            let length = if i % 50 == 0 { length } else { 1 + length % 3 };
            for nonce in 0..length {
                let fee = u128::from(fee + nonce % 3) * GWEI;
                let tx = unsigned(sender, transfer(nonce, fee, (u128::from(tip) * GWEI).min(fee)));
                let rich = Funds { nonce: 0, balance: U256::MAX };
                pool.0.book.lock().insert(tx, (nonce == 0).then_some(rich), false).unwrap();
            }
        }
        let expected = naive_order(&pool.0.book.lock(), base_fee * BASE_FEE);
        let order: Vec<B256> = pool.best(base_fee * BASE_FEE).map(|tx| tx.hash).collect();
        prop_assert_eq!(order, expected);
    }
}
