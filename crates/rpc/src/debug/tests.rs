use super::testing::{
    ALICE, BOB, DEEP, LOOP, PASS, REVERT, STORE, TestChain, creation, transaction, word,
};
use alloy_primitives::{Bytes, U256, hex, keccak256};
use cairn_chain::Sealed;
use serde_json::{Value, json};
use std::sync::Arc;

/// A block with a store, a payment through a contract, a revert behind a contract, and a creation.
async fn traced() -> (TestChain, Arc<Sealed>) {
    let chain = TestChain::new().await;
    let block = chain
        .mine(vec![
            transaction(0, STORE, 0, U256::from(5).to_be_bytes::<32>().into()),
            transaction(1, PASS, 9, word(BOB)),
            transaction(2, PASS, 0, word(REVERT)),
            transaction(3, REVERT, 0, Bytes::from_static(&[1, 2, 3])),
            creation(4, Bytes::from_static(&hex!("5f5ff3"))),
            transaction(5, STORE, 0, U256::from(6).to_be_bytes::<32>().into()),
        ])
        .await;
    // What comes after must not show in traces of what was before.
    chain.mine(vec![transaction(6, STORE, 0, U256::from(7).to_be_bytes::<32>().into())]).await;
    (chain, block)
}

fn lower(address: impl std::fmt::Debug) -> String {
    format!("{address:?}").to_lowercase()
}

async fn trace(chain: &TestChain, block: &Sealed, index: usize, options: Value) -> Value {
    let hash = block.transactions[index].hash;
    chain.call("debug_traceTransaction", json!([hash, options])).await.unwrap()
}

#[tokio::test]
async fn opcodes_with_stack_and_storage() {
    let (chain, block) = traced().await;
    let trace = trace(&chain, &block, 0, json!({})).await;
    assert_eq!(trace["failed"], false);
    assert_eq!(trace["gas"], block.receipts[0].gas_used);
    let ops: Vec<_> =
        trace["structLogs"].as_array().unwrap().iter().map(|log| &log["op"]).collect();
    assert_eq!(ops, ["PUSH0", "CALLDATALOAD", "PUSH0", "SSTORE", "PUSH0", "PUSH0", "LOG0", "STOP"]);
    assert_eq!(trace["structLogs"][3]["stack"], json!(["0x5", "0x0"]));
    let storage = trace["structLogs"][3]["storage"].as_object().unwrap();
    assert_eq!(storage.values().next().unwrap().as_str().unwrap().chars().last(), Some('5'));
    assert!(trace["structLogs"][3].get("memory").is_none());
}

