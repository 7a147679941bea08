//! A chain in memory, whose blocks the real EVM executes, for tests of methods.

use super::replay::replay_env;
use crate::{Api, Limits, module};
use alloy_consensus::{SignableTransaction as _, TxEip1559, TxLegacy};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, bytes, keccak256};
use cairn_chain::{
    Chain, Sealed,
    block::{Block, BlockExtra, base_header, transactions_root},
    chain::{Backend, ChainConfig, ProofError, StateProof},
    genesis::{Allocation, Committee, EmptyState, GENESIS_VERSION, Genesis, Parameters, Predeploy},
};
use cairn_evm::{MemoryState, RecoveredTx, StateError, StateView, TxEnvelope, execute};
use cairn_primitives::state::{StateKey, StateValue};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Rich.
pub(crate) const ALICE: Address = address!("a11ce00000000000000000000000000000000001");
/// Poor.
pub(crate) const BOB: Address = address!("b0b0000000000000000000000000000000000002");
/// Stores the first word of its input in slot 0 and logs; returns nothing.
pub(crate) const STORE: Address = address!("5702e00000000000000000000000000000000003");
/// Reverts with its input.
pub(crate) const REVERT: Address = address!("2e7e270000000000000000000000000000000004");
/// Passes its value on to the address in the first word of its input, whether that works or not.
pub(crate) const PASS: Address = address!("9a55000000000000000000000000000000000005");
/// Loops until the gas is used up.
pub(crate) const LOOP: Address = address!("1009000000000000000000000000000000000006");
/// Calls itself until the gas is used up.
pub(crate) const DEEP: Address = address!("deeb000000000000000000000000000000000007");

fn contracts() -> Vec<(Address, Bytes)> {
    vec![
        (STORE, bytes!("5f355f555f5fa000")),
        (REVERT, bytes!("365f5f37365ffd")),
        (PASS, bytes!("5f5f5f5f345f355af100")),
        (LOOP, bytes!("5b5f56")),
        (DEEP, bytes!("5f5f5f5f5f305af100")),
    ]
}

#[derive(Default)]
struct Node(Mutex<MemoryState>);

impl StateView for Node {
    fn get<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        let value = self.0.lock().entries.get(key).copied();
        Box::pin(std::future::ready(Ok(value)))
    }
}

impl Backend for Node {
    fn prove<'a>(&'a self, _: &'a [StateKey]) -> BoxFuture<'a, Result<StateProof, ProofError>> {
        Box::pin(async { Err(ProofError::State("no proofs in this test".into())) })
    }
    fn finalization(&self, _: u64) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(async { None })
    }
    fn gossip(&self, _: Vec<Arc<RecoveredTx>>) {}
    fn peers(&self) -> usize {
        0
    }
}

/// A chain that grows when told to.
pub(crate) struct TestChain {
    pub chain: Chain,
    node: Arc<Node>,
}

impl TestChain {
    /// A chain with block 1.
    pub(crate) async fn new() -> Self {
        let code = |code| Allocation { nonce: 1, code, ..Allocation::default() };
        let mut allocations: BTreeMap<_, _> =
            contracts().into_iter().map(|(address, bytes)| (address, code(bytes))).collect();
        let balance = U256::from(10).pow(U256::from(21));
        allocations.insert(ALICE, Allocation { balance, ..Allocation::default() });
        let genesis = Genesis {
            version: GENESIS_VERSION,
            name: "test".into(),
            chain_id: 7,
            timestamp_ms: 1_700_000_000_000,
            dev: true,
            parameters: Parameters::default(),
            predeploys: Predeploy::all(),
            allocations,
            committee: Committee::default(),
        };
        let empty = EmptyState { ops_root: B256::ZERO, ops_start: 0, ops_end: 1 };
        let node = Arc::new(Node::default());
        let chain = Chain::open(ChainConfig {
            genesis_block: genesis.block(empty),
            genesis,
            directory: None,
            archive: true,
            backend: node.clone(),
        })
        .unwrap();
        let this = Self { chain, node };
        this.mine(Vec::new()).await;
        this
    }

