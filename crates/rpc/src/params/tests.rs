use super::*;
use crate::testing::{TestChain, ask};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, U64, U256};
use proptest::prelude::*;
use serde_json::{Value, json};

fn args(json: &str) -> Args {
    Args::from_json(Some(json)).unwrap()
}

#[test]
fn nothing_null_and_an_empty_array_are_no_parameters() {
    for json in [None, Some(""), Some("null"), Some(" [] ")] {
        let mut args = Args::from_json(json).unwrap();
        assert_eq!(args.optional::<U64>("x"), Ok(None));
    }
    for json in ["{}", "5", "\"x\"", "[", "[1,]"] {
        let error = Args::from_json(Some(json)).unwrap_err();
        assert_eq!(error.code(), crate::error::INVALID_PARAMS, "{json}");
    }
}

#[test]
fn errors_name_the_argument() {
    let missing = args("[]").next::<Address>("address").unwrap_err();
    assert_eq!(missing.to_string(), "missing value for required argument 0 (address)");
    let mut two = args(r#"[null,"0x12"]"#);
    assert_eq!(two.optional::<Address>("address"), Ok(None));
    let short = two.next::<Address>("to").unwrap_err().to_string();
    assert!(short.starts_with("invalid argument 1 (to): "), "{short}");
}

#[test]
fn block_parameters() {
    let hash = B256::repeat_byte(1);
    let rows: [(Value, BlockId); 8] = [
        (json!("latest"), BlockId::latest()),
        (json!("safe"), BlockId::safe()),
        (json!("finalized"), BlockId::finalized()),
        (json!("pending"), BlockId::pending()),
        (json!("earliest"), BlockId::earliest()),
        (json!("0x10"), BlockId::number(16)),
        (json!({ "blockNumber": "0x10" }), BlockId::number(16)),
        (json!({ "blockHash": hash, "requireCanonical": true }), BlockId::hash_canonical(hash)),
    ];
    for (json, expected) in rows {
        let mut args = args(&json!([json]).to_string());
        assert_eq!(args.next::<BlockId>("block"), Ok(expected));
    }
    for bad in ["yesterday", "0xzz", "16", ""] {
        assert!(args(&json!([bad]).to_string()).next::<BlockId>("block").is_err(), "{bad}");
    }
    assert!(args(r#"["0xffffffffffffffffff"]"#).next::<BlockNumberOrTag>("block").is_err());
}

#[test]
fn storage_slots_have_at_most_32_bytes() {
    assert_eq!(args(r#"["0x0"]"#).next::<U256>("slot"), Ok(U256::ZERO));
    let long = format!("[\"0x{}\"]", "11".repeat(33));
    assert!(args(&long).next::<U256>("slot").is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(latest|pending|earliest|newHeads|logs|0x[0-9a-f]{0,66}|[a-z]{0,8})".prop_map(Value::from),
    ];
    let names = "(from|to|gas|gasPrice|maxFeePerGas|value|data|input|nonce|accessList|fromBlock|toBlock|blockHash|address|topics|balance|state|stateDiff|code|number|time)";
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_parameters_break_any_method(all in prop::collection::vec(any_json(), 0..4)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let limits = crate::Limits { sync_wait: std::time::Duration::ZERO, ..crate::Limits::default() };
            let module = TestChain::new().await.module_with(limits);
            let names: Vec<_> = module.method_names().collect();
            for name in names.into_iter().filter(|name| !name.ends_with("subscribe")) {
                if let Err(error) = ask(&module, name, Value::from(all.clone())).await {
                    let text = error["message"].as_str().unwrap();
                    assert!(!text.contains("unforeseen"), "{name} {all:?}: {text}");
                }
            }
        });
    }
}
