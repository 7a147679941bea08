//! `cairn bench latency`: time from submission to the final receipt at a steady rate.

use super::{load, peer::Peer};
use crate::{
    output::{Done, ExitCode, Failure, Output, columns},
    rpc_client::RpcClient,
};
use alloy_primitives::{Address, U256};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::time::{Duration, Instant};

/// Arguments of `cairn bench latency`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each transfer is sent by eth_sendRawTransactionSync, which answers with the final receipt.

Examples:
  cairn bench latency
  cairn bench latency --rate 200 --seconds 20 --validators 4")]
pub(crate) struct LatencyArgs {
    /// Transfers a second
    #[arg(long, default_value_t = 200, value_name = "N")]
    rate: u32,
    /// How long to send
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    seconds: u32,
    /// Committee sizes to measure
    #[arg(long, value_name = "N", default_values_t = [1, 4])]
    validators: Vec<usize>,
}

/// Target for the median with one validator, in milliseconds.
const TARGET_ALONE_MS: f64 = 300.0;
/// Target for the median with a committee, in milliseconds.
const TARGET_COMMITTEE_MS: f64 = 400.0;

#[derive(Serialize)]
struct Row {
    validators: usize,
    transfers: usize,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p50_to_target: f64,
}

/// Runs the benchmark.
pub(super) fn run(args: &LatencyArgs, output: Output) -> Done {
    if args.rate == 0 || args.seconds == 0 {
        return Err(Failure::new(ExitCode::Usage, "rate and seconds must be positive"));
    }
    let mut rows = Vec::new();
    for validators in &args.validators {
        rows.push(measure(*validators, args)?);
    }
    output.result(&rows, |rows| {
        let head = ["validators", "transfers", "p50 ms", "p90 ms", "p99 ms", "p50 / target"];
        let mut cells = vec![head.map(String::from).to_vec()];
        cells.extend(rows.iter().map(|row| {
            vec![
                row.validators.to_string(),
                row.transfers.to_string(),
                format!("{:.0}", row.p50_ms),
                format!("{:.0}", row.p90_ms),
                format!("{:.0}", row.p99_ms),
                format!("{:.2}", row.p50_to_target),
            ]
        }));
        columns(&cells)
    });
    Ok(())
}

fn measure(validators: usize, args: &LatencyArgs) -> Done<Row> {
    let peer = Peer::cairn(validators)?;
    let client = RpcClient::new(&peer.url)?;
    let count = (args.rate * args.seconds) as usize;
    // One transfer a sender at a time would wait for nonces; as many senders as transfers a second
    // keep every submission independent of the others.
    let mut senders = load::fund(&client, peer.chain_id, args.rate as usize)?;
    let interval = Duration::from_secs(1) / args.rate;
    let start = Instant::now();
    let mut times = std::thread::scope(|scope| {
        let workers: Vec<_> = senders
            .iter_mut()
            .enumerate()
            .map(|(i, sender)| {
                let (url, chain_id) = (&peer.url, peer.chain_id);
                let first = interval * u32::try_from(i).unwrap_or(u32::MAX);
                scope.spawn(move || {
                    let client = RpcClient::new(url)?;
                    let mut times = Vec::new();
                    for round in 0..args.seconds {
                        let due = first + Duration::from_secs(u64::from(round));
                        std::thread::sleep(due.saturating_sub(start.elapsed()));
                        let to = Address::repeat_byte(0x77);
                        let raw = sender.transfer(chain_id, to, U256::from(1));
                        let sent = Instant::now();
                        let _: serde_json::Value =
                            client.call("eth_sendRawTransactionSync", &json!([raw]))?;
                        times.push(sent.elapsed());
                    }
                    Ok(times)
                })
            })
            .collect();
        let mut all = Vec::with_capacity(count);
        for worker in workers {
            let panicked = || Failure::new(ExitCode::Failed, "a sending thread panicked");
            all.extend(worker.join().unwrap_or_else(|_| Err(panicked()))?);
        }
        Ok::<_, Failure>(all)
    })?;
    times.sort_unstable();
    let at = |percent: usize| {
        let index = (times.len() * percent / 100).min(times.len() - 1);
        times[index].as_secs_f64() * 1_000.0
    };
    let target = if validators == 1 { TARGET_ALONE_MS } else { TARGET_COMMITTEE_MS };
    Ok(Row {
        validators,
        transfers: times.len(),
        p50_ms: at(50),
        p90_ms: at(90),
        p99_ms: at(99),
        p50_to_target: at(50) / target,
    })
}
