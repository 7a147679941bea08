//! What a trace may record and how long it may run.
//!
//! Tracers keep every step in memory until the run ends. This inspector runs beside one, estimates
//! what it keeps, and stops the EVM when that is too much or the time is up.

use super::TraceError;
use cairn_evm::revm::{
    Inspector,
    context_interface::{ContextError, ContextTr},
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter,
        interpreter_types::LoopControl as _,
    },
    primitives::Log,
};
use std::time::{Duration, Instant};

/// Most bytes that all records of a request may take in memory.
pub(crate) const RECORDED_BYTES: usize = 128 << 20;
/// Longest time of a request that names none.
pub(crate) const DEFAULT_TIME: Duration = Duration::from_secs(10);
/// Longest time that a request may name.
pub(crate) const LONGEST_TIME: Duration = Duration::from_secs(60);

/// A step without stack and memory.
const STEP: usize = 256;
/// A call or creation without its input; a log without its data.
const FRAME: usize = 1024;
/// The clock is read once in so many steps.
const CLOCK_STEPS: u64 = 1024;

/// Which limit was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exceeded {
    Bytes,
    Time,
}

/// What is recorded for every step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steps {
    /// Whether steps are recorded at all.
    pub on: bool,
    /// Whether the stack is.
    pub stack: bool,
    /// Whether the memory is.
    pub memory: bool,
    /// Steps that are recorded at most; 0: all.
    pub limit: u64,
}

/// The inspector. One serves all transactions of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    steps: Steps,
    count: u64,
    recorded: usize,
    time: Duration,
    end: Instant,
    exceeded: Option<Exceeded>,
}

impl Default for Budget {
    /// For runs that record no steps.
    fn default() -> Self {
        Self::new(Steps::default(), DEFAULT_TIME)
    }
}

impl Budget {
    /// A budget that runs out `time` from now, or after [`RECORDED_BYTES`].
    pub(crate) fn new(steps: Steps, time: Duration) -> Self {
        Self { steps, count: 0, recorded: 0, time, end: Instant::now() + time, exceeded: None }
    }

    /// To be called after each run: whether it was stopped.
    pub(crate) const fn check(&self) -> Result<(), TraceError> {
        match self.exceeded {
            None => Ok(()),
            Some(Exceeded::Bytes) => Err(TraceError::Large { max: RECORDED_BYTES }),
            Some(Exceeded::Time) => Err(TraceError::Slow(self.time)),
        }
    }

    /// Begins with the next transaction.
    pub(crate) const fn next_transaction(&mut self) {
        self.count = 0;
    }

    fn record(&mut self, bytes: usize) {
        self.recorded = self.recorded.saturating_add(bytes);
        if self.recorded > RECORDED_BYTES {
            self.exceeded.get_or_insert(Exceeded::Bytes);
        }
    }

    fn check_time(&mut self) {
        if Instant::now() > self.end {
            self.exceeded.get_or_insert(Exceeded::Time);
        }
    }

    /// Lets the EVM fail if a limit is exceeded. The text is not shown.
    fn stop(&self, context: &mut impl ContextTr) {
        if self.exceeded.is_some() && context.error().is_ok() {
            *context.error() = Err(ContextError::Custom("trace limit".into()));
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Budget {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.count += 1;
        if self.count.is_multiple_of(CLOCK_STEPS) {
            self.check_time();
        }
        let Steps { on, stack, memory, limit } = self.steps;
        if on && (limit == 0 || self.count <= limit) {
            let stack = if stack { 32 * interpreter.stack.len() } else { 0 };
            let memory = if memory { interpreter.memory.len() } else { 0 };
            self.record(STEP + stack + memory);
        }
        if self.exceeded.is_some() {
            self.stop(context);
            interpreter.bytecode.reset_action();
            interpreter.halt_fatal();
        }
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.record(FRAME + log.data.data.len());
        self.stop(context);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.check_time();
        self.record(FRAME + inputs.input.len());
        self.stop(context);
        None
    }

    fn call_end(&mut self, context: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.record(outcome.result.output.len());
        self.stop(context);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.check_time();
        self.record(FRAME + inputs.init_code().len());
        self.stop(context);
        None
    }

    fn create_end(&mut self, context: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.record(outcome.result.output.len());
        self.stop(context);
    }
}
