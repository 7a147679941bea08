//! `cairn bench transfers`: how many transfers a second become final through JSON-RPC.

use super::{
    load::{self, Sender},
    peer::{Peer, find_anvil},
};
use crate::{
    output::{Done, ExitCode, Failure, OrFail, Output, columns},
    rpc_client::RpcClient,
};
use alloy_primitives::{Address, Bytes, U256};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// Arguments of `cairn bench transfers`.
#[derive(Debug, Args)]
#[command(after_help = "\
Signs all transfers first, then submits them in batches over a few connections and waits until the
last one is in a final block. Runs one validator, a committee in one process, and Anvil with blocks
every second, one after the other on the same cores, and prints the ratios.

Examples:
  cairn bench transfers
  cairn bench transfers --count 50000 --validators 1 --validators 4
  cairn bench transfers --anvil /opt/foundry/bin/anvil")]
pub(crate) struct TransfersArgs {
    /// Transfers to send
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    count: usize,
    /// Accounts that send them
    #[arg(long, default_value_t = 100, value_name = "N")]
    senders: usize,
    /// Calls in one JSON-RPC batch
    #[arg(long, default_value_t = 250, value_name = "N")]
    batch: usize,
    /// Connections that submit at the same time
    #[arg(long, default_value_t = 4, value_name = "N")]
    connections: usize,
    /// Committee sizes to measure
    #[arg(long, value_name = "N", default_values_t = [1, 4])]
    validators: Vec<usize>,
    /// Anvil, if it is not on the search path
    #[arg(long, value_name = "PATH")]
    anvil: Option<PathBuf>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    submitted_per_second: f64,
    final_per_second: f64,
    ratio_to_anvil: Option<f64>,
}

/// Runs the benchmark.
pub(super) fn run(args: &TransfersArgs, output: Output) -> Done {
    if args.count == 0 || args.senders == 0 || args.batch == 0 || args.connections == 0 {
        return Err(Failure::new(ExitCode::Usage, "all numbers must be positive"));
    }
    let mut rows = Vec::new();
    let anvil = find_anvil(args.anvil.as_deref());
    let mut base = None;
    if let Some(program) = &anvil {
        let row = measure("anvil, 1 s blocks".into(), &Peer::anvil(program)?, args)?;
        base = Some(row.final_per_second);
        rows.push(row);
    }
    for validators in &args.validators {
        let name = format!("cairn, {validators} validator(s)");
        rows.push(measure(name, &Peer::cairn(*validators)?, args)?);
    }
    for row in &mut rows {
        row.ratio_to_anvil = base.map(|base| row.final_per_second / base);
    }
    output.result(&rows, |rows| table(rows, anvil.is_some()));
    Ok(())
}

fn table(rows: &[Row], anvil: bool) -> String {
    let mut cells =
        vec![vec!["".into(), "submitted/s".into(), "final/s".into(), "ratio to anvil".into()]];
    cells.extend(rows.iter().map(|row| {
        vec![
            row.name.clone(),
            format!("{:.0}", row.submitted_per_second),
            format!("{:.0}", row.final_per_second),
            row.ratio_to_anvil.map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}")),
        ]
    }));
    let note = if anvil {
        ""
    } else {
        "\n\n  Anvil was not found: `npm ci` in tests/clients installs it."
    };
    format!("{}{note}", columns(&cells))
}

#[expect(clippy::cast_precision_loss, reason = "rates for people")]
fn measure(name: String, peer: &Peer, args: &TransfersArgs) -> Done<Row> {
    let client = RpcClient::new(&peer.url)?;
    let mut senders = load::fund(&client, peer.chain_id, args.senders)?;
    let transfers = sign(&mut senders, peer.chain_id, args.count);
    let bodies = load::batches(&transfers, args.batch);
    let first = client.quantity("eth_blockNumber", &json!([]))? + 1;
    let start = Instant::now();
    submit(&peer.url, &bodies, args.connections)?;
    let submitted = start.elapsed();
    wait_until_included(&client, first, args.count, start)?;
    let finished = start.elapsed();
    Ok(Row {
        name,
        submitted_per_second: args.count as f64 / submitted.as_secs_f64(),
        final_per_second: args.count as f64 / finished.as_secs_f64(),
        ratio_to_anvil: None,
    })
}

/// Transfers of all senders in turns, so that each sender's nonces stay in order.
fn sign(senders: &mut [Sender], chain_id: u64, count: usize) -> Vec<Bytes> {
    let count_senders = senders.len();
    (0..count)
        .map(|i| {
            let to = Address::left_padding_from(&(i as u64 + 0x1_0000).to_be_bytes());
            senders[i % count_senders].transfer(chain_id, to, U256::from(1))
        })
        .collect()
}

/// Submits batch `i` over connection `i mod connections`, each connection one after the other.
fn submit(url: &str, bodies: &[String], connections: usize) -> Done {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|worker| {
                scope.spawn(move || {
                    let client = RpcClient::new(url)?;
                    for body in bodies.iter().skip(worker).step_by(connections) {
                        load::accepted(&client.post_raw(body.clone())?)?;
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(panicked())))
    })
}

fn panicked() -> Failure {
    Failure::new(ExitCode::Failed, "a submitting thread panicked")
}

fn wait_until_included(client: &RpcClient, first: u64, count: usize, start: Instant) -> Done {
    let mut next = first;
    let mut included = 0;
    while included < count {
        load::give_up(start)?;
        let head = client.quantity("eth_blockNumber", &json!([]))?;
        if head < next {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        }
        let number = format!("{next:#x}");
        let transactions =
            client.quantity("eth_getBlockTransactionCountByNumber", &json!([number]))?;
        included += usize::try_from(transactions).or_fail(ExitCode::Rpc)?;
        next += 1;
    }
    Ok(())
}
