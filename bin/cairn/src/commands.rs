//! One module a subcommand: its arguments, and what it does with them.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod key;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod proof;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod up;

use crate::{
    cli::{Cli, Command},
    output::{Done, ExitCode, OrFail, Output},
};
use cairn_telemetry::{LogOptions, log};
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli, output: Output) -> Done {
    let Cli { global, command } = cli;
    // `node` knows more about its log after it has read its configuration file.
    if !matches!(command, Command::Node(_)) {
        log::init(&global.log_options(&LogOptions::default())).or_fail(ExitCode::Usage)?;
    }
    match command {
        Command::Up(args) => up::run(&args, output),
        Command::Network(command) => network::run(&command, output),
        Command::Node(args) => node::run(&args, &global, output),
        Command::Key(command) => key::run(&command, output),
        Command::Status(args) => status::run(&args, output),
        Command::Proof(command) => proof::run(&command, output),
        Command::State(command) => state::run(&command, output),
        Command::Bench(command) => bench::run(&command, output),
        Command::Doctor(args) => doctor::run(&args, output),
        Command::Completions(args) => completions::run(&args),
    }
}

/// This machine's clock in seconds since 1970.
fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
