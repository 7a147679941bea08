use super::*;
use crate::body::INVALID_REQUEST;
use crate::testing::{TestChain, address, call, sign};
use alloy_primitives::{TxKind, hex};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[test]
fn ids_of_subscriptions_are_hex_strings() {
    let SubscriptionId::Str(id) = HexIds.next_id() else { panic!("a number") };
    assert_eq!(id.len(), 34);
    assert!(hex::decode(&*id).is_ok());
}

/// Sends one HTTP request and reads the whole answer: (head, body).
async fn send(server: &Server, request: &str, body: &str) -> (String, String) {
    let mut socket = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: x\r\nOrigin: https://wallet.example\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

async fn start(limits: Limits) -> (TestChain, Server, Registry) {
    start_with(Options { limits, ..Options::default() }).await
}

async fn start_with(options: Options) -> (TestChain, Server, Registry) {
    let test = TestChain::new().await;
    let registry = Registry::default();
    let config = Config { listen: "127.0.0.1:0".parse().unwrap() };
    let server = serve_with(test.chain.clone(), config, options, registry.clone()).await.unwrap();
    (test, server, registry)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_serves_requests_health_and_metrics_to_any_origin() {
    let (_test, server, _) = start(Limits::default()).await;
    let request = r#"{"jsonrpc":"2.0","id":"a","method":"eth_chainId"}"#;
    let (head, body) = send(&server, "POST /", request).await;
    assert!(head.starts_with("http/1.1 200") && head.contains("allow-origin: *"), "{head}");
    assert_eq!(body, r#"{"jsonrpc":"2.0","id":"a","result":"0x1cbd"}"#);
    let (head, body) = send(&server, "GET /health", "").await;
    assert!(head.starts_with("http/1.1 503"), "the test chain is from the past: {head}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["status"], "stalled");
    let (_, metrics) = send(&server, "GET /metrics", "").await;
    assert!(metrics.contains("cairn_rpc_requests_total{method=\"eth_chainId\"} 1"), "{metrics}");
    let (head, _) = send(&server, "PUT /", "").await;
    assert!(head.starts_with("http/1.1 405"), "{head}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_transactions_is_answered_in_order_with_each_ones_fate() {
    let (test, server, registry) = start(Limits::default()).await;
    let transfer =
        |nonce| hex::encode_prefixed(sign(0, call(nonce, TxKind::Call(address(1)), 1, &[])));
    let raws = [transfer(0), transfer(2), transfer(0), "0x02".into(), "0xzz".into(), transfer(1)];
    let batch: Vec<Value> = raws
        .iter()
        .enumerate()
        .map(|(id, raw)| json!({ "jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction", "params": [raw] }))
        .collect();
    let (_, body) = send(&server, "POST /", &json!(batch).to_string()).await;
    let answers: Vec<Value> = serde_json::from_str(&body).unwrap();
    for (id, answer) in answers.iter().enumerate() {
        assert_eq!((&answer["id"], &answer["jsonrpc"]), (&json!(id), &json!("2.0")));
        assert_eq!(answer.get("result").is_some(), [0, 1, 5].contains(&id), "{answer}");
    }
    assert_eq!(answers[2]["error"]["message"], "already known");
    assert_eq!(answers[4]["error"]["code"], -32_602);
    assert_eq!(test.chain.pool().status(), (3, 0));
    assert!(registry.encode().contains("cairn_rpc_batched_transactions_total 6"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_batches_beyond_the_limits_are_refused() {
    let limits = Limits { body_bytes: 1_000, batch: 3, ..Limits::default() };
    let (_test, server, _) = start(limits).await;
    let (head, body) = send(&server, "POST /", &" ".repeat(1_001)).await;
    assert!(
        head.starts_with("http/1.1 413") && body.contains("at most 1000 bytes"),
        "{head} {body}"
    );
    for method in ["eth_chainId", "eth_sendRawTransaction"] {
        let one = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": ["0x01"] });
        let (_, body) = send(&server, "POST /", &json!(vec![one; 4]).to_string()).await;
        let refusal: Value = serde_json::from_str(&body).unwrap();
        assert!(refusal["error"]["message"].as_str().is_some(), "{body}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_batch_is_answered_in_order_and_counted() {
    let limits = Limits { response_bytes: 4_000, ..Limits::default() };
    let (_test, server, registry) = start(limits).await;
    let call = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": "eth_call", "params": [{ "to": address(1) }] });
    let mut batch: Vec<Value> = (0..40).map(call).collect();
    batch[7] = json!({ "jsonrpc": "2.0", "method": "eth_chainId" });
    batch[9] = json!(1);
    let (_, body) = send(&server, "POST /", &json!(batch).to_string()).await;
    let answers: Vec<Value> = serde_json::from_str(&body).unwrap();
    let ids: Vec<Option<u64>> = answers.iter().map(|answer| answer["id"].as_u64()).collect();
    let expected = (0..40).filter(|id| *id != 7).map(|id| Some(id).filter(|id| *id != 9));
    assert_eq!(ids, expected.collect::<Vec<_>>());
    assert_eq!(answers[8]["error"]["code"], INVALID_REQUEST);
    assert!(registry.encode().contains("cairn_rpc_requests_total{method=\"eth_call\"} 38"));
    let (_, body) = send(&server, "POST /", &json!(vec![call(1); 400]).to_string()).await;
    let refusal: Value = serde_json::from_str(&body).unwrap();
    assert!(refusal["error"]["message"].as_str().unwrap().contains("too large"), "{body}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_served_beside_json_rpc() {
    let pages = Router::new().fallback(|request: Request| async move {
        format!("page {} {}", request.method(), request.uri().path())
    });
    let origins = Some(vec![HeaderValue::from_static("https://cairn.example")]);
    let (_test, server, _) =
        start_with(Options { pages: Some(pages), origins, ..Options::default() }).await;
    for (request, page) in
        [("GET /", "page GET /"), ("GET /a/b", "page GET /a/b"), ("POST /a", "page POST /a")]
    {
        assert_eq!(send(&server, request, "").await.1, page);
    }
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let (head, body) = send(&server, "POST /", request).await;
    assert!(body.contains("0x1cbd") && !head.contains("allow-origin: *"), "{head}");
    assert!(send(&server, "GET /health", "").await.1.contains("stalled"));
    server.stop().await;
}
