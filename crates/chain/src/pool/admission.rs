//! The way of a transaction into the pool.
//!
//! ```text
//! bytes ─ screen (size, known) ─ decode and recover (parallel) ─ check ─ read accounts ─ insert
//! ```
//!
//! Accounts are read without the lock, so a block may come in between: what was read for an older
//! head is read again before it is believed.

use super::{
    MAX_READS, Origin, Pool, PoolError, book::Admitted, check, config::BATCH, metrics::add,
    queue::Funds, senders,
};
use alloy_primitives::{
    Address, B256, Bytes, keccak256,
    map::{AddressHashMap, AddressHashSet},
};
use cairn_evm::{RecoveredTx, StateView};
use cairn_primitives::state::{Account, StateKey};
use std::{sync::Arc, task::Poll};

impl Pool {
    /// Takes one transaction in.
    ///
    /// # Errors
    /// See [`PoolError`].
    pub async fn submit(
        &self,
        state: &dyn StateView,
        encoded: Bytes,
        origin: Origin,
    ) -> Result<Arc<RecoveredTx>, PoolError> {
        let results = self.submit_many(state, vec![encoded], origin).await;
        results.into_iter().next().expect("one result for each transaction")
    }

    /// Takes transactions in; signatures are recovered on all threads. Results are in the order of
    /// `encoded`.
    pub async fn submit_many(
        &self,
        state: &dyn StateView,
        encoded: Vec<Bytes>,
        origin: Origin,
    ) -> Vec<Result<Arc<RecoveredTx>, PoolError>> {
        let mut results = Vec::with_capacity(encoded.len());
        let mut encoded = encoded.into_iter().peekable();
        while encoded.peek().is_some() {
            let batch = self.decode(encoded.by_ref().take(BATCH).collect());
            results.extend(self.admit(state, batch, origin).await);
            if encoded.peek().is_some() {
                yield_now().await;
            }
        }
        results
    }

    /// Decodes and checks everything that needs no account.
    fn decode(&self, encoded: Vec<Bytes>) -> Vec<Result<Arc<RecoveredTx>, PoolError>> {
        let pool = &*self.0;
        let mut results = self.screen(&encoded);
        let passed =
            encoded.into_iter().zip(&results).filter_map(|(tx, r)| Some((tx, *r.as_ref().ok()?)));
        let decoded = senders::decode_all(passed.collect(), pool.chain_id, &pool.metrics);
        let mut decoded = decoded.into_iter();
        let judge = |screened: Result<B256, PoolError>| {
            screened?;
            let tx = decoded.next().expect("one for each that passed")?;
            check::check(&tx, &pool.rules)?;
            Ok(tx)
        };
        results.drain(..).map(judge).collect()
    }

    /// Refuses what is too long or in the pool already, and hashes the rest.
    fn screen(&self, encoded: &[Bytes]) -> Vec<Result<B256, PoolError>> {
        let hash = |tx: &Bytes| {
            check::check_size(tx.len(), &self.0.rules)?;
            Ok(keccak256(tx))
        };
        let mut hashes: Vec<Result<B256, PoolError>> = encoded.iter().map(hash).collect();
        let book = self.0.book.lock();
        for result in &mut hashes {
            if result.as_ref().is_ok_and(|hash| book.get(hash).is_some()) {
                *result = Err(PoolError::AlreadyKnown);
            }
        }
        hashes
    }

    /// Judges transactions by their senders' accounts and takes in what passes.
    async fn admit(
        &self,
        state: &dyn StateView,
        batch: Vec<Result<Arc<RecoveredTx>, PoolError>>,
        origin: Origin,
    ) -> Vec<Result<Arc<RecoveredTx>, PoolError>> {
        let mut admission = Admission { results: batch, open: Vec::new(), origin };
        admission.open = (0..admission.results.len()).collect();
        admission.open.retain(|i| admission.results[*i].is_ok());
        for _ in 0..MAX_READS {
            if admission.open.is_empty() {
                break;
            }
            let (head, senders) = self.strangers(&admission);
            match read_funds(state, senders).await {
                Ok(funds) => self.insert(&mut admission, head, &funds),
                Err(error) => admission.fail(&error),
            }
        }
        admission.fail(&PoolError::State("blocks came too fast; try again".into()));
        add(&self.0.metrics.refused_total, admission.results.iter().filter(|r| r.is_err()).count());
        admission.results
    }

