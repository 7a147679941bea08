//! What the tests of this crate share: accounts, transactions, awkward states.

use crate::{
    BlockEnv, BlockOutput, ExecuteError, GenesisAccount, MemoryState, RecoveredTx, Round,
    StateError, StateView, SystemStep, TxEnvelope, execute, system_accounts, system_step,
};
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use cairn_primitives::state::{Account, StateKey, StateValue};
use cairn_protocol::Rules;
use futures::{executor::block_on, future::BoxFuture};
use secp256k1::{Message, SecretKey};
use std::collections::BTreeMap;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

pub(crate) const CHAIN_ID: u64 = 7_777;
pub(crate) const ALICE: Address = Address::repeat_byte(0xa1);
pub(crate) const BOB: Address = Address::repeat_byte(0xb0);
pub(crate) const PROPOSER: Address = Address::repeat_byte(0xcb);
pub(crate) const BASE_FEE: u64 = 1_000;

pub(crate) fn env(number: u64) -> BlockEnv {
    BlockEnv {
        chain_id: CHAIN_ID,
        number,
        timestamp: 1_000 + number,
        beneficiary: PROPOSER,
        gas_limit: Rules::V1.gas_limit,
        base_fee: BASE_FEE,
        prevrandao: B256::repeat_byte(0x5e),
        parent_hash: B256::with_last_byte(number.to_le_bytes()[0]),
        rules: Rules::V1,
    }
}

pub(crate) fn step(env: &BlockEnv) -> SystemStep {
    system_step(env, env.timestamp * 1_000, Round { epoch: 0, view: env.number }, &[], Vec::new())
}

/// A call of `to` with room for `gas` and a tip of 7 wei.
pub(crate) fn call(to: Address, gas: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: gas,
        max_fee_per_gas: 1_000_000,
        max_priority_fee_per_gas: 7,
        to: TxKind::Call(to),
        ..Default::default()
    }
}

/// Wraps a transaction as sent by `sender`, without a real signature.
pub(crate) fn sent(sender: Address, tx: TxEip1559) -> Arc<RecoveredTx> {
    let envelope = TxEnvelope::from(tx.into_signed(Signature::test_signature()));
    let encoded = Bytes::from(envelope.encoded_2718());
    Arc::new(RecoveredTx::with_sender(encoded, sender, CHAIN_ID).unwrap())
}

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_byte_array([seed; 32]).unwrap()
}

pub(crate) fn address_of(key: &SecretKey) -> Address {
    let public = key.public_key(secp256k1::SECP256K1).serialize_uncompressed();
    Address::from_raw_public_key(&public[1..])
}

pub(crate) fn sign_hash(key: &SecretKey, hash: B256) -> Signature {
    let message = Message::from_digest(hash.0);
    let (id, bytes) = secp256k1::SECP256K1.sign_ecdsa_recoverable(message, key).serialize_compact();
    Signature::from_bytes_and_parity(&bytes, i32::from(id) == 1)
}

pub(crate) fn signed<T: SignableTransaction<Signature>>(key: &SecretKey, tx: T) -> Bytes
where
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let signature = sign_hash(key, tx.signature_hash());
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

pub(crate) fn rich() -> GenesisAccount {
    GenesisAccount { balance: U256::from(10u128.pow(24)), ..Default::default() }
}

pub(crate) fn contract(code: impl Into<Bytes>) -> GenesisAccount {
    GenesisAccount { nonce: 1, code: code.into(), ..Default::default() }
}

/// State after a genesis of system accounts, a rich Alice and Bob, and `accounts`.
pub(crate) fn genesis(accounts: Vec<(Address, GenesisAccount)>) -> MemoryState {
    let env = env(1);
    let mut all = system_accounts();
    all.extend([(ALICE, rich()), (BOB, rich())]);
    all.extend(accounts);
    let step = SystemStep { accounts: all, ..step(&env) };
    let mut state = MemoryState::default();
    let output = block_on(execute(&env, &step, &[], &state)).unwrap();
    state.apply(&output.changes);
    state
}

/// Executes a block and applies it.
pub(crate) fn advance(
    state: &mut MemoryState,
    env: &BlockEnv,
    txs: &[Arc<RecoveredTx>],
) -> Result<BlockOutput, ExecuteError> {
    let output = block_on(execute(env, &step(env), txs, state))?;
    state.apply(&output.changes);
    Ok(output)
}

pub(crate) fn account(state: &MemoryState, address: Address) -> Option<Account> {
    state.entries.get(&StateKey::account(address)).map(Account::decode)
}

pub(crate) fn balance(state: &MemoryState, address: Address) -> U256 {
    account(state, address).unwrap_or_default().balance
}

pub(crate) fn slot(state: &MemoryState, address: Address, slot: u64) -> U256 {
    let value = state.entries.get(&StateKey::slot(address, U256::from(slot)));
    value.map(StateValue::as_word).unwrap_or_default()
}

/// A state that suspends before every read, counts keys, and may fail at one of them.
#[derive(Debug, Default)]
pub(crate) struct AwkwardView {
    pub(crate) state: MemoryState,
    pub(crate) requests: AtomicUsize,
    pub(crate) keys: AtomicUsize,
    pub(crate) broken: BTreeMap<StateKey, ()>,
    pub(crate) hangs_at: Option<usize>,
}

impl AwkwardView {
    pub(crate) fn new(state: MemoryState) -> Self {
        Self { state, ..Self::default() }
    }

    async fn read(&self, keys: &[StateKey]) -> Result<Vec<Option<StateValue>>, StateError> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        self.keys.fetch_add(keys.len(), Ordering::Relaxed);
        pending_once().await;
        if self.hangs_at == Some(request) {
            futures::future::pending::<()>().await;
        }
        if keys.iter().any(|key| self.broken.contains_key(key)) {
            return Err(StateError("the disk is gone".into()));
        }
        self.state.get_many(keys).await
    }
}

impl StateView for AwkwardView {
    fn get<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        Box::pin(async move {
            let values = self.read(std::slice::from_ref(key)).await?;
            Ok(values.into_iter().next().flatten())
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [StateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<StateValue>>, StateError>> {
        Box::pin(self.read(keys))
    }
}

async fn pending_once() {
    let mut first = true;
    std::future::poll_fn(|cx| {
        if std::mem::take(&mut first) {
            cx.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(())
    })
    .await;
}
