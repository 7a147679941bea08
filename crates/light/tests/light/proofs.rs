use crate::database::{
    Batch, NOBODY, Plan, Proven, RICH, SMALL, State, account, accounts, numbered, oracle,
};
use alloy_primitives::{B256, U256};
use cairn_light::{KeyProof, LightError, MAX_PROOF_BYTES, Part, verify_account, verify_slot};
use cairn_primitives::state::{StateKey, StateValue};
use proptest::prelude::*;
use std::sync::LazyLock;

/// States of all the shapes that a log and its bitmap can have.
static SHAPES: LazyLock<Vec<(&str, State)>> = LazyLock::new(|| {
    let prove = |present: u64| {
        (0..present)
            .filter(move |i| i % (1 + present / 40) == 0)
            .chain(5_000_000..5_000_020)
            .map(numbered)
    };
    let plan = |batches: Vec<Batch>, present: u64| Plan {
        batches,
        prove: prove(present).collect(),
        ..Plan::default()
    };
    let churn = || -> Vec<Batch> {
        let deleted = (300..500).map(|i| (numbered(i), None)).collect();
        let rounds = (0..12).map(|round| accounts(round * 60..round * 60 + 200, round));
        [accounts(0..1_500, 0)].into_iter().chain(rounds).chain([deleted]).collect()
    };
    let emptied = vec![accounts(0..3, 0), (0..3).map(|i| (numbered(i), None)).collect()];
    [
        ("never written", plan(vec![], 0)),
        ("written and emptied", plan(emptied, 3)),
        ("one key", plan(vec![accounts(0..1, 0)], 1)),
        ("two keys", plan(vec![accounts(0..2, 0)], 2)),
        ("inside the first chunk", plan(vec![accounts(0..200, 0)], 200)),
        ("many chunks", plan(churn(), 1_500)),
        ("many chunks, at the end of one", Plan { align: true, ..plan(churn(), 1_500) }),
        ("pruned", Plan { prune: true, ..plan(churn(), 1_500) }),
    ]
    .into_iter()
    .map(|(name, plan)| (name, State::build(plan)))
    .collect()
});

/// What our verifier says, in the oracle's words.
fn ours(root: B256, key: &StateKey, proof: &[u8]) -> Option<Option<StateValue>> {
    KeyProof::decode(proof).and_then(|proof| proof.verify(root, key)).ok()
}

#[test]
fn every_proof_of_every_shape_holds_and_the_database_agrees() {
    for (name, state) in &*SHAPES {
        assert!(state.proofs.len() >= 20);
        for Proven { key, value, proof } in &state.proofs {
            assert_eq!(ours(state.root, key, proof), Some(*value), "{name}: {key:?}");
            assert_eq!(oracle(state.root, key, proof), Some(*value), "{name}: {key:?}");
            assert!(proof.len() < 1_300, "{name}: {} bytes", proof.len());
        }
    }
    let size = |wanted: &str| {
        let found = SHAPES.iter().find(|(name, _)| *name == wanted).expect("a shape of that name");
        found.1.operations
    };
    assert!(size("many chunks") > 2_000 && size("many chunks") % 256 != 0);
    assert_eq!(size("many chunks, at the end of one") % 256, 0);
}

#[test]
fn a_proof_is_about_one_key_in_one_state() {
    for (name, state) in &*SHAPES {
        for (i, proven) in state.proofs.iter().enumerate() {
            let other = &state.proofs[(i + 1) % state.proofs.len()];
            // A gap between two keys may well be that of both.
            let expected = oracle(state.root, &other.key, &proven.proof);
            assert_eq!(ours(state.root, &other.key, &proven.proof), expected, "{name}");
            assert!(expected.is_none_or(|value| value == other.value), "{name}");
        }
        for (other, foreign) in SHAPES.iter().filter(|(_, foreign)| foreign.root != state.root) {
            let proven = &state.proofs[0];
            assert_eq!(ours(foreign.root, &proven.key, &proven.proof), None, "{name}, {other}");
        }
    }
}

#[test]
fn no_proof_survives_the_change_of_a_bit() {
    for (name, state) in &*SHAPES {
        let present = state.proofs.iter().find(|proven| proven.value.is_some());
        let absent = state.proofs.iter().rfind(|proven| proven.value.is_none());
        for Proven { key, proof, .. } in present.into_iter().chain(absent) {
            for at in 0..proof.len() {
                for bit in 0..8 {
                    let mut proof = proof.clone();
                    proof[at] ^= 1 << bit;
                    let what = format!("{name}: bit {bit} of byte {at}");
                    assert_eq!(ours(state.root, key, &proof), None, "{what}");
                    assert_eq!(oracle(state.root, key, &proof), None, "{what}");
                }
            }
            for at in 0..32 {
                for bit in 0..8 {
                    let (mut root, mut other) = (state.root, *key);
                    root.0[at] ^= 1 << bit;
                    assert_eq!(ours(root, key, proof), None, "{name}: root");
                    other.0[at] ^= 1 << bit;
                    let expected = oracle(state.root, &other, proof);
                    assert_eq!(ours(state.root, &other, proof), expected, "{name}: key");
                    // Only the absence of a neighbouring key may be proven along.
                    assert_ne!(expected.map(|value| value.is_some()), Some(true), "{name}: key");
                }
            }
        }
    }
}

