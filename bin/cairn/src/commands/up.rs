//! `cairn up`: a whole development network in this process.
//!
//! The first run deals keys and writes the network to the data directory; later runs go on where
//! the last one stopped. The nodes are the same as those of `cairn node`; only their addresses are
//! chosen anew at every start.

use crate::{
    config::NodeFile,
    dev,
    launch::{self, Running},
    network::{Funds, Network, NetworkError, Plan, node_name},
    output::{Done, ExitCode, Failure, OrFail, Output, columns, fields},
};
use cairn_telemetry::Shutdown;
use clap::{Args, builder::BoolishValueParser};
use serde::Serialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

/// Most validators that one process runs.
const MAX_VALIDATORS_IN_PROCESS: usize = 16;

/// Memory for the pages of each node's state: several share one process.
const PAGE_CACHE_MIB: usize = 32;

/// Arguments of `cairn up`.
#[derive(Debug, Args)]
#[command(after_help = "\
The accounts of this network are the well-known test accounts of Anvil and Hardhat. Their keys \
are public: never send anything of value to them.

Examples:
  cairn up
  cairn up --validators 4 --data-dir ./committee
  cairn up --port 0 --json | head -n 1")]
pub(crate) struct UpArgs {
    /// How many validators the network has; 1 if it is new
    #[arg(long, value_name = "N")]
    validators: Option<usize>,
    /// Port of JSON-RPC over HTTP and WebSocket; 0 takes any free one
    #[arg(long, default_value_t = 8545)]
    port: u16,
    /// Address to serve JSON-RPC on
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Where the network is kept between runs
    #[arg(
        long,
        value_name = "DIR",
        default_value = "cairn-data",
        env = "CAIRN_DATA_DIR",
        hide_env_values = true
    )]
    data_dir: PathBuf,
    /// EIP-155 chain id; 51730 if the network is new
    #[arg(long, value_name = "ID")]
    chain_id: Option<u64>,
    /// Gas limit of a block, if the network is new
    #[arg(long, value_name = "GAS")]
    block_gas_limit: Option<u64>,
    /// Keep the past of the state for ever, not only of the last 1,024 blocks
    #[arg(long, env = "CAIRN_ARCHIVE", hide_env_values = true, value_parser = BoolishValueParser::new())]
    archive: bool,
}

/// The line that `cairn up --json` prints once the network answers.
#[derive(Serialize)]
struct Ready {
    rpc_http: String,
    rpc_ws: String,
    chain_id: u64,
    /// Private keys of funded accounts. Public knowledge; development networks only.
    dev_keys: Vec<&'static str>,
    dev_accounts: Vec<&'static str>,
    validators: usize,
    nodes: Vec<ReadyNode>,
    data_dir: PathBuf,
    pid: u32,
    height: u64,
}

/// One node of the network.
#[derive(Serialize)]
struct ReadyNode {
    name: String,
    public_key: String,
    rpc_http: String,
}

/// Runs `cairn up`.
pub(crate) fn run(args: &UpArgs, output: Output) -> Done {
    let network = open(args)?;
    launch::block_on(async {
        let shutdown = Shutdown::on_signals().or_fail(ExitCode::Failed)?;
        let mut nodes = Vec::new();
        let started = start(args, &network, &mut nodes).await;
        let outcome = match started {
            Ok(()) => serve(args, &network, &mut nodes, &shutdown, output).await,
            Err(failure) => Err(failure),
        };
        launch::stop_all(nodes).await;
        outcome
    })
}

/// Waits until the network produces blocks, says so, and stays until told to stop.
async fn serve(
    args: &UpArgs,
    network: &Network,
    nodes: &mut [Running],
    shutdown: &Shutdown,
    output: Output,
) -> Done {
    for node in &mut *nodes {
        if node.first_block(shutdown).await? {
            return Ok(());
        }
    }
    let ready = Ready::new(args, network, nodes);
    output.result(&ready, |ready| ready.text(network));
    launch::until_stopped(nodes, shutdown).await
}

fn open(args: &UpArgs) -> Done<Network> {
    let network = if Network::exists(&args.data_dir) {
        Network::open(&args.data_dir).or_fail(ExitCode::Files)?
    } else {
        create(args)?
    };
    let genesis = &network.genesis;
    if !genesis.dev {
        let message = format!("{} is not a development network", args.data_dir.display());
        return Err(Failure::new(ExitCode::Files, message)
            .next("run it with `cairn network start --dir DIR` or `cairn node --dir DIR`"));
    }
    let validators = genesis.committee.validators.len();
    let asked = [
        ("validators", args.validators.map(|n| n as u64), validators as u64),
        ("chain-id", args.chain_id, genesis.chain_id),
        ("block-gas-limit", args.block_gas_limit, genesis.parameters.block_gas_limit),
    ];
    for (flag, asked, is) in asked {
        if let Some(asked) = asked.filter(|asked| *asked != is) {
            let dir = args.data_dir.display();
            let message = format!("the network in {dir} has --{flag} {is}, not {asked}");
            let next = "leave the flag away, or start another network with --data-dir DIR";
            return Err(Failure::new(ExitCode::Usage, message).next(next));
        }
    }
    Ok(network)
}

