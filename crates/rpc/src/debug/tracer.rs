//! One traced run: options, inspector, result.

use super::{
    TraceError,
    budget::{Budget, DEFAULT_TIME, LONGEST_TIME, Steps},
    replay,
};
use crate::{
    Limits,
    error::RpcError,
    eth::call::{self, Call},
};
use alloy_rpc_types_trace::geth::{GethDebugTracerType, GethDebugTracingOptions, GethTrace};
use cairn_chain::Sealed;
use cairn_evm::{
    BlockEnv, StateDb, StateError, evm_with,
    revm::{
        Database as _, DatabaseCommit as _, DatabaseRef, InspectEvm as _,
        bytecode::Bytecode,
        primitives::{Address, B256, U256},
        state::AccountInfo,
    },
};
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError, TransactionContext};
use serde_json::value::RawValue;
use std::{cell::RefCell, time::Duration};

/// The traces of one request.
#[derive(Debug)]
pub(crate) struct Traces {
    inspector: DebugInspector,
    budget: Budget,
    /// Bytes that the answer may still have.
    room: usize,
}

impl Traces {
    /// Checks the options of a request.
    pub(crate) fn new(
        options: GethDebugTracingOptions,
        limits: &Limits,
    ) -> Result<Self, TraceError> {
        let time = match &options.timeout {
            Some(text) => duration(text)?.min(LONGEST_TIME),
            None => DEFAULT_TIME,
        };
        let name = options.tracer.as_ref().map(|tracer| tracer.as_str().to_owned());
        let name = name.filter(|name| !name.is_empty());
        let by_name = |name: &Option<String>| TraceError::Tracer(name.clone().unwrap_or_default());
        if matches!(&options.tracer, Some(GethDebugTracerType::JsTracer(code)) if !code.is_empty())
        {
            return Err(by_name(&name));
        }
        let config = options.config;
        let muxed = name.as_deref() == Some("muxTracer");
        let steps = Steps {
            on: name.is_none() || muxed,
            stack: config.is_stack_enabled(),
            memory: config.is_memory_enabled(),
            limit: config.limit.unwrap_or_default(),
        };
        let inspector = DebugInspector::new(options).map_err(|error| match error {
            DebugInspectorError::InvalidTracerConfig => {
                TraceError::Config(format!("see the options of {}", name.as_deref().unwrap_or("")))
            }
            DebugInspectorError::MuxInspector(error) => TraceError::Config(error.to_string()),
            _ => by_name(&name),
        })?;
        let room = usize::try_from(limits.response_bytes).unwrap_or(usize::MAX);
        Ok(Self { inspector, budget: Budget::new(steps, time), room })
    }

    /// Traces transaction `index` of `block`, in the state that it found, and keeps what it did.
    pub(crate) fn transaction(
        &mut self,
        env: &BlockEnv,
        db: &mut StateDb<'_>,
        block: &Sealed,
        index: usize,
    ) -> Result<Box<RawValue>, TraceError> {
        let tx = &block.transactions[index];
        self.begin()?;
        let mut evm = evm_with(env, &mut *db, (self.budget, &mut self.inspector));
        let ran = evm.inspect_tx(tx.tx_env());
        let (block_env, (budget, _)) = (evm.ctx.block, evm.inspector);
        self.budget = budget;
        self.budget.check()?;
        let ran = ran.map_err(|error| replay::unrepeatable(block, index, error))?;
        replay::check(block, index, &ran)?;
        let place = TransactionContext::default()
            .with_block_hash(block.hash)
            .with_tx_index(index)
            .with_tx_hash(tx.hash);
        let peek = &mut Peek(RefCell::new(&mut *db));
        let trace = self.inspector.get_result(Some(place), &tx.tx_env(), &block_env, &ran, peek);
        let trace = self.encode(trace)?;
        db.commit(ran.state);
        Ok(trace)
    }

    /// Traces a call that is no transaction, with at most `cap` gas.
    pub(crate) fn call(
        &mut self,
        env: &BlockEnv,
        db: &mut StateDb<'_>,
        call: &Call,
        cap: u64,
    ) -> Result<Box<RawValue>, TraceError> {
        self.begin()?;
        let mut env = *env;
        call.prepare(&mut env, db)?;
        let request = &call.request;
        let gas = match request.gas {
            Some(gas) => gas.min(cap),
            None => cap.min(call::allowance(db, request)?),
        };
        let tx = call::tx_env(request, &env, gas);
        let mut evm = evm_with(&env, &mut *db, (self.budget, &mut self.inspector));
        call::relax(&mut evm.ctx.cfg, tx.gas_price);
        let ran = evm.inspect_tx(tx.clone());
        let (block_env, (budget, _)) = (evm.ctx.block, evm.inspector);
        self.budget = budget;
        self.budget.check()?;
        let ran = call::outcome(ran)?.map_err(|reason| call::invalid(&reason))?;
        let peek = &mut Peek(RefCell::new(&mut *db));
        let trace = self.inspector.get_result(None, &tx, &block_env, &ran, peek);
        self.encode(trace)
    }

    fn begin(&mut self) -> Result<(), TraceError> {
        self.budget.next_transaction();
        let fused = self.inspector.fuse();
        fused.map_err(|error| TraceError::Config(error.to_string()))
    }

    fn encode(
        &mut self,
        trace: Result<GethTrace, DebugInspectorError<StateError>>,
    ) -> Result<Box<RawValue>, TraceError> {
        let internal = |text: String| TraceError::Rpc(RpcError::Internal(text));
        let trace = trace.map_err(|error| internal(error.to_string()))?;
        let json = serde_json::value::to_raw_value(&trace)
            .map_err(|error| internal(format!("the trace cannot be encoded: {error}")))?;
        let left = self.room.checked_sub(json.get().len());
        self.room = left.ok_or(TraceError::Large { max: self.room })?;
        Ok(json)
    }
}

/// Go's notation of durations, as far as it makes sense here: `500ms`, `5s`, `1m`.
fn duration(text: &str) -> Result<Duration, TraceError> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000)];
    let parsed = units.iter().find_map(|(unit, ms)| {
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(Duration::from_millis(count.checked_mul(*ms)?))
    });
    parsed.ok_or_else(|| TraceError::Timeout(text.into()))
}

/// Reads the state through a shared reference, as tracers want it.
struct Peek<'d, 'p>(RefCell<&'d mut StateDb<'p>>);

impl DatabaseRef for Peek<'_, '_> {
    type Error = StateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        self.0.borrow_mut().basic(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, StateError> {
        self.0.borrow_mut().code_by_hash(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.0.borrow_mut().storage(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateError> {
        self.0.borrow_mut().block_hash(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("5s").unwrap(), Duration::from_secs(5));
        assert_eq!(duration("2m").unwrap(), Duration::from_secs(120));
        for bad in ["", "5", "s", "-1s", "1h", "99999999999999999999s"] {
            assert_eq!(duration(bad), Err(TraceError::Timeout(bad.into())), "{bad}");
        }
    }
}
