//! What a new network is to be, and the files that it becomes.

use super::{FOLLOWER, GENESIS_FILE, NetworkError, VALIDATOR};
use crate::{
    config::{FILE_NAME, KeyFiles, Log, NodeFile, P2p, PeerEntry, Resources, Rpc},
    dev,
    keys::{Key, KeyKind},
};
use alloy_primitives::{Address, B256, U256, hex};
use cairn_chain::{
    Genesis,
    genesis::{Allocation, GENESIS_VERSION, Parameters, Predeploy},
};
use cairn_node::{Identity, committee::Dealt, deal};
use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// Ports that each node takes: peers on the first, JSON-RPC on the second.
const PORTS_A_NODE: u16 = 2;

/// Who holds the coins of a new network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Funds {
    /// The public test accounts: the coins are worthless.
    Dev,
    /// A new account whose key is in `treasury.key`.
    Treasury {
        /// Whole coins.
        coins: u64,
    },
}

/// What a new network is to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Name, for people.
    pub(crate) name: String,
    /// EIP-155 chain id.
    pub(crate) chain_id: u64,
    /// How many validators.
    pub(crate) validators: usize,
    /// How many followers.
    pub(crate) followers: usize,
    /// Who holds the coins.
    pub(crate) funds: Funds,
    /// Gas limit of a block; the default of the genesis file when absent.
    pub(crate) block_gas_limit: Option<u64>,
    /// First port; node `i` listens for peers on `base_port + 2 i` and serves RPC on the next.
    pub(crate) base_port: u16,
    /// Address of each node's host, validators first; all on the loopback address when empty.
    pub(crate) hosts: Vec<IpAddr>,
}

impl Plan {
    fn nodes(&self) -> usize {
        self.validators + self.followers
    }

    /// Whether the plan can be carried out at all.
    pub(super) fn check(&self) -> Result<(), NetworkError> {
        let max = cairn_chain::genesis::MAX_VALIDATORS;
        let rule = if !(1..=max).contains(&self.validators) {
            format!("a committee has 1 to {max} validators, not {}", self.validators)
        } else if self.followers > max {
            format!("at most {max} followers can be set up at once, not {}", self.followers)
        } else if !self.hosts.is_empty() && self.hosts.len() != self.nodes() {
            format!("{} hosts are named for {} nodes", self.hosts.len(), self.nodes())
        } else if self.port(self.nodes()).is_none() {
            format!("base port {} leaves no room for {} nodes", self.base_port, self.nodes())
        } else {
            return Ok(());
        };
        Err(NetworkError::Plan(rule))
    }

    /// First port of node `index`; `None` beyond the last port.
    fn port(&self, index: usize) -> Option<u16> {
        let offset = u16::try_from(index).ok()?.checked_mul(PORTS_A_NODE)?;
        self.base_port.checked_add(offset)
    }

    /// Where node `index` is reached by its peers.
    fn address(&self, index: usize) -> SocketAddr {
        let host = self.hosts.get(index).copied().unwrap_or(Ipv4Addr::LOCALHOST.into());
        (host, self.port(index).expect("checked before")).into()
    }

    /// Deals the keys and writes all files into an empty directory.
    pub(super) fn write(&self, directory: &Path) -> Result<(), NetworkError> {
        let write = |source| NetworkError::Write { path: directory.to_owned(), source };
        let mut rng = rand::rng();
        let Dealt { mut committee, mut identities } = deal(self.validators, &mut rng);
        identities.extend((0..self.followers).map(|_| Identity::random(&mut rng)));
        let payouts: Vec<_> =
            committee.validators.iter().map(|_| Key::generate(KeyKind::Account)).collect();
        for (entry, payout) in committee.validators.iter_mut().zip(&payouts) {
            entry.payout = payout.address().expect("an account key has an address");
        }
        let genesis = Genesis {
            version: GENESIS_VERSION,
            name: self.name.clone(),
            chain_id: self.chain_id,
            timestamp_ms: now_ms(),
            dev: self.funds == Funds::Dev,
            parameters: Parameters {
                block_gas_limit: self
                    .block_gas_limit
                    .unwrap_or(Parameters::default().block_gas_limit),
                ..Parameters::default()
            },
            predeploys: Predeploy::all(),
            allocations: self.allocations(directory)?,
            committee,
        };
        // Parsing checks the bounds of what was asked for.
        let text = genesis.to_json();
        Genesis::parse(text.as_bytes()).map_err(|error| NetworkError::Plan(error.to_string()))?;
        fs::write(directory.join(GENESIS_FILE), text + "\n").map_err(write)?;
        fs::write(directory.join("README.txt"), self.readme()).map_err(write)?;
        let keys: Vec<_> = identities.iter().map(Identity::public_key).collect();
        for (index, identity) in identities.iter().enumerate() {
            self.write_node(directory, index, identity, &keys, payouts.get(index))?;
        }
        Ok(())
    }

