//! A chain in memory without consensus, for the tests of this crate: blocks are built from the pool on
//! demand.

use crate::{Api, Limits, Module, module};
use alloy_consensus::{Header, SignableTransaction, Signed, TxEip1559};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use cairn_chain::{
    Backend, Chain, ChainConfig, Genesis, Sealed,
    block::{Block, BlockExtra, base_header, transactions_root},
    chain::{ProofError, StateProof},
    genesis::{Allocation, Committee, EmptyState, GENESIS_VERSION, Parameters, Predeploy},
};
use cairn_evm::{
    BlockEnv, BuildLimits, MemoryState, RecoveredTx, Round, StateError, StateView, TxEnvelope,
    build, system_step,
};
use cairn_primitives::state::{StateKey, StateValue};
use futures::future::BoxFuture;
use parking_lot::RwLock;
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) const CHAIN_ID: u64 = 7_357;
pub(crate) const GWEI: u128 = 1_000_000_000;
const START_MS: u64 = 1_700_000_000_000;

fn key(seed: u64) -> SecretKey {
    SecretKey::from_byte_array(keccak256(seed.to_be_bytes()).0).unwrap()
}

/// Address of key number `seed`.
pub(crate) fn address(seed: u64) -> Address {
    let public = PublicKey::from_secret_key(SECP256K1, &key(seed)).serialize_uncompressed();
    Address::from_slice(&keccak256(&public[1..])[12..])
}

/// The transaction signed by key number `seed`, encoded.
pub(crate) fn sign<T>(seed: u64, tx: T) -> Bytes
where
    T: SignableTransaction<Signature>,
    TxEnvelope: From<Signed<T>>,
{
    let message = Message::from_digest(tx.signature_hash().0);
    let signature = SECP256K1.sign_ecdsa_recoverable(message, &key(seed));
    let (recovery, bytes) = signature.serialize_compact();
    let signature = Signature::from_bytes_and_parity(&bytes, i32::from(recovery) == 1);
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

/// A call of `to` with a tip of 1 gwei.
pub(crate) fn call(nonce: u64, to: TxKind, value: u64, input: &[u8]) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: if input.is_empty() { 21_000 } else { 500_000 },
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to,
        value: U256::from(value),
        input: Bytes::copy_from_slice(input),
        ..TxEip1559::default()
    }
}

/// The state in memory.
#[derive(Default)]
struct Live(RwLock<MemoryState>);

impl StateView for Live {
    fn get<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        let value = self.0.read().entries.get(key).copied();
        Box::pin(async move { Ok(value) })
    }
}

impl Backend for Live {
    fn prove<'a>(&'a self, keys: &'a [StateKey]) -> BoxFuture<'a, Result<StateProof, ProofError>> {
        Box::pin(async move {
            let (height, _) = self.0.read().entries[&StateKey::head()].as_head();
            let proofs = keys.iter().map(|key| Bytes::copy_from_slice(&key.0)).collect();
            Ok(StateProof { height, proofs })
        })
    }

    /// Blocks of even height have a certificate.
    fn finalization(&self, height: u64) -> BoxFuture<'_, Option<Bytes>> {
        let certificate = height.is_multiple_of(2).then(|| height.to_be_bytes().to_vec().into());
        Box::pin(async move { certificate })
    }

    fn gossip(&self, _: Vec<Arc<RecoveredTx>>) {}

    fn peers(&self) -> usize {
        3
    }
}

/// A chain whose blocks tests make.
pub(crate) struct TestChain {
    pub(crate) chain: Chain,
    live: Arc<Live>,
}

fn genesis() -> Genesis {
    let rich = Allocation { balance: U256::from(1_000_000_000 * GWEI), ..Allocation::default() };
    Genesis {
        version: GENESIS_VERSION,
        name: "test".into(),
        chain_id: CHAIN_ID,
        timestamp_ms: START_MS,
        dev: true,
        parameters: Parameters::default(),
        predeploys: Predeploy::all(),
        allocations: (0..8).map(|seed| (address(seed), rich.clone())).collect(),
        committee: Committee::default(),
    }
}

