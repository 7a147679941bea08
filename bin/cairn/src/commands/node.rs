//! `cairn node`: one node of a network.

use crate::{
    cli::Global,
    config::{FILE_NAME, NodeFile, Overrides},
    launch::{self, Running},
    network::node_name,
    output::{Done, ExitCode, Failure, OrFail, Output, fields},
};
use cairn_telemetry::{LogFormat, LogOptions, Shutdown, log};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `cairn node`.
#[derive(Debug, Args)]
#[command(after_help = "\
A flag wins over its environment variable, that over the configuration file, \
that over the default.

Run it under a supervisor: when consensus or storage fails, the node ends with code 1 and recovers \
from what is on disk when started again.

Examples:
  cairn node --dir ./network/validator-0
  cairn node --config /etc/cairn/config.toml --log-format json")]
pub(crate) struct NodeArgs {
    /// Configuration file
    #[arg(
        long,
        value_name = "FILE",
        env = "CAIRN_CONFIG",
        hide_env_values = true,
        required_unless_present = "dir"
    )]
    config: Option<PathBuf>,
    /// Directory that holds config.toml, as `cairn network init` writes it; wins over --config
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Stop when standard input closes: the process that started this one is gone
    #[arg(long)]
    stop_with_stdin: bool,
    #[command(flatten)]
    overrides: Overrides,
}

/// The line that `cairn node --json` prints once the node answers.
#[derive(Serialize)]
struct Ready {
    name: String,
    public_key: String,
    rpc_http: String,
    rpc_ws: String,
    chain_id: u64,
    height: u64,
    pid: u32,
}

/// Runs `cairn node`.
pub(crate) fn run(args: &NodeArgs, global: &Global, output: Output) -> Done {
    let path = match (&args.dir, &args.config) {
        (Some(dir), _) => dir.join(FILE_NAME),
        (None, Some(config)) => config.clone(),
        (None, None) => {
            return Err(Failure::new(ExitCode::Usage, "give --config FILE or --dir DIR"));
        }
    };
    let file = NodeFile::read(&path).map_err(|error| {
        Failure::new(ExitCode::Files, error).next("write a network with `cairn network init`")
    })?;
    let file = file.with(&args.overrides);
    init_log(&file, global)?;
    let name =
        node_name(std::path::absolute(&path).unwrap_or_default().parent().unwrap_or(Path::new("")));
    launch::block_on(async {
        let shutdown = Shutdown::on_signals().or_fail(ExitCode::Failed)?;
        if args.stop_with_stdin {
            launch::stop_with_stdin(shutdown.clone());
        }
        let mut nodes = vec![launch::start(name, &file).await?];
        let ready = nodes.iter().map(Ready::new).collect::<Vec<_>>();
        for ready in &ready {
            output.result(ready, Ready::text);
        }
        let outcome = launch::until_stopped(&mut nodes, &shutdown).await;
        launch::stop_all(nodes).await;
        outcome
    })
}

fn init_log(file: &NodeFile, global: &Global) -> Done {
    let format = file.log.format.as_deref().map(str::parse::<LogFormat>);
    let format = format.transpose().or_fail(ExitCode::Files)?.unwrap_or_default();
    let fallback = LogOptions { format, filter: file.log.filter.clone() };
    log::init(&global.log_options(&fallback)).or_fail(ExitCode::Usage)
}

impl Ready {
    fn new(running: &Running) -> Self {
        Self {
            name: running.name.clone(),
            public_key: running.node.public_key.to_string(),
            rpc_http: running.http(),
            rpc_ws: running.ws(),
            chain_id: running.node.chain.genesis().chain_id,
            height: running.height(),
            pid: std::process::id(),
        }
    }

    fn text(&self) -> String {
        let rows = [
            ("Node", self.name.clone()),
            ("Public key", self.public_key.clone()),
            ("JSON-RPC", self.rpc_http.clone()),
            ("Chain id", self.chain_id.to_string()),
            ("Height", self.height.to_string()),
        ];
        fields(&rows)
    }
}
