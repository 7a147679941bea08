//! Formats are pinned: what earlier versions wrote must stay readable, and what is written must not
//! change unnoticed. `UPDATE_GOLDEN=1` writes the files anew, and the seeds of the fuzz corpora.

use crate::{bundles::bundle, corpus};
use alloy_primitives::hex;
use cairn_light::{FinalizedBlock, ProofBundle, TrustAnchor, verify_finality};
use std::{fs, path::Path};

fn pinned(path: &Path, bytes: &[u8]) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("a file")).expect("writable");
        fs::write(path, bytes).expect("writable");
    }
    let committed = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(committed == bytes, "{} differs from what is written now", path.display());
}

#[test]
fn formats_are_pinned() {
    let (anchor, bundle) = bundle();
    let json = serde_json::to_string_pretty(&bundle).expect("encodes") + "\n";
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    pinned(&directory.join("bundle.json"), json.as_bytes());
    let identity = hex::encode_prefixed(&anchor.identity) + "\n";
    pinned(&corpus::root().join("identity.hex"), identity.as_bytes());
    for (target, seed, bytes) in [
        ("proof_bundle", "golden.json", json.as_bytes()),
        ("certificate", "golden", &bundle.certificate),
        ("header", "golden", &bundle.header),
        ("state_proof", "account", &bundle.account_proof),
        ("state_proof", "slot", &bundle.storage_proofs[0].proof),
        ("state_proof", "empty_slot", &bundle.storage_proofs[1].proof),
    ] {
        pinned(&corpus::root().join("corpus").join(target).join(seed), bytes);
    }
}

#[test]
fn what_was_written_before_is_still_proven() {
    let bundle = ProofBundle::from_json(include_bytes!("../golden/bundle.json")).expect("decodes");
    let identity = hex::decode(include_str!("../../../../fuzz/identity.hex").trim()).expect("hex");
    let anchor = TrustAnchor { chain_id: 99, identity };
    let verified = bundle.verify(&anchor).expect("holds");
    assert_eq!(verified.account.expect("exists").nonce, 7);
    let FinalizedBlock { epoch, view, hash, .. } =
        verify_finality(&anchor, &bundle.certificate).expect("holds");
    assert_eq!((epoch, view), (0, 12));
    assert_eq!(
        hash.to_string(),
        "0xce95a795f2943a6408f0411394b92abb70f18a9e5c93080a30daa8abf87db4c7"
    );
    assert_eq!(
        verified.state_root.to_string(),
        "0x1a620ecd4efe741ddee784fd3160d225fb5501a529fba70628869a845ce43797"
    );
}
