//! The decoders of a node for bytes from outside, as functions of bytes: for fuzzing, and for replaying
//! the corpora in the tests of `crates/node`. A function may reject its input, but must never panic,
//! and what it accepts must survive encoding again.

use alloy_primitives::Bytes;
use cairn_chain::{Genesis, block::Block};
use cairn_evm::RecoveredTx;
use cairn_node::gossip::{decode_batch, encode_batches};

/// Largest block that [`block`] accepts, in bytes.
const MAX_BLOCK: usize = 1 << 20;

/// A decoder under test.
pub type Decoder = fn(&[u8]);

/// All decoders by the name of their fuzz target and corpus.
pub const ALL: [(&str, Decoder); 4] =
    [("block", block), ("transaction", transaction), ("gossip", gossip), ("genesis", genesis)];

/// A block from a peer.
pub fn block(bytes: &[u8]) {
    if let Ok(block) = Block::decode(bytes, MAX_BLOCK) {
        assert_eq!(Block::decode(&block.encode(), MAX_BLOCK), Ok(block));
    }
}

/// A transaction from a client or peer.
pub fn transaction(bytes: &[u8]) {
    if let Ok(transaction) = RecoveredTx::decode(Bytes::copy_from_slice(bytes), 1) {
        assert_eq!(transaction.encoded.as_ref(), bytes);
    }
}

/// A batch of transactions from a peer.
pub fn gossip(bytes: &[u8]) {
    if let Ok(transactions) = decode_batch(bytes) {
        assert_eq!(encode_batches(&transactions).concat(), bytes);
    }
}

/// A genesis file.
pub fn genesis(bytes: &[u8]) {
    if let Ok(genesis) = Genesis::parse(bytes) {
        let again = Genesis::parse(genesis.to_json().as_bytes()).expect("written by this program");
        assert_eq!(again, genesis);
    }
}
