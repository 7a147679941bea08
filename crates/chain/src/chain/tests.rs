//! The handle from outside: heads, lookups, past states, pool and restart together.

use super::{Backend, Chain, ChainConfig, ChainError, ProofError, StateProof};
use crate::{
    genesis::{Committee, EmptyState, GENESIS_VERSION, Genesis, Parameters, ValidatorEntry},
    history::HistoryError,
    sealed::Sealed,
    testing::{CHAIN_ID, Directory, GWEI, Live, address, sealed, sign, transfer},
};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use cairn_evm::{Change, RecoveredTx, StateError, StateView};
use cairn_primitives::state::{Account, StateKey, StateValue};
use futures::{executor::block_on, future::BoxFuture};
use parking_lot::Mutex;
use std::{collections::BTreeMap, path::Path, sync::Arc};

const ETHER: u128 = 1_000_000_000 * GWEI;
const EMPTY: EmptyState = EmptyState { ops_root: B256::ZERO, ops_start: 0, ops_end: 1 };

#[derive(Default)]
struct Node {
    live: Live,
    sent: Mutex<Vec<B256>>,
}

impl StateView for Node {
    fn get<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        self.live.get(key)
    }
}

impl Backend for Node {
    fn prove<'a>(&'a self, _: &'a [StateKey]) -> BoxFuture<'a, Result<StateProof, ProofError>> {
        Box::pin(async { Err(ProofError::State("no proofs in this test".into())) })
    }
    fn finalization(&self, _: u64) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(async { None })
    }
    fn gossip(&self, transactions: Vec<Arc<RecoveredTx>>) {
        self.sent.lock().extend(transactions.iter().map(|tx| tx.hash));
    }
    fn peers(&self) -> usize {
        3
    }
}

fn genesis(name: &str) -> Genesis {
    let validator = ValidatorEntry { public_key: B256::ZERO, payout: Address::ZERO };
    Genesis {
        version: GENESIS_VERSION,
        name: name.into(),
        chain_id: CHAIN_ID,
        timestamp_ms: 0,
        dev: true,
        parameters: Parameters::default(),
        predeploys: Vec::new(),
        allocations: BTreeMap::new(),
        committee: Committee { validators: vec![validator], ..Committee::default() },
    }
}

fn open(directory: Option<&Path>, node: &Arc<Node>) -> Result<Chain, ChainError> {
    let genesis = genesis("test");
    Chain::open(ChainConfig {
        genesis_block: genesis.block(EMPTY),
        genesis,
        directory: directory.map(Path::to_owned),
        archive: false,
        backend: node.clone(),
    })
}

/// Builds a block from the pool, as a node would: record, apply, publish.
fn grow(chain: &Chain, node: &Node) -> Arc<Sealed> {
    let head = chain.head();
    let transactions: Vec<_> = chain.pool().best(1_000_000_000).collect();
    let block = Arc::new(sealed(head.number() + 1, head.hash, transactions));
    let mut changes = BTreeMap::new();
    for tx in &block.transactions {
        let key = StateKey::account(tx.sender);
        let before = node.live.0.read().entries.get(&key).copied();
        let account = before.map(|value| Account::decode(&value)).unwrap_or_default();
        let change = changes.entry(key).or_insert(Change { key, before, after: before });
        let nonce = Account::decode(&change.after.unwrap()).nonce + 1;
        change.after = Some(Account { nonce, ..account }.encode());
    }
    let changes: Vec<Change> = changes.into_values().collect();
    chain.record(&block, &changes).unwrap();
    assert_eq!(chain.by_number(block.number()).unwrap(), None, "recorded is not published");
    node.live.0.write().apply(&changes);
    chain.publish(block.clone());
    block
}

fn nonce_at(chain: &Chain, seed: u64, height: u64) -> u64 {
    let view = chain.state_at(height).unwrap();
    let value = block_on(view.get(&StateKey::account(address(seed)))).unwrap();
    value.map_or(0, |value| Account::decode(&value).nonce)
}

#[test]
fn block_zero_is_served_like_any_other() {
    let node = Arc::new(Node::default());
    let chain = open(None, &node).unwrap();
    block_on(chain.start_at(0)).unwrap();
    let head = chain.head();
    assert_eq!((head.number(), chain.earliest(), chain.oldest_state()), (0, 0, 0));
    assert_eq!(chain.by_number(0).unwrap(), Some(head.clone()));
    assert_eq!(chain.by_hash(head.hash).unwrap(), Some(head));
    assert_eq!(chain.by_number(1).unwrap(), None);
    assert_eq!(chain.next_base_fee(), chain.genesis().parameters.initial_base_fee);
    let error = chain.state_at(1).err().unwrap();
    assert!(matches!(error, HistoryError::Future { height: 1, head: 0 }), "{error}");
    grow(&chain, &node);
    let zero = chain.by_number(0).unwrap().unwrap();
    assert!(zero.transactions.is_empty() && zero.block == chain.genesis().block(EMPTY));
}

