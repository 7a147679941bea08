//! Blocks: an Osaka-shaped Ethereum header, the consensus data bound to it, and transactions.
//!
//! ```text
//! hash = keccak256(RLP(header))                       what validators certify
//!   header.parent_beacon_block_root = keccak256(RLP(extra))
//!   header.transactions_root        = root of the transactions' trie
//!   header.state_root               = canonical root of the authenticated state after the block
//! ```
//!
//! So the hash alone commits to everything in the block, and any Ethereum client that recomputes it
//! gets the same value. [`Block::decode`] refuses bytes whose parts do not match the header: a peer
//! cannot pair a certified header with another body.
//!
//! Limits: [`MAX_SEEDS`] seeds a block; the size of a block is bounded by the caller of
//! [`Block::decode`].

use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, Header, constants::EMPTY_WITHDRAWALS,
    proofs::ordered_trie_root_with_encoder,
};
use alloy_primitives::{B64, B256, Bytes, FixedBytes, U256, b256, keccak256};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};

/// Most seeds that one block may publish.
pub const MAX_SEEDS: usize = 8;

/// Longest `extraData` in bytes (as on Ethereum).
pub const MAX_EXTRA_DATA: usize = 32;

/// `requestsHash` of a block without execution-layer requests: SHA-256 of the empty string
/// (EIP-7685).
pub const EMPTY_REQUESTS_HASH: B256 =
    b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

/// The threshold signature over the round of an earlier block, published as its random seed.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct PublishedSeed {
    /// Height of the block whose round was signed.
    pub height: u64,
    /// Epoch of that round.
    pub epoch: u64,
    /// View of that round.
    pub view: u64,
    /// BLS12-381 signature in G1, compressed.
    pub signature: FixedBytes<48>,
}

impl PublishedSeed {
    /// The 32 random bytes that this seed stands for: Keccak-256 of the signature.
    #[must_use]
    pub fn value(&self) -> B256 {
        keccak256(self.signature)
    }
}

/// Consensus data of a block, bound to its header through `parentBeaconBlockRoot`.
#[derive(Clone, Debug, Default, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct BlockExtra {
    /// Epoch of the round in which the block was proposed.
    pub epoch: u64,
    /// View of that round.
    pub view: u64,
    /// Ed25519 key of the proposer.
    pub leader: B256,
    /// View of the parent block.
    pub parent_view: u64,
    /// Root of the operations log behind the state, for state sync.
    pub ops_root: B256,
    /// First operation that state sync needs.
    pub ops_start: u64,
    /// One past the last operation.
    pub ops_end: u64,
    /// Time of the block in milliseconds since 1970; the header has it in whole seconds.
    pub timestamp_ms: u64,
    /// Random seeds of earlier blocks, by increasing height.
    pub seeds: Vec<PublishedSeed>,
}

impl BlockExtra {
    /// Keccak-256 of the RLP encoding: the header's `parentBeaconBlockRoot`.
    #[must_use]
    pub fn commitment(&self) -> B256 {
        keccak256(alloy_rlp::encode(self))
    }
}

/// A block with its transactions in EIP-2718 encoding.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable)]
pub struct Block {
    /// Ethereum header.
    pub header: Header,
    /// Consensus data.
    pub extra: BlockExtra,
    /// Transactions in order.
    pub transactions: Vec<Bytes>,
}

