//! A small JSON-RPC client over HTTP, for commands that ask a running node.

use crate::output::{Done, ExitCode, Failure};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{io::Read, time::Duration};

/// Where a node that was started with the defaults answers.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8545";

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// Which node to ask.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RpcArgs {
    /// JSON-RPC endpoint of a node (http only)
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL, env = "CAIRN_RPC", hide_env_values = true)]
    pub(crate) rpc: String,
}

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nothing answered.
    #[error("no node answers at {url}: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// Something answered, but not JSON-RPC.
    #[error("{url} answered {method} with something that is not a JSON-RPC result: {reason}")]
    Malformed {
        /// Where.
        url: String,
        /// Which method.
        method: String,
        /// What is wrong.
        reason: String,
    },
    /// The node refused.
    #[error("{method} failed with code {code}: {message}")]
    Refused {
        /// Which method.
        method: String,
        /// JSON-RPC error code.
        code: i64,
        /// The node's message.
        message: String,
    },
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let failure = Self::new(ExitCode::Rpc, &error);
        match error {
            CallError::Unreachable { .. } => {
                failure.next("start one with `cairn up`, or name another with --rpc URL")
            }
            CallError::Malformed { .. } => failure.next("check that --rpc names a Cairn node"),
            CallError::Refused { .. } => failure,
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    result: Option<Value>,
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
    message: String,
}

/// A client of one node.
#[derive(Debug)]
pub(crate) struct RpcClient {
    url: String,
    http: reqwest::blocking::Client,
}

impl RpcClient {
    /// A client for `url`. Nothing is sent yet.
    pub(crate) fn new(url: &str) -> Done<Self> {
        if !url.starts_with("http://") {
            let next = "give a URL such as http://127.0.0.1:8545 (https: through a local proxy)";
            return Err(
                Failure::new(ExitCode::Usage, format!("`{url}` is not an http:// URL")).next(next)
            );
        }
        let http = reqwest::blocking::Client::builder().timeout(TIMEOUT).no_proxy().build();
        let http = http.map_err(|error| Failure::new(ExitCode::Failed, error))?;
        Ok(Self { url: url.to_owned(), http })
    }

    /// Calls a method and reads its result; a result of `null` reads as `None` of an `Option`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &Value,
    ) -> Result<T, CallError> {
        let malformed = |reason: String| CallError::Malformed {
            url: self.url.clone(),
            method: method.to_owned(),
            reason,
        };
        let bytes =
            self.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))?;
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|e| malformed(e.to_string()))?;
        if let Some(ErrorObject { code, message }) = answer.error {
            return Err(CallError::Refused { method: method.to_owned(), code, message });
        }
        serde_json::from_value(answer.result.unwrap_or_default())
            .map_err(|e| malformed(e.to_string()))
    }

    /// Calls a method whose result is a quantity (`"0x…"`).
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) fn quantity(&self, method: &str, params: &Value) -> Result<u64, CallError> {
        let quantity: alloy_primitives::U64 = self.call(method, params)?;
        Ok(quantity.to())
    }

    /// Sends a request body as it is, such as a batch, and returns the answer's bytes.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) fn post_raw(&self, body: String) -> Result<Vec<u8>, CallError> {
        self.send(body)
    }

    fn post(&self, body: &Value) -> Result<Vec<u8>, CallError> {
        self.send(body.to_string())
    }

    fn send(&self, body: String) -> Result<Vec<u8>, CallError> {
        let unreachable = |reason: String| CallError::Unreachable { url: self.url.clone(), reason };
        let request = self.http.post(&self.url).header("content-type", "application/json");
        let response = request.body(body).send();
        let response = response.map_err(|error| unreachable(root_cause(&error)))?;
        let mut bytes = Vec::new();
        response
            .take(MAX_ANSWER_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| unreachable(error.to_string()))?;
        Ok(bytes)
    }
}

/// The innermost error: `reqwest` wraps "connection refused" three times.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