#[test]
fn transactions_go_from_submission_to_lookup() {
    let node = Arc::new(Node::default());
    node.live.set(address(1), 0, ETHER);
    let chain = open(None, &node).unwrap();
    block_on(chain.start_at(0)).unwrap();
    let mut heads = chain.subscribe();
    let first = block_on(chain.submit(sign(1, transfer(0, 2 * GWEI, GWEI)))).unwrap();
    let raw: Vec<Bytes> = (1..40).map(|nonce| sign(1, transfer(nonce, 2 * GWEI, GWEI))).collect();
    let more = block_on(chain.submit_many(raw.clone()));
    let hashes: Vec<B256> =
        std::iter::once(first).chain(more.into_iter().map(Result::unwrap)).collect();
    assert_eq!(*node.sent.lock(), hashes, "each is sent to peers once");
    block_on(chain.submit_remote(raw));
    assert_eq!((node.sent.lock().len(), chain.pool().status()), (40, (40, 0)));

    let block = grow(&chain, &node);
    assert_eq!(heads.try_recv().unwrap().hash, block.hash);
    assert_eq!(chain.pool().status(), (0, 0));
    for (index, hash) in (0..).zip(&hashes) {
        assert_eq!(chain.locate(*hash).unwrap(), Some((1, index)));
    }
    assert_eq!(chain.locate(keccak256("nothing")).unwrap(), None);
    assert_eq!(chain.by_hash(block.hash).unwrap(), Some(block));
    assert_eq!((nonce_at(&chain, 1, 0), nonce_at(&chain, 1, 1)), (0, 40));
}

#[test]
fn everything_is_there_after_a_restart() {
    let directory = Directory::new();
    let node = Arc::new(Node::default());
    (1..4).for_each(|seed| node.live.set(address(seed), 0, ETHER));
    let chain = open(Some(directory.path()), &node).unwrap();
    block_on(chain.start_at(0)).unwrap();
    for nonce in 0..5 {
        for seed in 1..4 {
            block_on(chain.submit(sign(seed, transfer(nonce, 2 * GWEI, GWEI)))).unwrap();
        }
        grow(&chain, &node);
    }
    let waiting = block_on(chain.submit(sign(1, transfer(5, 2 * GWEI, GWEI)))).unwrap();
    let blocks: Vec<_> = (0..=5).map(|n| chain.by_number(n).unwrap().unwrap()).collect();
    drop(chain);

    let chain = open(Some(directory.path()), &node).unwrap();
    assert_eq!(chain.head().number(), 0, "the node says what is applied");
    block_on(chain.start_at(5)).unwrap();
    assert_eq!(chain.head(), blocks[5]);
    for block in &blocks {
        assert_eq!(chain.by_number(block.number()).unwrap().as_ref(), Some(block));
        assert_eq!(nonce_at(&chain, 2, block.number()), block.number());
    }
    assert!(chain.pool().get(&waiting).is_some(), "local transactions survive");
    grow(&chain, &node);
    assert_eq!(chain.locate(waiting).unwrap(), Some((6, 0)));
}

#[test]
fn a_state_ahead_of_the_history_and_another_network_are_refused() {
    let directory = Directory::new();
    let node = Arc::new(Node::default());
    let chain = open(Some(directory.path()), &node).unwrap();
    grow(&chain, &node);
    let error = block_on(chain.start_at(7)).unwrap_err();
    assert!(matches!(error, ChainError::Behind { applied: 7, tip: 1 }), "{error}");
    drop(chain);
    let other = genesis("another");
    let error = Chain::open(ChainConfig {
        genesis_block: other.block(EMPTY),
        genesis: other,
        directory: Some(directory.path().to_owned()),
        archive: false,
        backend: node,
    });
    let error = error.err().unwrap();
    assert!(matches!(error, ChainError::History(HistoryError::OtherChain { .. })), "{error}");
}

#[test]
fn heads_only_move_up() {
    let node = Arc::new(Node::default());
    let chain = open(None, &node).unwrap();
    let blocks: Vec<_> = (0..3).map(|_| grow(&chain, &node)).collect();
    let mut heads = chain.subscribe();
    chain.publish(blocks[0].clone());
    chain.publish(blocks[2].clone());
    assert!(heads.try_recv().is_err());
    assert_eq!(chain.head(), blocks[2]);
}

#[test]
fn a_node_that_joined_by_state_sync_waits_for_its_first_block() {
    let node = Arc::new(Node::default());
    let chain = open(None, &node).unwrap();
    block_on(chain.start_at(900)).unwrap();
    assert_eq!(chain.head().number(), 0);
    let block = sealed(901, B256::repeat_byte(9), Vec::new());
    chain.record(&block, &[]).unwrap();
    chain.publish(block);
    assert_eq!((chain.head().number(), chain.earliest(), chain.oldest_state()), (901, 901, 900));
    assert!(chain.by_number(0).unwrap().is_some() && chain.by_number(5).unwrap().is_none());
    let error = chain.state_at(899).err().unwrap();
    assert!(matches!(error, HistoryError::StatePruned { height: 899, oldest: 900 }), "{error}");
}

#[test]
fn base_fee_follows_the_head() {
    let node = Arc::new(Node::default());
    let chain = open(None, &node).unwrap();
    grow(&chain, &node);
    assert_eq!(chain.next_base_fee(), 875_000_000);
}
