//! Signed transfers, and the JSON-RPC batches that carry them.

use crate::{
    dev,
    output::{Done, ExitCode, Failure, OrFail},
    rpc_client::RpcClient,
};
use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex, keccak256};
use secp256k1::{Message, SECP256K1, SecretKey};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Highest base fee that the transfers accept, in wei.
const MAX_FEE: u128 = 100_000_000_000;

/// Coins that each sender gets, in wei: enough for thousands of transfers.
const FUNDS: u64 = 10_000_000_000_000_000_000;

/// How long to wait for transactions before giving up.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// An account that sends transfers.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    secret: SecretKey,
    pub(super) address: Address,
    pub(super) nonce: u64,
}

impl Sender {
    fn new(secret: SecretKey) -> Self {
        let public = secret.public_key(SECP256K1).serialize_uncompressed();
        let address = Address::from_slice(&keccak256(&public[1..])[12..]);
        Self { secret, address, nonce: 0 }
    }

    /// The first account of a development network.
    fn funded() -> Done<Self> {
        let bytes: B256 = dev::KEYS[0].0.parse().or_fail(ExitCode::Failed)?;
        SecretKey::from_byte_array(bytes.0).map(Self::new).or_fail(ExitCode::Failed)
    }

    /// Sender number `index` of a benchmark: the same in every run.
    fn numbered(index: usize) -> Self {
        let seed = keccak256(format!("cairn bench sender {index}"));
        Self::new(SecretKey::from_byte_array(seed.0).expect("a Keccak-256 hash is below the order"))
    }

    /// The next transfer of `value` wei to `to`, signed, in EIP-2718 encoding.
    pub(super) fn transfer(&mut self, chain_id: u64, to: Address, value: U256) -> Bytes {
        let transaction = TxEip1559 {
            chain_id,
            nonce: self.nonce,
            gas_limit: 21_000,
            max_fee_per_gas: MAX_FEE,
            max_priority_fee_per_gas: 1_000_000_000,
            to: TxKind::Call(to),
            value,
            ..TxEip1559::default()
        };
        self.nonce += 1;
        let message = Message::from_digest(transaction.signature_hash().0);
        let (id, bytes) =
            SECP256K1.sign_ecdsa_recoverable(message, &self.secret).serialize_compact();
        let signature = Signature::from_bytes_and_parity(&bytes, i32::from(id) == 1);
        TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
    }
}

/// Funds `count` senders and waits until they can spend.
pub(super) fn fund(client: &RpcClient, chain_id: u64, count: usize) -> Done<Vec<Sender>> {
    let mut rich = Sender::funded()?;
    rich.nonce = nonce(client, rich.address)?;
    let mut senders: Vec<Sender> = (0..count).map(Sender::numbered).collect();
    let gifts: Vec<Bytes> = senders
        .iter()
        .map(|sender| rich.transfer(chain_id, sender.address, U256::from(FUNDS)))
        .collect();
    for body in batches(&gifts, 100) {
        accepted(&client.post_raw(body)?)?;
    }
    let start = Instant::now();
    for sender in &mut senders {
        while balance(client, sender.address)? < U256::from(FUNDS) / U256::from(2) {
            give_up(start)?;
            std::thread::sleep(Duration::from_millis(20));
        }
        sender.nonce = nonce(client, sender.address)?;
    }
    Ok(senders)
}

/// Fails once [`PATIENCE`] is over.
pub(super) fn give_up(start: Instant) -> Done {
    if start.elapsed() > PATIENCE {
        return Err(Failure::new(ExitCode::Failed, "transactions were not included in time"));
    }
    Ok(())
}

fn nonce(client: &RpcClient, address: Address) -> Done<u64> {
    Ok(client.quantity("eth_getTransactionCount", &json!([address, "latest"]))?)
}

fn balance(client: &RpcClient, address: Address) -> Done<U256> {
    Ok(client.call("eth_getBalance", &json!([address, "latest"]))?)
}

/// JSON-RPC batches of at most `size` `eth_sendRawTransaction` calls.
pub(super) fn batches(transactions: &[Bytes], size: usize) -> Vec<String> {
    let batch = |chunk: &[Bytes]| {
        let calls: Vec<String> = chunk
            .iter()
            .enumerate()
            .map(|(id, raw)| {
                let raw = hex::encode_prefixed(raw);
                format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_sendRawTransaction","params":["{raw}"]}}"#)
            })
            .collect();
        format!("[{}]", calls.join(","))
    };
    transactions.chunks(size).map(batch).collect()
}

/// Fails if any answer of a batch is an error.
pub(super) fn accepted(answer: &[u8]) -> Done {
    let answers: Value = serde_json::from_slice(answer).or_fail(ExitCode::Rpc)?;
    let Some(answers) = answers.as_array() else {
        return Err(Failure::new(ExitCode::Rpc, format!("a batch was refused: {answers}")));
    };
    match answers.iter().find_map(|answer| answer.get("error")) {
        Some(error) => Err(Failure::new(ExitCode::Rpc, format!("a transfer was refused: {error}"))),
        None => Ok(()),
    }
}
