use crate::debug::testing::{ALICE, BOB, LOOP, PASS, REVERT, STORE, TestChain, word};
use serde_json::{Value, json};

const SLOT: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";
/// Returns slot 0.
const READ: &str = "0x5f545f5260205ff3";
/// Returns the number, the hash of the parent and the base fee.
const BLOCK: &str = "0x435f52600143034060205248604052 60605ff3";

async fn simulate(chain: &TestChain, options: Value) -> Result<Value, (i64, String)> {
    chain.call("eth_simulateV1", json!([options, "latest"])).await
}

fn input(word: u64) -> String {
    format!("{word:#066x}")
}

#[tokio::test]
async fn blocks_build_on_one_another() {
    let chain = TestChain::new().await;
    let head = chain.chain.head();
    let read = json!({ STORE.to_string(): { "code": READ } });
    let code = json!({ BOB.to_string(): { "code": BLOCK.replace(' ', "") } });
    let blocks = simulate(
        &chain,
        json!({ "blockStateCalls": [
            { "calls": [{ "from": ALICE, "to": STORE, "data": input(5) }] },
            { "stateOverrides": read, "calls": [{ "to": STORE }] },
            { "stateOverrides": code, "blockOverrides": { "number": "0x5" }, "calls": [{ "to": BOB }] },
        ]}),
    )
    .await
    .unwrap();
    assert_eq!(blocks.as_array().unwrap().len(), 4, "a gap is filled");
    assert_eq!(blocks[0]["parentHash"], format!("{:#x}", head.hash));
    assert_eq!(blocks[0]["number"], "0x2");
    assert_eq!(blocks[0]["baseFeePerGas"], "0x0");
    let first = &blocks[0]["calls"][0];
    assert_eq!(first["status"], "0x1");
    assert_eq!(first["gasUsed"], blocks[0]["gasUsed"]);
    assert_eq!(first["logs"][0]["blockHash"], blocks[0]["hash"]);
    assert_eq!(first["logs"][0]["transactionHash"], blocks[0]["transactions"][0]);
    assert_eq!(blocks[1]["calls"][0]["returnData"], input(5));
    assert_eq!(blocks[1]["parentHash"], blocks[0]["hash"]);
    let seen = blocks[3]["calls"][0]["returnData"].as_str().unwrap();
    let parent = blocks[2]["hash"].as_str().unwrap().trim_start_matches("0x");
    assert_eq!(seen, format!("{}{parent}{}", input(5), input(0).trim_start_matches("0x")));
}

#[tokio::test]
async fn failures_are_results() {
    let chain = TestChain::new().await;
    let reason = "0x08c379a0000000000000000000000000000000000000000000000000000000000000002000000000000000000000000000000000000000000000000000000000000000026e6f000000000000000000000000000000000000000000000000000000000000";
    let calls = json!([
        { "from": ALICE, "to": REVERT, "data": reason },
        { "from": ALICE, "to": LOOP, "gas": "0x186a0" },
        { "from": ALICE, "to": STORE, "data": input(1) },
    ]);
    let blocks =
        simulate(&chain, json!({ "blockStateCalls": [{ "calls": calls }] })).await.unwrap();
    let results = &blocks[0]["calls"];
    assert_eq!(results[0]["status"], "0x0");
    assert_eq!(results[0]["error"]["code"], 3);
    assert_eq!(results[0]["error"]["message"], "execution reverted: no");
    assert_eq!(results[0]["error"]["data"], reason);
    assert_eq!(results[1]["error"]["code"], -32_015);
    assert_eq!(results[1]["error"]["message"], "out of gas");
    assert_eq!(results[1]["gasUsed"], "0x186a0");
    assert_eq!(results[2]["status"], "0x1");
    assert_eq!(results[2]["logs"][0]["transactionIndex"], "0x2");
}

