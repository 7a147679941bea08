//! `cairn status`: what a node knows of its network.

use crate::{
    commands::now_seconds,
    output::{Done, Output, fields},
    rpc_client::{CallError, RpcArgs, RpcClient},
};
use alloy_primitives::{B256, U64};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Arguments of `cairn status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cairn status
  cairn status --rpc http://127.0.0.1:30301 --json")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    rpc: RpcArgs,
}

#[derive(Serialize)]
struct Status {
    rpc: String,
    version: String,
    network: String,
    chain_id: u64,
    height: u64,
    hash: B256,
    state_root: B256,
    /// Unix time of the last block in milliseconds.
    timestamp_ms: u64,
    /// How long ago that was by this machine's clock, in seconds.
    age_seconds: u64,
    transactions: usize,
    gas_used: u64,
    gas_limit: u64,
    base_fee_wei: u64,
    /// First height of which the node has all blocks since.
    earliest: u64,
    /// Oldest height whose state the node has.
    oldest_state: u64,
    validators: usize,
    peers: u64,
    pool_pending: u64,
    pool_queued: u64,
}

/// What `cairn_status` answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    chain_id: U64,
    network: String,
    head: U64,
    hash: B256,
    timestamp_ms: U64,
    earliest: U64,
    oldest_state: U64,
    peers: U64,
    pending: U64,
    queued: U64,
    validators: Vec<B256>,
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    state_root: B256,
    transactions: Vec<B256>,
    gas_used: U64,
    gas_limit: U64,
    base_fee_per_gas: U64,
}

/// Runs `cairn status`.
pub(crate) fn run(args: &StatusArgs, output: Output) -> Done {
    let client = RpcClient::new(&args.rpc.rpc)?;
    let status = ask(&client, &args.rpc.rpc)?;
    output.result(&status, Status::text);
    Ok(())
}

fn ask(client: &RpcClient, url: &str) -> Result<Status, CallError> {
    let node: Node = client.call("cairn_status", &json!([]))?;
    let block: Block = client.call("eth_getBlockByHash", &json!([node.hash, false]))?;
    let timestamp_ms = node.timestamp_ms.to::<u64>();
    Ok(Status {
        rpc: url.to_owned(),
        version: node.version,
        network: node.network,
        chain_id: node.chain_id.to(),
        height: node.head.to(),
        hash: node.hash,
        state_root: block.state_root,
        timestamp_ms,
        age_seconds: now_seconds().saturating_sub(timestamp_ms / 1_000),
        transactions: block.transactions.len(),
        gas_used: block.gas_used.to(),
        gas_limit: block.gas_limit.to(),
        base_fee_wei: block.base_fee_per_gas.to(),
        earliest: node.earliest.to(),
        oldest_state: node.oldest_state.to(),
        validators: node.validators.len(),
        peers: node.peers.to(),
        pool_pending: node.pending.to(),
        pool_queued: node.queued.to(),
    })
}

impl Status {
    fn text(&self) -> String {
        fields(&[
            ("node", format!("{} ({})", self.version, self.rpc)),
            ("network", format!("{}, chain id {}", self.network, self.chain_id)),
            ("height", format!("{}, final {} s ago", self.height, self.age_seconds)),
            ("hash", self.hash.to_string()),
            ("state root", self.state_root.to_string()),
            (
                "last block",
                format!(
                    "{} transactions, {} of {} gas",
                    self.transactions, self.gas_used, self.gas_limit
                ),
            ),
            ("base fee", format!("{} wei", self.base_fee_wei)),
            (
                "history",
                format!("blocks from {}, states from {}", self.earliest, self.oldest_state),
            ),
            ("pool", format!("{} pending, {} queued", self.pool_pending, self.pool_queued)),
            ("validators", self.validators.to_string()),
            ("peers", self.peers.to_string()),
        ])
    }
}
