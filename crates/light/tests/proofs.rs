//! Proofs from a real state database and certificates from real committees, and every way to
//! falsify them.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use cairn_light::{
    LightError, ProofBundle, StorageProof, TrustAnchor, encode_absent, encode_present,
    verify_account, verify_ancestor, verify_finality, verify_slot,
};
use cairn_primitives::state::{Account, StateKey, StateValue, VALUE_BYTES};
use commonware_codec::Encode as _;
use commonware_consensus::{
    simplex::{
        scheme::bls12381_threshold::vrf::Scheme as VrfScheme,
        types::{Finalization, Finalize, Proposal},
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::{
    Sha256, Signer as _,
    bls12381::{
        dkg::feldman_desmedt::deal,
        primitives::{sharing::Mode, variant::MinSig},
    },
    ed25519, keccak256, sha256,
};
use commonware_glue::stateful::db::{DatabaseSet, Merkleized as _, Shared, Unmerkleized as _};
use commonware_parallel::Sequential;
use commonware_runtime::{Runner as _, Supervisor as _, buffer::paged::CacheRef, deterministic};
use commonware_storage::{
    journal::contiguous::fixed::Config as LogConfig,
    mmr::{self, full::Config as MmrConfig},
    qmdb::current::{FixedConfig, ordered::fixed},
    translator::EightCap,
};
use commonware_utils::{
    N3f1, NZU16, NZU64, NZUsize, non_empty, ordered::Set, sequence::FixedBytes,
};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::sync::LazyLock;

type Scheme = VrfScheme<ed25519::PublicKey, MinSig>;
type Db = fixed::Db<
    mmr::Family,
    deterministic::Context,
    sha256::Digest,
    FixedBytes<VALUE_BYTES>,
    Sha256,
    EightCap,
    32,
    Sequential,
>;

const CHAIN_ID: u64 = 99;
const RICH: Address = Address::repeat_byte(0x11);
const NOBODY: Address = Address::repeat_byte(0x22);

fn account() -> Account {
    Account { nonce: 7, balance: U256::from(1_000), ..Account::default() }
}

/// A state root, and proofs of: the account, its absence elsewhere, a slot, an empty slot.
struct State {
    root: B256,
    present: Vec<u8>,
    absent: Vec<u8>,
    slot: Vec<u8>,
    empty_slot: Vec<u8>,
}

static STATE: LazyLock<State> = LazyLock::new(|| deterministic::Runner::default().start(build));

async fn build(context: deterministic::Context) -> State {
    let page_cache = CacheRef::new(NZU16!(1_024), NZUsize!(64));
    let buffer = NZUsize!(1 << 16);
    let config = FixedConfig {
        merkle_config: MmrConfig {
            journal_partition: "mmr-journal".into(),
            metadata_partition: "mmr-metadata".into(),
            items_per_blob: NZU64!(1 << 16),
            write_buffer: buffer,
            replay_buffer: buffer,
            strategy: Sequential,
            page_cache: page_cache.clone(),
        },
        journal_config: LogConfig {
            partition: "log".into(),
            items_per_blob: NZU64!(1 << 16),
            page_cache,
            write_buffer: buffer,
            replay_buffer: buffer,
        },
        grafted_metadata_partition: "grafted".into(),
        translator: EightCap,
        init_cache: None,
        init_buffer: buffer,
        init_concurrency: (),
    };
    let databases = Shared::<Db>::init(context.child("db"), config, None).await;
    let mut entries: Vec<(StateKey, StateValue)> = (0..200u64)
        .map(|i| {
            let address = Address::left_padding_from(&(i + 1_000).to_be_bytes());
            (StateKey::account(address), Account { nonce: i, ..account() }.encode())
        })
        .collect();
    entries.push((StateKey::account(RICH), account().encode()));
    entries.push((StateKey::slot(RICH, U256::from(5)), StateValue::word(U256::from(55))));
    let mut batch = databases.new_batches().await;
    for (key, value) in entries {
        batch = batch.write(digest(&key), Some(FixedBytes::new(value.0)));
    }
    let sealed = batch.merkleize().await.expect("the database hashes");
    let root = B256::from(sealed.root().0);
    databases.apply(sealed).await;
    let db = databases.read().await;
    let present = async |key: StateKey| {
        let value = db.get(&digest(&key)).await.expect("reads").expect("present");
        let proof = db.key_value_proof(digest(&key)).await.expect("proves");
        encode_present(&value, &proof)
    };
    let absent = async |key: StateKey| {
        encode_absent(&db.exclusion_proof(&digest(&key)).await.expect("proves"))
    };
    State {
        root,
        present: present(StateKey::account(RICH)).await,
        absent: absent(StateKey::account(NOBODY)).await,
        slot: present(StateKey::slot(RICH, U256::from(5))).await,
        empty_slot: absent(StateKey::slot(RICH, U256::from(6))).await,
    }
}

fn digest(key: &StateKey) -> sha256::Digest {
    sha256::Digest::from(key.0)
}

/// A committee of `n`: its anchor and a certificate for `hash`.
fn certify(n: u64, chain_id: u64, hash: B256) -> (TrustAnchor, Vec<u8>) {
    let mut rng = ChaCha20Rng::seed_from_u64(n);
    let keys: Vec<_> = (0..n).map(ed25519::PrivateKey::from_seed).collect();
    let players: Set<_> = keys
        .iter()
        .map(ed25519::PrivateKey::public_key)
        .collect::<Vec<_>>()
        .try_into()
        .expect("keys differ");
    let (output, shares) =
        deal::<MinSig, _, N3f1>(&mut rng, Mode::NonZeroCounter, players.clone()).expect("deals");
    let sharing = output.public().clone();
    let namespace = format!("cairn/{chain_id}").into_bytes();
    let schemes: Vec<Scheme> = shares
        .values()
        .iter()
        .map(|share| {
            Scheme::signer(&namespace, players.clone(), sharing.clone(), share.clone())
                .expect("the share fits")
        })
        .collect();
    let proposal = Proposal {
        round: Round::new(Epoch::zero(), View::new(12)),
        parent: View::new(11),
        payload: keccak256::Digest::from(hash.0),
    };
    let votes: Vec<_> = schemes
        .iter()
        .map(|scheme| Finalize::sign(scheme, proposal.clone()).expect("signs"))
        .collect();
    let certificate =
        Finalization::from_finalizes(&schemes[0], non_empty![@votes.iter()], &Sequential)
            .expect("a quorum");
    let identity = sharing.public().encode().to_vec();
    (TrustAnchor { chain_id, identity }, certificate.encode().to_vec())
}

#[test]
fn accounts_and_slots_are_proven_present_and_absent() {
    let state = &*STATE;
    assert_eq!(verify_account(state.root, RICH, &state.present), Ok(Some(account())));
    assert_eq!(verify_account(state.root, NOBODY, &state.absent), Ok(None));
    assert_eq!(verify_slot(state.root, RICH, U256::from(5), &state.slot), Ok(U256::from(55)));
    assert_eq!(verify_slot(state.root, RICH, U256::from(6), &state.empty_slot), Ok(U256::ZERO));
}

#[test]
fn proofs_do_not_hold_for_other_keys_or_roots() {
    let state = &*STATE;
    let forged = Err(LightError::ForgedProof);
    assert_eq!(verify_account(state.root, NOBODY, &state.present), forged);
    assert_eq!(verify_account(state.root, RICH, &state.absent), forged);
    assert_eq!(verify_account(B256::ZERO, RICH, &state.present), forged);
    let wrong = verify_slot(state.root, RICH, U256::from(7), &state.slot);
    assert_eq!(wrong, Err(LightError::ForgedProof));
}

#[test]
fn certificates_of_all_committee_sizes_have_one_length_and_verify() {
    let hash = B256::repeat_byte(0xab);
    for n in [1, 4, 7] {
        let (anchor, certificate) = certify(n, CHAIN_ID, hash);
        assert_eq!(certificate.len(), 131);
        let block = verify_finality(&anchor, &certificate).expect("the certificate holds");
        assert_eq!((block.hash, block.epoch, block.view), (hash, 0, 12));
    }
}

#[test]
fn foreign_certificates_are_refused() {
    let (anchor, certificate) = certify(4, CHAIN_ID, B256::repeat_byte(1));
    let other_chain = TrustAnchor { chain_id: CHAIN_ID + 1, ..anchor.clone() };
    let (other_committee, _) = certify(7, CHAIN_ID, B256::repeat_byte(1));
    for wrong in [other_chain, other_committee] {
        assert_eq!(verify_finality(&wrong, &certificate), Err(LightError::ForgedCertificate));
    }
    let no_key = TrustAnchor { identity: vec![1; 96], ..anchor.clone() };
    assert_eq!(verify_finality(&no_key, &certificate), Err(LightError::BadIdentity));
    for length in [0, 10, certificate.len() - 1] {
        let cut = verify_finality(&anchor, &certificate[..length]);
        assert!(matches!(cut, Err(LightError::BadCertificate(_))), "{length}: {cut:?}");
    }
    let long = [certificate.as_slice(), &[0; 100]].concat();
    assert!(matches!(verify_finality(&anchor, &long), Err(LightError::BadCertificate(_))));
}

fn bundle() -> (TrustAnchor, ProofBundle) {
    let state = &*STATE;
    let header = Header { number: 8, state_root: state.root, ..Header::default() };
    let child = Header { number: 9, parent_hash: header.hash_slow(), ..Header::default() };
    let (anchor, certificate) = certify(4, CHAIN_ID, child.hash_slow());
    let proof = |slot: u64, proof: &[u8]| StorageProof {
        slot: U256::from(slot),
        proof: Bytes::copy_from_slice(proof),
    };
    let bundle = ProofBundle {
        block_number: 8,
        header: alloy_rlp::encode(&header).into(),
        descendants: vec![alloy_rlp::encode(&child).into()],
        certificate: certificate.into(),
        address: RICH,
        account_proof: state.present.clone().into(),
        storage_proofs: vec![proof(5, &state.slot), proof(6, &state.empty_slot)],
    };
    (anchor, bundle)
}

#[test]
fn a_bundle_convinces_through_a_descendant_and_survives_json() {
    let (anchor, bundle) = bundle();
    let json = serde_json::to_string(&bundle).expect("encodes");
    let bundle: ProofBundle = serde_json::from_str(&json).expect("decodes");
    let verified = bundle.verify(&anchor).expect("the bundle holds");
    assert_eq!(verified.account, Some(account()));
    let word = |slot: u64, value: u64| (U256::from(slot), U256::from(value));
    assert_eq!(verified.storage, [word(5, 55), word(6, 0)]);
    assert_eq!(verified.block_number, 8);
}

#[test]
fn a_bundle_with_any_wrong_part_is_refused() {
    type Edit = fn(&mut ProofBundle);
    let edits: [(&str, Edit); 8] = [
        ("its header says 8", |b| b.block_number = 9),
        ("has hash", |b| b.header = alloy_rlp::encode(Header::default()).into()),
        ("has hash", |b| b.descendants.clear()),
        ("has hash", |b| b.descendants.push(b.header.clone())),
        ("at most 1024", |b| b.descendants = vec![b.header.clone(); 1_025]),
        ("at most 256", |b| b.storage_proofs = vec![b.storage_proofs[0].clone(); 257]),
        ("does not lead", |b| b.address = NOBODY),
        ("does not lead", |b| b.storage_proofs[0].slot = U256::from(6)),
    ];
    for (what, edit) in edits {
        let (anchor, mut bundle) = bundle();
        edit(&mut bundle);
        let error = bundle.verify(&anchor).expect_err(what).to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
}

#[test]
fn a_header_is_bound_to_its_descendants() {
    let header = Header::default();
    let rlp = alloy_rlp::encode(&header);
    assert_eq!(verify_ancestor(&rlp, &[], header.hash_slow()), Ok(header));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_byte_of_a_proof_never_proves_something_else(
        at in 0usize..4_000,
        flip in 1u8..=255,
        which in 0usize..3,
    ) {
        let state = &*STATE;
        let original = [&state.present, &state.absent, &state.slot][which];
        let mut proof = original.clone();
        let at = at % proof.len();
        proof[at] ^= flip;
        let honest = [Some(account()), None, None][which];
        let result = match which {
            0 => verify_account(state.root, RICH, &proof),
            1 => verify_account(state.root, NOBODY, &proof),
            _ => verify_slot(state.root, RICH, U256::from(5), &proof)
                .map(|word| { assert_eq!(word, U256::from(55)); None }),
        };
        if let Ok(proven) = result {
            prop_assert_eq!(proven, honest);
        }
    }

    #[test]
    fn a_changed_byte_of_a_certificate_is_refused(at in 0usize..131, flip in 1u8..=255) {
        static CERTIFIED: LazyLock<(TrustAnchor, Vec<u8>)> =
            LazyLock::new(|| certify(4, CHAIN_ID, B256::repeat_byte(3)));
        let (anchor, certificate) = &*CERTIFIED;
        let mut certificate = certificate.clone();
        certificate[at] ^= flip;
        prop_assert!(verify_finality(anchor, &certificate).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let (anchor, _) = certify(1, CHAIN_ID, B256::ZERO);
        let _ = verify_finality(&anchor, &bytes);
        let _ = verify_account(STATE.root, RICH, &bytes);
        let _ = verify_ancestor(&bytes, &[], B256::ZERO);
    }
}