impl TestChain {
    /// A chain with block 1; keys 0 to 7 have 1e18 wei each.
    pub(crate) async fn new() -> Self {
        let genesis = genesis();
        let empty = EmptyState { ops_root: B256::ZERO, ops_start: 0, ops_end: 1 };
        let live = Arc::new(Live::default());
        let config = ChainConfig {
            genesis_block: genesis.block(empty),
            genesis,
            directory: None,
            archive: false,
            backend: live.clone(),
        };
        let test = Self { chain: Chain::open(config).unwrap(), live };
        test.mine().await;
        test
    }

    pub(crate) fn module(&self) -> Module {
        self.module_with(Limits::default())
    }

    pub(crate) fn module_with(&self, limits: Limits) -> Module {
        module(Api::new(self.chain.clone(), limits))
    }

    /// Takes a transaction in and makes a block of what is in the pool.
    pub(crate) async fn include(&self, raw: Bytes) -> B256 {
        let hash = self.chain.submit(raw).await.unwrap();
        self.mine().await;
        hash
    }

    /// Makes a block of what is in the pool.
    pub(crate) async fn mine(&self) {
        let (parent, genesis) = (self.chain.head(), self.chain.genesis());
        let timestamp_ms = START_MS + 500 * (parent.number() + 1);
        let env = BlockEnv {
            chain_id: CHAIN_ID,
            number: parent.number() + 1,
            timestamp: timestamp_ms / 1_000,
            beneficiary: Address::repeat_byte(0xbe),
            gas_limit: genesis.parameters.block_gas_limit,
            base_fee: self.chain.next_base_fee(),
            prevrandao: B256::repeat_byte(7),
            parent_hash: parent.hash,
            rules: genesis.rules(),
        };
        let accounts = if env.number == 1 { genesis.accounts() } else { Vec::new() };
        let step =
            system_step(&env, timestamp_ms, Round { epoch: 0, view: env.number }, &[], accounts);
        let mut best = self.chain.pool().best(env.base_fee);
        let limits = BuildLimits { bytes: 1 << 20, transactions: 1_000 };
        let output = build(&env, &step, &mut best, limits, &*self.live).await.unwrap();
        let transactions: Vec<_> =
            output.transactions.iter().map(|tx| tx.encoded.clone()).collect();
        let extra = BlockExtra { timestamp_ms, view: env.number, ..BlockExtra::default() };
        let header = Header {
            parent_hash: env.parent_hash,
            beneficiary: env.beneficiary,
            transactions_root: transactions_root(&transactions),
            receipts_root: output.receipts_root(),
            logs_bloom: output.logs_bloom(),
            number: env.number,
            gas_limit: env.gas_limit,
            gas_used: output.gas_used,
            timestamp: env.timestamp,
            mix_hash: env.prevrandao,
            base_fee_per_gas: Some(env.base_fee),
            parent_beacon_block_root: Some(extra.commitment()),
            ..base_header()
        };
        let block = Block { header, extra, transactions };
        let sealed = Sealed {
            hash: block.hash(),
            block,
            transactions: output.transactions.clone(),
            receipts: output.receipts.clone(),
        };
        self.chain.record(&sealed, &output.changes).unwrap();
        self.live.0.write().apply(&output.changes);
        self.chain.publish(sealed);
    }
}

/// Result or error of one request.
pub(crate) async fn ask(module: &Module, method: &str, params: Value) -> Result<Value, Value> {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let (answer, _) = module.raw_json_request(&request.to_string(), 1).await.unwrap();
    let mut answer: BTreeMap<String, Value> = serde_json::from_str(answer.get()).unwrap();
    match answer.remove("error") {
        Some(error) => Err(error),
        None => Ok(answer.remove("result").unwrap()),
    }
}
