//! Bodies of HTTP requests that cannot be JSON-RPC, and what they are answered.

use crate::batch::is_id;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Code of a body that is not JSON.
pub(crate) const PARSE_ERROR: i32 = -32_700;
/// Code of JSON that is not a request.
pub(crate) const INVALID_REQUEST: i32 = -32_600;
/// Code of a body that is too long.
pub(crate) const TOO_LARGE: i32 = -32_007;

/// What every request has, as far as it matters to tell one from other JSON.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
}

/// Checks that a body may be a request or a batch; everything more the dispatcher judges.
///
/// # Errors
/// The answer's JSON.
pub(crate) fn check(body: &[u8]) -> Result<(), String> {
    let parse_error = || Err(failure("null", PARSE_ERROR, "Parse error"));
    let invalid = |id: &str| Err(failure(id, INVALID_REQUEST, "Invalid request"));
    let Ok(json) = serde_json::from_slice::<&RawValue>(body) else { return parse_error() };
    match json.get().as_bytes().first() {
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(json.get()) {
            Ok(requests) if requests.is_empty() => invalid("null"),
            Ok(_) => Ok(()),
            Err(_) => parse_error(),
        },
        Some(b'{') => match serde_json::from_str::<Shape<'_>>(json.get()) {
            Ok(shape) if shape.method.is_some_and(|method| method.get().starts_with('"')) => Ok(()),
            Ok(shape) => {
                invalid(shape.id.map(RawValue::get).filter(|id| is_id(id)).unwrap_or("null"))
            }
            Err(_) => invalid("null"),
        },
        _ => invalid("null"),
    }
}

/// The JSON of an error; `id` is JSON.
pub(crate) fn failure(id: &str, code: i32, text: &str) -> String {
    let text = serde_json::Value::from(text);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{text}}}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_bodies_get_the_code_of_the_specification() {
        let bodies = [
            ("", Some(PARSE_ERROR)),
            ("{", Some(PARSE_ERROR)),
            ("nonsense", Some(PARSE_ERROR)),
            ("[{}", Some(PARSE_ERROR)),
            ("[]", Some(INVALID_REQUEST)),
            ("{}", Some(INVALID_REQUEST)),
            ("5", Some(INVALID_REQUEST)),
            (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, Some(INVALID_REQUEST)),
            (r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#, None),
            (r#" [{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}, 1]"#, None),
        ];
        for (body, code) in bodies {
            let answered = check(body.as_bytes()).err().map(|answer| {
                serde_json::from_str::<serde_json::Value>(&answer).unwrap()["error"]["code"].clone()
            });
            assert_eq!(answered, code.map(serde_json::Value::from), "{body}");
        }
    }
}
