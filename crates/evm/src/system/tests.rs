use super::*;
use crate::db::{StateDb, on_state};
use crate::env::evm_with;
use crate::testing::{
    ALICE, AwkwardView, BOB, account, address_of, advance, call, contract, env, genesis, key, rich,
    sent, sign_hash, slot, step,
};
use crate::{ExecuteError, MemoryState, RecoveredTx, StateError};
use alloy_consensus::TxEip7702;
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{B256, Log, address, keccak256};
use alloy_sol_types::{SolCall as _, SolError as _, SolEvent as _, sol};
use cairn_contracts::{
    CRYPTO, Call, Outcome, SystemContract,
    abi::{IBeacon, ICrypto, ISystem},
    dispatch, revert,
};
use cairn_primitives::state::StateKey;
use futures::executor::block_on;
use revm::{
    Database as _, DatabaseCommit as _, ExecuteEvm as _,
    context::{
        TxEnv,
        result::{EVMError, ExecutionResult},
    },
    primitives::{TxKind, hardfork::SpecId},
};
use std::sync::Arc;

sol! {
    interface ICounter {
        event Added(address indexed who, uint256 by, uint256 total);
        error Zero();
        function add(uint256 by) external returns (uint256 total);
        function fund() external payable returns (uint256 total);
        function total() external view returns (uint256);
    }
}

const COUNTER: Address = address!("00000000000000000000000000000000000c0417");
static TABLE: &[SystemContract] =
    &[SystemContract { address: COUNTER, name: "Counter", handler: counter }];

/// Adds up; refuses zero only after it has written and logged, so that tests see the frame undo it.
fn counter(call: &mut Call<'_>, input: &[u8]) -> Outcome<Bytes> {
    use ICounter::ICounterCalls;
    dispatch(call, input, &[ICounter::fundCall::SELECTOR], |call, function| match function {
        ICounterCalls::add(ICounter::addCall { by }) => {
            let total = call.get(U256::ZERO)? + by;
            call.set(U256::ZERO, total)?;
            call.emit(&ICounter::Added { who: call.caller, by, total })?;
            if by.is_zero() {
                return revert(ICounter::Zero {});
            }
            Ok(ICounter::addCall::abi_encode_returns(&total))
        }
        ICounterCalls::fund(_) => {
            let total = call.get(U256::ZERO)? + call.value;
            call.set(U256::ZERO, total)?;
            Ok(ICounter::fundCall::abi_encode_returns(&total))
        }
        ICounterCalls::total(_) => {
            Ok(ICounter::totalCall::abi_encode_returns(&call.get(U256::ZERO)?))
        }
    })
}

const CALL: u8 = 0xf1;
const CALLCODE: u8 = 0xf2;
const DELEGATECALL: u8 = 0xf4;
const STATICCALL: u8 = 0xfa;

/// EVM code: forwards its input to `to` by `op`, stores at slot 0 whether that worked (1 or 0), then
/// returns what it got, or reverts.
fn proxy(op: u8, to: Address, then_revert: bool) -> Bytes {
    let mut code = vec![0x36, 0x5f, 0x5f, 0x37]; // calldatacopy(0, 0, calldatasize)
    code.extend([0x5f, 0x5f, 0x36, 0x5f]); // no output, input
    if matches!(op, CALL | CALLCODE) {
        code.push(0x5f); // no value
    }
    code.push(0x73); // push20
    code.extend(to.as_slice());
    code.extend([0x5a, op]); // gas, call
    code.extend([0x5f, 0x55]); // sstore(0, success)
    code.extend(if then_revert {
        vec![0x5f, 0x5f, 0xfd]
    } else {
        vec![0x3d, 0x5f, 0x5f, 0x3e, 0x3d, 0x5f, 0xf3] // return the returned data
    });
    code.into()
}

/// A chain whose only system contract is the counter.
struct Bench {
    state: MemoryState,
    nonce: u64,
}

const THROUGH: Address = Address::repeat_byte(0x71);
const REVERTING: Address = Address::repeat_byte(0x72);
const STATIC: Address = Address::repeat_byte(0x73);
const DELEGATE: Address = Address::repeat_byte(0x74);
const CODE: Address = Address::repeat_byte(0x75);