fn create(args: &UpArgs) -> Done<Network> {
    let validators = args.validators.unwrap_or(1);
    if validators > MAX_VALIDATORS_IN_PROCESS {
        let message = format!(
            "one process runs at most {MAX_VALIDATORS_IN_PROCESS} validators, not {validators}"
        );
        let next = "run more as processes of their own: `cairn network init`, then `start`";
        return Err(Failure::new(ExitCode::Usage, message).next(next));
    }
    let plan = Plan {
        name: "cairn-dev".into(),
        chain_id: args.chain_id.unwrap_or(dev::CHAIN_ID),
        validators,
        followers: 0,
        funds: Funds::Dev,
        block_gas_limit: args.block_gas_limit,
        base_port: 30_300,
        hosts: Vec::new(),
    };
    Network::create(&args.data_dir, &plan).map_err(|error| match error {
        NetworkError::Plan(_) => Failure::new(ExitCode::Usage, error),
        NetworkError::Occupied(_) => {
            Failure::new(ExitCode::Files, error).next("name an empty directory with --data-dir DIR")
        }
        other => Failure::new(ExitCode::Files, other),
    })
}

async fn start(args: &UpArgs, network: &Network, nodes: &mut Vec<Running>) -> Done {
    let files = network.nodes.iter().map(|directory| {
        NodeFile::read(&directory.join(crate::config::FILE_NAME)).or_fail(ExitCode::Files)
    });
    let mut files = files.collect::<Done<Vec<_>>>()?;
    choose_addresses(&mut files, &network.nodes)?;
    for (index, (file, directory)) in files.iter_mut().zip(&network.nodes).enumerate() {
        let port = if index == 0 { args.port } else { 0 };
        file.rpc.listen = SocketAddr::new(args.host, port);
        file.archive |= args.archive;
        file.resources.page_cache_mib = PAGE_CACHE_MIB;
        nodes.push(launch::start(node_name(directory), file).await?);
    }
    Ok(())
}

/// Gives every node a free port for its peers: two networks may run at the same time.
fn choose_addresses(files: &mut [NodeFile], directories: &[PathBuf]) -> Done {
    let listeners = files.iter().map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let listeners = listeners.collect::<Result<Vec<_>, _>>().or_fail(ExitCode::Failed)?;
    let addresses = listeners.iter().map(TcpListener::local_addr);
    let addresses = addresses.collect::<Result<Vec<_>, _>>().or_fail(ExitCode::Failed)?;
    let old: Vec<_> = files.iter().map(|file| file.p2p.listen).collect();
    for (index, file) in files.iter_mut().enumerate() {
        file.p2p.listen = addresses.get(index).copied().unwrap_or(file.p2p.listen);
        for peer in &mut file.p2p.peers {
            let position = old.iter().position(|address| *address == peer.address);
            let new = position.and_then(|i| addresses.get(i)).ok_or_else(|| {
                let config = directories.get(index).map_or(Path::new(""), PathBuf::as_path);
                let message = format!("{} names a peer that is no node here", config.display());
                Failure::new(ExitCode::Files, message)
            })?;
            peer.address = *new;
        }
    }
    Ok(())
}

impl Ready {
    fn new(args: &UpArgs, network: &Network, nodes: &[Running]) -> Self {
        let node = |running: &Running| ReadyNode {
            name: running.name.clone(),
            public_key: running.node.public_key.to_string(),
            rpc_http: running.http(),
        };
        let first = nodes.first();
        Self {
            rpc_http: first.map(Running::http).unwrap_or_default(),
            rpc_ws: first.map(Running::ws).unwrap_or_default(),
            chain_id: network.genesis.chain_id,
            dev_keys: dev::KEYS.iter().map(|(key, _)| *key).collect(),
            dev_accounts: dev::KEYS.iter().map(|(_, address)| *address).collect(),
            validators: network.genesis.committee.validators.len(),
            nodes: nodes.iter().map(node).collect(),
            data_dir: std::path::absolute(&args.data_dir).unwrap_or_else(|_| args.data_dir.clone()),
            pid: std::process::id(),
            height: first.map_or(0, Running::height),
        }
    }

    fn text(&self, network: &Network) -> String {
        let head = fields(&[
            ("JSON-RPC", self.rpc_http.clone()),
            ("WebSocket", self.rpc_ws.clone()),
            ("Chain id", self.chain_id.to_string()),
            ("Validators", self.validators.to_string()),
            ("Height", self.height.to_string()),
            ("Data", format!("{} (kept between runs)", network.directory.display())),
        ]);
        let keys = dev::KEYS.map(|(key, address)| vec![address.to_owned(), key.to_owned()]);
        let url = &self.rpc_http;
        format!(
            "Cairn {version}: development network is up\n\n{head}\n\n\
             Accounts, {coins} CRN each. THE KEYS ARE PUBLIC and the coins worthless.\n{keys}\n\n\
             Next\n  \
             cairn status --rpc {url}\n  \
             cast send --rpc-url {url} --private-key {key} --value 1ether {to}\n\n\
             Ctrl-C stops; `cairn up` goes on from here.",
            version = env!("CARGO_PKG_VERSION"),
            coins = dev::COINS,
            keys = columns(&keys),
            key = dev::KEYS[0].0,
            to = dev::KEYS[1].1,
        )
    }
}
