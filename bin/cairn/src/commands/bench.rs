//! `cairn bench`: measure this machine and this program, as ratios against a peer or a limit.
//!
//! Nothing here passes or fails by time: a benchmark prints what it saw, in one run, on one machine.

mod executor;
mod latency;
mod load;
mod peer;
mod reads;
mod transfers;

use crate::output::{Done, Output};
use clap::Subcommand;

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Signed transfers through JSON-RPC until they are final and durable, beside Anvil
    Transfers(transfers::TransfersArgs),
    /// Time from submission to the final receipt at a steady rate
    Latency(latency::LatencyArgs),
    /// Execution over the state database alone, with growth of the state
    Executor(executor::ExecutorArgs),
    /// The most reads of the state that one transaction can ask for
    Reads(reads::ReadsArgs),
}

/// Memory for pages of the state unless told otherwise, in MiB: a node's default.
const PAGE_CACHE_MIB: usize = crate::config::PAGE_CACHE_MIB;

/// Runs `cairn bench`.
pub(crate) fn run(command: &BenchCommand, output: Output) -> Done {
    match command {
        BenchCommand::Transfers(args) => transfers::run(args, output),
        BenchCommand::Latency(args) => latency::run(args, output),
        BenchCommand::Executor(args) => executor::run(args, output),
        BenchCommand::Reads(args) => reads::run(args, output),
    }
}