#[test]
fn no_proof_survives_being_cut_or_followed() {
    for (name, state) in &*SHAPES {
        for Proven { key, proof, .. } in [&state.proofs[0], &state.proofs[state.proofs.len() - 1]] {
            for length in 0..proof.len() {
                assert_eq!(ours(state.root, key, &proof[..length]), None, "{name}: {length}");
            }
            for byte in [0, 1, 255] {
                let long = [proof.as_slice(), &[byte]].concat();
                assert_eq!(ours(state.root, key, &long), None, "{name}: {byte}");
            }
        }
    }
}

#[test]
fn accounts_and_slots_are_proven_present_and_absent() {
    let [rich, nobody, slot, empty_slot] = SMALL.proofs.as_slice() else { panic!("four proofs") };
    let root = SMALL.root;
    assert_eq!(verify_account(root, RICH, &rich.proof), Ok(Some(account())));
    assert_eq!(verify_account(root, NOBODY, &nobody.proof), Ok(None));
    assert_eq!(verify_slot(root, RICH, U256::from(5), &slot.proof), Ok(U256::from(55)));
    assert_eq!(verify_slot(root, RICH, U256::from(6), &empty_slot.proof), Ok(U256::ZERO));
    for forged in [
        verify_account(root, NOBODY, &rich.proof),
        verify_account(root, RICH, &nobody.proof),
        verify_account(root, RICH, &slot.proof),
        verify_account(B256::ZERO, RICH, &rich.proof),
    ] {
        assert_eq!(forged, Err(LightError::ForgedProof));
    }
    let other_slot = verify_slot(root, RICH, U256::from(7), &slot.proof);
    assert_eq!(other_slot, Err(LightError::ForgedProof));
    // The account at an address, and the word that a contract there keeps, are different things.
    let word = verify_slot(root, RICH, U256::ZERO, &rich.proof);
    assert_eq!(word, Err(LightError::ForgedProof));
}

#[test]
fn malformed_proofs_have_typed_errors() {
    let proof = &SMALL.proofs[0].proof;
    let changed = |at: usize, byte: u8| {
        let mut proof = proof.clone();
        proof[at] = byte;
        KeyProof::decode(&proof).expect_err("malformed")
    };
    assert_eq!(changed(0, 2), LightError::UnknownVersion(2));
    assert!(matches!(changed(1, 2), LightError::Malformed { part: Part::Proof, .. }));
    for bytes in [&[][..], &[1], &[1, 1], &[1, 0, 2], &proof[..proof.len() - 1]] {
        let error = KeyProof::decode(bytes).expect_err("malformed");
        assert!(matches!(error, LightError::Malformed { part: Part::Proof, .. }), "{error}");
    }
    let error = KeyProof::decode(&[1; MAX_PROOF_BYTES + 1]).expect_err("too long");
    let (found, limit) = (MAX_PROOF_BYTES + 1, MAX_PROOF_BYTES);
    assert_eq!(error, LightError::TooLong { part: Part::Proof, found, limit });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever happens to a proof on its way, both verifiers come to the same conclusion, and it is
    /// either the truth or none.
    #[test]
    fn changed_proofs_prove_nothing_false(
        shape in any::<prop::sample::Index>(),
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (_, state) = &SHAPES[shape.index(SHAPES.len())];
        let Proven { key, value, proof } = &state.proofs[which.index(state.proofs.len())];
        let mut proof = proof.clone();
        for (at, byte) in changes {
            let at = at.index(proof.len());
            proof[at] = byte;
        }
        if let Some(cut) = cut {
            // Leave bytes out in the middle, so that lengths disagree.
            proof.remove(cut.index(proof.len()));
        }
        let verdict = ours(state.root, key, &proof);
        prop_assert_eq!(verdict, oracle(state.root, key, &proof));
        prop_assert!(verdict.is_none_or(|found| found == *value));
    }

    #[test]
    fn arbitrary_bytes_prove_nothing(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        kind in 0u8..2,
    ) {
        let bytes = [&[1, kind], bytes.as_slice()].concat();
        prop_assert_eq!(ours(SMALL.root, &SMALL.proofs[0].key, &bytes), None);
    }
}
