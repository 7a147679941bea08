//! Positional parameters of a request.

use crate::error::RpcError;
use jsonrpsee::types::Params;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// Most parameters that a request may have.
const MAX_PARAMS: usize = 64;

/// The parameters of a request, taken one after the other.
#[derive(Debug, Default)]
pub struct Args {
    values: std::vec::IntoIter<Box<RawValue>>,
    taken: usize,
}

impl Args {
    /// Reads the parameters of a request: an array, or nothing.
    ///
    /// # Errors
    /// If they are anything else.
    pub fn parse(params: &Params<'_>) -> Result<Self, RpcError> {
        Self::from_json(params.as_str())
    }

    pub(crate) fn from_json(json: Option<&str>) -> Result<Self, RpcError> {
        let json = json.map_or("null", str::trim);
        if json.is_empty() || json == "null" {
            return Ok(Self::default());
        }
        if !json.starts_with('[') {
            return Err(RpcError::params("non-array args"));
        }
        let values: Vec<Box<RawValue>> = serde_json::from_str(json)
            .map_err(|error| RpcError::Params(format!("invalid params: {error}")))?;
        if values.len() > MAX_PARAMS {
            return Err(RpcError::Params(format!("too many arguments, want at most {MAX_PARAMS}")));
        }
        Ok(Self { values: values.into_iter(), taken: 0 })
    }

    /// The next parameter, which must be there.
    ///
    /// # Errors
    /// If it is missing, null or not a `T`.
    pub fn next<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, RpcError> {
        let position = self.taken;
        self.optional(name)?.ok_or_else(|| {
            RpcError::Params(format!("missing value for required argument {position} ({name})"))
        })
    }

    /// The next parameter; `None` if it is missing or null.
    ///
    /// # Errors
    /// If it is there but not a `T`.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, RpcError> {
        let position = self.taken;
        self.taken += 1;
        let Some(json) = self.values.next() else { return Ok(None) };
        Option::<T>::deserialize(&mut serde_json::Deserializer::from_str(json.get())).map_err(
            |error| RpcError::Params(format!("invalid argument {position} ({name}): {error}")),
        )
    }

    /// The next parameter, or the default of its type.
    ///
    /// # Errors
    /// If it is there but not a `T`.
    pub fn or_default<T: DeserializeOwned + Default>(&mut self, name: &str) -> Result<T, RpcError> {
        Ok(self.optional(name)?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