    /// Senders whose accounts have to be read, and the number of the head now.
    fn strangers(&self, admission: &Admission) -> (u64, Vec<Address>) {
        let book = self.0.book.lock();
        let senders = admission.transactions().map(|(_, tx)| tx.sender);
        let senders: AddressHashSet = senders.filter(|s| book.needs_funds(s)).collect();
        (book.head(), senders.into_iter().collect())
    }

    /// Takes in what can be judged now; what needs an account that is not in `funds`, read when the
    /// head had number `head`, stays open.
    fn insert(&self, admission: &mut Admission, head: u64, funds: &AddressHashMap<Funds>) {
        let pool = &*self.0;
        let mut accepted = Vec::new();
        let mut total = Admitted::default();
        let mut book = pool.book.lock();
        let current = book.head() == head;
        let open = std::mem::take(&mut admission.open);
        for i in open {
            let Ok(tx) = &admission.results[i] else { continue };
            let needed = book.needs_funds(&tx.sender);
            let funds = funds.get(&tx.sender).filter(|_| needed).copied();
            if needed && (funds.is_none() || !current) {
                admission.open.push(i);
                continue;
            }
            match book.insert(tx.clone(), funds, admission.origin == Origin::Local) {
                Ok(done) => {
                    accepted.push(tx.encoded.clone());
                    total.executable.extend(done.executable);
                    total.replaced += done.replaced;
                    total.evicted += done.evicted;
                }
                Err(error) => admission.results[i] = Err(error),
            }
        }
        pool.publish(&book);
        drop(book);
        add(&pool.metrics.admitted_total, accepted.len());
        add(&pool.metrics.replaced_total, total.replaced);
        add(&pool.metrics.evicted_total, total.evicted);
        if pool.announcements.receiver_count() > 0 {
            for tx in total.executable {
                // Without subscribers there is nobody to tell.
                let _ = pool.announcements.send(tx);
            }
        }
        if let (Some(journal), Origin::Local) = (pool.journal.get(), admission.origin) {
            add(&pool.metrics.journal_lost_total, journal.append(accepted));
        }
    }
}

/// A batch on its way in.
struct Admission {
    results: Vec<Result<Arc<RecoveredTx>, PoolError>>,
    /// Indices of results that are not decided yet.
    open: Vec<usize>,
    origin: Origin,
}

impl Admission {
    fn transactions(&self) -> impl Iterator<Item = (usize, &Arc<RecoveredTx>)> {
        self.open.iter().filter_map(|i| Some((*i, self.results[*i].as_ref().ok()?)))
    }

    /// Refuses everything that is not decided.
    fn fail(&mut self, error: &PoolError) {
        for i in self.open.drain(..) {
            self.results[i] = Err(error.clone());
        }
    }
}

/// Reads nonce and balance of each of `senders`.
pub(super) async fn read_funds(
    state: &dyn StateView,
    senders: Vec<Address>,
) -> Result<AddressHashMap<Funds>, PoolError> {
    let keys: Vec<StateKey> = senders.iter().map(|sender| StateKey::account(*sender)).collect();
    let values = state.get_many(&keys).await.map_err(|error| PoolError::State(error.0))?;
    let funds = values.into_iter().map(|value| {
        let account = value.map(|value| Account::decode(&value)).unwrap_or_default();
        Funds { nonce: account.nonce, balance: account.balance }
    });
    Ok(senders.into_iter().zip(funds).collect())
}

/// Lets other tasks run, on any runtime.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
