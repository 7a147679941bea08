//! Arguments of the `cairn` command. What each subcommand does is in [`crate::commands`].

use crate::{
    commands::{bench, completions, doctor, key, network, node, proof, state, status, up},
    output::EXIT_CODES,
};
use cairn_telemetry::{LogFormat, LogOptions};
use clap::{Args, Parser, Subcommand};

/// Width of help texts in columns: fixed, so that they read the same everywhere.
const HELP_WIDTH: usize = 96;

/// Cairn: a network of physical infrastructure that its participants own.
#[derive(Debug, Parser)]
#[command(
    name = "cairn",
    version,
    term_width = HELP_WIDTH,
    after_long_help = EXIT_CODES,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Print results as one line of JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to log on standard error, such as `info` or `info,cairn_node=debug`
    #[arg(long, global = true, value_name = "FILTER", env = "CAIRN_LOG", hide_env_values = true)]
    pub(crate) log: Option<String>,
    /// How log lines look: `text` or `json`
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "CAIRN_LOG_FORMAT",
        hide_env_values = true
    )]
    pub(crate) log_format: Option<LogFormat>,
}

impl Global {
    /// Options of the log: flag or environment, else `fallback`.
    pub(crate) fn log_options(&self, fallback: &LogOptions) -> LogOptions {
        LogOptions {
            format: self.log_format.unwrap_or(fallback.format),
            filter: self.log.clone().or_else(|| fallback.filter.clone()),
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a development network in this process; its state persists between runs
    Up(up::UpArgs),
    /// Set up a network of several nodes, and run it on this machine for trials
    #[command(subcommand)]
    Network(network::NetworkCommand),
    /// Run one node of a network
    Node(node::NodeArgs),
    /// Make and inspect key files
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Show what a node knows of its network
    Status(status::StatusArgs),
    /// Fetch and check proofs of accounts and storage, trusting only the genesis file
    #[command(subcommand)]
    Proof(proof::ProofCommand),
    /// Move the whole state of a stopped node: export it to a file, import it from one
    #[command(subcommand)]
    State(state::StateCommand),
    /// Measure this machine and this program
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Check that this machine can run a node
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}
