//! The parameters a block is judged by.
//!
//! Differences between protocol versions live here and nowhere else: code asks the [`Rules`] of the
//! block at hand and never compares heights. A node picks the rules of a block from the genesis file
//! (and, once features are activated by governance, from the chain state) and hands them down.

use serde::{Deserialize, Serialize};

/// Version of the Ethereum virtual machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spec {
    /// Ethereum's Osaka (Fusaka) rules.
    #[default]
    Osaka,
}

/// Everything about a block that is a parameter of the protocol rather than its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Version of the EVM.
    pub spec: Spec,
    /// Most gas a block may use; also its header's gas limit.
    pub gas_limit: u64,
    /// Most gas a transaction may ask for (EIP-7825).
    pub tx_gas_limit: u64,
    /// Most bytes the transactions of a block may have together, as encoded by EIP-2718.
    pub block_bytes: u64,
    /// Most bytes one encoded transaction may have.
    pub tx_bytes: u64,
    /// Floor of the base fee in wei per gas.
    pub min_base_fee: u64,
    /// Price of blob gas that the `BLOBBASEFEE` opcode (EIP-7516) reports, in wei. Cairn carries no
    /// blobs, so it stays at the protocol minimum.
    pub blob_base_fee: u64,
    /// Least time between the timestamps of a block and its parent, in milliseconds.
    pub min_block_interval_ms: u64,
    /// Time after which an empty block is proposed, in milliseconds.
    pub max_block_interval_ms: u64,
    /// Most time between the timestamps of a block and its parent, in milliseconds.
    pub max_timestamp_advance_ms: u64,
    /// A seed is published this many blocks after the block it belongs to, or later.
    pub randomness_delay: u64,
    /// A missing seed may be skipped once its block is more than this many blocks old.
    pub seed_patience: u64,
    /// Most seeds a block may publish.
    pub block_seeds: u64,
    /// Whether native system contracts answer at their addresses.
    pub system_contracts: bool,
}

impl Rules {
    /// Rules of the first protocol version.
    pub const V1: Self = Self {
        spec: Spec::Osaka,
        gas_limit: 100_000_000,
        tx_gas_limit: 1 << 24,
        block_bytes: 2 << 20,
        tx_bytes: 128 << 10,
        min_base_fee: 10_000_000,
        blob_base_fee: 1,
        min_block_interval_ms: 200,
        max_block_interval_ms: 1_000,
        max_timestamp_advance_ms: 60_000,
        randomness_delay: 2,
        seed_patience: 64,
        block_seeds: 8,
        system_contracts: true,
    };
}

impl Default for Rules {
    fn default() -> Self {
        Self::V1
    }
}
