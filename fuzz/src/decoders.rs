//! The decoders of a node for bytes from outside, as functions of bytes: for fuzzing, and for replaying
//! the corpora in the tests of `crates/node`. A function may reject its input, but must never panic,
//! and what it accepts must survive encoding again.

use alloy_primitives::{B256, Bytes};
use cairn_chain::{Genesis, block::Block};
use cairn_evm::RecoveredTx;
use cairn_node::{
    gossip::{decode_batch, encode_batches},
    state::{Piece, StateCommitment, first_operation},
};

/// Largest block that [`block`] accepts, in bytes.
const MAX_BLOCK: usize = 1 << 20;

/// A decoder under test.
pub type Decoder = fn(&[u8]);

/// All decoders by the name of their fuzz target and corpus.
pub const ALL: [(&str, Decoder); 5] = [
    ("block", block),
    ("transaction", transaction),
    ("gossip", gossip),
    ("genesis", genesis),
    ("state_piece", state_piece),
];

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

/// A piece of a state from a snapshot, after its kind (1 byte) and what the block says of the state's log:
/// root (32 bytes), first operation and end (8 bytes each, big endian).
pub fn state_piece(bytes: &[u8]) {
    let Some((&[kind, ref log @ ..], piece)) = bytes.split_first_chunk::<49>() else { return };
    let number = |at: usize| log[at..at + 8].iter().fold(0, |n, byte| (n << 8) | u64::from(*byte));
    let of = StateCommitment {
        root: B256::ZERO,
        ops_root: B256::from_slice(&log[..32]),
        ops_start: number(32),
        ops_end: number(40),
    };
    let kind = if kind == 0 { Piece::Boundary } else { Piece::Operations(first_operation(&of)) };
    let _ = kind.is_proven_by(piece, &of);
}
