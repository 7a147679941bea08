use crate::committee::{CHAIN_ID, Committee, Finalized, Scheme, proposal};
use alloy_primitives::B256;
use cairn_light::{CERTIFICATE_BYTES, LightError, Part, TrustAnchor, verify_finality, verify_seed};
use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_consensus::simplex::scheme::bls12381_threshold::vrf::Seedable as _;
use commonware_cryptography::bls12381::primitives::{
    group::{G1, SmallScalar},
    variant::{MinSig, Variant},
};
use commonware_math::algebra::CryptoGroup as _;
use commonware_parallel::Sequential;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::sync::LazyLock;

static FOUR: LazyLock<Committee> = LazyLock::new(|| Committee::of(4, CHAIN_ID));

/// Randomness of the engine's check, which is known here.
fn engine_rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(5)
}

/// What the consensus engine says of a certificate, given only the committee's key.
fn engine(anchor: &TrustAnchor, certificate: &[u8]) -> Option<B256> {
    let identity = <MinSig as Variant>::Public::decode(Copying(&anchor.identity)).ok()?;
    let namespace = format!("cairn/{}", anchor.chain_id).into_bytes();
    let scheme = Scheme::certificate_verifier(&namespace, identity);
    let finalization = Finalized::decode(Copying(certificate)).ok()?;
    finalization
        .verify(&mut engine_rng(), &scheme, &Sequential)
        .then(|| B256::from(finalization.proposal.payload.0))
}

#[test]
fn certificates_of_all_committee_sizes_have_one_length_and_verify() {
    let hash = B256::repeat_byte(0xab);
    for n in [1, 4, 7] {
        let committee = Committee::of(n, CHAIN_ID);
        let certificate = committee.certify(hash);
        assert_eq!(certificate.len(), 131);
        let block = verify_finality(&committee.anchor, &certificate).expect("holds");
        assert_eq!((block.hash, block.epoch, block.view), (hash, 0, 12));
        assert_eq!(engine(&committee.anchor, &certificate), Some(hash));
    }
}

#[test]
fn rounds_of_any_length_verify() {
    let hash = B256::repeat_byte(0xcd);
    for (epoch, view) in [(0, 1), (127, 128), (1 << 20, 1 << 40), (u64::MAX, u64::MAX)] {
        let certificate = FOUR.finalize(&proposal(epoch, view, hash)).encode();
        let block = verify_finality(&FOUR.anchor, &certificate).expect("holds");
        assert_eq!((block.hash, block.epoch, block.view), (hash, epoch, view));
    }
    let longest = FOUR.finalize(&proposal(u64::MAX, u64::MAX, hash)).encode();
    assert_eq!(longest.len(), CERTIFICATE_BYTES);
}

#[test]
fn foreign_certificates_are_refused() {
    let certificate = FOUR.certify(B256::repeat_byte(1));
    let forged = Err(LightError::ForgedCertificate);
    let other_chain = TrustAnchor { chain_id: CHAIN_ID + 1, ..FOUR.anchor.clone() };
    assert_eq!(verify_finality(&other_chain, &certificate), forged);
    assert_eq!(verify_finality(&Committee::of(7, CHAIN_ID).anchor, &certificate), forged);
    // A quorum that notarized a block has not finalized it.
    let notarization = FOUR.notarize(&proposal(0, 12, B256::repeat_byte(1))).encode();
    assert_eq!(verify_finality(&FOUR.anchor, &notarization), forged);
}

#[test]
fn bad_keys_are_refused() {
    let certificate = FOUR.certify(B256::repeat_byte(1));
    let infinity = [&[0xc0], [0; 95].as_slice()].concat();
    let long = [FOUR.anchor.identity.as_slice(), &[0]].concat();
    for identity in [vec![], vec![1; 96], infinity, FOUR.anchor.identity[..95].to_vec(), long] {
        let anchor = TrustAnchor { chain_id: CHAIN_ID, identity };
        assert_eq!(verify_finality(&anchor, &certificate), Err(LightError::BadIdentity));
        assert_eq!(verify_seed(&anchor, 0, 12, &[0; 48]), Err(LightError::BadIdentity));
    }
}