    fn allocations(&self, directory: &Path) -> Result<BTreeMap<Address, Allocation>, NetworkError> {
        let allocation = |balance| Allocation { balance, ..Allocation::default() };
        match self.funds {
            Funds::Dev => Ok(dev::addresses().map(|a| (a, allocation(dev::balance()))).collect()),
            Funds::Treasury { coins } => {
                let key = Key::generate(KeyKind::Account);
                key.write_new(&directory.join("treasury.key"))?;
                let address = key.address().expect("an account key has an address");
                let balance = U256::from(coins) * dev::WEI_PER_COIN;
                Ok(BTreeMap::from([(address, allocation(balance))]))
            }
        }
    }

    fn write_node(
        &self,
        network: &Path,
        index: usize,
        identity: &Identity,
        keys: &[B256],
        payout: Option<&Key>,
    ) -> Result<(), NetworkError> {
        let name = self.name_of(index);
        let directory = network.join(&name);
        let write = |source| NetworkError::Write { path: directory.clone(), source };
        fs::create_dir(&directory).map_err(write)?;
        let secret =
            |hex_text: String| hex::decode(hex_text).expect("the node encodes its keys in hex");
        Key::from_secret(KeyKind::Node, secret(identity.key_hex()))
            .write_new(&directory.join("node.key"))?;
        if let Some(share) = identity.share_hex() {
            Key::from_secret(KeyKind::Share, secret(share))
                .write_new(&directory.join("share.key"))?;
        }
        if let Some(payout) = payout {
            payout.write_new(&directory.join("payout.key"))?;
        }
        let text = self.config(index, identity.share.is_some(), keys).to_toml(&self.title(&name));
        fs::write(directory.join(FILE_NAME), text).map_err(write)
    }

    fn name_of(&self, index: usize) -> String {
        match index.checked_sub(self.validators) {
            None => format!("{VALIDATOR}{index}"),
            Some(follower) => format!("{FOLLOWER}{follower}"),
        }
    }

    fn config(&self, index: usize, validator: bool, keys: &[B256]) -> NodeFile {
        let mut listen = self.address(index);
        if !self.hosts.is_empty() {
            listen.set_ip(Ipv4Addr::UNSPECIFIED.into());
        }
        let others = keys.iter().enumerate().filter(|(other, _)| *other != index);
        let peers = others.map(|(i, key)| PeerEntry { public_key: *key, address: self.address(i) });
        let rpc_port = listen.port() + 1;
        NodeFile {
            genesis: Path::new("..").join(GENESIS_FILE),
            data_dir: "data".into(),
            archive: false,
            state_sync: false,
            keys: KeyFiles {
                node: "node.key".into(),
                share: validator.then(|| "share.key".into()),
            },
            p2p: P2p { listen, any_address: false, peers: peers.collect() },
            rpc: Rpc { listen: (Ipv4Addr::LOCALHOST, rpc_port).into() },
            resources: if self.hosts.is_empty() {
                Resources::shared(self.nodes())
            } else {
                Resources::default()
            },
            log: Log::default(),
        }
    }

    fn title(&self, node: &str) -> String {
        format!("Node {node} of the Cairn network `{}`, keys by a trusted dealer.", self.name)
    }

    fn readme(&self) -> String {
        let funds = match self.funds {
            Funds::Dev => format!(
                "DEVELOPMENT NETWORK. Its accounts come from the public mnemonic\n\"{}\":\nanyone can spend their coins, which are worth nothing.\n",
                dev::MNEMONIC
            ),
            Funds::Treasury { coins } => format!(
                "treasury.key is the account that holds all {coins} coins. Move it to a safe place.\n"
            ),
        };
        format!(
            "Cairn network `{}`, chain id {}.\n\n\
             KEYS BY A TRUSTED DEALER. The program that wrote this directory knew every share of the\n\
             committee's threshold key. Whoever copied this directory can finalise any block. Fit for\n\
             trials, and for networks whose founder is trusted.\n\n{funds}\n\
             To run a node on another host, copy its directory and {GENESIS_FILE} there, keep their\n\
             places to each other, delete the copies here, and run `cairn node --dir DIRECTORY`.\n",
            self.name, self.chain_id
        )
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
