use super::*;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use ed25519_consensus::{Signature, SigningKey, VerificationKey};
use proptest::prelude::*;

/// Order of the field, little endian: 2²⁵⁵ − 19.
const P: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

fn with_sign(mut y: [u8; 32]) -> [u8; 32] {
    y[31] |= 0x80;
    y
}

fn plus(mut y: [u8; 32], small: u8) -> [u8; 32] {
    y[0] += small; // no carry for the values used here
    y
}

/// The eight points of small order in every encoding that ZIP-215 accepts: 8 canonical ones, and 6
/// with y ≥ p or the sign of a zero x.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut encodings: Vec<_> = EIGHT_TORSION.iter().map(|point| point.compress().0).collect();
    let one = plus([0; 32], 1);
    let mut minus_one = P;
    minus_one[0] -= 1;
    encodings.extend([P, with_sign(P), plus(P, 1), with_sign(plus(P, 1))]);
    encodings.extend([with_sign(one), with_sign(minus_one)]);
    encodings
}

fn reference(signed: &Signed<'_>) -> bool {
    VerificationKey::try_from(*signed.public_key)
        .and_then(|key| key.verify(&Signature::from(*signed.signature), signed.message))
        .is_ok()
}

fn sign(seed: u8, message: &[u8]) -> ([u8; 32], [u8; 64]) {
    let key = SigningKey::from([seed; 32]);
    (key.verification_key().to_bytes(), key.sign(message).to_bytes())
}

#[test]
fn zip_215_small_order_vectors() {
    let encodings = small_order_encodings();
    assert_eq!(encodings.len(), 14);
    let mut accepted = Vec::new();
    for public_key in &encodings {
        for r in &encodings {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(r);
            accepted.push((public_key, signature));
        }
    }
    let batch: Vec<_> = accepted
        .iter()
        .map(|(public_key, signature)| Signed { public_key, message: b"Zcash", signature })
        .collect();
    for signed in &batch {
        assert!(verify(signed), "{signed:?}");
        assert!(reference(signed), "{signed:?}");
    }
    assert!(verify_batch(&batch));
}

#[test]
fn rfc_8032_vector() {
    let decode = |hex: &str| alloy_primitives::hex::decode(hex).unwrap();
    let public_key = decode("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let signature = decode(concat!(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    ));
    let (public_key, signature) =
        (public_key.try_into().unwrap(), <[u8; 64]>::try_from(signature).unwrap());
    assert!(verify(&Signed { public_key: &public_key, message: &[0x72], signature: &signature }));
    assert!(!verify(&Signed { public_key: &public_key, message: &[0x73], signature: &signature }));
}

#[test]
fn a_non_canonical_s_is_refused() {
    let (public_key, mut signature) = sign(1, b"m");
    // s + l, with l the order of the subgroup, little endian.
    let l = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10u8,
    ];
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(l) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    let signed = Signed { public_key: &public_key, message: b"m", signature: &signature };
    assert!(!verify(&signed) && !verify_batch(&[signed]) && !reference(&signed));
}

#[test]
fn torsion_in_the_key_verifies_alone_and_in_a_batch() {
    // A = a·B + T with T of order 8 and R without torsion: only the cofactored equation holds.
    let a = Scalar::from(123_456_789u64);
    let key = (ED25519_BASEPOINT_POINT * a + EIGHT_TORSION[1]).compress().0;
    let r = Scalar::from(987_654_321u64);
    let big_r = (ED25519_BASEPOINT_POINT * r).compress().0;
    let digest = Sha512::new_with_prefix(big_r).chain_update(key).chain_update(b"m").finalize();
    let k = Scalar::from_bytes_mod_order_wide(&digest.into());
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&big_r);
    signature[32..].copy_from_slice(&(r + k * a).to_bytes());
    let signed = Signed { public_key: &key, message: b"m", signature: &signature };
    assert!(verify(&signed) && reference(&signed) && verify_batch(&[signed, signed]));
}

#[test]
fn one_bad_signature_fails_the_batch_at_every_place() {
    let messages: Vec<Vec<u8>> = (0..9u8).map(|i| vec![i; usize::from(i) * 13]).collect();
    let signed: Vec<_> = messages.iter().zip(1..).map(|(m, seed)| sign(seed, m)).collect();
    let batch = |broken: Option<usize>| {
        let items: Vec<_> = signed
            .iter()
            .zip(&messages)
            .enumerate()
            .map(|(i, ((public_key, signature), message))| {
                let message: &[u8] = if broken == Some(i) { b"other" } else { message };
                Signed { public_key, message, signature }
            })
            .collect();
        verify_batch(&items)
    };
    assert!(batch(None));
    assert!((0..9).all(|i| !batch(Some(i))));
    assert!(verify_batch(&[]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn agrees_with_the_reference(seed: u8, message in prop::collection::vec(any::<u8>(), 0..200),
                                 byte in 0..64usize, flip: u8) {
        let (public_key, mut signature) = sign(seed, &message);
        signature[byte] ^= flip;
        let signed = Signed { public_key: &public_key, message: &message, signature: &signature };
        prop_assert_eq!(verify(&signed), reference(&signed));
        prop_assert_eq!(verify(&signed), flip == 0);
        prop_assert_eq!(verify_batch(&[signed]), verify(&signed));
    }

    #[test]
    fn garbage_never_panics(public_key: [u8; 32], left: [u8; 32], right: [u8; 32], message: [u8; 16]) {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&left);
        signature[32..].copy_from_slice(&right);
        let signed = Signed { public_key: &public_key, message: &message, signature: &signature };
        prop_assert_eq!(verify(&signed), reference(&signed));
        prop_assert_eq!(verify_batch(&[signed, signed]), verify(&signed));
    }
}