impl Bench {
    fn new() -> Self {
        let stub = Bytes::from_static(STUB_CODE);
        let state = genesis(vec![
            (COUNTER, contract(stub)),
            (THROUGH, contract(proxy(CALL, COUNTER, false))),
            (REVERTING, contract(proxy(CALL, COUNTER, true))),
            (STATIC, contract(proxy(STATICCALL, COUNTER, false))),
            (DELEGATE, contract(proxy(DELEGATECALL, COUNTER, false))),
            (CODE, contract(proxy(CALLCODE, COUNTER, false))),
        ]);
        Self { state, nonce: 0 }
    }

    fn send_with(&mut self, to: Address, input: Vec<u8>, gas: u64, value: u64) -> ExecutionResult {
        let tx = TxEnv {
            caller: ALICE,
            kind: TxKind::Call(to),
            data: input.into(),
            nonce: self.nonce,
            gas_limit: gas,
            gas_price: 1_000_000,
            value: U256::from(value),
            chain_id: Some(crate::testing::CHAIN_ID),
            ..Default::default()
        };
        self.nonce += 1;
        let env = env(2);
        let work = |db: &mut StateDb<'_>| {
            let precompiles = SystemPrecompiles::with_contracts(SpecId::OSAKA, env.rules, TABLE);
            let executed =
                evm_with(&env, db, ()).with_precompiles(precompiles).transact(tx).unwrap();
            db.commit(executed.state);
            let head = cairn_primitives::state::StateValue::head(2, 0);
            (executed.result, db.take_changes(head).unwrap())
        };
        let (result, changes) = block_on(on_state(&self.state, work)).unwrap();
        self.state.apply(&changes);
        result
    }

    fn send(&mut self, to: Address, input: Vec<u8>) -> ExecutionResult {
        self.send_with(to, input, 200_000, 0)
    }

    fn total(&self) -> u64 {
        slot(&self.state, COUNTER, 0).to()
    }

    /// What the proxy at `address` says of its last inner call.
    fn inner_worked(&self, address: Address) -> bool {
        slot(&self.state, address, 0) == U256::from(1)
    }
}

fn add(by: u64) -> Vec<u8> {
    ICounter::addCall { by: U256::from(by) }.abi_encode()
}

fn reverted_with(result: &ExecutionResult, error: Vec<u8>) -> bool {
    matches!(result, ExecutionResult::Revert { output, .. } if **output == *error)
}

#[test]
fn a_direct_call_writes_logs_and_returns() {
    let mut bench = Bench::new();
    let result = bench.send(COUNTER, add(5));
    assert!(result.is_success());
    assert_eq!(ICounter::addCall::abi_decode_returns(result.output().unwrap()), Ok(U256::from(5)));
    let [log] = result.logs() else { panic!("one log: {result:?}") };
    let event = ICounter::Added::decode_log(log).unwrap();
    assert_eq!((event.address, event.who, event.by), (COUNTER, ALICE, U256::from(5)));
    assert_eq!(bench.total(), 5);
    // 21,000 and calldata, 112 to enter, 2,100 + 20,000 for the slot, 375 · 3 + 8 · 64 for the log.
    let calldata = add(5).iter().map(|byte| if *byte == 0 { 4 } else { 16 }).sum::<u64>();
    let gas = 21_000 + calldata + (100 + 3 * 2) + 2_100 + 20_000 + (375 * 3 + 8 * 64);
    assert_eq!(result.tx_gas_used(), gas);
}

#[test]
fn a_revert_after_writes_leaves_nothing_and_returns_gas() {
    let mut bench = Bench::new();
    bench.send(COUNTER, add(5));
    let result = bench.send(COUNTER, add(0));
    assert!(reverted_with(&result, ICounter::Zero {}.abi_encode()));
    assert!(result.tx_gas_used() < 50_000);
    assert_eq!(bench.total(), 5);
}

#[test]
fn a_call_through_a_contract_works() {
    let mut bench = Bench::new();
    let result = bench.send(THROUGH, add(7));
    assert_eq!(result.logs().len(), 1);
    assert_eq!(ICounter::Added::decode_log(&result.logs()[0]).unwrap().who, THROUGH);
    assert_eq!(bench.total(), 7);
    assert!(bench.inner_worked(THROUGH));
}

#[test]
fn an_outer_revert_undoes_the_inner_call() {
    let mut bench = Bench::new();
    let result = bench.send(REVERTING, add(100));
    assert!(matches!(result, ExecutionResult::Revert { .. }));
    assert_eq!(bench.total(), 0);
}

