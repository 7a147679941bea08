//! Synchronous code that waits for asynchronous reads: a coroutine with a stack of its own.
//!
//! ```text
//! drive(view, func)                 task's stack          fiber's stack
//!   resume(answer) ───────────────────────────────▶  func … read(request)
//!   view.get(..).await   ◀────────── request ──────  suspended
//!   resume(answer) ───────────────────────────────▶  … returns R
//! ```
//!
//! The fiber hands its *requests* out and is resumed with answers. Futures are polled only on the
//! task's own stack, so there is no ambient context, fibers may interleave on a thread, and a task may
//! move between threads while its fiber waits. (revm's `asyncdb` keeps the current fiber in a
//! thread-local, which breaks on both.)
//!
//! **Cancellation**: dropping the future answers the pending request with an error; the state
//! database then refuses every further read, so the code runs to its end and its destructors run.
//!
//! **Limits**: [`STACK_BYTES`] of stack, committed by the kernel as it is touched. The EVM keeps its
//! call frames on the heap, so the depth of calls does not use stack.
#![allow(unsafe_code)] // Two commented uses: borrowing into a coroutine, and sending it.

use crate::view::{StateError, StateView};
use cairn_primitives::state::{StateKey, StateValue};
use corosensei::{Coroutine, CoroutineResult, Yielder, stack::DefaultStack};
use std::marker::PhantomData;

/// Size of a fiber's stack in bytes.
pub const STACK_BYTES: usize = 4 << 20;

/// What a fiber waits for.
#[derive(Debug)]
pub(crate) enum Request {
    One(StateKey),
    Many(Vec<StateKey>),
}

/// What it is told; [`Answer::One`] to [`Request::One`], [`Answer::Many`] to [`Request::Many`].
#[derive(Debug)]
pub(crate) enum Answer {
    Begin,
    One(Option<StateValue>),
    Many(Vec<Option<StateValue>>),
    Failed(StateError),
}

/// The fiber's end of the line.
pub(crate) type Port = Yielder<Answer, Request>;

/// A coroutine that borrows for `'a`.
struct Fiber<'a, R> {
    coroutine: Coroutine<Answer, Request, R, DefaultStack>,
    borrows: PhantomData<&'a ()>,
}

// SAFETY: a suspended fiber may continue on another thread. What its closure captures is `Send` (a
// bound of `Fiber::new`). What lives on its stack is the EVM and the state database: they hold `Rc`s
// and cells, but those are created on the fiber, never leave it, and move with it as a whole; nothing
// on the stack refers to a thread-local or holds a lock while a read is pending.
unsafe impl<R: Send> Send for Fiber<'_, R> {}

impl<'a, R: Send> Fiber<'a, R> {
    fn new(func: impl FnOnce(&Port) -> R + Send + 'a) -> Result<Self, StateError> {
        let stack = DefaultStack::new(STACK_BYTES)
            .map_err(|error| StateError(format!("cannot allocate a fiber stack: {error}")))?;
        // A coroutine takes at most 1 KiB by value; what a caller captures may be larger.
        let func = Box::new(func);
        let body = move |port: &Port, _begin: Answer| func(port);
        // SAFETY: what `body` borrows lives for `'a`, and the fiber is tied to `'a` by its marker. It is
        // driven to its end or dropped (which ends it) within `'a`; if it is leaked instead, its stack
        // is leaked too and is never resumed.
        let coroutine = unsafe { Coroutine::with_stack_unchecked(stack, body) };
        Ok(Self { coroutine, borrows: PhantomData })
    }
}

impl<R> Drop for Fiber<'_, R> {
    fn drop(&mut self) {
        if self.coroutine.started() && !self.coroutine.done() {
            let cancelled = StateError("the work was cancelled".into());
            let _ended_or_unwound_by_coroutine_drop =
                self.coroutine.resume(Answer::Failed(cancelled));
        }
    }
}

/// Runs `func` on a fiber; answers its requests from `view`.
pub(crate) async fn drive<R: Send>(
    view: &dyn StateView,
    func: impl FnOnce(&Port) -> R + Send,
) -> Result<R, StateError> {
    let mut fiber = Fiber::new(func)?;
    let mut answer = Answer::Begin;
    loop {
        let request = match fiber.coroutine.resume(answer) {
            CoroutineResult::Return(result) => return Ok(result),
            CoroutineResult::Yield(request) => request,
        };
        let read = match request {
            Request::One(key) => view.get(&key).await.map(Answer::One),
            Request::Many(keys) => view.get_many(&keys).await.map(Answer::Many),
        };
        answer = read.unwrap_or_else(Answer::Failed);
    }
}
