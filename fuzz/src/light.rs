//! What the light client's targets do with their bytes. Input may be refused, but nothing may panic,
//! and nothing may be believed that is not the golden document's content.
//!
//! The tests of `crates/light` include this file to replay the corpora.

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use cairn_light::{
    KeyProof, ProofBundle, TrustAnchor, verify_account, verify_ancestor, verify_finality,
    verify_header, verify_slot,
};
use std::sync::LazyLock;

/// A target's function.
pub type Target = fn(&[u8]);

/// All targets by the name of their binary and corpus.
pub const ALL: [(&str, Target); 4] = [
    ("certificate", certificate),
    ("header", header),
    ("state_proof", state_proof),
    ("proof_bundle", proof_bundle),
];

/// The committee that signed the seeds of the corpora.
static ANCHOR: LazyLock<TrustAnchor> = LazyLock::new(|| {
    let identity = hex::decode(include_str!("../identity.hex").trim()).expect("a committed file");
    TrustAnchor { chain_id: 99, identity }
});

/// The document that all seeds are taken from.
static GOLDEN: LazyLock<ProofBundle> = LazyLock::new(|| {
    let json = include_bytes!("../../crates/light/tests/golden/bundle.json");
    ProofBundle::from_json(json).expect("a committed file")
});

/// Root of the state that the seeds are about.
static STATE_ROOT: LazyLock<B256> =
    LazyLock::new(|| GOLDEN.verify(&ANCHOR).expect("a committed file").state_root);

/// A finality certificate from a node: only the committee's own passes.
pub fn certificate(bytes: &[u8]) {
    if verify_finality(&ANCHOR, bytes).is_ok() {
        assert_eq!(bytes, GOLDEN.certificate.as_ref());
    }
}

/// A block header from a node.
pub fn header(bytes: &[u8]) {
    let hash = keccak256(bytes);
    if let Ok(header) = verify_header(bytes, hash) {
        assert_eq!(header.hash, hash);
        assert_eq!(verify_ancestor(bytes, &[], hash), Ok(header));
    }
    assert!(verify_header(bytes, B256::ZERO).is_err());
}

/// A proof about a key of the state: nothing but the truth passes.
pub fn state_proof(bytes: &[u8]) {
    let root = *STATE_ROOT;
    let _ = KeyProof::decode(bytes);
    if let Ok(account) = verify_account(root, GOLDEN.address, bytes) {
        assert_eq!(account.map(|account| account.nonce), Some(7));
    }
    if let Ok(word) = verify_slot(root, GOLDEN.address, U256::from(5), bytes) {
        assert_eq!(word, U256::from(55));
    }
    if let Ok(account) = verify_account(root, Address::repeat_byte(0x22), bytes) {
        assert_eq!(account, None);
    }
}

/// A proof document from a file.
pub fn proof_bundle(bytes: &[u8]) {
    if let Ok(bundle) = ProofBundle::from_json(bytes) {
        let again = serde_json::to_vec(&bundle).expect("it has string keys");
        assert_eq!(ProofBundle::from_json(&again).as_ref(), Ok(&bundle));
        if let Ok(verified) = bundle.verify(&ANCHOR) {
            assert_eq!(verified.block_number, GOLDEN.block_number);
        }
    }
}
