//! Snapshots of real nodes: what goes into a file comes out of it, and nothing else is let in.

#![allow(unreachable_pub, reason = "a module that is shared with another test")]
#![allow(clippy::unwrap_used, reason = "these helpers only serve tests")]

#[path = "simulation/transfer.rs"]
mod transfer;

use alloy_primitives::{Address, U256};
use cairn_chain::{
    Chain, Genesis,
    block::Block,
    genesis::{Allocation, GENESIS_VERSION, Parameters, Predeploy},
};
use cairn_node::{
    Identity, Node, NodeConfig, Peer, deal,
    snapshot::{Place, SnapshotError, Summary, export, import},
    start,
};
use cairn_primitives::state::{Account, StateKey};
use commonware_cryptography::{Crc32, Hasher as _};
use rand::SeedableRng as _;
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
};
use tempfile::TempDir;

/// A network of one validator.
struct Network {
    genesis: Genesis,
    validator: Identity,
    directory: TempDir,
}

impl Network {
    fn new() -> Self {
        let mut dealt = deal(1, rand::rngs::StdRng::seed_from_u64(5));
        let rich = Allocation { balance: U256::from(10).pow(U256::from(21)), ..Default::default() };
        // Enough accounts for several pieces of operations.
        let few = Allocation { balance: U256::from(7), ..Default::default() };
        let many = (0..6_000u64)
            .map(|i| (Address::left_padding_from(&(i + 0xffff).to_be_bytes()), few.clone()));
        let genesis = Genesis {
            version: GENESIS_VERSION,
            name: "snapshots".into(),
            chain_id: transfer::CHAIN_ID,
            timestamp_ms: 1_700_000_000_000,
            dev: true,
            parameters: Parameters { min_block_interval_ms: 20, ..Parameters::default() },
            predeploys: Predeploy::all(),
            allocations: many.chain([(transfer::address(0), rich)]).collect(),
            committee: dealt.committee.clone(),
        };
        let validator = dealt.identities.pop().expect("one was dealt");
        Self { genesis, validator, directory: tempfile::tempdir().unwrap() }
    }

    fn place(&self, name: &str) -> Place {
        let data_dir = self.directory.path().join(name);
        Place { data_dir, genesis: self.genesis.clone(), archive: false }
    }

    fn config(&self, name: &str, listen: SocketAddr) -> NodeConfig {
        NodeConfig {
            data_dir: self.directory.path().join(name),
            genesis: self.genesis.clone(),
            identity: self.validator.clone(),
            listen,
            peers: Vec::new(),
            any_address: true,
            archive: false,
            // An imported state must win over this.
            state_sync: true,
            threads: 2,
            page_cache_bytes: 4 << 20,
        }
    }

    async fn validator(&self, name: &str) -> Node {
        start(NodeConfig { state_sync: false, ..self.config(name, free_address()) }).await.unwrap()
    }

    fn export(&self, name: &str, file: &str) -> Result<Summary, SnapshotError> {
        export(&self.place(name), &self.directory.path().join(file), Box::new(|_, _| {}))
    }

    fn import(&self, name: &str, file: &str) -> Result<Summary, SnapshotError> {
        import(&self.place(name), &self.directory.path().join(file), Box::new(|_, _| {}))
    }

