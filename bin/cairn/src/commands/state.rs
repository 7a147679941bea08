//! `cairn state`: move the whole state of a node that does not run.
//!
//! `export` writes a snapshot, `import` puts one into an empty data directory and checks every part of
//! it against the genesis file; what is checked is in [`cairn_node::snapshot`].

use crate::{
    config::{FILE_NAME, NodeFile, read_genesis},
    launch,
    output::{Done, ExitCode, Failure, OrFail, Output, fields},
};
use cairn_node::snapshot::{self, Place, Progress, SnapshotError, Summary};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

/// What to do with the state.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Write the state of a stopped node to a file
    #[command(after_help = "\
The file holds the last final block with its certificate and everything in its state. It is a backup, \
and a start for another node. It holds no keys, no other blocks and no past states.

Examples:
  cairn state export --dir ./network/validator-0 --out state.cairn")]
    Export(ExportArgs),
    /// Put the state in a file into the empty data directory of a stopped node
    #[command(after_help = "\
Trusts nothing but the genesis file: the committee's certificate, the block, and every entry of the \
state are checked. Ends with code 5 if one of them does not hold. The node then starts from the file's \
block and has the blocks and states from there on.

A validator must not import a state from before its last vote: it would vote in the same views again. \
To replace a validator's lost directory, wait until the chain has grown past its last vote and take the \
state of another node.

Examples:
  cairn state import state.cairn --dir ./network/follower-0")]
    Import(ImportArgs),
}

/// Which node.
#[derive(Debug, Args)]
struct Node {
    /// Directory that holds config.toml, as `cairn network init` writes it
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    dir: Option<PathBuf>,
    /// Configuration file
    #[arg(
        long,
        value_name = "FILE",
        env = "CAIRN_CONFIG",
        hide_env_values = true,
        conflicts_with = "dir"
    )]
    config: Option<PathBuf>,
}

/// Arguments of `cairn state export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    node: Node,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `cairn state import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// File that `cairn state export` wrote
    file: PathBuf,
    #[command(flatten)]
    node: Node,
}

/// Result of both commands.
#[derive(Serialize)]
struct Moved<'a> {
    file: &'a Path,
    data_dir: &'a Path,
    block_number: u64,
    block_hash: String,
    state_root: String,
    operations: u64,
    bytes: u64,
}

/// Runs `cairn state`.
pub(crate) fn run(command: &StateCommand, output: Output) -> Done {
    let (node, file) = match command {
        StateCommand::Export(args) => (&args.node, &args.out),
        StateCommand::Import(args) => (&args.node, &args.file),
    };
    let place = node.place()?;
    launch::block_on(async {
        let _lock = launch::lock(&place.data_dir).await?;
        let summary = tokio::task::block_in_place(|| match command {
            StateCommand::Export(_) => snapshot::export(&place, file, progress()),
            StateCommand::Import(_) => snapshot::import(&place, file, progress()),
        });
        let summary = summary.map_err(failure)?;
        let head = match command {
            StateCommand::Export(_) => "State exported",
            StateCommand::Import(_) => "State imported",
        };
        let moved = Moved::new(file, &place.data_dir, summary);
        output.result(&moved, |moved| format!("{head}\n\n{}", moved.text()));
        Ok(())
    })
}

impl Node {
    fn place(&self) -> Done<Place> {
        let path = match (&self.dir, &self.config) {
            (Some(dir), _) => dir.join(FILE_NAME),
            (None, Some(config)) => config.clone(),
            (None, None) => {
                return Err(Failure::new(ExitCode::Usage, "give --dir DIR or --config FILE"));
            }
        };
        let file = NodeFile::read(&path).map_err(|error| {
            Failure::new(ExitCode::Files, error).next("write a network with `cairn network init`")
        })?;
        let genesis = read_genesis(&file.genesis).or_fail(ExitCode::Files)?;
        Ok(Place { data_dir: file.data_dir, genesis, archive: file.archive })
    }
}

fn failure(error: SnapshotError) -> Failure {
    use SnapshotError::{Block, ForeignPiece, NotFinal, OtherBlock, OtherState, Sealed};
    let refuted = matches!(
        error,
        Block(_)
            | ForeignPiece(_)
            | NotFinal(_)
            | OtherBlock { .. }
            | OtherState { .. }
            | Sealed(_)
    );
    Failure::new(if refuted { ExitCode::Refuted } else { ExitCode::Files }, error)
}

/// Shows per cent on a terminal.
fn progress() -> Progress {
    let mut shown = None;
    let terminal = std::io::stderr().is_terminal();
    Box::new(move |done, total| {
        let percent = done * 100 / total.max(1);
        if terminal && shown != Some(percent) {
            shown = Some(percent);
            let end = if done == total { "\n" } else { "" };
            let _ = write!(std::io::stderr(), "\r{percent:>3} % of {total} operations{end}");
        }
    })
}

impl<'a> Moved<'a> {
    fn new(file: &'a Path, data_dir: &'a Path, summary: Summary) -> Self {
        let Summary { height, hash, state_root, operations, bytes } = summary;
        Self {
            file,
            data_dir,
            block_number: height,
            block_hash: hash.to_string(),
            state_root: state_root.to_string(),
            operations,
            bytes,
        }
    }

    fn text(&self) -> String {
        fields(&[
            ("file", format!("{} ({} bytes)", self.file.display(), self.bytes)),
            ("node", self.data_dir.display().to_string()),
            ("block", self.block_number.to_string()),
            ("hash", self.block_hash.clone()),
            ("state root", self.state_root.clone()),
            ("operations", self.operations.to_string()),
        ])
    }
}
