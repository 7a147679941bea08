use super::*;
use crate::testing::{CHAIN_ID, address_of, call, key, signed};
use alloy_consensus::{
    SignableTransaction as _, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
};
use alloy_primitives::{Signature, TxKind, U256, uint};
use proptest::prelude::*;

const TO: Address = Address::repeat_byte(0x70);

fn legacy(chain_id: Option<u64>) -> TxLegacy {
    TxLegacy { chain_id, gas_limit: 21_000, to: TxKind::Call(TO), ..Default::default() }
}

#[test]
fn all_four_types_decode_with_their_sender() {
    let key = key(7);
    let eip2930 = TxEip2930 { chain_id: CHAIN_ID, to: TxKind::Create, ..Default::default() };
    let eip7702 = TxEip7702 { chain_id: CHAIN_ID, to: TO, ..Default::default() };
    let encodings = [
        (0, signed(&key, legacy(Some(CHAIN_ID)))),
        (0, signed(&key, legacy(None))), // from before EIP-155
        (1, signed(&key, eip2930)),
        (2, signed(&key, call(TO, 21_000))),
        (4, signed(&key, eip7702)),
    ];
    for (ty, encoded) in encodings {
        let tx = RecoveredTx::decode(encoded.clone(), CHAIN_ID).unwrap();
        assert_eq!((tx.envelope.ty(), tx.sender), (ty, address_of(&key)));
        assert_eq!((tx.hash, *tx.envelope.tx_hash()), (keccak256(&encoded), tx.hash));
        let cached = RecoveredTx::with_sender(encoded, tx.sender, CHAIN_ID).unwrap();
        assert_eq!(cached, tx);
        let env = tx.tx_env();
        assert_eq!((env.tx_type, env.caller, env.kind), (ty, tx.sender, tx.envelope.kind()));
    }
}

#[test]
fn bad_bytes_are_refused_with_the_rule_they_break() {
    let key = key(7);
    let good = signed(&key, call(TO, 21_000));
    let trailing = Bytes::from([&good[..], &[0]].concat());
    let blob = signed(&key, TxEip4844 { chain_id: CHAIN_ID, ..Default::default() });
    let other = signed(&key, TxEip1559 { chain_id: 1, ..call(TO, 21_000) });
    let other_legacy = signed(&key, legacy(Some(1)));
    type Rule = fn(&TxError) -> bool;
    let rows: [(Bytes, Rule); 6] = [
        (Bytes::new(), |error| matches!(error, TxError::Malformed(_))),
        (Bytes::from_static(&[5, 1, 2]), |error| matches!(error, TxError::Malformed(_))),
        (trailing, |error| matches!(error, TxError::Malformed(_))),
        (blob, |error| *error == TxError::Blob),
        (other, |error| *error == TxError::WrongChain { expected: CHAIN_ID, actual: 1 }),
        (other_legacy, |error| *error == TxError::WrongChain { expected: CHAIN_ID, actual: 1 }),
    ];
    for (encoded, expected) in rows {
        let error = RecoveredTx::decode(encoded.clone(), CHAIN_ID).unwrap_err();
        assert!(expected(&error), "{encoded}: {error:?}");
        let error = RecoveredTx::with_sender(encoded, TO, CHAIN_ID).unwrap_err();
        assert!(expected(&error), "{error:?}");
    }
}

#[test]
fn the_mirrored_signature_is_refused() {
    // (r, n − s, 1 − v) is valid for the same message and sender, but would give a second hash.
    let order = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
    let good = RecoveredTx::decode(signed(&key(7), call(TO, 21_000)), CHAIN_ID).unwrap();
    let signature = *good.envelope.signature();
    let mirrored = Signature::new(signature.r(), order - signature.s(), !signature.v());
    let envelope = TxEnvelope::from(call(TO, 21_000).into_signed(mirrored));
    let error = RecoveredTx::decode(envelope.encoded_2718().into(), CHAIN_ID).unwrap_err();
    assert!(matches!(error, TxError::Signature(_)), "{error:?}");
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = RecoveredTx::decode(bytes.into(), CHAIN_ID);
    }

    /// One changed byte makes another transaction or none, never the same one in other bytes.
    #[test]
    fn an_encoding_is_unique(at in 0..200usize, flip in 1..=255u8, value: u64) {
        let tx = TxEip1559 { value: U256::from(value), ..call(TO, 21_000) };
        let good = signed(&key(7), tx);
        let mut bytes = good.to_vec();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(changed) = RecoveredTx::decode(bytes.clone().into(), CHAIN_ID) {
            prop_assert_eq!(&changed.envelope.encoded_2718(), &bytes);
            let original = RecoveredTx::decode(good, CHAIN_ID).unwrap();
            prop_assert!(changed.envelope != original.envelope);
        }
    }
}
