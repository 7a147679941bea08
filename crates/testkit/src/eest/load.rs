//! Reading state tests from files.
//!
//! Accepted are lines of vectors (`.jsonl`, `.jsonl.gz`), a file of the official release (`.json`: an
//! object of tests, each with expectations by fork), and a folder of such files. Of the latter two,
//! only expectations for the Osaka fork are read.

use super::vector::{Alloc, Env, Post, Vector};
use alloy_primitives::{Address, U64};
use flate2::read::GzDecoder;
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Fork whose expectations are read.
const FORK: &str = "Osaka";

/// A file that cannot be read as state tests.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It is not a state test.
    #[error("{path}, test or line {at}: {message}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        at: String,
        /// What is wrong with it.
        message: String,
    },
    /// Its name says nothing of its format.
    #[error("{0}: expected a .jsonl, .jsonl.gz or .json file, or a folder of .json files")]
    Kind(PathBuf),
}

#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(flatten)]
    test: Test<Vec<Post>>,
}

#[derive(Deserialize)]
struct Test<P> {
    env: Env,
    pre: Alloc,
    #[serde(alias = "transaction")]
    tx: Tx,
    #[serde(default)]
    config: Config,
    post: P,
}

#[derive(Deserialize)]
struct Tx {
    sender: Option<Address>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    chainid: Option<U64>,
    blob_schedule: BTreeMap<String, Schedule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schedule {
    base_fee_update_fraction: U64,
}

/// Reads all vectors of a file or folder.
///
/// # Errors
/// See [`LoadError`].
pub fn load(path: &Path) -> Result<Vec<Vector>, LoadError> {
    let io = |source| LoadError::Io { path: path.into(), source };
    if path.is_dir() {
        let mut vectors = Vec::new();
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut paths: Vec<_> = entries.map_err(io)?.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        for inner in paths {
            if inner.is_dir() || inner.extension().is_some_and(|ext| ext == "json") {
                vectors.extend(load(&inner)?);
            }
        }
        return Ok(vectors);
    }
    let name = path.to_string_lossy();
    let file = File::open(path).map_err(io)?;
    if name.ends_with(".jsonl.gz") {
        load_lines(path, GzDecoder::new(file))
    } else if name.ends_with(".jsonl") {
        load_lines(path, file)
    } else if name.ends_with(".json") {
        load_release(path, &fs::read_to_string(path).map_err(io)?)
    } else {
        Err(LoadError::Kind(path.into()))
    }
}

fn load_lines(path: &Path, reader: impl Read) -> Result<Vec<Vector>, LoadError> {
    let mut vectors = Vec::new();
    for (number, line) in BufReader::new(reader).lines().enumerate() {
        let line = line.map_err(|source| LoadError::Io { path: path.into(), source })?;
        let Line { id, test } = parse(path, &(number + 1).to_string(), &line)?;
        push(&mut vectors, &id, &test, &test.post);
    }
    Ok(vectors)
}

fn load_release(path: &Path, text: &str) -> Result<Vec<Vector>, LoadError> {
    let tests: BTreeMap<String, serde_json::Value> = parse(path, "all", text)?;
    let mut vectors = Vec::new();
    for (id, value) in tests {
        let test: Test<BTreeMap<String, Vec<Post>>> =
            serde_json::from_value(value).map_err(|error| format_error(path, &id, &error))?;
        if let Some(posts) = test.post.get(FORK) {
            push(&mut vectors, &id, &test, posts);
        }
    }
    Ok(vectors)
}

fn push<P>(vectors: &mut Vec<Vector>, id: &str, test: &Test<P>, posts: &[Post]) {
    let fraction = test.config.blob_schedule.get(FORK);
    for (index, post) in posts.iter().enumerate() {
        let id = if posts.len() == 1 { id.to_owned() } else { format!("{id}#{index}") };
        vectors.push(Vector {
            id,
            env: test.env.clone(),
            pre: test.pre.clone(),
            sender: test.tx.sender,
            chain_id: test.config.chainid.map_or(1, |id| id.to()),
            blob_fraction: fraction.map_or(5_007_716, |s| s.base_fee_update_fraction.to()),
            post: post.clone(),
        });
    }
}

fn parse<T: DeserializeOwned>(path: &Path, at: &str, text: &str) -> Result<T, LoadError> {
    serde_json::from_str(text).map_err(|error| format_error(path, at, &error))
}

fn format_error(path: &Path, at: &str, error: &serde_json::Error) -> LoadError {
    LoadError::Format { path: path.into(), at: at.into(), message: error.to_string() }
}
