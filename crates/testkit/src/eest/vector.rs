//! The format of a state test.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use cairn_evm::{BlockEnv, revm::context_interface::block::BlobExcessGasAndPrice};
use cairn_protocol::Rules;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Accounts by address.
pub type Alloc = BTreeMap<Address, Account>;

/// An account of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// Nonce.
    pub nonce: U64,
    /// Balance in wei.
    pub balance: U256,
    /// Code.
    pub code: Bytes,
    /// Storage; slots that are zero may be listed.
    #[serde(default)]
    pub storage: BTreeMap<U256, U256>,
}

/// The block of a test.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Env {
    /// Receives the tips.
    pub current_coinbase: Address,
    /// Gas limit of the block.
    pub current_gas_limit: U64,
    /// Height.
    pub current_number: U64,
    /// Unix time in seconds.
    pub current_timestamp: U64,
    /// `PREVRANDAO`.
    pub current_random: B256,
    /// Base fee in wei per gas.
    pub current_base_fee: U64,
    /// Excess blob gas; sets what `BLOBBASEFEE` answers.
    #[serde(default)]
    pub current_excess_blob_gas: U64,
}

/// What is expected.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    /// Keccak-256 of the RLP of the logs.
    pub logs: B256,
    /// The transaction.
    pub txbytes: Bytes,
    /// Every account afterwards.
    pub state: Alloc,
    /// Why the transaction must be rejected; alternatives are separated by `|`.
    pub expect_exception: Option<String>,
}

/// One state test: one transaction on one state.
#[derive(Clone, Debug)]
pub struct Vector {
    /// Name.
    pub id: String,
    /// The block.
    pub env: Env,
    /// State before.
    pub pre: Alloc,
    /// Who the test says signed the transaction.
    pub sender: Option<Address>,
    /// Chain id.
    pub chain_id: u64,
    /// Denominator of the blob base fee's exponent.
    pub blob_fraction: u64,
    /// What is expected.
    pub post: Post,
}

impl Vector {
    /// The block as the executor takes it: Cairn's rules without system contracts, without a limit on
    /// bytes, and with the blob base fee that the test assumes.
    ///
    /// # Errors
    /// If that fee does not fit into 64 bits.
    pub fn block_env(&self) -> Result<BlockEnv, String> {
        let excess = self.env.current_excess_blob_gas.to();
        let price = BlobExcessGasAndPrice::new(excess, self.blob_fraction).blob_gasprice;
        let blob_base_fee =
            u64::try_from(price).map_err(|_| format!("blob base fee {price} is too high"))?;
        let gas_limit = self.env.current_gas_limit.to();
        let rules = Rules {
            system_contracts: false,
            gas_limit,
            block_bytes: u64::MAX,
            blob_base_fee,
            ..Rules::V1
        };
        Ok(BlockEnv {
            chain_id: self.chain_id,
            number: self.env.current_number.to(),
            timestamp: self.env.current_timestamp.to(),
            beneficiary: self.env.current_coinbase,
            gas_limit,
            base_fee: self.env.current_base_fee.to(),
            prevrandao: self.env.current_random,
            parent_hash: B256::ZERO,
            rules,
        })
    }
}
