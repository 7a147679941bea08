//! Every decoder of bytes from outside, as a function of bytes: for fuzzing, and for replaying the
//! corpora in the tests. A function may reject its input, but must never panic, and what it accepts
//! must survive encoding again.

use alloy_primitives::{B256, Bytes};
use cairn_chain::{Genesis, block::Block};
use cairn_evm::RecoveredTx;
use cairn_light::{ProofBundle, TrustAnchor, verify_ancestor, verify_finality};
use cairn_node::gossip::{decode_batch, encode_batches};

/// Largest block that [`block`] accepts, in bytes.
const MAX_BLOCK: usize = 1 << 20;

/// A decoder under test.
pub type Decoder = fn(&[u8]);

/// All decoders by the name of their fuzz target and corpus.
pub const ALL: [(&str, Decoder); 7] = [
    ("block", block),
    ("transaction", transaction),
    ("certificate", certificate),
    ("header", header),
    ("proof_bundle", proof_bundle),
    ("gossip", gossip),
    ("genesis", genesis),
];

/// The anchor of a committee whose key is a valid point.
fn anchor() -> TrustAnchor {
    let identity = alloy_primitives::hex::decode(include_str!("../data/identity.hex").trim());
    TrustAnchor { chain_id: 1, identity: identity.expect("the committed file is hex") }
}

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

/// A finality certificate from a node.
pub fn certificate(bytes: &[u8]) {
    let _ = verify_finality(&anchor(), bytes);
}

/// A block header from a node.
pub fn header(bytes: &[u8]) {
    let hash = alloy_primitives::keccak256(bytes);
    if let Ok(header) = verify_ancestor(bytes, &[], hash) {
        assert_eq!(header.hash_slow(), hash);
    }
    assert!(verify_ancestor(bytes, &[], B256::ZERO).is_err());
}

/// A proof bundle from a file.
pub fn proof_bundle(bytes: &[u8]) {
    if let Ok(bundle) = serde_json::from_slice::<ProofBundle>(bytes) {
        let _ = bundle.verify(&anchor());
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
