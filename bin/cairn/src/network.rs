//! The directory of a whole network on one machine, as `cairn up` and `cairn network` use it.
//!
//! ```text
//! DIR/
//!   genesis.json            what all nodes agree on
//!   README.txt              what is what, and who knew the keys
//!   treasury.key            account that holds the first coins (absent in development networks)
//!   validator-0/            one directory a node; it can be moved to another host as a whole,
//!     config.toml           together with genesis.json
//!     node.key              names the node to its peers
//!     share.key             share of the threshold key (validators only)
//!     payout.key            account that receives the validator's tips (validators only)
//!     data/
//!   follower-0/
//! ```
//! A directory is written once. Its genesis file comes last: a directory without one holds no
//! network, whatever else is in it.

use crate::{
    config::{ConfigError, FILE_NAME, read_genesis},
    keys::KeyError,
};
use cairn_chain::Genesis;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

mod plan;

pub(crate) use plan::{Funds, Plan};

/// Name of the genesis file.
pub(crate) const GENESIS_FILE: &str = "genesis.json";

const VALIDATOR: &str = "validator-";
const FOLLOWER: &str = "follower-";

/// Why a network directory cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetworkError {
    /// Something is there already.
    #[error("{} exists and is not empty", .0.display())]
    Occupied(PathBuf),
    /// The operating system refused.
    #[error("cannot write the network to {}: {source}", path.display())]
    Write {
        /// Which directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The plan cannot be carried out.
    #[error("{0}")]
    Plan(String),
    /// No network there.
    #[error("{} has no network: {GENESIS_FILE} is missing", .0.display())]
    Missing(PathBuf),
    /// A key file could not be written.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file of the network is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A network in its directory.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// The directory.
    pub(crate) directory: PathBuf,
    /// Its genesis.
    pub(crate) genesis: Genesis,
    /// Directories of its nodes: validators by number, then followers by number.
    pub(crate) nodes: Vec<PathBuf>,
}

impl Network {
    /// Whether `directory` holds a network.
    pub(crate) fn exists(directory: &Path) -> bool {
        directory.join(GENESIS_FILE).exists()
    }

    /// Reads the network in `directory`.
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub(crate) fn open(directory: &Path) -> Result<Self, NetworkError> {
        if !Self::exists(directory) {
            return Err(NetworkError::Missing(directory.to_owned()));
        }
        let genesis = read_genesis(&directory.join(GENESIS_FILE))?;
        let listing = fs::read_dir(directory)
            .map_err(|source| ConfigError::Read { path: directory.to_owned(), source })?;
        let mut nodes: Vec<_> = listing
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let order = order(path.file_name()?.to_str()?)?;
                path.join(FILE_NAME).exists().then_some((order, path))
            })
            .collect();
        nodes.sort();
        let nodes = nodes.into_iter().map(|(_, path)| path).collect();
        Ok(Self { directory: directory.to_owned(), genesis, nodes })
    }

    /// Deals keys and writes a new network to `directory`, which must be absent or empty.
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub(crate) fn create(directory: &Path, plan: &Plan) -> Result<Self, NetworkError> {
        plan.check()?;
        if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(NetworkError::Occupied(directory.to_owned()));
        }
        let write = |source| NetworkError::Write { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(write)?;
        let staging =
            tempfile::Builder::new().prefix(".new-").tempdir_in(directory).map_err(write)?;
        plan.write(staging.path())?;
        publish(staging.path(), directory).map_err(write)?;
        Self::open(directory)
    }
}

/// Moves what was written in `staging` to its place; the genesis file last, because a directory
/// that has one holds a network.
fn publish(staging: &Path, directory: &Path) -> io::Result<()> {
    let mut names = fs::read_dir(staging)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort_by_key(|name| name == GENESIS_FILE);
    for name in names {
        fs::rename(staging.join(&name), directory.join(&name))?;
    }
    File::open(directory)?.sync_all()
}

/// Position of a node's directory: validators before followers, each by number.
fn order(name: &str) -> Option<(u8, u32)> {
    let number = |prefix| name.strip_prefix(prefix)?.parse().ok();
    number(VALIDATOR).map(|n| (0, n)).or_else(|| number(FOLLOWER).map(|n| (1, n)))
}

/// Name of a node: that of its directory.
pub(crate) fn node_name(directory: &Path) -> String {
    directory.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