#[test]
fn an_inner_revert_leaves_the_outer_call_alive() {
    let mut bench = Bench::new();
    bench.send(THROUGH, add(3));
    let result = bench.send(THROUGH, add(0));
    assert!(result.is_success() && result.logs().is_empty());
    assert_eq!(**result.output().unwrap(), *ICounter::Zero {}.abi_encode());
    assert!(!bench.inner_worked(THROUGH));
    assert_eq!(bench.total(), 3);
}

#[test]
fn a_static_call_reads_but_does_not_write() {
    let mut bench = Bench::new();
    bench.send(COUNTER, add(3));
    let result = bench.send(STATIC, add(1));
    assert_eq!(**result.output().unwrap(), *ISystem::StaticCallNotAllowed {}.abi_encode());
    assert!(!bench.inner_worked(STATIC));
    let result = bench.send(STATIC, ICounter::totalCall {}.abi_encode());
    assert!(bench.inner_worked(STATIC));
    assert_eq!(U256::from_be_slice(result.output().unwrap()), U256::from(3));
    assert_eq!(bench.total(), 3);
}

#[test]
fn calls_in_foreign_storage_are_refused() {
    for proxy in [DELEGATE, CODE] {
        let mut bench = Bench::new();
        let result = bench.send(proxy, add(1));
        assert_eq!(**result.output().unwrap(), *ISystem::DelegateCallNotAllowed {}.abi_encode());
        assert!(!bench.inner_worked(proxy));
        assert_eq!(bench.total(), 0);
    }
}

#[test]
fn running_out_of_gas_undoes_everything_at_every_step() {
    let mut bench = Bench::new();
    let needed = bench.send(COUNTER, add(1)).tx_gas_used();
    // Leave the slot as it was, so that the price stays the same.
    for gas in (21_600..needed).step_by(97) {
        let mut bench = Bench::new();
        let result = bench.send_with(COUNTER, add(1), gas, 0);
        assert!(matches!(result, ExecutionResult::Halt { .. }), "{gas}: {result:?}");
        assert_eq!(result.tx_gas_used(), gas);
        assert_eq!(bench.total(), 0);
    }
    assert!(Bench::new().send_with(COUNTER, add(1), needed, 0).is_success());
}

#[test]
fn coins_go_only_to_functions_that_take_them() {
    let mut bench = Bench::new();
    let before = account(&bench.state, COUNTER).unwrap().balance;
    let result = bench.send_with(COUNTER, add(1), 200_000, 9);
    assert!(reverted_with(&result, ISystem::NotPayable { value: U256::from(9) }.abi_encode()));
    let result = bench.send_with(COUNTER, Vec::new(), 200_000, 9);
    assert!(reverted_with(&result, ISystem::NotPayable { value: U256::from(9) }.abi_encode()));
    assert_eq!(account(&bench.state, COUNTER).unwrap().balance, before);
    let result = bench.send_with(COUNTER, ICounter::fundCall {}.abi_encode(), 200_000, 9);
    assert!(result.is_success());
    assert_eq!(account(&bench.state, COUNTER).unwrap().balance, before + U256::from(9));
    assert_eq!(bench.total(), 9);
}

#[test]
fn an_unpaid_cold_load_never_reaches_the_state() {
    let state = Bench::new().state;
    // Enough gas to enter the contract, not enough for a cold slot.
    for input in [add(1), ICounter::totalCall {}.abi_encode()] {
        let view = AwkwardView {
            broken: [(StateKey::slot(COUNTER, U256::ZERO), ())].into(),
            ..AwkwardView::new(state.clone())
        };
        let calldata = input.iter().map(|byte| if *byte == 0 { 4 } else { 16 }).sum::<u64>();
        let tx = TxEnv {
            caller: ALICE,
            kind: TxKind::Call(COUNTER),
            data: input.into(),
            gas_limit: 21_000 + calldata + 106 + 2_000,
            gas_price: 1_000_000,
            chain_id: Some(crate::testing::CHAIN_ID),
            ..Default::default()
        };
        let env = env(2);
        let work = |db: &mut StateDb<'_>| {
            let precompiles = SystemPrecompiles::with_contracts(SpecId::OSAKA, env.rules, TABLE);
            evm_with(&env, db, ()).with_precompiles(precompiles).transact(tx).unwrap().result
        };
        let result = block_on(on_state(&view, work)).unwrap();
        assert!(matches!(result, ExecutionResult::Halt { .. }), "{result:?}");
    }
}

