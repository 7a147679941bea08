//! The configuration file of a node, `config.toml`.
//!
//! Precedence: flag > environment > file > default. Unknown keys are errors. Secrets are never in
//! the file; it names the files that hold them. Relative paths count from the file's directory, so
//! that a node's directory can be moved as a whole.

use crate::keys::{Key, KeyError, KeyKind};
use alloy_primitives::{B256, hex};
use cairn_chain::{Genesis, genesis::GenesisError};
use cairn_node::{Identity, NodeConfig, Peer, committee::CommitteeError};
use clap::builder::BoolishValueParser;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// Name of the configuration file in a node's directory.
pub(crate) const FILE_NAME: &str = "config.toml";

/// Memory for pages of the state unless told otherwise, in MiB: room for a million keys and more.
pub(crate) const PAGE_CACHE_MIB: usize = 256;

/// Least memory for pages of the state that a plan gives a node, in MiB.
const LEAST_PAGE_CACHE_MIB: usize = 64;

/// Most worker threads that a configuration may ask for.
const MAX_THREADS: usize = 256;

/// Contents of `config.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeFile {
    /// Genesis file of the network.
    pub(crate) genesis: PathBuf,
    /// Directory that belongs to this node alone.
    pub(crate) data_dir: PathBuf,
    /// Keep the past of the state for ever, not only of the last 1,024 blocks.
    #[serde(default)]
    pub(crate) archive: bool,
    /// If the node has no state yet, fetch it from peers instead of replaying every block.
    #[serde(default)]
    pub(crate) state_sync: bool,
    /// Files that hold the node's secrets.
    pub(crate) keys: KeyFiles,
    /// The network of nodes.
    pub(crate) p2p: P2p,
    /// The JSON-RPC server.
    #[serde(default)]
    pub(crate) rpc: Rpc,
    /// Threads and memory.
    #[serde(default)]
    pub(crate) resources: Resources,
    /// The log.
    #[serde(default)]
    pub(crate) log: Log,
}

/// Paths of key files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFiles {
    /// Ed25519 key that names the node to its peers.
    pub(crate) node: PathBuf,
    /// Share of the committee's threshold key; validators have one, followers have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<PathBuf>,
}

/// Where other nodes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct P2p {
    /// Where to listen for other nodes.
    pub(crate) listen: SocketAddr,
    /// Accept known peers from addresses other than those listed (behind NAT).
    #[serde(default)]
    pub(crate) any_address: bool,
    /// All other nodes of the network.
    #[serde(default)]
    pub(crate) peers: Vec<PeerEntry>,
}

/// One other node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerEntry {
    /// Its ed25519 public key.
    pub(crate) public_key: B256,
    /// Where it listens, as `ip:port`.
    pub(crate) address: SocketAddr,
}

/// The JSON-RPC server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rpc {
    /// Where to answer HTTP and WebSocket requests.
    pub(crate) listen: SocketAddr,
}

impl Default for Rpc {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 8545).into() }
    }
}

/// Threads and memory of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Resources {
    /// Threads for consensus, execution and network; one a core, 2 to 8, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threads: Option<usize>,
    /// Memory for cached pages of the state, in MiB.
    pub(crate) page_cache_mib: usize,
}

impl Default for Resources {
    fn default() -> Self {
        Self { threads: None, page_cache_mib: PAGE_CACHE_MIB }
    }
}

impl Resources {
    /// For one of `nodes` nodes that share a machine.
    pub(crate) fn shared(nodes: usize) -> Self {
        let share = PAGE_CACHE_MIB / nodes.max(1);
        Self { page_cache_mib: share.max(LEAST_PAGE_CACHE_MIB), ..Self::default() }
    }

    fn threads(&self) -> usize {
        let automatic = || std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
        self.threads.unwrap_or_else(automatic)
    }
}

/// The log of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// `text` or `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<String>,
    /// Filter such as `info,cairn_node=debug`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) filter: Option<String>,
}