#[tokio::test]
async fn options_of_the_opcode_tracer() {
    let (chain, block) = traced().await;
    let options = json!({ "limit": 2, "disableStack": true, "disableStorage": true });
    let short = trace(&chain, &block, 0, options).await;
    assert_eq!(short["structLogs"].as_array().unwrap().len(), 2);
    assert!(short["structLogs"][1].get("stack").is_none());
    let full = trace(&chain, &block, 3, json!({ "enableMemory": true })).await;
    assert_eq!(full["failed"], true);
    assert_eq!(full["returnValue"], "0x010203");
    let last = full["structLogs"].as_array().unwrap().last().unwrap();
    assert!(!last["memory"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn calls_as_a_tree() {
    let (chain, block) = traced().await;
    let options = json!({ "tracer": "callTracer", "tracerConfig": { "withLog": true } });
    let stored = trace(&chain, &block, 0, options).await;
    assert_eq!(stored["logs"].as_array().unwrap().len(), 1);
    let paid = trace(&chain, &block, 1, json!({ "tracer": "callTracer" })).await;
    assert_eq!(paid["calls"][0]["to"], lower(BOB));
    assert_eq!(paid["calls"][0]["value"], "0x9");
    let inner = trace(&chain, &block, 2, json!({ "tracer": "callTracer" })).await;
    assert_eq!(inner["error"], Value::Null);
    assert_eq!(inner["calls"][0]["error"], "execution reverted");
    let top = json!({ "tracer": "callTracer", "tracerConfig": { "onlyTopCall": true } });
    assert!(trace(&chain, &block, 2, top).await.get("calls").is_none());
    let created = trace(&chain, &block, 4, json!({ "tracer": "callTracer" })).await;
    assert_eq!(created["type"], "CREATE");
    assert_eq!(created["gasUsed"], format!("{:#x}", block.receipts[4].gas_used));
}

#[tokio::test]
async fn state_before_and_differences() {
    let (chain, block) = traced().await;
    let before = trace(&chain, &block, 5, json!({ "tracer": "prestateTracer" })).await;
    let slot = "0x0000000000000000000000000000000000000000000000000000000000000000";
    let value = |json: &Value| json["storage"][slot].as_str().unwrap().chars().last();
    assert_eq!(value(&before[lower(STORE)]), Some('5'), "what transaction 0 of the block stored");
    assert_eq!(before[lower(ALICE)]["nonce"], 5);
    let config = json!({ "diffMode": true, "disableCode": true });
    let options = json!({ "tracer": "prestateTracer", "tracerConfig": config });
    let diff = trace(&chain, &block, 5, options).await;
    assert_eq!(value(&diff["post"][lower(STORE)]), Some('6'));
    assert_eq!(diff["post"][lower(ALICE)]["nonce"], 6);
    assert!(diff["pre"][lower(STORE)].get("code").is_none());
}

#[tokio::test]
async fn other_tracers() {
    let (chain, block) = traced().await;
    let noop = trace(&chain, &block, 0, json!({ "tracer": "noopTracer" })).await;
    assert_eq!(noop, json!({}));
    let selectors = trace(&chain, &block, 0, json!({ "tracer": "4byteTracer" })).await;
    assert_eq!(selectors, json!({ "0x00000000-28": 1 }));
    let options = json!({ "tracer": "flatCallTracer" });
    assert_eq!(trace(&chain, &block, 1, options).await.as_array().unwrap().len(), 2);
    let config = json!({ "callTracer": {}, "noopTracer": null });
    let options = json!({ "tracer": "muxTracer", "tracerConfig": config });
    assert_eq!(trace(&chain, &block, 1, options).await["callTracer"]["to"], lower(PASS));
}

#[tokio::test]
async fn a_block_is_the_sum_of_its_transactions() {
    let (chain, block) = traced().await;
    for options in
        [json!({}), json!({ "tracer": "callTracer" }), json!({ "tracer": "prestateTracer" })]
    {
        let by_hash =
            chain.call("debug_traceBlockByHash", json!([block.hash, options])).await.unwrap();
        let number = format!("{:#x}", block.number());
        let by_number = chain.call("debug_traceBlockByNumber", json!([number, options])).await;
        assert_eq!(by_hash, by_number.unwrap());
        for (index, tx) in block.transactions.iter().enumerate() {
            assert_eq!(by_hash[index]["txHash"], format!("{:#x}", tx.hash));
            let alone = trace(&chain, &block, index, options.clone()).await;
            assert_eq!(by_hash[index]["result"], alone, "{index}");
        }
    }
}

#[tokio::test]
async fn calls_see_overrides_and_the_middle_of_blocks() {
    let (chain, block) = traced().await;
    let number = format!("{:#x}", block.number());
    let request = json!({ "from": ALICE, "to": STORE, "data": "0x01" });
    let call = async |options: Value| {
        chain.call("debug_traceCall", json!([request, number, options])).await.unwrap()
    };
    let slot = "0x0000000000000000000000000000000000000000000000000000000000000000";
    let before =
        |json: &Value| json[lower(STORE)]["storage"][slot].as_str().unwrap().chars().last();
    let prestate = json!({ "tracer": "prestateTracer" });
    assert_eq!(before(&call(prestate.clone()).await), Some('6'));
    let early = json!({ "tracer": "prestateTracer", "txIndex": "0x1" });
    assert_eq!(before(&call(early).await), Some('5'));
    let nine = format!("{:#066x}", 9);
    let overrides = json!({ STORE.to_string(): { "stateDiff": { slot: nine } } });
    let options = json!({ "tracer": "prestateTracer", "stateOverrides": overrides });
    assert_eq!(before(&call(options).await), Some('9'));
    // NUMBER PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
    let code = json!({ STORE.to_string(): { "code": "0x435f5260205ff3" } });
    let options = json!({
        "tracer": "callTracer", "stateOverrides": code, "blockOverrides": { "number": "0x1234" },
    });
    assert!(call(options).await["output"].as_str().unwrap().ends_with("1234"));
}

#[tokio::test]
async fn what_cannot_be_traced() {
    let (chain, block) = traced().await;
    let hash = block.transactions[0].hash;
    let nowhere = format!("0x{}", "12".repeat(32));
    let rows = [
        ("debug_traceTransaction", json!([nowhere]), -32_000, "not found"),
        (
            "debug_traceTransaction",
            json!([hash, { "tracer": "noSuchTracer" }]),
            -32_602,
            "noSuchTracer",
        ),
        (
            "debug_traceTransaction",
            json!([hash, { "tracer": "{fault(){}}" }]),
            -32_602,
            "JavaScript",
        ),
        (
            "debug_traceTransaction",
            json!([hash, { "tracer": "callTracer", "tracerConfig": { "onlyTopCall": 5 } }]),
            -32_602,
            "tracerConfig",
        ),
        ("debug_traceTransaction", json!([hash, { "timeout": "soon" }]), -32_602, "soon"),
        ("debug_traceTransaction", json!([]), -32_602, "hash"),
        ("debug_traceBlockByNumber", json!(["0x0"]), -32_000, "genesis is not traceable"),
        ("debug_traceBlockByNumber", json!(["0x99"]), -32_000, "not found"),
        ("debug_traceBlockByHash", json!([nowhere]), -32_000, "not found"),
    ];
    for (method, params, code, text) in rows {
        let (found, message) = chain.call(method, params.clone()).await.unwrap_err();
        assert_eq!(found, code, "{method} {params}: {message}");
        assert!(message.contains(text), "{method} {params}: {message}");
    }
}

#[tokio::test]
async fn long_runs_are_stopped() {
    let chain = TestChain::new().await;
    let run = async |to, options: Value| {
        chain.call("debug_traceCall", json!([{ "to": to }, "latest", options])).await
    };
    let (code, message) = run(LOOP, json!({})).await.unwrap_err();
    assert_eq!(code, -32_000);
    assert!(message.contains("records more than"), "{message}");
    let (_, message) =
        run(LOOP, json!({ "tracer": "noopTracer", "timeout": "0ms" })).await.unwrap_err();
    assert!(message.contains("ran for more than"), "{message}");
    let short = run(LOOP, json!({ "limit": 3 })).await.unwrap();
    assert_eq!(short["failed"], true);
    assert_eq!(short["structLogs"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn deep_calls_fit_the_stack() {
    let chain = TestChain::new().await;
    let params = json!([{ "to": DEEP }, "latest", { "tracer": "callTracer" }]);
    let answer = chain.answer("debug_traceCall", params).await;
    let depth = answer.matches("\"calls\":").count();
    assert!(depth > 500, "{depth}");
}

#[tokio::test]
async fn raw_encodings_hash_to_what_names_them() {
    let (chain, block) = traced().await;
    let raw = async |method: &str, param: Value| {
        let hex = chain.call(method, json!([param])).await.unwrap();
        hex::decode(hex.as_str().unwrap()).unwrap()
    };
    let header = raw("debug_getRawHeader", json!(block.hash)).await;
    assert_eq!(keccak256(&header), block.hash);
    let whole = raw("debug_getRawBlock", json!(format!("{:#x}", block.number()))).await;
    type Ethereum = alloy_consensus::Block<cairn_evm::TxEnvelope>;
    let decoded: Ethereum = alloy_rlp::decode_exact(&whole).unwrap();
    assert_eq!(decoded.header.hash_slow(), block.hash);
    let hashes: Vec<_> = decoded.body.transactions.iter().map(|tx| *tx.hash()).collect();
    assert_eq!(hashes, block.transactions.iter().map(|tx| tx.hash).collect::<Vec<_>>());
    let tx = &block.transactions[0];
    assert_eq!(raw("debug_getRawTransaction", json!(tx.hash)).await, tx.encoded);
    let receipts = chain.call("debug_getRawReceipts", json!([block.hash])).await.unwrap();
    assert_eq!(receipts.as_array().unwrap().len(), block.receipts.len());
}

#[tokio::test]
async fn otterscan_sees_inside() {
    let (chain, block) = traced().await;
    let hash = |index: usize| json!([block.transactions[index].hash]);
    let calls = chain.call("ots_traceTransaction", hash(1)).await.unwrap();
    assert_eq!(calls[1]["depth"], 1);
    assert_eq!(calls[1]["to"], lower(BOB));
    let moved = chain.call("ots_getInternalOperations", hash(1)).await.unwrap();
    assert_eq!(
        moved,
        json!([{ "type": 0, "from": lower(PASS), "to": lower(BOB), "value": "0x9" }])
    );
    assert_eq!(chain.call("ots_getTransactionError", hash(3)).await.unwrap(), "0x010203");
    assert_eq!(chain.call("ots_getTransactionError", hash(0)).await.unwrap(), "0x");
    let code = async |address| chain.call("ots_hasCode", json!([address, "latest"])).await.unwrap();
    assert_eq!((code(STORE).await, code(ALICE).await), (json!(true), json!(false)));
    let number = block.number();
    let page = chain.call("ots_getBlockTransactions", json!([format!("{number:#x}"), 1, 4])).await;
    let page = page.unwrap();
    assert_eq!(page["fullblock"]["transactionCount"], 6);
    assert_eq!(page["receipts"].as_array().unwrap().len(), 2);
    let first = &page["fullblock"]["transactions"][0];
    assert_eq!(first["hash"], format!("{:#x}", block.transactions[0].hash));
    assert_eq!(first["input"], "0x00000000");
}