#[test]
fn a_failing_database_is_fatal_not_a_revert() {
    let view = AwkwardView {
        broken: [(StateKey::slot(COUNTER, U256::ZERO), ())].into(),
        ..AwkwardView::new(Bench::new().state)
    };
    let tx = TxEnv {
        caller: ALICE,
        kind: TxKind::Call(THROUGH), // an EVM contract in between must not swallow it
        data: add(1).into(),
        gas_limit: 200_000,
        gas_price: 1_000_000,
        chain_id: Some(crate::testing::CHAIN_ID),
        ..Default::default()
    };
    let env = env(2);
    let mut seen = None;
    let work = |db: &mut StateDb<'_>| {
        let precompiles = SystemPrecompiles::with_contracts(SpecId::OSAKA, env.rules, TABLE);
        seen = Some(evm_with(&env, db, ()).with_precompiles(precompiles).transact(tx).map(drop));
        // Going on after the failure does not help.
        assert!(db.basic(BOB).is_err());
    };
    let error = block_on(on_state(&view, work)).unwrap_err();
    assert_eq!(error, StateError("the disk is gone".into()));
    assert!(matches!(seen, Some(Err(EVMError::Custom(_) | EVMError::Database(_)))));
}

#[test]
fn a_beacon_seed_is_readable_by_contracts_after_its_delay() {
    let reader = Address::repeat_byte(0x99);
    let mut state = genesis(vec![(reader, contract(proxy(STATICCALL, BEACON, false)))]);
    let env = env(5);
    let seeds = [
        Seed { height: 2, seed: B256::repeat_byte(2) },
        Seed { height: 3, seed: B256::repeat_byte(3) },
    ];
    let step = system_step(&env, 5_000, Round { epoch: 3, view: 9 }, &seeds, Vec::new());
    let ask = |nonce, height: u64| {
        let input = IBeacon::seedAtCall { height: U256::from(height) }.abi_encode();
        sent(
            ALICE,
            alloy_consensus::TxEip1559 { nonce, input: input.into(), ..call(reader, 100_000) },
        )
    };
    let output = block_on(crate::execute(&env, &step, &[ask(0, 3)], &state)).unwrap();
    state.apply(&output.changes);
    assert_eq!(slot(&state, reader, 0), U256::from(1)); // found, in the very block that publishes it
    advance(&mut state, &crate::testing::env(6), &[ask(1, 4)]).unwrap();
    assert_eq!(slot(&state, reader, 0), U256::ZERO);
    let word = state.entries[&StateKey::slot(BEACON, beacon::round_slot(5))].as_word();
    assert_eq!(beacon::decode_round(5, word), Some(Round { epoch: 3, view: 9 }));
}

#[test]
fn crypto_works_from_the_evm_and_is_absent_without_system_contracts() {
    let caller = Address::repeat_byte(0x99);
    let input = ICrypto::blake3HashCall { input: Bytes::from_static(b"cairn") }.abi_encode();
    for enabled in [true, false] {
        let mut state = genesis(vec![(caller, contract(proxy(STATICCALL, CRYPTO, false)))]);
        let mut env = env(2);
        env.rules.system_contracts = enabled;
        let tx = sent(
            ALICE,
            alloy_consensus::TxEip1559 { input: input.clone().into(), ..call(caller, 200_000) },
        );
        let output = advance(&mut state, &env, &[tx]).unwrap();
        assert!(output.receipts[0].success);
        // Without the contract, its stub code halts the inner call.
        assert_eq!(slot(&state, caller, 0), U256::from(u64::from(enabled)));
    }
}

