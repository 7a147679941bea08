//! The genesis file: everything that all nodes of a network must agree on before block 1.
//!
//! The file is JSON. Its Keccak-256 hash (of the canonical re-encoding, so white space does not
//! matter) stands in `parentBeaconBlockRoot` of block 0: two networks with different genesis files
//! have different block hashes from the start. The state of block 0 is empty; allocations,
//! predeploys and system contracts enter by the system step of block 1.

use crate::block::{Block, BlockExtra, base_header, transactions_root};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, address, bytes, keccak256};
use cairn_evm::GenesisAccount;
use cairn_protocol::rules::Rules;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The only version of the genesis file so far.
pub const GENESIS_VERSION: u32 = 1;

/// Most validators that a committee may have.
pub const MAX_VALIDATORS: usize = 100;

/// Multicall3, where every client library expects it.
pub const MULTICALL3: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");

/// The deterministic deployment proxy used by CREATE2 tooling.
pub const CREATE2_DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

const CREATE2_DEPLOYER_CODE: Bytes = bytes!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// Contents of `genesis.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Genesis {
    /// Version of the format; [`GENESIS_VERSION`].
    pub version: u32,
    /// Name of the network, for people.
    pub name: String,
    /// EIP-155 chain id; also separates the consensus signatures of networks.
    pub chain_id: u64,
    /// Time of block 0 in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Whether this is a development network: its keys are public, its coins worthless.
    #[serde(default)]
    pub dev: bool,
    /// Limits and pace of the chain.
    pub parameters: Parameters,
    /// Contracts that exist from block 1 on.
    #[serde(default = "Predeploy::all")]
    pub predeploys: Vec<Predeploy>,
    /// Accounts that exist from block 1 on.
    pub allocations: BTreeMap<Address, Allocation>,
    /// Who may propose and vote.
    pub committee: Committee,
}

/// Limits and pace of a chain, fixed at genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Parameters {
    /// Gas that a block may use.
    pub block_gas_limit: u64,
    /// Bytes of encoded transactions that a block may carry.
    pub block_bytes: u32,
    /// Base fee of block 1 in wei.
    pub initial_base_fee: u64,
    /// Base fee never falls below this, in wei.
    pub min_base_fee: u64,
    /// A block is proposed no sooner than this after its parent, in ms.
    pub min_block_interval_ms: u64,
    /// Without transactions, an empty block follows its parent after this time, in ms.
    pub max_block_interval_ms: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            block_gas_limit: 200_000_000,
            block_bytes: 4 << 20,
            initial_base_fee: 1_000_000_000,
            min_base_fee: 1_000_000,
            min_block_interval_ms: 200,
            max_block_interval_ms: 1_000,
        }
    }
}

/// One account of the genesis state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Allocation {
    /// Balance in wei.
    #[serde(default)]
    pub balance: U256,
    /// Nonce.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nonce: u64,
    /// Runtime code.
    #[serde(default, skip_serializing_if = "no_bytes")]
    pub code: Bytes,
    /// Storage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<U256, U256>,
}

/// The validators and their common key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Committee {
    /// Group public key (BLS12-381 G2, 96 bytes): finality certificates verify against it.
    pub identity: Bytes,
    /// Public polynomial of the threshold key, from which each member's public share follows.
    pub polynomial: Bytes,
    /// Members, by increasing public key.
    pub validators: Vec<ValidatorEntry>,
    /// How the threshold key came to be. `trusted-dealer`: one machine knew all shares.
    pub dealt_by: String,
}

/// One member of the committee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ValidatorEntry {
    /// Ed25519 key that names the validator in the network.
    pub public_key: B256,
    /// Account that receives the tips of the blocks it proposes.
    pub payout: Address,
}

/// Contracts that can be part of the genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predeploy {
    /// Multicall3 at `0xcA11…CA11`.
    Multicall3,
    /// The CREATE2 deployment proxy at `0x4e59…956C`.
    Create2Deployer,
}

impl Predeploy {
    /// Every predeploy, the default of the genesis file.
    #[must_use]
    pub fn all() -> Vec<Self> {
        vec![Self::Multicall3, Self::Create2Deployer]
    }

    fn account(self) -> (Address, Bytes) {
        match self {
            Self::Create2Deployer => (CREATE2_DEPLOYER, CREATE2_DEPLOYER_CODE),
            Self::Multicall3 => {
                let hex = include_str!("../predeploys/multicall3.hex").trim();
                (MULTICALL3, hex.parse().expect("the committed file is hex"))
            }
        }
    }
}

/// Why a genesis file is refused.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// Not the JSON of a genesis file.
    #[error("genesis file is not valid: {0}; write one with `cairn network init`")]
    Json(#[from] serde_json::Error),
    /// A version that this program does not know.
    #[error("genesis file has version {0}, this program knows version {GENESIS_VERSION}")]
    Version(u32),
    /// A value outside its bounds.
    #[error("genesis field {field}: {rule}")]
    Bounds {
        /// Which field.
        field: &'static str,
        /// What must hold.
        rule: &'static str,
    },
    /// An allocation that must not exist.
    #[error("genesis field allocations: {0}")]
    Account(#[from] cairn_evm::GenesisError),
}

/// Roots of the state database before anything was written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptyState {
    /// Root of the empty operations log.
    pub ops_root: B256,
    /// First operation to sync.
    pub ops_start: u64,
    /// One past the last operation.
    pub ops_end: u64,
}

