//! `cairn bench reads`: the most reads of the state that one transaction can ask for.

use crate::output::{Done, ExitCode, Failure, OrFail, Output, columns};
use cairn_node::bench::{ReadsBench, reads};
use clap::Args;
use serde::Serialize;
use std::time::Duration;

/// Arguments of `cairn bench reads`.
#[derive(Debug, Args)]
#[command(after_help = "\
A transaction of 30 million gas reads storage words that are spread over the whole state: right after \
the database was opened with nothing in memory; after it was opened as a node opens it, which reads \
the log ahead; in a later block; and again in the same block.

Examples:
  cairn bench reads
  cairn bench reads --keys 2000000 --page-cache-mib 512")]
pub(crate) struct ReadsArgs {
    /// Storage words in the state; give several for a growth curve
    #[arg(long, value_name = "N", default_values_t = [500_000])]
    keys: Vec<usize>,
    /// Memory for pages of the state, in MiB
    #[arg(long, value_name = "MIB", default_value_t = super::PAGE_CACHE_MIB)]
    page_cache_mib: usize,
}

/// How many times longer the first reads may take than the same reads later.
const TARGET_RATIO: f64 = 3.0;

#[derive(Serialize)]
struct Row {
    keys: usize,
    reads: u64,
    first_ms: f64,
    later_ms: f64,
    ratio: f64,
    ratio_to_target: f64,
    same_block_ms: f64,
    nothing_in_memory_ms: f64,
    read_ahead_ms: f64,
}

/// Runs the benchmark.
pub(super) fn run(args: &ReadsArgs, output: Output) -> Done {
    if args.page_cache_mib == 0 || args.keys.contains(&0) {
        return Err(Failure::new(ExitCode::Usage, "all numbers must be positive"));
    }
    let rows = args.keys.iter().map(|keys| measure(*keys, args)).collect::<Done<Vec<_>>>()?;
    output.result(&rows, |rows| {
        let head = [
            "keys",
            "reads",
            "first ms",
            "later ms",
            "first / later",
            "same block ms",
            "nothing in memory ms",
            "read ahead ms",
        ];
        let mut cells = vec![head.map(String::from).to_vec()];
        cells.extend(rows.iter().map(|row| {
            let ms = |time: f64| format!("{time:.1}");
            vec![
                row.keys.to_string(),
                row.reads.to_string(),
                ms(row.first_ms),
                ms(row.later_ms),
                format!("{:.2}", row.ratio),
                ms(row.same_block_ms),
                ms(row.nothing_in_memory_ms),
                ms(row.read_ahead_ms),
            ]
        }));
        let cells = columns(&cells);
        format!("{cells}\n\n  target: first / later at most {TARGET_RATIO}")
    });
    Ok(())
}

fn measure(keys: usize, args: &ReadsArgs) -> Done<Row> {
    let directory = tempfile::tempdir().or_fail(ExitCode::Failed)?;
    let report = reads(&ReadsBench {
        directory: directory.path().to_path_buf(),
        keys,
        page_cache_bytes: args.page_cache_mib << 20,
    });
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let ratio = report.first.as_secs_f64() / report.warm.as_secs_f64();
    Ok(Row {
        keys,
        reads: report.reads,
        first_ms: ms(report.first),
        later_ms: ms(report.warm),
        ratio,
        ratio_to_target: ratio / TARGET_RATIO,
        same_block_ms: ms(report.at_hand),
        nothing_in_memory_ms: ms(report.cold),
        read_ahead_ms: ms(report.fill),
    })
}
