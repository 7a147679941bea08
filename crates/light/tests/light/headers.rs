use alloy_consensus::Header as Full;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use cairn_light::{
    LightError, MAX_DESCENDANTS, MAX_HEADER_BYTES, Part, verify_ancestor, verify_header,
};
use proptest::prelude::*;

/// A header as the chain makes them.
pub(crate) fn header(number: u64, parent_hash: B256, state_root: B256) -> Full {
    Full {
        parent_hash,
        state_root,
        number,
        beneficiary: Address::repeat_byte(0xbe),
        gas_limit: 30_000_000,
        gas_used: 21_000,
        timestamp: 1_800_000_000 + number,
        mix_hash: B256::repeat_byte(0x5e),
        extra_data: Bytes::from_static(b"cairn"),
        base_fee_per_gas: Some(7),
        withdrawals_root: Some(B256::repeat_byte(1)),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::repeat_byte(2)),
        requests_hash: Some(B256::repeat_byte(3)),
        ..Full::default()
    }
}

pub(crate) fn rlp(header: &Full) -> Bytes {
    alloy_rlp::encode(header).into()
}

/// `length` headers, parent before child, from height 1.
fn chain(length: u64) -> Vec<Bytes> {
    let mut parent = B256::ZERO;
    (1..=length)
        .map(|number| {
            let header = header(number, parent, B256::ZERO);
            parent = header.hash_slow();
            rlp(&header)
        })
        .collect()
}

#[test]
fn ancestors_are_bound_to_the_certified_hash() {
    let headers = chain(5);
    let finalized = keccak256(&headers[4]);
    for (i, rlp) in headers.iter().enumerate() {
        let found = verify_ancestor(rlp, &headers[i + 1..], finalized).expect("holds");
        assert_eq!((found.number, found.hash), (i as u64 + 1, keccak256(rlp)));
    }
    let wrong =
        |rlp: &Bytes, descendants: &[Bytes]| match verify_ancestor(rlp, descendants, finalized) {
            Err(LightError::WrongHeader { expected, found }) => assert_ne!(expected, found),
            other => panic!("{other:?}"),
        };
    wrong(&headers[0], &headers[2..]);
    wrong(&headers[0], &[]);
    wrong(&headers[3], &headers[..4]);
    wrong(&headers[0], &[headers[2].clone(), headers[1].clone()]);
    let many = vec![headers[0].clone(); MAX_DESCENDANTS + 1];
    let found = MAX_DESCENDANTS + 1;
    let too_many = Err(LightError::TooManyHeaders { found });
    assert_eq!(verify_ancestor(&headers[0], &many, finalized), too_many);
    let longest = chain(MAX_DESCENDANTS as u64 + 1);
    let last = longest.last().map(keccak256).expect("not empty");
    assert_eq!(verify_ancestor(&longest[0], &longest[1..], last).expect("holds").number, 1);
}

#[test]
fn malformed_headers_have_typed_errors() {
    let good = rlp(&header(1, B256::ZERO, B256::ZERO));
    let before_osaka = rlp(&Full { requests_hash: None, ..header(1, B256::ZERO, B256::ZERO) });
    let followed = [&good[..], &[0]].concat();
    // A number with a leading zero: 0x01 written as 0x8200 01.
    let bad_number = rlp(&Full { number: 0x1234, ..header(1, B256::ZERO, B256::ZERO) });
    let at = bad_number.windows(3).position(|w| w == [0x82, 0x12, 0x34]).expect("the number");
    let mut bad_number = bad_number.to_vec();
    bad_number[at + 1] = 0;
    for bytes in [&before_osaka, followed.as_slice(), &bad_number, &good[..20], &[], &[0x80]] {
        let error = verify_header(bytes, keccak256(bytes)).expect_err("malformed");
        assert!(matches!(error, LightError::Malformed { part: Part::Header, .. }), "{error}");
    }
    let long = rlp(&Full { extra_data: vec![0; 600].into(), ..header(1, B256::ZERO, B256::ZERO) });
    let too_long =
        LightError::TooLong { part: Part::Header, found: long.len(), limit: MAX_HEADER_BYTES };
    assert_eq!(verify_header(&long, keccak256(&long)), Err(too_long));
}

#[test]
fn fields_of_later_versions_are_skipped() {
    let good = header(1, B256::ZERO, B256::repeat_byte(6));
    let mut fields = rlp(&good)[3..].to_vec();
    fields.extend(alloy_rlp::encode(B256::repeat_byte(8)));
    let mut later = vec![0xf9];
    later.extend(u16::try_from(fields.len()).expect("short").to_be_bytes());
    later.extend(fields);
    let found = verify_header(&later, keccak256(&later)).expect("holds");
    assert_eq!((found.number, found.state_root), (1, B256::repeat_byte(6)));
}

proptest! {
    #[test]
    fn headers_are_those_of_ethereum(
        number: u64, timestamp: u64, gas_used: u64, base_fee: u64, difficulty: u64,
        words: [[u8; 32]; 6], beneficiary: [u8; 20],
    ) {
        let [parent, state, transactions, receipts, mix, consensus] = words.map(B256::from);
        let full = Full {
            number,
            timestamp,
            gas_used,
            beneficiary: beneficiary.into(),
            difficulty: U256::from(difficulty),
            base_fee_per_gas: Some(base_fee),
            transactions_root: transactions,
            receipts_root: receipts,
            mix_hash: mix,
            parent_beacon_block_root: Some(consensus),
            ..header(1, parent, state)
        };
        let rlp = rlp(&full);
        prop_assert!(rlp.len() < MAX_HEADER_BYTES);
        let found = verify_header(&rlp, full.hash_slow()).expect("holds");
        prop_assert_eq!(
            (found.number, found.timestamp, found.gas_used, found.base_fee_per_gas),
            (number, timestamp, gas_used, base_fee)
        );
        prop_assert_eq!((found.parent_hash, found.state_root), (parent, state));
        prop_assert_eq!((found.transactions_root, found.receipts_root), (transactions, receipts));
        prop_assert_eq!((found.prevrandao, found.consensus_data_hash), (mix, consensus));
        prop_assert_eq!((found.beneficiary.0.0, found.hash), (beneficiary, full.hash_slow()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = verify_header(&bytes, keccak256(&bytes));
    }
}
