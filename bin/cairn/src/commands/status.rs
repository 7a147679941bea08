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
    client: String,
    chain_id: u64,
    height: u64,
    hash: B256,
    state_root: B256,
    /// Unix time of the last block in seconds.
    timestamp: u64,
    /// How long ago that was by this machine's clock, in seconds.
    age_seconds: u64,
    transactions: usize,
    gas_used: u64,
    gas_limit: u64,
    base_fee_wei: u64,
    peers: u64,
    pool_pending: u64,
    pool_queued: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    number: U64,
    hash: B256,
    state_root: B256,
    timestamp: U64,
    transactions: Vec<B256>,
    gas_used: U64,
    gas_limit: U64,
    base_fee_per_gas: U64,
}

#[derive(Deserialize)]
struct Pool {
    pending: U64,
    queued: U64,
}

/// Runs `cairn status`.
pub(crate) fn run(args: &StatusArgs, output: Output) -> Done {
    let client = RpcClient::new(&args.rpc.rpc)?;
    let status = ask(&client, &args.rpc.rpc)?;
    output.result(&status, Status::text);
    Ok(())
}

fn ask(client: &RpcClient, url: &str) -> Result<Status, CallError> {
    let head: Head = client.call("eth_getBlockByNumber", &json!(["latest", false]))?;
    let pool: Pool = client.call("txpool_status", &json!([]))?;
    let timestamp = head.timestamp.to::<u64>();
    Ok(Status {
        rpc: url.to_owned(),
        client: client.call("web3_clientVersion", &json!([]))?,
        chain_id: client.quantity("eth_chainId", &json!([]))?,
        height: head.number.to(),
        hash: head.hash,
        state_root: head.state_root,
        timestamp,
        age_seconds: now_seconds().saturating_sub(timestamp),
        transactions: head.transactions.len(),
        gas_used: head.gas_used.to(),
        gas_limit: head.gas_limit.to(),
        base_fee_wei: head.base_fee_per_gas.to(),
        peers: client.quantity("net_peerCount", &json!([]))?,
        pool_pending: pool.pending.to(),
        pool_queued: pool.queued.to(),
    })
}

impl Status {
    fn text(&self) -> String {
        fields(&[
            ("node", format!("{} ({})", self.client, self.rpc)),
            ("chain id", self.chain_id.to_string()),
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
            ("pool", format!("{} pending, {} queued", self.pool_pending, self.pool_queued)),
            ("peers", self.peers.to_string()),
        ])
    }
}
