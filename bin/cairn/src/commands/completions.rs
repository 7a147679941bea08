//! `cairn completions`: completion scripts for shells.

use crate::{cli::Cli, output::Done};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Arguments of `cairn completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cairn completions bash > /etc/bash_completion.d/cairn
  cairn completions zsh > ~/.zfunc/_cairn")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Runs `cairn completions`.
pub(crate) fn run(args: &CompletionsArgs) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cairn", &mut script);
    // A reader that went away is not a failure of the command.
    let _ = std::io::Write::write_all(&mut std::io::stdout().lock(), &script);
    Ok(())
}