    /// Adds a block.
    pub(crate) async fn mine(&self, transactions: Vec<RecoveredTx>) -> Arc<Sealed> {
        let transactions: Vec<_> = transactions.into_iter().map(Arc::new).collect();
        let block = self.next_block(&transactions);
        let (env, step) = replay_env(self.chain.genesis(), &block);
        let view = self.node.0.lock().clone();
        let output = execute(&env, &step, &transactions, &view).await.unwrap();
        let mut block = block;
        block.header.gas_used = output.gas_used;
        block.header.receipts_root = output.receipts_root();
        block.header.logs_bloom = output.logs_bloom();
        let receipts = output.receipts;
        let sealed = Arc::new(Sealed { hash: block.hash(), block, transactions, receipts });
        self.chain.record(&sealed, &output.changes).unwrap();
        self.node.0.lock().apply(&output.changes);
        self.chain.publish(sealed.clone());
        sealed
    }

    fn next_block(&self, transactions: &[Arc<RecoveredTx>]) -> Block {
        let parent = self.chain.head();
        let extra = BlockExtra {
            view: parent.number() + 1,
            timestamp_ms: parent.block.extra.timestamp_ms + 1_000,
            ..BlockExtra::default()
        };
        let transactions: Vec<_> = transactions.iter().map(|tx| tx.encoded.clone()).collect();
        let mut header = base_header();
        header.parent_hash = parent.hash;
        header.number = parent.number() + 1;
        header.timestamp = extra.timestamp_ms / 1_000;
        header.gas_limit = self.chain.genesis().parameters.block_gas_limit;
        header.base_fee_per_gas = Some(self.chain.next_base_fee());
        header.transactions_root = transactions_root(&transactions);
        header.parent_beacon_block_root = Some(extra.commitment());
        Block { header, extra, transactions }
    }

    /// The answer of a method as it is sent.
    pub(crate) async fn answer(&self, method: &str, params: Value) -> String {
        let module = module(Api::new(self.chain.clone(), Limits::default()));
        let request =
            serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (answer, _) = module.raw_json_request(&request.to_string(), 1).await.unwrap();
        answer.get().into()
    }

    /// The result of a method, or the code and text of its error.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Result<Value, (i64, String)> {
        let answer: Value = serde_json::from_str(&self.answer(method, params).await).unwrap();
        match answer.get("error") {
            None => Ok(answer["result"].clone()),
            Some(error) => {
                Err((error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().into()))
            }
        }
    }
}

/// A call of a transaction by `ALICE`, whose signature nobody looks at.
pub(crate) fn transaction(nonce: u64, to: Address, value: u64, input: Bytes) -> RecoveredTx {
    recovered(
        TxEip1559 {
            chain_id: 7,
            nonce,
            gas_limit: 1_000_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(to),
            value: U256::from(value),
            input,
            ..TxEip1559::default()
        }
        .into_signed(signature())
        .into(),
    )
}

/// A creation by `ALICE` in the oldest format.
pub(crate) fn creation(nonce: u64, input: Bytes) -> RecoveredTx {
    recovered(
        TxLegacy {
            chain_id: Some(7),
            nonce,
            gas_limit: 1_000_000,
            gas_price: 10_000_000_000,
            to: TxKind::Create,
            value: U256::ZERO,
            input,
        }
        .into_signed(signature())
        .into(),
    )
}

fn signature() -> Signature {
    Signature::new(U256::ONE, U256::ONE, false)
}

fn recovered(envelope: TxEnvelope) -> RecoveredTx {
    let encoded: Bytes = envelope.encoded_2718().into();
    RecoveredTx { envelope, sender: ALICE, hash: keccak256(&encoded), encoded }
}

/// An address as a word.
pub(crate) fn word(address: Address) -> Bytes {
    address.into_word().into()
}
