//! Ethereum's execution-spec state tests (EEST) on Cairn's executor.
//!
//! ```text
//! file (.jsonl, .jsonl.gz, .json, folder) ── load ── Vector ── run ── Outcome
//! ```
//!
//! Each vector is a block of one transaction on the state `pre`, through the same [`decode`] and
//! [`execute`] as any block of Cairn, with chain id 1 and without system contracts. A vector passes if
//!
//! * its transaction is rejected where an exception is expected, for the expected reason, or
//! * the state afterwards is exactly the expected one (every account and slot, nothing else), the
//!   changes are exactly the difference to `pre` in both directions, and the logs hash is right.
//!
//! Skipped are blob transactions, which Cairn refuses, and the few vectors listed in `deviations.rs`,
//! whose initial state cannot exist on Cairn (they are run, and count as passed if they do pass). Every
//! skipped vector is reported by name.
//!
//! [`decode`]: cairn_evm::RecoveredTx::decode
//! [`execute`]: cairn_evm::execute

mod deviations;
mod expect;
mod load;
mod vector;

pub use load::{LoadError, load};
pub use vector::{Account, Alloc, Env, Post, Vector};

use cairn_evm::{
    BlockEnv, BlockOutput, ExecuteError, MemoryState, RecoveredTx, SystemStep, TxError, execute,
};
use expect::{check_changes, check_logs, check_state, expected_state};
use std::{fmt, sync::Arc};

/// Type byte of a blob transaction.
const BLOB_TYPE: u8 = 3;

/// What became of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Passed,
    /// Not as expected, and how.
    Failed(String),
    /// Not run, and why.
    Skipped(&'static str),
}

/// Counts of outcomes; prints as `N passed, N failed, N skipped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Vectors that passed.
    pub passed: usize,
    /// Vectors that failed.
    pub failed: usize,
    /// Vectors that were not run.
    pub skipped: usize,
}

impl Tally {
    /// Counts one outcome.
    pub const fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// Why a transaction was not executed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    /// It is not a transaction of the chain.
    #[error(transparent)]
    Decode(#[from] TxError),
    /// It is not valid in the block.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

/// Runs one vector.
#[must_use]
pub fn run(vector: &Vector) -> Outcome {
    if vector.post.txbytes.first() == Some(&BLOB_TYPE) {
        return Outcome::Skipped("Cairn refuses blob transactions (type 3)");
    }
    match check(vector) {
        Ok(()) => Outcome::Passed,
        Err(_) if deviations::EMPTY_WITH_STORAGE.contains(&vector.id.as_str()) => {
            Outcome::Skipped(deviations::EMPTY_WITH_STORAGE_REASON)
        }
        Err(how) => Outcome::Failed(how),
    }
}

/// Runs all `vectors` on every core; outcomes come in their order.
///
/// # Panics
/// If the executor panics.
#[must_use]
pub fn run_all(vectors: &[Vector]) -> Vec<Outcome> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = vectors.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let work: Vec<_> = vectors
            .chunks(share)
            .map(|chunk| scope.spawn(|| chunk.iter().map(run).collect::<Vec<_>>()))
            .collect();
        work.into_iter()
            .flat_map(|thread| thread.join().expect("a panic of the executor fails the suite"))
            .collect()
    })
}

fn check(vector: &Vector) -> Result<(), String> {
    let env = vector.block_env()?;
    let pre = expected_state(&vector.pre);
    let result = transact(vector, &env, &pre);
    match (&vector.post.expect_exception, result) {
        (Some(expected), Ok(_)) => Err(format!("executed, although {expected} was expected")),
        (Some(expected), Err(rejection)) => {
            if vector.post.state != vector.pre {
                return Err("the vector expects a rejection to change the state".into());
            }
            expect::check_rejection(expected, &rejection)
        }
        (None, Err(rejection)) => Err(format!("rejected: {rejection}")),
        (None, Ok(output)) => {
            let mut state = pre.clone();
            state.apply(&output.changes);
            check_changes(&pre, &output.changes)?;
            check_state(vector, &state)?;
            check_logs(vector, &output)
        }
    }
}

fn transact(vector: &Vector, env: &BlockEnv, pre: &MemoryState) -> Result<BlockOutput, Rejection> {
    let tx = RecoveredTx::decode(vector.post.txbytes.clone(), env.chain_id)?;
    let (step, txs) = (SystemStep::default(), [Arc::new(tx)]);
    Ok(futures::executor::block_on(execute(env, &step, &txs, pre))?)
}
