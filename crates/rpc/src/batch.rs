//! Batches of `eth_sendRawTransaction`, which are how many transactions come in.
//!
//! A batch of nothing else goes to the pool as a whole, whose signatures are recovered on all threads;
//! answers are in the order of the requests. Whatever is unusual about a batch (another method, a
//! notification, a strange id) leaves it to the general dispatcher.

use crate::{api::Api, error::RpcError};
use alloy_primitives::{B256, Bytes, hex};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt::Write as _};

/// The only method of such a batch.
const METHOD: &str = "eth_sendRawTransaction";

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: &'a RawValue,
}

/// A batch that can go to the pool as a whole.
pub(crate) struct Batch<'a> {
    ids: Vec<&'a str>,
    transactions: Vec<Result<Bytes, String>>,
}

impl<'a> Batch<'a> {
    /// Reads a body; `None` unless it is such a batch of at most `limit` requests.
    pub(crate) fn parse(body: &'a [u8], limit: u32) -> Option<Self> {
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
            return None;
        }
        let requests: Vec<Request<'a>> = serde_json::from_slice(body).ok()?;
        let usual = |request: &Request<'_>| {
            request.jsonrpc == "2.0" && request.method == METHOD && is_id(request.id.get())
        };
        let fits = !requests.is_empty() && requests.len() as u64 <= u64::from(limit);
        if !fits || !requests.iter().all(usual) {
            return None;
        }
        let transactions = requests.iter().map(|request| transaction(request.params.get()));
        Some(Self {
            transactions: transactions.collect(),
            ids: requests.iter().map(|request| request.id.get()).collect(),
        })
    }

    /// Number of requests.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Gives the transactions to the pool and returns the answer's JSON.
    pub(crate) async fn submit(self, api: &Api) -> String {
        let good = self.transactions.iter().filter_map(|tx| tx.as_ref().ok()).cloned().collect();
        let mut results = api.chain().submit_many(good).await.into_iter();
        let mut answer = String::with_capacity(128 * self.ids.len());
        for (i, (id, tx)) in self.ids.iter().zip(&self.transactions).enumerate() {
            answer.push(if i == 0 { '[' } else { ',' });
            let result = match tx {
                Err(error) => Err(RpcError::Params(error.clone())),
                Ok(_) => match results.next() {
                    Some(result) => result.map_err(RpcError::from),
                    None => Err(RpcError::Internal("the pool gave no answer".into())),
                },
            };
            push_answer(&mut answer, id, &result);
        }
        answer.push(']');
        answer
    }
}

/// Whether this JSON is an id that comes back as it was.
pub(crate) fn is_id(json: &str) -> bool {
    json == "null" || json.starts_with('"') || json.parse::<u64>().is_ok()
}

/// The only parameter: the bytes of a transaction in hex.
fn transaction(params: &str) -> Result<Bytes, String> {
    let [hex] = serde_json::from_str::<[Cow<'_, str>; 1]>(params)
        .map_err(|error| format!("invalid argument 0 (transaction): {error}"))?;
    match hex::decode(hex.as_bytes()) {
        Ok(bytes) if hex.starts_with("0x") || hex.starts_with("0X") => Ok(bytes.into()),
        Ok(_) => Err("invalid argument 0 (transaction): hex string without 0x prefix".into()),
        Err(error) => Err(format!("invalid argument 0 (transaction): {error}")),
    }
}

fn push_answer(answer: &mut String, id: &str, result: &Result<B256, RpcError>) {
    let written = match result {
        Ok(hash) => write!(answer, r#"{{"jsonrpc":"2.0","id":{id},"result":"{hash}"}}"#),
        Err(error) => {
            let text = serde_json::Value::String(error.to_string());
            let code = error.code();
            write!(
                answer,
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{text}}}}}"#
            )
        }
    };
    written.expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::INVALID_PARAMS;
    use serde_json::{Value, json};

    fn request(id: Value, params: Value) -> Value {
        json!({ "jsonrpc": "2.0", "id": id, "method": METHOD, "params": params })
    }

    #[test]
    fn batches_of_transactions_are_taken_whole() {
        let body = json!([
            request(json!(1), json!(["0x0102"])),
            request(json!("a\"b"), json!(["0xzz"])),
            request(json!(null), json!([])),
            request(json!(4), json!(["0102"]))
        ]);
        let body = format!("\n {body}");
        let batch = Batch::parse(body.as_bytes(), 4).unwrap();
        assert_eq!(batch.ids, ["1", r#""a\"b""#, "null", "4"]);
        assert_eq!(batch.transactions[0], Ok(Bytes::from_static(&[1, 2])));
        assert!(batch.transactions[1..].iter().all(Result::is_err));
        assert!(Batch::parse(body.as_bytes(), 3).is_none(), "too long");
    }

    #[test]
    fn everything_else_is_left_to_the_dispatcher() {
        let good = request(json!(1), json!(["0x01"]));
        let mut notification = good.clone();
        notification.as_object_mut().unwrap().remove("id");
        let mut other = good.clone();
        other["method"] = json!("eth_chainId");
        let mut version = good.clone();
        version["jsonrpc"] = json!("1.0");
        let fraction = request(json!(1.5), json!(["0x01"]));
        for body in [
            json!([]),
            good.clone(),
            json!([good, notification]),
            json!([other]),
            json!([version]),
            json!([fraction]),
            json!([1]),
        ] {
            assert!(Batch::parse(body.to_string().as_bytes(), 10).is_none(), "{body}");
        }
        assert!(Batch::parse(b"[", 10).is_none() && Batch::parse(b"", 10).is_none());
    }

    #[test]
    fn answers_are_json() {
        let mut answer = String::new();
        push_answer(&mut answer, "7", &Ok(B256::repeat_byte(1)));
        let parsed: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(parsed["result"], json!(B256::repeat_byte(1)));
        let mut answer = String::new();
        push_answer(&mut answer, "\"x\"", &Err(RpcError::params("a \"quoted\"\ntext")));
        let parsed: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(parsed["id"], "x");
        assert_eq!(parsed["error"]["code"], INVALID_PARAMS);
        assert_eq!(parsed["error"]["message"], "a \"quoted\"\ntext");
    }
}