/// Settings that flags and environment variables put above the file.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Overrides {
    /// Directory of the node's data
    #[arg(long, value_name = "DIR", env = "CAIRN_DATA_DIR", hide_env_values = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where to answer JSON-RPC over HTTP and WebSocket
    #[arg(long, value_name = "IP:PORT", env = "CAIRN_RPC_LISTEN", hide_env_values = true)]
    pub(crate) rpc_listen: Option<SocketAddr>,
    /// Where to listen for other nodes
    #[arg(long, value_name = "IP:PORT", env = "CAIRN_P2P_LISTEN", hide_env_values = true)]
    pub(crate) p2p_listen: Option<SocketAddr>,
    /// Keep the past of the state for ever, not only of the last 1,024 blocks
    #[arg(long, env = "CAIRN_ARCHIVE", hide_env_values = true, value_parser = BoolishValueParser::new())]
    pub(crate) archive: bool,
    /// If the node has no state yet, fetch it from peers instead of replaying every block
    #[arg(long, env = "CAIRN_STATE_SYNC", hide_env_values = true, value_parser = BoolishValueParser::new())]
    pub(crate) state_sync: bool,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is not TOML of a configuration.
    #[error("{} is not a valid configuration: {message}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and column.
        message: String,
    },
    /// A value outside its bounds.
    #[error("{}: {field} {rule}", path.display())]
    Bounds {
        /// Which file.
        path: PathBuf,
        /// Which key.
        field: &'static str,
        /// What must hold.
        rule: String,
    },
    /// The genesis file is wrong.
    #[error("{}: {source}", path.display())]
    Genesis {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: GenesisError,
    },
    /// A key file is wrong.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The keys do not fit the genesis.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
}

impl NodeFile {
    /// Reads and checks a configuration file; relative paths become paths from its directory.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let mut file = Self::parse(path, &text)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        for relative in [&mut file.genesis, &mut file.data_dir, &mut file.keys.node] {
            *relative = directory.join(&relative);
        }
        file.keys.share = file.keys.share.map(|share| directory.join(share));
        Ok(file)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file: Self = toml::from_str(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        file.check(path)?;
        Ok(file)
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let bounds =
            |field, rule: String| Err(ConfigError::Bounds { path: path.to_owned(), field, rule });
        if !(1..=MAX_THREADS).contains(&self.resources.threads()) {
            return bounds("resources.threads", format!("must be 1 to {MAX_THREADS}"));
        }
        if !(1..=1 << 20).contains(&self.resources.page_cache_mib) {
            return bounds("resources.page_cache_mib", "must be 1 to 1048576".into());
        }
        if self.p2p.listen == self.rpc.listen && self.rpc.listen.port() != 0 {
            return bounds("rpc.listen", "must differ from p2p.listen".into());
        }
        let mut seen = std::collections::BTreeSet::new();
        for peer in &self.p2p.peers {
            if peer.address.port() == 0 {
                return bounds("p2p.peers.address", "must not have port 0".into());
            }
            if !seen.insert(peer.public_key) {
                return bounds("p2p.peers.public_key", format!("{} repeats", peer.public_key));
            }
        }
        Ok(())
    }

    /// The file's text, with a comment on top.
    pub(crate) fn to_toml(&self, title: &str) -> String {
        let body = toml::to_string(self).expect("a configuration has only TOML values");
        format!(
            "# {title}\n# Relative paths count from this directory. Unknown keys are errors.\n\n{body}"
        )
    }

    /// Puts flags and environment above the file.
    #[must_use]
    pub(crate) fn with(mut self, overrides: &Overrides) -> Self {
        if let Some(data_dir) = &overrides.data_dir {
            self.data_dir.clone_from(data_dir);
        }
        self.rpc.listen = overrides.rpc_listen.unwrap_or(self.rpc.listen);
        self.p2p.listen = overrides.p2p_listen.unwrap_or(self.p2p.listen);
        self.archive |= overrides.archive;
        self.state_sync |= overrides.state_sync;
        self
    }

    /// Reads everything that the file names and makes the node's configuration of it.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub(crate) fn load(&self) -> Result<NodeConfig, ConfigError> {
        let peers = self.p2p.peers.iter();
        Ok(NodeConfig {
            data_dir: self.data_dir.clone(),
            genesis: read_genesis(&self.genesis)?,
            identity: self.identity()?,
            listen: self.p2p.listen,
            peers: peers
                .map(|peer| Peer { public_key: peer.public_key, address: peer.address })
                .collect(),
            any_address: self.p2p.any_address,
            archive: self.archive,
            state_sync: self.state_sync,
            threads: self.resources.threads(),
            page_cache_bytes: self.resources.page_cache_mib << 20,
        })
    }

    fn identity(&self) -> Result<Identity, ConfigError> {
        let node = Key::read_kind(&self.keys.node, KeyKind::Node)?;
        let share = self.keys.share.as_deref().map(|path| Key::read_kind(path, KeyKind::Share));
        let share = share.transpose()?.map(|key| hex::encode(key.secret()));
        Ok(Identity::from_hex(&hex::encode(node.secret()), share.as_deref())?)
    }
}

/// Reads and checks a genesis file.
///
/// # Errors
/// See [`ConfigError`].
pub(crate) fn read_genesis(path: &Path) -> Result<Genesis, ConfigError> {
    let bytes =
        fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    Genesis::parse(&bytes).map_err(|source| ConfigError::Genesis { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