/// Why bytes are not a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Larger than the caller allows.
    #[error("block of {size} bytes exceeds the limit of {limit} bytes")]
    TooLarge {
        /// Size of the encoding.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// Not RLP of a block.
    #[error("block is not valid RLP: {0}")]
    Encoding(#[from] alloy_rlp::Error),
    /// Bytes after the end of the block.
    #[error("{0} bytes follow the block")]
    TrailingBytes(usize),
    /// A part of the body is not the one that the header commits to.
    #[error("{part} does not match the header: expected {expected}, computed {computed}")]
    Mismatch {
        /// Which part.
        part: &'static str,
        /// Commitment in the header.
        expected: B256,
        /// Commitment computed from the body.
        computed: B256,
    },
    /// A header field that has a fixed value on this chain has another.
    #[error("header field {0} has a value that this chain never uses")]
    FixedField(&'static str),
    /// Seeds are too many or out of order.
    #[error("block publishes seeds out of order or more than {MAX_SEEDS}")]
    Seeds,
}

impl Block {
    /// Keccak-256 of the RLP-encoded header.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.header.hash_slow()
    }

    /// Height of the block.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.header.number
    }

    /// RLP encoding of the whole block.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        alloy_rlp::encode(self)
    }

    /// Decodes a block of at most `limit` bytes and checks that body and header belong together.
    ///
    /// # Errors
    /// See [`BlockError`]; nothing about state or ancestry is checked here.
    pub fn decode(bytes: &[u8], limit: usize) -> Result<Self, BlockError> {
        if bytes.len() > limit {
            return Err(BlockError::TooLarge { size: bytes.len(), limit });
        }
        let mut input = bytes;
        let mut payload = alloy_rlp::Header::decode_bytes(&mut input, true)?;
        if !input.is_empty() {
            return Err(BlockError::TrailingBytes(input.len()));
        }
        let block = Self {
            header: Header::decode(&mut payload)?,
            extra: BlockExtra::decode(&mut payload)?,
            transactions: Vec::decode(&mut payload)?,
        };
        if !payload.is_empty() {
            return Err(BlockError::TrailingBytes(payload.len()));
        }
        block.check()?;
        Ok(block)
    }

    /// Checks everything that the block alone can show to be wrong.
    ///
    /// # Errors
    /// See [`BlockError`].
    pub fn check(&self) -> Result<(), BlockError> {
        self.check_fixed_fields()?;
        let bound = |part, expected: B256, computed: B256| {
            if expected == computed {
                Ok(())
            } else {
                Err(BlockError::Mismatch { part, expected, computed })
            }
        };
        let extra = self.header.parent_beacon_block_root.unwrap_or_default();
        if self.header.number > 0 {
            bound("consensus data", extra, self.extra.commitment())?;
        }
        let root = transactions_root(&self.transactions);
        bound("transactions", self.header.transactions_root, root)?;
        if self.header.timestamp != self.extra.timestamp_ms / 1_000 {
            return Err(BlockError::FixedField("timestamp"));
        }
        let increasing = self.extra.seeds.is_sorted_by(|a, b| a.height < b.height);
        if self.extra.seeds.len() > MAX_SEEDS || !increasing {
            return Err(BlockError::Seeds);
        }
        Ok(())
    }

    fn check_fixed_fields(&self) -> Result<(), BlockError> {
        let header = &self.header;
        let rules = [
            ("sha3Uncles", header.ommers_hash == EMPTY_OMMER_ROOT_HASH),
            ("difficulty", header.difficulty == U256::ZERO),
            ("nonce", header.nonce == B64::ZERO),
            ("extraData", header.extra_data.len() <= MAX_EXTRA_DATA),
            ("baseFeePerGas", header.base_fee_per_gas.is_some()),
            ("withdrawalsRoot", header.withdrawals_root == Some(EMPTY_WITHDRAWALS)),
            ("blobGasUsed", header.blob_gas_used == Some(0)),
            ("excessBlobGas", header.excess_blob_gas == Some(0)),
            ("parentBeaconBlockRoot", header.parent_beacon_block_root.is_some()),
            ("requestsHash", header.requests_hash == Some(EMPTY_REQUESTS_HASH)),
            ("blockAccessListHash", header.block_access_list_hash.is_none()),
            ("slotNumber", header.slot_number.is_none()),
        ];
        match rules.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(BlockError::FixedField(field)),
            None => Ok(()),
        }
    }
}

/// A header whose fields that never vary on this chain are set; the caller fills the rest.
#[must_use]
pub fn base_header() -> Header {
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        base_fee_per_gas: Some(0),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        extra_data: Bytes::from_static(b"cairn"),
        ..Header::default()
    }
}

/// Root of the Merkle-Patricia trie of EIP-2718 encoded `transactions`, keyed by RLP(index).
#[must_use]
pub fn transactions_root(transactions: &[Bytes]) -> B256 {
    ordered_trie_root_with_encoder(transactions, |tx, buf| buf.extend_from_slice(tx))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Block {
        let extra = BlockExtra {
            view: 9,
            timestamp_ms: 1_700_000_000_123,
            seeds: vec![PublishedSeed {
                height: 3,
                epoch: 0,
                view: 5,
                signature: FixedBytes::repeat_byte(7),
            }],
            ..BlockExtra::default()
        };
        let transactions = vec![Bytes::from_static(&[2, 0xc0]), Bytes::from_static(&[1, 0xc1, 1])];
        let header = Header {
            number: 5,
            timestamp: 1_700_000_000,
            transactions_root: transactions_root(&transactions),
            parent_beacon_block_root: Some(extra.commitment()),
            ..base_header()
        };
        Block { header, extra, transactions }
    }

    #[test]
    fn round_trips() {
        let block = sample();
        let bytes = block.encode();
        assert_eq!(Block::decode(&bytes, bytes.len()), Ok(block));
    }

    #[test]
    fn rejects_what_the_header_does_not_commit_to() {
        type Edit = fn(&mut Block);
        let edits: [(&str, Edit); 9] = [
            ("transactions", |b| b.transactions.swap(0, 1)),
            ("transactions", |b| b.transactions.truncate(1)),
            ("consensus data", |b| b.extra.view += 1),
            ("consensus data", |b| b.extra.seeds[0].height += 1),
            ("timestamp", |b| b.header.timestamp += 1),
            ("difficulty", |b| b.header.difficulty = U256::from(1)),
            ("extraData", |b| b.header.extra_data = vec![0; 33].into()),
            ("blobGasUsed", |b| b.header.blob_gas_used = Some(1)),
            ("requestsHash", |b| b.header.requests_hash = Some(B256::ZERO)),
        ];
        for (what, edit) in edits {
            let mut block = sample();
            edit(&mut block);
            let error = Block::decode(&block.encode(), 10_000).unwrap_err().to_string();
            assert!(error.contains(what), "{what}: {error}");
        }
    }

    #[test]
    fn rejects_size_and_trailing_bytes() {
        let bytes = sample().encode();
        let limit = bytes.len() - 1;
        assert_eq!(
            Block::decode(&bytes, limit),
            Err(BlockError::TooLarge { size: bytes.len(), limit })
        );
        let long = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Block::decode(&long, long.len()), Err(BlockError::TrailingBytes(1)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = Block::decode(&bytes, 1_000);
        }

        #[test]
        fn a_flipped_bit_never_yields_the_same_block(at in 0usize..700, bit in 0u8..8) {
            let block = sample();
            let mut bytes = block.encode();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(other) = Block::decode(&bytes, bytes.len()) {
                prop_assert_ne!(other.hash(), block.hash());
            }
        }
    }
}
