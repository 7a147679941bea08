//! `cairn key`: make and inspect key files. Secrets stay in their files.

use crate::{
    keys::{Key, KeyKind},
    output::{Done, ExitCode, Failure, OrFail, Output, fields},
};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a new key and write it to a file that only its owner can read
    #[command(after_help = "\
Examples:
  cairn key new --out alice.key
  cairn key new --kind node --out node.key --json")]
    New(NewArgs),
    /// Show the public side of a key file; the secret is never printed
    #[command(after_help = "Example:\n  cairn key show alice.key")]
    Show(FileArgs),
    /// Print the Ethereum address of an account key
    #[command(after_help = "Example:\n  cast balance $(cairn key address alice.key)")]
    Address(FileArgs),
}

/// Arguments of `cairn key new`.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// What the key is for
    #[arg(long, value_enum, default_value = "account")]
    kind: KeyKind,
    /// File to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// A key file.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// Key file
    file: PathBuf,
}

#[derive(Serialize)]
struct Shown<'a> {
    file: &'a Path,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    fingerprint: String,
}

impl<'a> Shown<'a> {
    fn new(file: &'a Path, key: &Key) -> Self {
        Self {
            file,
            kind: key.kind().name(),
            address: key.address().map(|address| address.to_string()),
            public_key: key.public_key(),
            fingerprint: key.fingerprint(),
        }
    }

    fn text(&self) -> String {
        let mut rows =
            vec![("file", self.file.display().to_string()), ("kind", self.kind.to_owned())];
        rows.extend(self.address.clone().map(|address| ("address", address)));
        rows.extend(self.public_key.clone().map(|key| ("public key", key)));
        rows.push(("fingerprint", self.fingerprint.clone()));
        fields(&rows)
    }
}

/// Runs `cairn key`.
pub(crate) fn run(command: &KeyCommand, output: Output) -> Done {
    match command {
        KeyCommand::New(NewArgs { kind, out }) => {
            let key = Key::generate(*kind);
            key.write_new(out).or_fail(ExitCode::Files)?;
            output.result(&Shown::new(out, &key), |shown| {
                format!("{}\n\nKeep a copy: nobody can restore this key.", shown.text())
            });
        }
        KeyCommand::Show(FileArgs { file }) => {
            output.result(&Shown::new(file, &read(file)?), Shown::text);
        }
        KeyCommand::Address(FileArgs { file }) => {
            let key = Key::read_kind(file, KeyKind::Account).or_fail(ExitCode::Files)?;
            let address = key.address().expect("an account key has an address").to_string();
            output.result(&address, Clone::clone);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Done<Key> {
    Key::read(file).map_err(|error| {
        Failure::new(ExitCode::Files, error).next("make a key with `cairn key new --out FILE`")
    })
}