impl Genesis {
    /// Reads and checks a genesis file.
    ///
    /// # Errors
    /// See [`GenesisError`].
    pub fn parse(json: &[u8]) -> Result<Self, GenesisError> {
        let genesis: Self = serde_json::from_slice(json)?;
        if genesis.version != GENESIS_VERSION {
            return Err(GenesisError::Version(genesis.version));
        }
        genesis.check()?;
        Ok(genesis)
    }

    /// The file's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a genesis has no map with non-string keys")
    }

    /// Keccak-256 of the canonical encoding.
    #[must_use]
    pub fn hash(&self) -> B256 {
        let canonical = serde_json::to_vec(self).expect("a genesis always encodes");
        keccak256(canonical)
    }

    /// Bytes that separate the consensus signatures of this network from those of others.
    #[must_use]
    pub fn namespace(&self) -> Vec<u8> {
        namespace(self.chain_id)
    }

    /// Rules of every block of this chain.
    #[must_use]
    pub const fn rules(&self) -> Rules {
        let p = &self.parameters;
        Rules {
            gas_limit: p.block_gas_limit,
            block_bytes: p.block_bytes as u64,
            min_base_fee: p.min_base_fee,
            min_block_interval_ms: p.min_block_interval_ms,
            max_block_interval_ms: p.max_block_interval_ms,
            ..Rules::V1
        }
    }

    fn check(&self) -> Result<(), GenesisError> {
        let p = &self.parameters;
        let keys: Vec<_> = self.committee.validators.iter().map(|v| v.public_key).collect();
        let rules = [
            ("chainId", self.chain_id > 0, "must be positive"),
            (
                "chainId",
                self.chain_id < 1 << 52,
                "must be below 2^52 so that every wallet accepts it",
            ),
            (
                "parameters.blockGasLimit",
                p.block_gas_limit >= 30_000_000,
                "must be at least 30000000",
            ),
            ("parameters.blockBytes", p.block_bytes >= 256 << 10, "must be at least 262144"),
            ("parameters.blockBytes", p.block_bytes <= 16 << 20, "must be at most 16777216"),
            (
                "parameters.initialBaseFee",
                p.initial_base_fee >= p.min_base_fee,
                "must not be below minBaseFee",
            ),
            (
                "parameters.maxBlockIntervalMs",
                p.max_block_interval_ms >= p.min_block_interval_ms,
                "must not be below minBlockIntervalMs",
            ),
            (
                "parameters.maxBlockIntervalMs",
                p.max_block_interval_ms <= 10_000,
                "must be at most 10000",
            ),
            (
                "committee.validators",
                (1..=MAX_VALIDATORS).contains(&keys.len()),
                "must name 1 to 100 validators",
            ),
            (
                "committee.validators",
                keys.is_sorted_by(|a, b| a < b),
                "must be sorted by publicKey without repeats",
            ),
            ("committee.identity", self.committee.identity.len() == 96, "must be 96 bytes"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((field, _, rule)) => Err(GenesisError::Bounds { field, rule }),
            None => self.check_accounts(),
        }
    }

    fn check_accounts(&self) -> Result<(), GenesisError> {
        for (address, account) in self.accounts() {
            account.check(address)?;
        }
        Ok(())
    }

    /// Block 0. Its state is empty; `empty` describes the empty state database.
    #[must_use]
    pub fn block(&self, empty: EmptyState) -> Block {
        let extra = BlockExtra {
            ops_root: empty.ops_root,
            ops_start: empty.ops_start,
            ops_end: empty.ops_end,
            timestamp_ms: self.timestamp_ms,
            ..BlockExtra::default()
        };
        let header = Header {
            state_root: empty.ops_root,
            transactions_root: transactions_root(&[]),
            receipts_root: transactions_root(&[]),
            gas_limit: self.parameters.block_gas_limit,
            timestamp: self.timestamp_ms / 1_000,
            base_fee_per_gas: Some(self.parameters.initial_base_fee),
            parent_beacon_block_root: Some(self.hash()),
            ..base_header()
        };
        Block { header, extra, transactions: Vec::new() }
    }

    /// Accounts that the system step of block 1 creates, by address: system contracts, predeploys,
    /// then allocations. An allocation at the address of a contract only adds its balance.
    #[must_use]
    pub fn accounts(&self) -> Vec<(Address, GenesisAccount)> {
        let mut accounts: BTreeMap<Address, GenesisAccount> =
            cairn_evm::system_accounts().into_iter().collect();
        for (address, code) in self.predeploys.iter().map(|p| p.account()) {
            let account = GenesisAccount { nonce: 1, code, ..GenesisAccount::default() };
            accounts.insert(address, account);
        }
        for (address, allocation) in &self.allocations {
            let account = accounts.entry(*address).or_default();
            account.balance = allocation.balance;
            if account.code.is_empty() {
                account.nonce = allocation.nonce;
                account.code = allocation.code.clone();
                account.storage = allocation.storage.clone();
            }
        }
        accounts.into_iter().collect()
    }

    /// Account that receives the tips of blocks proposed by `leader`; zero for an unknown key.
    #[must_use]
    pub fn payout(&self, leader: B256) -> Address {
        let validators = &self.committee.validators;
        match validators.binary_search_by_key(&leader, |v| v.public_key) {
            Ok(i) => validators.get(i).map_or(Address::ZERO, |v| v.payout),
            Err(_) => Address::ZERO,
        }
    }
}