#[tokio::test]
async fn transfers_of_ether_as_logs() {
    let chain = TestChain::new().await;
    let call = |target| json!({ "from": ALICE, "to": PASS, "value": "0x9", "data": word(target) });
    let calls = json!([call(BOB), call(REVERT)]);
    let options = json!({ "blockStateCalls": [{ "calls": calls }], "traceTransfers": true });
    let blocks = simulate(&chain, options).await.unwrap();
    let logs = blocks[0]["calls"][0]["logs"].as_array().unwrap();
    assert_eq!(logs.len(), 2, "into the contract and out of it");
    for (log, index) in logs.iter().zip(["0x0", "0x1"]) {
        assert_eq!(log["address"], "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
        assert_eq!(log["data"], input(9));
        assert_eq!(log["logIndex"], index);
    }
    assert!(logs[1]["topics"][2].as_str().unwrap().ends_with(&format!("{BOB:x}")));
    let logs = blocks[0]["calls"][1]["logs"].as_array().unwrap();
    assert_eq!(logs.len(), 1, "the inner transfer was undone");
    assert_eq!(logs[0]["logIndex"], "0x2");
    assert_eq!(
        blocks[0]["logsBloom"],
        format!("0x{}", "00".repeat(256)),
        "they are not in the block"
    );
}

#[tokio::test]
async fn transactions_in_full() {
    let chain = TestChain::new().await;
    let calls = json!([{ "from": ALICE, "to": BOB, "value": "0x1" }, { "from": ALICE, "to": BOB, "gasPrice": "0x1" }]);
    let options =
        json!({ "blockStateCalls": [{ "calls": calls }], "returnFullTransactions": true });
    let blocks = simulate(&chain, options).await.unwrap();
    let txs = &blocks[0]["transactions"];
    assert_eq!((&txs[0]["type"], &txs[0]["nonce"]), (&json!("0x2"), &json!("0x0")));
    assert_eq!((&txs[1]["type"], &txs[1]["nonce"]), (&json!("0x0"), &json!("0x1")));
    assert_eq!(txs[0]["from"], format!("{ALICE:?}").to_lowercase());
    assert_eq!(txs[0]["blockHash"], blocks[0]["hash"]);
}

#[tokio::test]
async fn invalid_simulations_have_their_codes() {
    let chain = TestChain::new().await;
    let one = |call: Value| json!({ "blockStateCalls": [{ "calls": [call] }] });
    let checked =
        |call: Value| json!({ "blockStateCalls": [{ "calls": [call] }], "validation": true });
    let fee = "0x2540be400";
    let rows = [
        (json!({ "blockStateCalls": [] }), -32_602),
        (
            checked(json!({ "from": ALICE, "to": BOB, "nonce": "0x7", "maxFeePerGas": fee })),
            -38_011,
        ),
        (checked(json!({ "from": ALICE, "to": BOB })), -38_012),
        (one(json!({ "from": ALICE, "to": BOB, "gas": "0x1" })), -38_013),
        (one(json!({ "from": BOB, "to": ALICE, "value": "0x1" })), -38_014),
        (one(json!({ "from": ALICE, "to": BOB, "gas": "0xffffffffff" })), -38_015),
        (json!({ "blockStateCalls": [{ "blockOverrides": { "number": "0x1" } }] }), -38_020),
        (json!({ "blockStateCalls": [{ "blockOverrides": { "time": "0x1" } }] }), -38_021),
        (json!({ "blockStateCalls": [{ "blockOverrides": { "number": "0x999" } }] }), -38_026),
        (json!({ "blockStateCalls": [{ "calls": 5 }] }), -32_602),
    ];
    for (options, code) in rows {
        let (found, message) = simulate(&chain, options.clone()).await.unwrap_err();
        assert_eq!(found, code, "{options}: {message}");
    }
    let paid = json!({ "from": ALICE, "to": BOB, "nonce": "0x0", "maxFeePerGas": fee });
    let blocks = simulate(&chain, checked(paid)).await.unwrap();
    assert_eq!(blocks[0]["calls"][0]["status"], "0x1");
    let expected = format!("{:#x}", chain.chain.next_base_fee());
    assert_eq!(blocks[0]["baseFeePerGas"], expected);
}

#[tokio::test]
async fn overrides_last_for_later_blocks() {
    let chain = TestChain::new().await;
    let rich = json!({ BOB.to_string(): { "balance": "0x64" } });
    let state = json!({ STORE.to_string(): { "code": READ, "state": { SLOT: input(8) } } });
    let pay = json!({ "from": BOB, "to": ALICE, "value": "0x32" });
    let blocks = json!([
        { "stateOverrides": rich, "calls": [pay] },
        { "stateOverrides": state, "calls": [pay, { "to": STORE }] },
    ]);
    let blocks = simulate(&chain, json!({ "blockStateCalls": blocks })).await.unwrap();
    assert_eq!(blocks[1]["calls"][0]["status"], "0x1");
    assert_eq!(blocks[1]["calls"][1]["returnData"], input(8));
}
