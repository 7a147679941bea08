use super::*;
use crate::testing::{TestChain, address, call, sign};
use alloy_primitives::TxKind;
use serde_json::{Value, json};

/// A deployment of code that logs its call data's first word under topic 7.
pub(crate) const LOGGER: &[u8] = &[
    0x6c, 0x60, 0x20, 0x5f, 0x5f, 0x37, 0x60, 0x07, 0x60, 0x20, 0x5f, 0xa1, 0x00, 0x00, 0x5f, 0x52,
    0x60, 0x0d, 0x60, 0x13, 0xf3,
];

async fn busy() -> (TestChain, std::sync::Arc<Sealed>) {
    let test = TestChain::new().await;
    let created = address(0).create(0);
    test.include(sign(0, call(0, TxKind::Create, 0, LOGGER))).await;
    for (seed, nonce) in [(1, 0), (2, 0), (1, 1)] {
        let tx = sign(seed, call(nonce, TxKind::Call(created), 0, &[0x11; 32]));
        test.chain.submit(tx).await.unwrap();
    }
    test.mine().await;
    let head = test.chain.head();
    (test, head)
}

#[tokio::test]
async fn blocks_have_geths_fields_and_the_time_in_ms() {
    let (_, head) = busy().await;
    let block = serde_json::to_value(block(&head, false)).unwrap();
    let expected = [
        "baseFeePerGas",
        "blobGasUsed",
        "difficulty",
        "excessBlobGas",
        "extraData",
        "gasLimit",
        "gasUsed",
        "hash",
        "logsBloom",
        "miner",
        "mixHash",
        "nonce",
        "number",
        "parentBeaconBlockRoot",
        "parentHash",
        "receiptsRoot",
        "requestsHash",
        "sha3Uncles",
        "size",
        "stateRoot",
        "timestamp",
        "timestampMs",
        "transactions",
        "transactionsRoot",
        "uncles",
        "withdrawals",
        "withdrawalsRoot",
    ];
    let names: Vec<&str> = block.as_object().unwrap().keys().map(String::as_str).collect();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(block["number"], "0x3");
    assert_eq!(block["difficulty"], "0x0");
    assert_eq!(block["nonce"], "0x0000000000000000");
    assert_eq!(block["timestampMs"], format!("{:#x}", head.block.extra.timestamp_ms));
    assert_eq!((&block["uncles"], &block["withdrawals"]), (&json!([]), &json!([])));
    assert_eq!(block["transactions"][2], json!(head.transactions[2].hash));
}

#[tokio::test]
async fn transactions_and_receipts_know_their_place() {
    let (_, head) = busy().await;
    let full = serde_json::to_value(block(&head, true)).unwrap();
    let receipts = serde_json::to_value(receipts(&head)).unwrap();
    for index in 0..3 {
        let (tx, receipt) = (&full["transactions"][index], &receipts[index]);
        for (name, expected) in [
            ("blockHash", json!(head.hash)),
            ("blockNumber", json!("0x3")),
            ("transactionIndex", json!(format!("{index:#x}"))),
            ("type", json!("0x2")),
        ] {
            assert_eq!((&tx[name], &receipt[name]), (&expected, &expected), "{name}");
        }
        assert_eq!(tx["hash"], receipt["transactionHash"]);
        assert_eq!(tx["gasPrice"], receipt["effectiveGasPrice"]);
        assert_eq!(tx["yParity"], tx["v"]);
        assert_eq!(tx["accessList"], json!([]));
        assert_eq!(receipt["contractAddress"], Value::Null);
        assert_eq!(receipt["logs"][0]["logIndex"], json!(format!("{index:#x}")));
        assert_eq!(receipt["logs"][0]["blockTimestamp"], full["timestamp"]);
        assert_eq!(receipt["logs"][0]["removed"], json!(false));
    }
}

#[tokio::test]
async fn waiting_transactions_have_nulls() {
    let test = TestChain::new().await;
    let raw = sign(0, call(0, TxKind::Call(address(1)), 1, &[]));
    let hash = test.chain.submit(raw).await.unwrap();
    let tx = test.chain.pool().get(&hash).unwrap();
    let json = serde_json::to_value(pending(&tx, Some(5))).unwrap();
    for name in ["blockHash", "blockNumber", "transactionIndex"] {
        assert!(json.get(name).is_some_and(Value::is_null), "{name}");
    }
    assert_eq!(json["from"], json!(address(0)));
}

#[tokio::test]
async fn size_is_that_of_the_ethereum_block() {
    let (_, head) = busy().await;
    let body = alloy_consensus::BlockBody {
        transactions: head.transactions.iter().map(|tx| tx.envelope.clone()).collect(),
        ommers: Vec::new(),
        withdrawals: Some(alloy_eips::eip4895::Withdrawals::default()),
    };
    let whole = alloy_consensus::Block { header: head.block.header.clone(), body };
    assert_eq!(size(&head), alloy_rlp::encode(&whole).len());
}
