use super::*;
use alloy_consensus::{
    Eip658Value, Receipt, ReceiptEnvelope, TxType, proofs::calculate_receipt_root,
};
use alloy_primitives::{LogData, b256, hex};
use proptest::prelude::*;

fn log() -> impl Strategy<Value = Log> {
    let data = prop::collection::vec(any::<u8>(), 0..100);
    let topics = prop::collection::vec(any::<[u8; 32]>(), 0..5);
    (any::<[u8; 20]>(), topics, data).prop_map(|(address, topics, data)| Log {
        address: address.into(),
        data: LogData::new_unchecked(topics.into_iter().map(B256::from).collect(), data.into()),
    })
}

fn receipt() -> impl Strategy<Value = TxReceipt> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u128>());
    let rest = (prop::collection::vec(log(), 0..4), any::<Option<[u8; 20]>>(), 0..4usize);
    (any::<bool>(), numbers, rest).prop_map(|(success, numbers, (logs, contract, ty))| TxReceipt {
        success,
        gas_used: numbers.0,
        cumulative_gas_used: numbers.1,
        logs,
        contract_address: contract.map(Address::from),
        effective_gas_price: numbers.2,
        tx_type: [0, 1, 2, 4][ty],
    })
}

fn reference(receipt: &TxReceipt) -> ReceiptEnvelope {
    let bloom = Receipt {
        status: Eip658Value::Eip658(receipt.success),
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs: receipt.logs.clone(),
    }
    .with_bloom();
    match TxType::try_from(receipt.tx_type).unwrap() {
        TxType::Legacy => ReceiptEnvelope::Legacy(bloom),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(bloom),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(bloom),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(bloom),
        TxType::Eip4844 => panic!("no blobs"),
    }
}

proptest! {
    #[test]
    fn storage_round_trips(receipt in receipt()) {
        let encoded = alloy_rlp::encode(&receipt);
        prop_assert_eq!(encoded.len(), receipt.length());
        prop_assert_eq!(alloy_rlp::decode_exact::<TxReceipt>(&encoded), Ok(receipt));
    }

    #[test]
    fn the_root_is_ethereums(receipts in prop::collection::vec(receipt(), 0..140)) {
        let reference: Vec<_> = receipts.iter().map(reference).collect();
        prop_assert_eq!(receipts_root(&receipts), calculate_receipt_root(&reference));
        let bloom = reference.iter().fold(Bloom::ZERO, |all, one| all | *one.logs_bloom());
        prop_assert_eq!(logs_bloom(&receipts), bloom);
    }

    #[test]
    fn garbage_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = alloy_rlp::decode_exact::<TxReceipt>(&bytes);
    }
}

#[test]
fn the_storage_format_is_pinned() {
    let receipt = TxReceipt {
        success: true,
        gas_used: 21_000,
        cumulative_gas_used: 42_000,
        logs: Vec::new(),
        contract_address: None,
        effective_gas_price: 7,
        tx_type: 2,
    };
    assert_eq!(hex::encode(alloy_rlp::encode(&receipt)), "cb0182520882a410c0800702");
    assert!(alloy_rlp::decode_exact::<TxReceipt>(hex!("cc0182520882a410c080070201")).is_err());
}

#[test]
fn empty_roots_are_the_empty_trie() {
    let empty = b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
    assert_eq!(receipts_root(&[]), empty);
    assert_eq!(transactions_root(&[]), empty);
}
