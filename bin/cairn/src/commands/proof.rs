//! `cairn proof`: fetch and check proofs of accounts and storage.
//!
//! `get` asks a node and believes nothing; `verify` needs no node. What it trusts is in the genesis
//! file: the chain id and the committee's public key.

use crate::{
    config::read_genesis,
    output::{Done, ExitCode, Failure, OrFail, Output, fields},
    rpc_client::{RpcArgs, RpcClient},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use cairn_light::{MAX_SLOTS, ProofBundle, TrustAnchor, Verified};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

/// Longest bundle that is read, in bytes: many times what [`MAX_SLOTS`] proofs and the headers need.
const MAX_BUNDLE_BYTES: u64 = 16 << 20;

/// What to do with proofs.
#[derive(Debug, Subcommand)]
pub(crate) enum ProofCommand {
    /// Ask a node for a proof of an account and words of its storage at the last final block
    #[command(after_help = "\
Examples:
  cairn proof get 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 --out proof.json
  cairn proof get 0xcA11bde05977b3631167028862bE2a173976CA11 0x0 0x1 --out proof.json")]
    Get(GetArgs),
    /// Check a proof without any node
    #[command(after_help = "\
Checks that the committee of the genesis file finalised the block, that the header is that block's, \
and that account and storage are in its state. Ends with code 5 if not. A valid proof shows the \
state at its block; look at the age to tell how old that is.

Examples:
  cairn proof verify proof.json --genesis genesis.json
  cairn proof get 0xf39F… | cairn proof verify - --genesis genesis.json")]
    Verify(VerifyArgs),
}

/// Arguments of `cairn proof get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Address of the account
    address: Address,
    /// Words of its storage
    slot: Vec<U256>,
    /// File to write; standard output if absent
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    rpc: RpcArgs,
}

/// Arguments of `cairn proof verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Proof as `cairn proof get` wrote it; `-` reads standard input
    file: PathBuf,
    /// Genesis file of the network, from a source that you trust
    #[arg(long, value_name = "FILE", required_unless_present_all = ["identity", "chain_id"])]
    genesis: Option<PathBuf>,
    /// The committee's public key, instead of a genesis file
    #[arg(long, value_name = "HEX", requires = "chain_id", conflicts_with = "genesis")]
    identity: Option<Bytes>,
    /// The chain id, with --identity
    #[arg(long, value_name = "ID", requires = "identity", conflicts_with = "genesis")]
    chain_id: Option<u64>,
}

#[derive(Serialize)]
struct Saved<'a> {
    file: &'a Path,
    block_number: u64,
    bytes: usize,
}

#[derive(Serialize)]
struct Proven {
    chain_id: u64,
    block_number: u64,
    block_hash: B256,
    timestamp: u64,
    age_seconds: u64,
    state_root: B256,
    address: Address,
    exists: bool,
    nonce: u64,
    balance_wei: String,
    code_hash: Option<B256>,
    storage: Vec<(U256, U256)>,
}

/// Runs `cairn proof`.
pub(crate) fn run(command: &ProofCommand, output: Output) -> Done {
    match command {
        ProofCommand::Get(args) => get(args, output),
        ProofCommand::Verify(args) => verify(args, output),
    }
}

fn get(args: &GetArgs, output: Output) -> Done {
    if args.slot.len() > MAX_SLOTS {
        let message = format!("{} storage words; at most {MAX_SLOTS} fit", args.slot.len());
        return Err(Failure::new(ExitCode::Usage, message).next("ask several times"));
    }
    let client = RpcClient::new(&args.rpc.rpc)?;
    let params = json!([args.address, args.slot, "latest"]);
    let bundle: ProofBundle = client.call("cairn_getProof", &params)?;
    let Some(file) = &args.out else {
        output.result(&bundle, pretty);
        return Ok(());
    };
    let text = pretty(&bundle) + "\n";
    fs::write(file, &text)
        .map_err(|error| format!("cannot write {}: {error}", file.display()))
        .or_fail(ExitCode::Files)?;
    let saved = Saved { file, block_number: bundle.block_number, bytes: text.len() };
    output.result(&saved, |saved| {
        format!(
            "Proof at block {} written to {}\n\nNext\n  cairn proof verify {} --genesis FILE",
            saved.block_number,
            file.display(),
            file.display()
        )
    });
    Ok(())
}

fn pretty(bundle: &ProofBundle) -> String {
    serde_json::to_string_pretty(bundle).expect("a bundle has string keys")
}

fn verify(args: &VerifyArgs, output: Output) -> Done {
    let anchor = anchor(args)?;
    let bundle = read(&args.file)?;
    let verified = bundle.verify(&anchor).map_err(|error| {
        Failure::new(ExitCode::Refuted, format!("NOT PROVEN: {error}"))
            .next("do not rely on this document; ask another node")
    })?;
    output.result(&Proven::new(&anchor, &bundle, verified), Proven::text);
    Ok(())
}

fn anchor(args: &VerifyArgs) -> Done<TrustAnchor> {
    if let (Some(identity), Some(chain_id)) = (&args.identity, args.chain_id) {
        return Ok(TrustAnchor { chain_id, identity: identity.to_vec() });
    }
    let Some(path) = &args.genesis else {
        return Err(Failure::new(
            ExitCode::Usage,
            "give --genesis FILE, or --identity and --chain-id",
        ));
    };
    let genesis = read_genesis(path).or_fail(ExitCode::Files)?;
    Ok(TrustAnchor { chain_id: genesis.chain_id, identity: genesis.committee.identity.to_vec() })
}

fn read(path: &Path) -> Done<ProofBundle> {
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| unreadable(path, &error))?)
    };
    let mut bytes = Vec::new();
    source
        .take(MAX_BUNDLE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("{} is not a proof document: {error}", path.display());
        Failure::new(ExitCode::Refuted, message)
            .next("get one with `cairn proof get ADDRESS --out FILE`")
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(ExitCode::Files, format!("cannot read {}: {error}", path.display()))
        .next("get one with `cairn proof get ADDRESS --out FILE`")
}

impl Proven {
    fn new(anchor: &TrustAnchor, bundle: &ProofBundle, verified: Verified) -> Self {
        let account = verified.account.as_ref();
        Self {
            chain_id: anchor.chain_id,
            block_number: verified.block_number,
            block_hash: verified.block_hash,
            timestamp: verified.timestamp,
            age_seconds: crate::commands::now_seconds().saturating_sub(verified.timestamp),
            state_root: verified.state_root,
            address: bundle.address,
            exists: account.is_some(),
            nonce: account.map_or(0, |account| account.nonce),
            balance_wei: account.map_or(U256::ZERO, |account| account.balance).to_string(),
            code_hash: account.map(|account| account.code_hash),
            storage: verified.storage,
        }
    }

    fn text(&self) -> String {
        let mut rows = vec![
            ("chain id", self.chain_id.to_string()),
            ("block", format!("{}, final, {} s old", self.block_number, self.age_seconds)),
            ("hash", self.block_hash.to_string()),
            ("state root", self.state_root.to_string()),
            ("account", self.address.to_string()),
        ];
        if self.exists {
            rows.push(("balance", format!("{} wei", self.balance_wei)));
            rows.push(("nonce", self.nonce.to_string()));
            rows.extend(self.code_hash.map(|hash| ("code hash", hash.to_string())));
        } else {
            rows.push(("exists", "no".to_owned()));
        }
        rows.extend(
            self.storage.iter().map(|(slot, word)| ("storage", format!("{slot:#x} = {word:#x}"))),
        );
        format!("PROVEN\n\n{}", fields(&rows))
    }
}