/// Bytes that separate the consensus signatures of the chain with `chain_id` from those of others.
#[must_use]
pub fn namespace(chain_id: u64) -> Vec<u8> {
    format!("cairn/{chain_id}").into_bytes()
}

fn no_bytes(bytes: &Bytes) -> bool {
    bytes.is_empty()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Genesis {
        let validator = |byte| ValidatorEntry {
            public_key: B256::repeat_byte(byte),
            payout: Address::repeat_byte(byte),
        };
        Genesis {
            version: GENESIS_VERSION,
            name: "test".into(),
            chain_id: 7,
            timestamp_ms: 1_700_000_000_000,
            dev: true,
            parameters: Parameters::default(),
            predeploys: Predeploy::all(),
            allocations: BTreeMap::from([(
                Address::repeat_byte(9),
                Allocation { balance: U256::from(5), ..Allocation::default() },
            )]),
            committee: Committee {
                identity: vec![1; 96].into(),
                polynomial: vec![2; 96].into(),
                validators: vec![validator(1), validator(2)],
                dealt_by: "trusted-dealer".into(),
            },
        }
    }

    #[test]
    fn file_round_trips_and_its_hash_ignores_white_space() {
        let genesis = sample();
        let parsed = Genesis::parse(genesis.to_json().as_bytes()).unwrap();
        assert_eq!(parsed, genesis);
        assert_eq!(parsed.hash(), genesis.hash());
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        type Edit = fn(&mut Genesis);
        let account = Address::repeat_byte(0xac);
        let edits: [(&str, Edit); 10] = [
            ("version 2", |g| g.version = 2),
            ("chainId", |g| g.chain_id = 0),
            ("blockGasLimit", |g| g.parameters.block_gas_limit = 1),
            ("initialBaseFee", |g| g.parameters.initial_base_fee = 0),
            ("maxBlockIntervalMs", |g| g.parameters.max_block_interval_ms = 1),
            ("1 to 100", |g| g.committee.validators.clear()),
            ("sorted", |g| g.committee.validators.reverse()),
            ("96 bytes", |g| g.committee.identity = Bytes::new()),
            ("neither nonce nor code", |g| {
                let storage = BTreeMap::from([(U256::from(1), U256::from(2))]);
                let empty = Allocation { storage, ..Allocation::default() };
                g.allocations.insert(Address::repeat_byte(0xac), empty);
            }),
            ("malformed code", |g| {
                let code = vec![0xef, 0x01, 0x00].into();
                let malformed = Allocation { nonce: 1, code, ..Allocation::default() };
                g.allocations.insert(Address::repeat_byte(0xac), malformed);
            }),
        ];
        for (what, edit) in edits {
            let mut genesis = sample();
            edit(&mut genesis);
            let error = Genesis::parse(genesis.to_json().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(what), "{what}: {error}");
            let named = genesis.allocations.contains_key(&account);
            assert_eq!(error.contains(&account.to_string()), named, "{error}");
        }
        let unknown = sample().to_json().replacen("\"version\"", "\"verison\"", 1);
        assert!(Genesis::parse(unknown.as_bytes()).unwrap_err().to_string().contains("verison"));
    }

    #[test]
    fn block_zero_commits_to_the_file() {
        let empty = EmptyState { ops_root: B256::ZERO, ops_start: 0, ops_end: 1 };
        let genesis = sample();
        let mut other = sample();
        other.parameters.min_base_fee += 1;
        assert_ne!(genesis.block(empty).hash(), other.block(empty).hash());
        let block = genesis.block(empty);
        assert_eq!(Block::decode(&block.encode(), 10_000), Ok(block));
    }

    #[test]
    fn accounts_hold_predeploys_and_allocations() {
        let mut genesis = sample();
        genesis.allocations.insert(
            MULTICALL3,
            Allocation { balance: U256::from(3), code: vec![0].into(), ..Allocation::default() },
        );
        let accounts: BTreeMap<_, _> = genesis.accounts().into_iter().collect();
        let multicall = &accounts[&MULTICALL3];
        assert!(multicall.code.len() > 3_000 && multicall.balance == U256::from(3));
        assert_eq!(accounts[&Address::repeat_byte(9)].balance, U256::from(5));
        assert_eq!(genesis.payout(B256::repeat_byte(2)), Address::repeat_byte(2));
        assert_eq!(genesis.payout(B256::repeat_byte(3)), Address::ZERO);
    }
}
