//! The methods against a chain in memory.

use crate::{
    Limits,
    testing::{CHAIN_ID, GWEI, TestChain, address, ask, call, sign},
};
use alloy_consensus::TxLegacy;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use serde_json::{Value, json};
use std::time::Duration;

/// A deployment of code that logs its call data's first word under topic 7.
const LOGGER: [u8; 21] = hex!("6c60205f5f37600760205fa100005f52600d6013f3");
/// Code that reverts with `Error("no")`.
const REVERTER: &str = "0x7f08c379a0000000000000000000000000000000000000000000000000000000005f5260206004526002602452616e6f60f01b604452605f5ffd";

fn hex_of(value: u64) -> Value {
    json!(format!("{value:#x}"))
}

async fn logger() -> (TestChain, Address) {
    let test = TestChain::new().await;
    test.include(sign(0, call(0, TxKind::Create, 0, &LOGGER))).await;
    (test, address(0).create(0))
}

async fn emit(test: &TestChain, logger: Address, nonce: u64) -> B256 {
    test.include(sign(1, call(nonce, TxKind::Call(logger), 0, &[5; 32]))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_at_tags_numbers_and_hashes() {
    let test = TestChain::new().await;
    let module = test.module();
    let (from, to) = (address(0), Address::repeat_byte(0x77));
    let before = test.chain.head();
    test.include(sign(0, call(0, TxKind::Call(to), 5, &[]))).await;
    let balance = async |at: Value| ask(&module, "eth_getBalance", json!([to, at])).await;
    for at in [json!("latest"), json!("safe"), json!("finalized"), json!("0x2"), Value::Null] {
        assert_eq!(balance(at).await, Ok(json!("0x5")));
    }
    for at in [json!("0x1"), json!({ "blockHash": before.hash }), json!("earliest")] {
        assert_eq!(balance(at).await, Ok(json!("0x0")));
    }
    assert_eq!(ask(&module, "eth_getBalance", json!([to])).await, Ok(json!("0x5")), "no block");
    let future = balance(json!("0x99")).await.unwrap_err();
    assert_eq!(future["message"], "header not found");
    test.chain.submit(sign(0, call(1, TxKind::Call(to), 5, &[]))).await.unwrap();
    for (at, nonce) in [("latest", "0x1"), ("pending", "0x2"), ("0x1", "0x0")] {
        let count = ask(&module, "eth_getTransactionCount", json!([from, at])).await;
        assert_eq!(count, Ok(json!(nonce)), "{at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_return_revert_and_take_overrides() {
    let test = TestChain::new().await;
    let module = test.module();
    let to = Address::repeat_byte(0x55);
    let run = async |code: &str, block: Value| {
        let overrides = json!({ to.to_string(): { "code": code, "stateDiff": { B256::ZERO.to_string(): B256::repeat_byte(9) } } });
        ask(&module, "eth_call", json!([{ "to": to }, "latest", overrides, block])).await
    };
    // Returns a word: slot 0, the block number, the balance of the caller.
    let returned = |opcodes: &str| format!("0x{opcodes}5f5260205ff3");
    assert_eq!(run(&returned("5f54"), Value::Null).await, Ok(json!(B256::repeat_byte(9))));
    let number = run(&returned("43"), json!({ "number": "0x64" })).await;
    assert_eq!(number, Ok(json!(B256::with_last_byte(100))));
    let error = run("0x5f5ffd", Value::Null).await.unwrap_err();
    assert_eq!(error, json!({ "code": 3, "message": "execution reverted", "data": "0x" }));
    let error = run(REVERTER, Value::Null).await.unwrap_err();
    assert_eq!(error["message"], "execution reverted: no");
    let error = run("0xfe", Value::Null).await.unwrap_err();
    assert_eq!(error["code"], -32_000);
    let poor = json!([{ "from": to, "to": to, "value": "0x1" }]);
    let error = ask(&module, "eth_call", poor).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("insufficient funds"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn estimates_are_enough_and_not_far_above() {
    let (test, logger) = logger().await;
    let module = test.module();
    let estimate = async |request: Value| ask(&module, "eth_estimateGas", json!([request])).await;
    let to = Address::repeat_byte(0x66);
    assert_eq!(
        estimate(json!({ "from": address(0), "to": to, "value": "0x1" })).await,
        Ok(json!("0x5208"))
    );
    let data = Bytes::from(vec![3; 32]);
    let gas = estimate(json!({ "from": address(1), "to": logger, "data": data })).await.unwrap();
    let gas: U256 = serde_json::from_value(gas).unwrap();
    let hash = emit(&test, logger, 0).await;
    let receipt = ask(&module, "eth_getTransactionReceipt", json!([hash])).await.unwrap();
    let used: U256 = serde_json::from_value(receipt["gasUsed"].clone()).unwrap();
    assert!(gas >= used && gas < used + used / U256::from(20), "{gas} for {used}");
    let error = estimate(json!({ "to": logger, "gas": "0x5210", "data": data })).await.unwrap_err();
    assert_eq!(error["message"], "gas required exceeds allowance (21008)");
    let broke = json!({ "from": to, "to": logger, "gasPrice": "0x174876e800" });
    let error = estimate(broke).await.unwrap_err();
    assert_eq!(error["message"], "gas required exceeds allowance (0)");
    let deploy = estimate(json!({ "from": address(0), "data": REVERTER })).await.unwrap_err();
    assert_eq!(
        (&deploy["code"], &deploy["message"]),
        (&json!(3), &json!("execution reverted: no"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_list_names_what_a_call_touches() {
    let test = TestChain::new().await;
    let module = test.module();
    // SLOAD of slot 5, then the balance of 0x..0abc.
    let request = json!([{ "from": address(0), "to": null, "data": "0x60055450610abc315000" }]);
    let list = ask(&module, "eth_createAccessList", request).await.unwrap();
    let items = list["accessList"].as_array().unwrap();
    let created = address(0).create(0);
    assert!(
        items.iter().any(|item| item["address"] == json!(created)
            && item["storageKeys"] == json!([B256::with_last_byte(5)])),
        "{list}"
    );
    assert_eq!(items.len(), 2);
    assert!(list["gasUsed"].is_string() && list.get("error").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_by_range_hash_address_and_topic() {
    let (test, logger) = logger().await;
    for nonce in 0..3 {
        emit(&test, logger, nonce).await;
    }
    let module = test.module();
    let count = async |filter: Value| {
        ask(&module, "eth_getLogs", json!([filter]))
            .await
            .map(|logs| logs.as_array().unwrap().len())
    };
    let (topic, other) = (B256::with_last_byte(7), B256::with_last_byte(8));
    let hash = test.chain.head().hash;
    for (filter, expected) in [
        (json!({ "fromBlock": "earliest" }), 3),
        (json!({}), 1),
        (json!({ "fromBlock": "0x3", "toBlock": "0x4", "address": logger }), 2),
        (
            json!({ "fromBlock": "0x1", "toBlock": "latest", "address": [logger, address(5)], "topics": [[topic, other]] }),
            3,
        ),
        (json!({ "fromBlock": "0x1", "topics": [other] }), 0),
        (json!({ "fromBlock": "0x1", "topics": [null, topic] }), 0),
        (json!({ "fromBlock": "0x1", "address": address(5) }), 0),
        (json!({ "blockHash": hash }), 1),
    ] {
        assert_eq!(count(filter.clone()).await, Ok(expected), "{filter}");
    }
    for (filter, text) in [
        (json!({ "fromBlock": "0x4", "toBlock": "0x3" }), "invalid block range params"),
        (json!({ "fromBlock": "0x1", "toBlock": "0x99" }), "beyond current head"),
        (json!({ "blockHash": B256::ZERO }), "unknown block"),
    ] {
        let error = count(filter).await.unwrap_err();
        assert!(error["message"].as_str().unwrap().contains(text), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_blocks_or_logs_are_refused_with_the_limit() {
    let (test, logger) = logger().await;
    for nonce in 0..3 {
        emit(&test, logger, nonce).await;
    }
    let ask_with = async |limits: Limits| {
        let module = test.module_with(limits);
        ask(&module, "eth_getLogs", json!([{ "fromBlock": "0x0" }])).await.unwrap_err()
    };
    let blocks = ask_with(Limits { log_blocks: 5, ..Limits::default() }).await;
    assert_eq!(blocks["message"], "query exceeds max block range 5");
    let logs = ask_with(Limits { logs: 2, ..Limits::default() }).await;
    assert_eq!(logs["message"], "query exceeds max results 2, retry with the range 0-4");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_give_each_change_once() {
    let (test, logger) = logger().await;
    let module = test.module();
    let new = async |name: &str, params: Value| ask(&module, name, params).await.unwrap();
    let blocks = new("eth_newBlockFilter", json!([])).await;
    let logs = new("eth_newFilter", json!([{ "fromBlock": "0x0", "address": logger }])).await;
    let pending = new("eth_newPendingTransactionFilter", json!([])).await;
    let hash = emit(&test, logger, 0).await;
    let changes = async |id: &Value| ask(&module, "eth_getFilterChanges", json!([id])).await;
    assert_eq!(changes(&blocks).await, Ok(json!([test.chain.head().hash])));
    assert_eq!(changes(&pending).await, Ok(json!([hash])));
    assert_eq!(changes(&logs).await.unwrap()[0]["transactionHash"], json!(hash));
    for id in [&blocks, &pending, &logs] {
        assert_eq!(changes(id).await, Ok(json!([])));
    }
    let all = ask(&module, "eth_getFilterLogs", json!([logs])).await.unwrap();
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!(ask(&module, "eth_uninstallFilter", json!([logs])).await, Ok(json!(true)));
    assert_eq!(changes(&logs).await.unwrap_err()["message"], "filter not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_get_heads_logs_and_pending_transactions() {
    let (test, logger) = logger().await;
    let module = test.module();
    let subscribe = async |params: Value| {
        let params = params.as_array().unwrap().clone();
        module.subscribe_unbounded("eth_subscribe", params).await.unwrap()
    };
    let mut heads = subscribe(json!(["newHeads"])).await;
    let mut logs = subscribe(json!(["logs", { "address": logger }])).await;
    let mut hashes = subscribe(json!(["newPendingTransactions"])).await;
    let mut bodies = subscribe(json!(["newPendingTransactions", true])).await;
    let hash = emit(&test, logger, 0).await;
    let (head, _) = heads.next::<Value>().await.unwrap().unwrap();
    assert_eq!((&head["number"], &head["hash"]), (&json!("0x3"), &json!(test.chain.head().hash)));
    let (log, _) = logs.next::<Value>().await.unwrap().unwrap();
    assert_eq!((&log["transactionHash"], &log["logIndex"]), (&json!(hash), &json!("0x0")));
    assert_eq!(hashes.next::<B256>().await.unwrap().unwrap().0, hash);
    let (body, _) = bodies.next::<Value>().await.unwrap().unwrap();
    assert_eq!((&body["hash"], &body["blockHash"]), (&json!(hash), &Value::Null));
    let refused = module.subscribe_unbounded("eth_subscribe", vec![json!("nothing")]).await;
    assert!(refused.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_and_waiting_gives_the_final_receipt_or_says_it_took_too_long() {
    let test = TestChain::new().await;
    let module = test.module();
    let raw = sign(0, call(0, TxKind::Call(address(1)), 1, &[]));
    let params = json!([raw, 5_000]);
    let waiting = ask(&module, "eth_sendRawTransactionSync", params);
    let mining = async {
        let mut pending = test.chain.pool().watch_pending();
        pending.wait_for(|count| *count > 0).await.unwrap();
        test.mine().await;
    };
    let (receipt, ()) = tokio::join!(waiting, mining);
    assert_eq!(receipt.unwrap()["status"], "0x1");
    let late = sign(0, call(1, TxKind::Call(address(1)), 1, &[]));
    let module = test.module_with(Limits { sync_wait: Duration::ZERO, ..Limits::default() });
    let error = ask(&module, "eth_sendRawTransactionSync", json!([late])).await.unwrap_err();
    assert_eq!(error["code"], 4);
    assert_eq!(error["data"], json!(alloy_primitives::keccak256(&late)));
    let error = ask(&module, "eth_sendRawTransaction", json!([raw])).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().starts_with("nonce too low"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_by_hash_place_sender_and_raw() {
    let test = TestChain::new().await;
    let module = test.module();
    let raw = sign(0, call(0, TxKind::Call(address(1)), 1, &[]));
    let hash = test.include(raw.clone()).await;
    for _ in 0..5 {
        test.mine().await;
    }
    let tx = ask(&module, "eth_getTransactionByHash", json!([hash])).await.unwrap();
    for (method, params) in [
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x2", "0x0"])),
        ("eth_getTransactionByBlockHashAndIndex", json!([tx["blockHash"], "0x0"])),
        ("eth_getTransactionBySenderAndNonce", json!([address(0), "0x0"])),
    ] {
        assert_eq!(ask(&module, method, params).await.as_ref(), Ok(&tx), "{method}");
    }
    assert_eq!(ask(&module, "eth_getRawTransactionByHash", json!([hash])).await, Ok(json!(raw)));
    for (method, params) in [
        ("eth_getTransactionByHash", json!([B256::ZERO])),
        ("eth_getTransactionReceipt", json!([B256::ZERO])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x2", "0x1"])),
        ("eth_getTransactionBySenderAndNonce", json!([address(0), "0x1"])),
        ("eth_getBlockByNumber", json!(["0x99", false])),
        ("eth_getBlockReceipts", json!(["0x99"])),
    ] {
        assert_eq!(ask(&module, method, params).await, Ok(Value::Null), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pending_block_shows_the_pool() {
    let test = TestChain::new().await;
    let module = test.module();
    let raw = sign(0, call(0, TxKind::Call(address(1)), 1, &[]));
    let hash = test.chain.submit(raw).await.unwrap();
    let block = ask(&module, "eth_getBlockByNumber", json!(["pending", false])).await.unwrap();
    assert_eq!((&block["number"], &block["hash"]), (&json!("0x2"), &Value::Null));
    assert_eq!(block["transactions"], json!([hash]));
    let full = ask(&module, "eth_getBlockByNumber", json!(["pending", true])).await.unwrap();
    assert_eq!(full["transactions"][0]["hash"], json!(hash));
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_follow_the_blocks() {
    let test = TestChain::new().await;
    let module = test.module();
    test.include(sign(0, call(0, TxKind::Call(address(1)), 1, &[]))).await;
    let next = test.chain.next_base_fee();
    let tip = ask(&module, "eth_maxPriorityFeePerGas", json!([])).await;
    assert_eq!(tip, Ok(json!(format!("{GWEI:#x}"))));
    let price = ask(&module, "eth_gasPrice", json!([])).await;
    assert_eq!(price, Ok(json!(format!("{:#x}", u128::from(next) + GWEI))));
    let history = ask(&module, "eth_feeHistory", json!(["0x3", "latest", [50]])).await.unwrap();
    assert_eq!(history["oldestBlock"], "0x0");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 4);
    assert_eq!(history["baseFeePerGas"][3], hex_of(next));
    assert_eq!(history["reward"][2][0], json!(format!("{GWEI:#x}")));
    let future = ask(&module, "eth_feeHistory", json!(["0x1", "0x99", []])).await.unwrap_err();
    assert!(future["message"].as_str().unwrap().contains("beyond head"));
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_are_cairns_and_come_with_a_certificate() {
    let test = TestChain::new().await;
    let module = test.module();
    let error = ask(&module, "eth_getProof", json!([address(0), [], "latest"])).await.unwrap_err();
    assert_eq!(error["code"], -32_601);
    assert!(error["message"].as_str().unwrap().contains("cairn_getProof"));
    test.mine().await;
    test.mine().await;
    assert_eq!(test.chain.head().number(), 3);
    let odd = ask(&module, "cairn_getFinalization", json!(["0x1"])).await.unwrap();
    assert_eq!(odd["descendants"].as_array().unwrap().len(), 1);
    test.mine().await;
    let proof =
        ask(&module, "cairn_getProof", json!([address(0), ["0x1"], "latest"])).await.unwrap();
    assert_eq!((&proof["blockNumber"], &proof["descendants"]), (&json!("0x4"), &json!([])));
    assert_eq!(proof["certificate"], json!("0x0000000000000004"));
    assert_eq!(proof["storageProofs"][0]["slot"], "0x1", "as the light client reads it");
    let past = ask(&module, "cairn_getProof", json!([address(0), [], "0x1"])).await.unwrap_err();
    assert!(past["message"].as_str().unwrap().contains("block 4"), "{past}");
    let status = ask(&module, "cairn_status", json!([])).await.unwrap();
    assert_eq!((&status["head"], &status["peers"]), (&json!("0x4"), &json!("0x3")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_about_itself() {
    let test = TestChain::new().await;
    let module = test.module();
    for (method, expected) in [
        ("eth_chainId", hex_of(CHAIN_ID)),
        ("net_version", json!(CHAIN_ID.to_string())),
        ("eth_blockNumber", json!("0x1")),
        ("eth_syncing", json!(false)),
        ("eth_accounts", json!([])),
        ("net_listening", json!(true)),
        ("net_peerCount", json!("0x3")),
        ("eth_blobBaseFee", json!("0x1")),
    ] {
        assert_eq!(ask(&module, method, json!([])).await, Ok(expected), "{method}");
    }
    let config = ask(&module, "eth_config", json!([])).await.unwrap();
    assert_eq!(config["current"]["chainId"], hex_of(CHAIN_ID));
    let unknown = ask(&module, "no_suchMethod", json!([])).await.unwrap_err();
    assert_eq!(unknown["code"], -32_601);
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy_transactions_have_no_fee_market_fields() {
    let test = TestChain::new().await;
    let legacy = TxLegacy {
        chain_id: Some(CHAIN_ID),
        gas_price: 100 * GWEI,
        gas_limit: 21_000,
        to: TxKind::Call(address(1)),
        ..TxLegacy::default()
    };
    let hash = test.include(sign(0, legacy)).await;
    let tx = ask(&test.module(), "eth_getTransactionByHash", json!([hash])).await.unwrap();
    assert_eq!((&tx["type"], &tx["chainId"]), (&json!("0x0"), &hex_of(CHAIN_ID)));
    for absent in ["yParity", "maxFeePerGas", "maxPriorityFeePerGas", "accessList"] {
        assert!(tx.get(absent).is_none(), "{absent}: {tx}");
    }
}
