//! The `cairn` command: reads arguments and configuration, wires the parts, prints results.
//!
//! No rule of the network lives here. [`cli`] declares the arguments, [`commands`] has one module a
//! subcommand, [`config`] and [`network`] are the files on disk, [`launch`] turns a configuration
//! into a running node with its JSON-RPC server. Results go to standard output, logs and failures to
//! standard error; [`output`] documents the exit codes.

mod cli;
mod commands;
mod config;
mod dev;
mod keys;
mod launch;
mod network;
mod output;
mod rpc_client;

use clap::Parser;
use std::process::ExitCode;

/// Executing blocks allocates much and briefly; the system's allocator gives memory back too eagerly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = output::Output::new(cli.global.json);
    match commands::run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.failure(&failure),
    }
}
