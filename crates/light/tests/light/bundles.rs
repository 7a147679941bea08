use crate::{
    committee::{CHAIN_ID, Committee},
    database::{NOBODY, RICH, SMALL, account},
    headers::{header, rlp},
};
use alloy_primitives::{B256, Bytes, U256};
use cairn_light::{
    LightError, MAX_BUNDLE_BYTES, MAX_DESCENDANTS, MAX_SLOTS, Part, ProofBundle, StorageProof,
    TrustAnchor,
};
use serde_json::{Value, json};

/// A bundle about [`RICH`] and slots 5 and 6, certified by way of a child of its block.
pub(crate) fn bundle() -> (TrustAnchor, ProofBundle) {
    let [rich, _, slot, empty_slot] = SMALL.proofs.as_slice() else { panic!("four proofs") };
    let committee = Committee::of(4, CHAIN_ID);
    let block = header(8, B256::repeat_byte(7), SMALL.root);
    let child = header(9, block.hash_slow(), B256::ZERO);
    let storage = |slot: u64, proof: &[u8]| StorageProof {
        slot: U256::from(slot),
        proof: Bytes::copy_from_slice(proof),
    };
    let bundle = ProofBundle {
        version: 1,
        block_number: 8,
        header: rlp(&block),
        descendants: vec![rlp(&child)],
        certificate: committee.certify(child.hash_slow()).into(),
        address: RICH,
        account_proof: rich.proof.clone().into(),
        storage_proofs: vec![storage(5, &slot.proof), storage(6, &empty_slot.proof)],
    };
    (committee.anchor, bundle)
}

#[test]
fn a_bundle_convinces_through_a_descendant_and_survives_json() {
    let (anchor, bundle) = bundle();
    let json = serde_json::to_vec(&bundle).expect("encodes");
    let read = ProofBundle::from_json(&json).expect("decodes");
    assert_eq!(read, bundle);
    let verified = read.verify(&anchor).expect("the bundle holds");
    assert_eq!(verified.account, Some(account()));
    let word = |slot: u64, value: u64| (U256::from(slot), U256::from(value));
    assert_eq!(verified.storage, [word(5, 55), word(6, 0)]);
    assert_eq!((verified.block_number, verified.timestamp), (8, 1_800_000_008));
    assert_eq!(verified.state_root, SMALL.root);
    assert_eq!(verified.block_hash, header(8, B256::repeat_byte(7), SMALL.root).hash_slow());
}

#[test]
fn a_bundle_with_any_wrong_part_is_refused() {
    type Edit = fn(&mut ProofBundle);
    let edits: [(&str, Edit); 10] = [
        ("its header says 8", |b| b.block_number = 9),
        ("has hash", |b| b.header = rlp(&header(8, B256::ZERO, B256::ZERO))),
        ("has hash", |b| b.descendants.clear()),
        ("has hash", |b| b.descendants.push(b.header.clone())),
        ("at most 1024", |b| b.descendants = vec![b.header.clone(); MAX_DESCENDANTS + 1]),
        ("at most 256", |b| b.storage_proofs = vec![b.storage_proofs[0].clone(); MAX_SLOTS + 1]),
        ("does not lead", |b| b.address = NOBODY),
        ("does not lead", |b| b.storage_proofs[0].slot = U256::from(6)),
        ("does not lead", |b| b.account_proof = b.storage_proofs[0].proof.clone()),
        ("not signed", |b| {
            b.certificate = Committee::of(7, CHAIN_ID).certify(B256::repeat_byte(1)).into();
        }),
    ];
    for (what, edit) in edits {
        let (anchor, mut bundle) = bundle();
        edit(&mut bundle);
        let error = bundle.verify(&anchor).expect_err(what).to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
}

#[test]
fn a_bundle_cannot_say_whom_to_trust() {
    let (anchor, bundle) = bundle();
    let other = TrustAnchor { chain_id: CHAIN_ID + 1, ..anchor.clone() };
    let mut json = serde_json::to_value(&bundle).expect("encodes");
    json["chainId"] = json!(anchor.chain_id);
    json["identity"] = json!(Bytes::from(anchor.identity));
    let read = ProofBundle::from_json(json.to_string().as_bytes()).expect("decodes");
    assert_eq!(read.verify(&other), Err(LightError::ForgedCertificate));
}

#[test]
fn malformed_documents_have_typed_errors() {
    type Edit = fn(&mut Value);
    let edits: [(&str, Edit); 9] = [
        ("version 2 is not known", |b| b["version"] = json!(2)),
        ("invalid type", |b| b["version"] = json!("1")),
        ("at most 1024", |b| b["descendants"] = json!(vec!["0x"; MAX_DESCENDANTS + 1])),
        ("at most 256", |b| {
            b["storageProofs"] = json!(vec![b["storageProofs"][0].clone(); MAX_SLOTS + 1]);
        }),
        ("missing field `certificate`", |b| {
            b.as_object_mut().and_then(|b| b.remove("certificate"));
        }),
        ("cannot be decoded", |b| b["header"] = json!("0xabc")),
        ("cannot be decoded", |b| b["address"] = json!("0x00")),
        ("cannot be decoded", |b| b["blockNumber"] = json!("0x10000000000000000")),
        ("cannot be decoded", |b| *b = json!([1])),
    ];
    let (_, bundle) = bundle();
    for (what, edit) in edits {
        let mut json = serde_json::to_value(&bundle).expect("encodes");
        edit(&mut json);
        let error = ProofBundle::from_json(json.to_string().as_bytes()).expect_err(what);
        assert!(matches!(error, LightError::Malformed { part: Part::Bundle, .. }), "{error}");
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
    let (found, limit) = (MAX_BUNDLE_BYTES + 1, MAX_BUNDLE_BYTES);
    let too_long = LightError::TooLong { part: Part::Bundle, found, limit };
    assert_eq!(ProofBundle::from_json(&vec![b' '; found]), Err(too_long));
}

#[test]
fn a_document_without_version_is_the_first_and_a_nodes_answer_is_one() {
    let (anchor, bundle) = bundle();
    let mut json = serde_json::to_value(&bundle).expect("encodes");
    let members = json.as_object_mut().expect("an object");
    members.remove("version");
    members.insert("blockHash".into(), json!(B256::ZERO));
    let read = ProofBundle::from_json(json.to_string().as_bytes()).expect("decodes");
    assert_eq!(read, bundle);
    assert!(read.verify(&anchor).is_ok());
}

#[test]
fn everything_at_its_limit_fits_into_a_document() {
    let (_, mut bundle) = bundle();
    let longest = |bytes: usize| Bytes::from(vec![0xff; bytes]);
    bundle.descendants = vec![longest(cairn_light::MAX_HEADER_BYTES); MAX_DESCENDANTS];
    bundle.account_proof = longest(cairn_light::MAX_PROOF_BYTES);
    let storage = StorageProof { slot: U256::MAX, proof: longest(cairn_light::MAX_PROOF_BYTES) };
    bundle.storage_proofs = vec![storage; MAX_SLOTS];
    let json = serde_json::to_vec_pretty(&bundle).expect("encodes");
    assert!(json.len() <= MAX_BUNDLE_BYTES, "{}", json.len());
    assert_eq!(ProofBundle::from_json(&json), Ok(bundle));
}