#[test]
fn cut_and_long_certificates_have_typed_errors() {
    let certificate = FOUR.certify(B256::repeat_byte(1));
    let malformed = |bytes: &[u8]| match verify_finality(&FOUR.anchor, bytes) {
        Err(LightError::Malformed { part: Part::Certificate, .. }) => {}
        other => panic!("{} bytes: {other:?}", bytes.len()),
    };
    (0..certificate.len()).for_each(|length| malformed(&certificate[..length]));
    malformed(&[certificate.as_slice(), &[0]].concat());
    let long = [certificate.as_slice(), &[0; CERTIFICATE_BYTES]].concat();
    let (found, limit) = (long.len(), CERTIFICATE_BYTES);
    let too_long = LightError::TooLong { part: Part::Certificate, found, limit };
    assert_eq!(verify_finality(&FOUR.anchor, &long), Err(too_long));
}

#[test]
fn signatures_cannot_be_traded_against_each_other() {
    // The engine checks r1 * vote + r2 * seed for random r. Whoever knows them shifts both: the sum
    // stays, and the seed is another.
    let certificate = FOUR.certify(B256::repeat_byte(1));
    let (proposal, signatures) = certificate.split_at(35);
    let (vote, seed) = signatures.split_at(48);
    let mut rng = engine_rng();
    let (r1, r2) = (SmallScalar::random(&mut rng), SmallScalar::random(&mut rng));
    let point = |bytes| G1::decode(Copying(bytes)).expect("a point");
    let shifted_vote = point(vote) + &(G1::generator() * &r2);
    let shifted_seed = point(seed) - &(G1::generator() * &r1);
    let traded = [proposal, &shifted_vote.encode(), &shifted_seed.encode()].concat();
    assert_eq!(engine(&FOUR.anchor, &traded), Some(B256::repeat_byte(1)));
    let forged = Err(LightError::ForgedCertificate);
    assert_eq!(verify_finality(&FOUR.anchor, &traded), forged);

    let other = FOUR.finalize(&crate::committee::proposal(0, 13, B256::repeat_byte(1))).encode();
    for (vote, seed) in [(seed, vote), (vote, vote), (seed, seed), (vote, &other[83..])] {
        assert_eq!(verify_finality(&FOUR.anchor, &[proposal, vote, seed].concat()), forged);
    }
}

#[test]
fn seeds_are_those_of_the_engine_and_of_their_round_alone() {
    let proposal = proposal(3, 300, B256::repeat_byte(9));
    let (finalized, notarized) = (FOUR.finalize(&proposal), FOUR.notarize(&proposal));
    let seed: [u8; 48] = finalized.seed().signature.encode()[..].try_into().expect("48 bytes");
    assert_eq!(notarized.seed().signature.encode()[..], seed);
    let block = verify_finality(&FOUR.anchor, &finalized.encode()).expect("holds");
    assert_eq!(block.seed, seed);
    assert_eq!(verify_seed(&FOUR.anchor, 3, 300, &seed), Ok(()));
    for (epoch, view) in [(3, 301), (2, 300), (300, 3)] {
        let forged = Err(LightError::ForgedSeed { epoch, view });
        assert_eq!(verify_seed(&FOUR.anchor, epoch, view, &seed), forged);
    }
    let other_chain = TrustAnchor { chain_id: CHAIN_ID + 1, ..FOUR.anchor.clone() };
    assert!(verify_seed(&other_chain, 3, 300, &seed).is_err());
    assert!(verify_seed(&FOUR.anchor, 3, 300, &[0; 48]).is_err());
}

#[test]
fn no_certificate_survives_the_change_of_a_bit() {
    let certificate = FOUR.certify(B256::repeat_byte(3));
    for at in 0..certificate.len() {
        let mut certificate = certificate.clone();
        certificate[at] ^= 1 << (at % 8);
        assert!(verify_finality(&FOUR.anchor, &certificate).is_err(), "byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn certificates_are_those_of_the_engine(
        epoch: u64,
        view in 1u64..,
        hash: [u8; 32],
        change in prop::option::of((0usize..131, 1u8..)),
    ) {
        let mut certificate = FOUR.finalize(&proposal(epoch, view, hash.into())).encode().to_vec();
        if let Some((at, flip)) = change {
            certificate[at] ^= flip;
        }
        let ours = verify_finality(&FOUR.anchor, &certificate).ok().map(|block| block.hash);
        prop_assert_eq!(ours, engine(&FOUR.anchor, &certificate));
        prop_assert_eq!(ours.is_some(), change.is_none());
    }

    #[test]
    fn arbitrary_bytes_finalize_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(verify_finality(&FOUR.anchor, &bytes).is_err());
    }
}