    /// Runs a validator in the directory `validator` for a while, and exports its state to `file`.
    async fn grown(&self, file: &str) -> Summary {
        let node = self.validator("validator").await;
        for wave in 0..10 {
            send(&node.chain, wave * 50..(wave + 1) * 50).await;
        }
        stop(node).await;
        self.export("validator", file).unwrap()
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn stop(node: Node) {
    tokio::task::spawn_blocking(move || node.shutdown()).await.unwrap();
}

/// Sends the transfers with these nonces and waits until the last one is final.
async fn send(chain: &Chain, nonces: std::ops::Range<u64>) {
    let mut heads = chain.subscribe();
    while chain.head().number() == 0 {
        heads.recv().await.unwrap();
    }
    let mut last = None;
    for nonce in nonces {
        last = Some(chain.submit(transfer::transfer(0, nonce)).await.unwrap());
    }
    while chain.locate(last.unwrap()).unwrap().is_none() {
        heads.recv().await.unwrap();
    }
}

async fn reach(chain: &Chain, height: u64) {
    let mut heads = chain.subscribe();
    while chain.head().number() < height {
        heads.recv().await.unwrap();
    }
}

async fn balance(chain: &Chain, height: u64, address: Address) -> U256 {
    let state = chain.state_at(height).unwrap();
    let account = state.get(&StateKey::account(address)).await.unwrap();
    account.map_or(U256::ZERO, |value| Account::decode(&value).balance)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_goes_on_from_its_snapshot_in_another_directory() {
    let network = Network::new();
    let exported = network.grown("file").await;
    let again = network.export("validator", "again").unwrap();
    assert_eq!(again, exported, "the same state gives the same file");
    let read = |name| fs::read(network.directory.path().join(name)).unwrap();
    assert!(read("file") == read("again"), "the same state gives the same bytes");

    assert_eq!(network.import("copy", "file").unwrap(), exported);
    let node = network.validator("copy").await;
    let (chain, height) = (&node.chain, exported.height);
    assert!(chain.head().number() >= height, "the head is there before any new block");
    let block = chain.by_number(height).unwrap().unwrap();
    assert_eq!((block.hash, block.block.header.state_root), (exported.hash, exported.state_root));
    assert_eq!((chain.earliest(), chain.oldest_state()), (height, height));
    let spent = balance(chain, height, transfer::address(0)).await;
    send(chain, 500..520).await;
    assert!(balance(chain, chain.head().number(), transfer::address(0)).await < spent);
    assert_eq!(balance(chain, height, transfer::address(0)).await, spent);
    stop(node).await;

    let node = network.validator("copy").await;
    send(&node.chain, 520..521).await;
    stop(node).await;
    let later = network.export("copy", "later").unwrap();
    assert!(later.height > height);
    assert_eq!(network.import("third", "later").unwrap(), later);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_goes_on_from_a_snapshot_while_the_chain_grows() {
    let network = Network::new();
    let exported = network.grown("file").await;
    assert_eq!(network.import("follower", "file").unwrap(), exported);

    let follower = Identity::random(rand::rngs::StdRng::seed_from_u64(9));
    let (here, there) = (free_address(), free_address());
    let peer = |identity: &Identity, address| Peer { public_key: identity.public_key(), address };
    let validator = start(NodeConfig {
        peers: vec![peer(&follower, there)],
        state_sync: false,
        ..network.config("validator", here)
    })
    .await
    .unwrap();
    let node = start(NodeConfig {
        identity: follower,
        peers: vec![peer(&network.validator, here)],
        ..network.config("follower", there)
    })
    .await
    .unwrap();
    assert!(node.chain.head().number() >= exported.height);
    send(&validator.chain, 500..540).await;
    let height = validator.chain.head().number();
    reach(&node.chain, height).await;
    let at = |node: &Node| node.chain.by_number(height).unwrap().unwrap().hash;
    assert_eq!(at(&node), at(&validator));
    stop(node).await;
    stop(validator).await;
}

/// The records of a snapshot: tag, payload.
type Records = Vec<(u8, Vec<u8>)>;

const HEAD: usize = 16;

fn records(mut bytes: &[u8]) -> Records {
    bytes = &bytes[HEAD..];
    let mut records = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        records.push((head[0], rest[..length].to_vec()));
        bytes = &rest[length + 4..];
    }
    records
}

/// The snapshot with these records, whose checksums are right.
fn assemble(head: &[u8], records: &Records) -> Vec<u8> {
    let mut bytes = head[..HEAD].to_vec();
    for (tag, payload) in records {
        let mut record = vec![*tag];
        record.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
        record.extend_from_slice(payload);
        let crc = Crc32::hash(&[&record]).as_u32();
        bytes.extend_from_slice(&record);
        bytes.extend_from_slice(&crc.to_be_bytes());
    }
    bytes
}

fn refusal(network: &Network, bytes: &[u8]) -> String {
    fs::write(network.directory.path().join("bad"), bytes).unwrap();
    let error = network.import("empty", "bad").unwrap_err().to_string();
    let left: Vec<_> = fs::read_dir(network.directory.path().join("empty")).unwrap().collect();
    assert!(left.is_empty(), "a refused import leaves nothing: {left:?}, {error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_forged_snapshots_are_refused() {
    let network = Network::new();
    network.grown("file").await;
    let good = fs::read(network.directory.path().join("file")).unwrap();
    let parts = records(&good);
    assert!(parts.len() > 7 && assemble(&good, &parts) == good, "several pieces of operations");
    let block = Block::decode(&parts[1].1, 1 << 20).unwrap();
    assert!(block.extra.ops_start > 0, "the log begins after its first operation");

    // Damage: a flipped bit anywhere, a missing end, more than there should be.
    for at in (0..good.len()).step_by(good.len() / 97).chain([0, 13, 16, 17, good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let error = refusal(&network, &bad);
        let told = ["not a snapshot", "of version", "damaged", "cut off"];
        assert!(told.iter().any(|told| error.contains(told)), "byte {at}: {error}");
    }
    for end in [0, 11, 15, 40, good.len() / 2, good.len() - 1] {
        let error = refusal(&network, &good[..end]);
        assert!(error.contains("cut off") || error.contains("not a snapshot"), "{end}: {error}");
    }
    let longer = [good.as_slice(), &[0]].concat();
    assert!(refusal(&network, &longer).contains("damaged"));

    // Forgery: checksums are right, content is not what the committee certified.
    let forged = |index: usize, edit: &dyn Fn(&mut Vec<u8>)| {
        let mut parts = parts.clone();
        edit(&mut parts[index].1);
        refusal(&network, &assemble(&good, &parts))
    };
    let flip = |payload: &mut Vec<u8>| {
        let last = payload.len() - 1;
        payload[last] ^= 1;
    };
    let rows: [(usize, &str); 5] = [
        (1, "do not use this file"),
        (2, "receipts"),
        (3, "not final"),
        (4, "Boundary of the snapshot is not part"),
        (6, "is not part of the block's state"),
    ];
    for (index, expected) in rows {
        let error = forged(index, &flip);
        assert!(error.contains(expected), "record {index}: {error}");
    }
    let mut swapped = parts.clone();
    swapped.swap(5, 6);
    assert!(refusal(&network, &assemble(&good, &swapped)).contains("is not part of"));
    let mut fewer = parts.clone();
    fewer.remove(6);
    assert!(refusal(&network, &assemble(&good, &fewer)).contains("damaged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_goes_only_into_an_empty_directory_of_its_network() {
    let mut network = Network::new();
    network.grown("file").await;
    let error = network.import("validator", "file").unwrap_err();
    assert!(matches!(error, SnapshotError::NotEmpty(_)), "{error}");
    let error = network.export("nothing", "other").unwrap_err();
    assert!(matches!(error, SnapshotError::Empty(_)), "{error}");
    let error = network.import("new", "missing").unwrap_err();
    assert!(matches!(error, SnapshotError::Io { .. }), "{error}");
    network.genesis.name = "another".into();
    let error = network.import("new", "file").unwrap_err();
    assert!(matches!(error, SnapshotError::OtherNetwork { .. }), "{error}");
    assert!(!Path::new(&network.directory.path().join("new/storage")).exists());
}