#[test]
fn an_account_delegated_to_a_system_contract_gains_nothing() {
    let (authority, sender) = (key(5), key(6));
    let mut state = genesis(vec![(address_of(&sender), rich())]);
    let authorization = Authorization { chain_id: U256::ZERO, address: BEACON, nonce: 0 };
    let signature = sign_hash(&authority, authorization.signature_hash());
    let tx = TxEip7702 {
        chain_id: crate::testing::CHAIN_ID,
        gas_limit: 200_000,
        max_fee_per_gas: 1_000_000,
        to: address_of(&authority),
        authorization_list: vec![authorization.into_signed(signature)],
        input: IBeacon::latestCall {}.abi_encode().into(),
        ..Default::default()
    };
    let encoded = crate::testing::signed(&sender, tx);
    let tx = RecoveredTx::decode(encoded, crate::testing::CHAIN_ID).unwrap();
    assert_eq!(tx.sender, address_of(&sender));
    let output = advance(&mut state, &env(2), &[Arc::new(tx)]).unwrap();
    // The delegation is set; running the contract's stub code in the authority's name halts.
    assert!(!output.receipts[0].success);
    let designator = [&[0xef, 0x01, 0x00], BEACON.as_slice()].concat();
    assert_eq!(account(&state, address_of(&authority)).unwrap().code_hash, keccak256(&designator));
}

#[test]
fn parent_hashes_are_found_by_opcode_and_by_contract() {
    // BLOCKHASH(calldata[0..32]) stored at 0; then the history contract (EIP-2935) asked for the same.
    let mut code = vec![0x5f, 0x35, 0x40, 0x5f, 0x55]; // sstore(0, blockhash(calldataload(0)))
    code.extend([0x5f, 0x35, 0x5f, 0x52]); // mstore(0, calldataload(0))
    code.extend([0x60, 32, 0x5f, 0x60, 32, 0x5f, 0x73]); // staticcall(gas, history, 0, 32, 0, 32)
    code.extend(HISTORY_STORAGE_ADDRESS.as_slice());
    code.extend([0x5a, STATICCALL, 0x50, 0x5f, 0x51, 0x60, 1, 0x55]); // sstore(1, mload(0))
    let reader = Address::repeat_byte(0x99);
    let mut state = genesis(vec![(reader, contract(code))]);
    for number in 2..=20 {
        let mut block = env(number);
        block.parent_hash = keccak256((number - 1).to_be_bytes());
        let input = U256::from(number - 1).to_be_bytes::<32>().to_vec().into();
        let tx = alloy_consensus::TxEip1559 { nonce: number - 2, input, ..call(reader, 200_000) };
        advance(&mut state, &block, &[sent(ALICE, tx)]).unwrap();
        let expected = U256::from_be_bytes(block.parent_hash.0);
        assert_eq!((slot(&state, reader, 0), slot(&state, reader, 1)), (expected, expected));
    }
}

#[test]
fn genesis_installs_the_system_accounts() {
    let state = genesis(Vec::new());
    for contract in CONTRACTS {
        let account = account(&state, contract.address).unwrap();
        assert_eq!((account.nonce, account.code_hash), (1, keccak256(STUB_CODE)));
    }
    let history = account(&state, HISTORY_STORAGE_ADDRESS).unwrap();
    assert_eq!(history.code_hash, keccak256(&HISTORY_STORAGE_CODE));
    let head = state.entries[&StateKey::head()];
    assert_eq!(head.as_head(), (1, 1_001_000));
}

#[test]
fn impossible_genesis_accounts_are_refused() {
    let storage = [(U256::from(1), U256::from(2))].into();
    let bad = GenesisAccount { storage, ..Default::default() };
    assert_eq!(bad.check(BOB), Err(GenesisError::EmptyWithStorage(BOB)));
    let code = Bytes::from_static(&[0xef, 0x01, 0x00, 1]);
    let malformed = GenesisAccount { code, ..Default::default() };
    assert_eq!(malformed.check(BOB), Err(GenesisError::Code(BOB)));
    let env = env(1);
    let step = SystemStep { accounts: vec![(BOB, bad)], ..step(&env) };
    let outcome = block_on(crate::execute(&env, &step, &[], &MemoryState::default()));
    assert!(matches!(outcome, Err(ExecuteError::State(_))));
}

/// Logs of other contracts are not disturbed by a system contract's.
#[test]
fn logs_keep_their_order() {
    let mut bench = Bench::new();
    let logs: Vec<Log> = (1..4).flat_map(|by| bench.send(THROUGH, add(by)).into_logs()).collect();
    let totals: Vec<_> =
        logs.iter().map(|log| ICounter::Added::decode_log(log).unwrap().total).collect();
    assert_eq!(totals, [U256::from(1), U256::from(3), U256::from(6)]);
}
