//! `cairn network`: set up a network of several nodes, and run it here for trials.

use crate::{
    config::{FILE_NAME, NodeFile},
    network::{Funds, Network, NetworkError, Plan, node_name},
    output::{Done, ExitCode, Failure, Output, columns},
};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

mod children;

/// What to do with a network.
#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// Deal keys and write the directories of all nodes
    Init(InitArgs),
    /// Run all nodes of a network on this machine, one process each, and restart those that fail
    Start(StartArgs),
}

/// Arguments of `cairn network init`.
#[derive(Debug, Args)]
#[command(after_help = "\
KEYS BY A TRUSTED DEALER: this program makes every share of the committee's threshold key. Whoever \
copies the output directory can finalise any block. Fit for trials, and for networks whose founder \
is trusted.

Examples:
  cairn network init --validators 4 --out ./net --dev
  cairn network init --validators 4 --followers 1 --out ./net --chain-id 4711
  cairn network init --validators 2 --host 10.0.0.1 --host 10.0.0.2 --out ./net")]
pub(crate) struct InitArgs {
    /// How many validators
    #[arg(long, value_name = "N")]
    validators: usize,
    /// How many followers: nodes that check and serve everything but do not vote
    #[arg(long, value_name = "M", default_value_t = 0)]
    followers: usize,
    /// Directory to write; it must be absent or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// EIP-155 chain id
    #[arg(long, value_name = "ID", default_value_t = crate::dev::CHAIN_ID)]
    chain_id: u64,
    /// Name of the network
    #[arg(long, default_value = "cairn")]
    name: String,
    /// First port; node i listens for its peers on base + 2i and serves JSON-RPC on base + 2i + 1
    #[arg(long, value_name = "PORT", default_value_t = 30_300)]
    base_port: u16,
    /// Address of a node's host, once a node, validators first; all on this machine if absent
    #[arg(long, value_name = "IP")]
    host: Vec<IpAddr>,
    /// Fund the public test accounts: a development network
    #[arg(long, conflicts_with = "coins")]
    dev: bool,
    /// Whole coins that treasury.key holds at the start
    #[arg(long, value_name = "CRN", default_value_t = 1_000_000_000)]
    coins: u64,
    /// Gas limit of a block
    #[arg(long, value_name = "GAS")]
    block_gas_limit: Option<u64>,
}

/// Arguments of `cairn network start`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each node logs to node.log in its directory. A node that ends by itself is started again. When this \
process ends, however it ends, so do its nodes.

Example:
  cairn network start --dir ./net")]
pub(crate) struct StartArgs {
    /// Directory that `cairn network init` wrote
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

#[derive(Serialize)]
struct Written {
    directory: PathBuf,
    chain_id: u64,
    dealt_by: String,
    dev: bool,
    nodes: Vec<WrittenNode>,
}

#[derive(Serialize)]
struct WrittenNode {
    name: String,
    directory: PathBuf,
    p2p: String,
    rpc_http: String,
}

/// Runs `cairn network`.
pub(crate) fn run(command: &NetworkCommand, output: Output) -> Done {
    match command {
        NetworkCommand::Init(args) => init(args, output),
        NetworkCommand::Start(args) => start(args, output),
    }
}

fn init(args: &InitArgs, output: Output) -> Done {
    let plan = Plan {
        name: args.name.clone(),
        chain_id: args.chain_id,
        validators: args.validators,
        followers: args.followers,
        funds: if args.dev { Funds::Dev } else { Funds::Treasury { coins: args.coins } },
        block_gas_limit: args.block_gas_limit,
        base_port: args.base_port,
        hosts: args.host.clone(),
    };
    let network = Network::create(&args.out, &plan).map_err(|error| match error {
        NetworkError::Plan(_) => Failure::new(ExitCode::Usage, error),
        NetworkError::Occupied(_) => {
            Failure::new(ExitCode::Files, error).next("name another directory with --out DIR")
        }
        other => Failure::new(ExitCode::Files, other),
    })?;
    let written = Written::new(&network)?;
    output.result(&written, Written::text);
    Ok(())
}

fn start(args: &StartArgs, output: Output) -> Done {
    let network = open(&args.dir)?;
    children::supervise(&network, output)
}

fn open(directory: &Path) -> Done<Network> {
    Network::open(directory).map_err(|error| {
        let next = format!(
            "write one with `cairn network init --validators 4 --out {}`",
            directory.display()
        );
        Failure::new(ExitCode::Files, error).next(next)
    })
}

impl Written {
    fn new(network: &Network) -> Done<Self> {
        let node = |directory: &PathBuf| {
            let file = NodeFile::read(&directory.join(FILE_NAME));
            let file = file.map_err(|error| Failure::new(ExitCode::Files, error))?;
            Ok(WrittenNode {
                name: node_name(directory),
                directory: directory.clone(),
                p2p: file.p2p.listen.to_string(),
                rpc_http: format!("http://{}", file.rpc.listen),
            })
        };
        Ok(Self {
            directory: network.directory.clone(),
            chain_id: network.genesis.chain_id,
            dealt_by: network.genesis.committee.dealt_by.clone(),
            dev: network.genesis.dev,
            nodes: network.nodes.iter().map(node).collect::<Done<_>>()?,
        })
    }

    fn text(&self) -> String {
        let head = ["node", "peers", "JSON-RPC", "directory"].map(str::to_owned).to_vec();
        let mut rows = vec![head];
        rows.extend(self.nodes.iter().map(|node| {
            let directory = node.directory.display().to_string();
            vec![node.name.clone(), node.p2p.clone(), node.rpc_http.clone(), directory]
        }));
        let funds = if self.dev {
            "DEVELOPMENT NETWORK: its accounts have public keys, its coins are worthless."
        } else {
            "treasury.key holds all coins: move it to a safe place."
        };
        format!(
            "Network of chain id {} written to {}\n\n{}\n\n\
             KEYS BY A TRUSTED DEALER: whoever copied this directory can finalise any block.\n{funds}\n\n\
             Next\n  cairn network start --dir {}",
            self.chain_id,
            self.directory.display(),
            columns(&rows),
            self.directory.display(),
        )
    }
}
