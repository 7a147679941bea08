//! `cairn bench executor`: execution, hashing and commit over the state database, without consensus.

use crate::output::{Done, ExitCode, Failure, OrFail, Output, columns};
use cairn_node::bench::{ExecutorBench, executor};
use clap::Args;
use serde::Serialize;

/// Arguments of `cairn bench executor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Executes blocks of transfers between accounts spread over the whole state, hashes the state and makes
it durable, for growing numbers of accounts; then opens the database again.

Examples:
  cairn bench executor
  cairn bench executor --accounts 500000")]
pub(crate) struct ExecutorArgs {
    /// Accounts in the state; give several for a growth curve
    #[arg(long, value_name = "N", default_values_t = [10_000, 100_000, 500_000, 1_000_000])]
    accounts: Vec<usize>,
    /// Blocks to execute
    #[arg(long, default_value_t = 20, value_name = "N")]
    blocks: usize,
    /// Transfers in a block
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    transfers: usize,
    /// Memory for pages of the state, in MiB
    #[arg(long, value_name = "MIB", default_value_t = super::PAGE_CACHE_MIB)]
    page_cache_mib: usize,
}

/// Transfers a second that the executor should reach.
const TARGET_RATE: f64 = 80_000.0;

#[derive(Serialize)]
struct Row {
    accounts: usize,
    transfers_per_second: f64,
    ratio_to_target: f64,
    execute_ms: f64,
    merkleize_ms: f64,
    commit_ms: f64,
    reopen_s: f64,
    resident_mib: u64,
}

/// Runs the benchmark.
pub(super) fn run(args: &ExecutorArgs, output: Output) -> Done {
    let numbers = [args.blocks, args.transfers, args.page_cache_mib];
    if numbers.contains(&0) || args.accounts.contains(&0) {
        return Err(Failure::new(ExitCode::Usage, "all numbers must be positive"));
    }
    let mut rows = Vec::new();
    for accounts in &args.accounts {
        rows.push(measure(*accounts, args)?);
    }
    output.result(&rows, |rows| {
        let head = [
            "accounts",
            "transfers/s",
            "/ 80k",
            "execute ms",
            "hash ms",
            "commit ms",
            "reopen s",
            "MiB",
        ];
        let mut cells = vec![head.map(String::from).to_vec()];
        cells.extend(rows.iter().map(|row| {
            vec![
                row.accounts.to_string(),
                format!("{:.0}", row.transfers_per_second),
                format!("{:.2}", row.ratio_to_target),
                format!("{:.1}", row.execute_ms),
                format!("{:.1}", row.merkleize_ms),
                format!("{:.1}", row.commit_ms),
                format!("{:.2}", row.reopen_s),
                row.resident_mib.to_string(),
            ]
        }));
        format!("{}\n\n  times are per block of {} transfers", columns(&cells), args.transfers)
    });
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "times for people")]
fn measure(accounts: usize, args: &ExecutorArgs) -> Done<Row> {
    let directory = tempfile::tempdir().or_fail(ExitCode::Failed)?;
    let report = executor(&ExecutorBench {
        directory: directory.path().to_path_buf(),
        accounts,
        blocks: args.blocks,
        transfers: args.transfers,
        page_cache_bytes: args.page_cache_mib << 20,
    });
    let per_block = |time: std::time::Duration| time.as_secs_f64() * 1_000.0 / args.blocks as f64;
    Ok(Row {
        accounts,
        transfers_per_second: report.rate(),
        ratio_to_target: report.rate() / TARGET_RATE,
        execute_ms: per_block(report.execute),
        merkleize_ms: per_block(report.merkleize),
        commit_ms: per_block(report.commit),
        reopen_s: report.reopen.as_secs_f64(),
        resident_mib: report.resident_bytes >> 20,
    })
}
