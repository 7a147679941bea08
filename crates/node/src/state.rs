//! The authenticated state in QMDB: the only module that knows this database. All others see
//! [`StateView`] and [`StateStore`].
//!
//! One `current::ordered::fixed` database holds every entry of
//! [`cairn_primitives::state`]. Its canonical root is a block's `stateRoot`; the root and range of
//! its operations log ride in the block's consensus data, for state sync.
//!
//! ```text
//! parent state ─ Batch ── BatchView (reads) ── evm ── changes ── seal() ─ Sealed ─ apply (glue)
//! applied state ─ LiveState ── reads for RPC, proofs, pieces for an export
//! pieces ── rebuild() ── the same state in another directory
//! ```

mod pieces;
mod warm;

pub use pieces::{PIECE_OPS, Piece, PieceReader, RebuildError, first_operation, pieces, rebuild};
pub use warm::warm;

use alloy_primitives::B256;
use bytes::Bytes;
use cairn_chain::chain::{ProofError, StateProof};
use cairn_evm::{Change, CodeCache, StateError, StateView};
use cairn_primitives::state::{KEY_BYTES, StateKey, StateValue, VALUE_BYTES};
use commonware_cryptography::{Sha256, sha256};
use commonware_glue::stateful::db::{DatabaseSet, Merkleized as _, Shared, Unmerkleized as _};
use commonware_parallel::Sequential;
use commonware_runtime::{Spawner, buffer::paged::CacheRef};
use commonware_storage::{
    Context as StorageContext,
    journal::contiguous::fixed::Config as LogConfig,
    mmr::{self, Location, full::Config as MmrConfig},
    qmdb::{
        Error as QmdbError,
        current::{FixedConfig, ordered::fixed},
        sync::{self, Target},
    },
    translator::EightCap,
};
use commonware_utils::{
    NZU64, NZUsize, non_empty_range, range::NonEmptyRange, sequence::FixedBytes,
};
use futures::future::BoxFuture;
use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicBool, Ordering},
};

/// Bytes of activity bitmap under each leaf of the canonical tree.
const CHUNK: usize = 32;

/// Key in the database.
pub type Key = sha256::Digest;
/// Value in the database.
pub type Value = FixedBytes<VALUE_BYTES>;
/// The database.
pub type StateDb<E> = fixed::Db<mmr::Family, E, Key, Value, Sha256, EightCap, CHUNK, Sequential>;
/// One operation of its log.
pub type StateOp =
    commonware_storage::qmdb::any::ordered::fixed::Operation<mmr::Family, Key, Value>;
/// The database as glue manages it.
pub type Databases<E> = Shared<StateDb<E>>;
/// Writes on top of a parent state, not yet hashed.
pub type Batch<E> = <Databases<E> as DatabaseSet<E>>::Unmerkleized;
/// Writes on top of a parent state, hashed.
pub type Sealed<E> = <Databases<E> as DatabaseSet<E>>::Merkleized;
/// Configuration of the database.
pub type DbConfig = FixedConfig<EightCap, Sequential>;
/// What state sync aims at.
pub type SyncTarget = Target<mmr::Family, sha256::Digest>;

/// Configuration of the database whose files start with `prefix`.
#[must_use]
pub fn db_config(prefix: &str, page_cache: CacheRef, buffer: NonZeroUsize) -> DbConfig {
    DbConfig {
        merkle_config: MmrConfig {
            journal_partition: format!("{prefix}-state-mmr-journal"),
            metadata_partition: format!("{prefix}-state-mmr-metadata"),
            items_per_blob: NZU64!(1 << 20),
            write_buffer: buffer,
            replay_buffer: buffer,
            strategy: Sequential,
            page_cache: page_cache.clone(),
        },
        journal_config: LogConfig {
            partition: format!("{prefix}-state-log"),
            items_per_blob: NZU64!(1 << 20),
            page_cache,
            write_buffer: buffer,
            replay_buffer: buffer,
        },
        grafted_metadata_partition: format!("{prefix}-state-grafted"),
        translator: EightCap,
        init_cache: Some(NZUsize!(1 << 16)),
        init_buffer: NZUsize!(1 << 21),
        init_concurrency: (),
    }
}

/// Commitments of a block to the state after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateCommitment {
    /// Canonical root: the header's `stateRoot`.
    pub root: B256,
    /// Root of the operations log.
    pub ops_root: B256,
    /// First operation that state sync needs.
    pub ops_start: u64,
    /// One past the last operation.
    pub ops_end: u64,
}

/// Applies `changes` to `batch` in key order and hashes the result.
///
/// # Errors
/// Returns an error if the database fails or has moved to a state that the batch does not extend.
pub async fn seal<E: Spawner + StorageContext>(
    mut batch: Batch<E>,
    changes: &[Change],
) -> Result<(Sealed<E>, StateCommitment), QmdbError<mmr::Family>> {
    for change in changes {
        batch = batch.write(key(&change.key), change.after.as_ref().map(value));
    }
    let sealed = batch.merkleize().await?;
    let bounds = sealed.bounds();
    let commitment = StateCommitment {
        root: B256::from(sealed.root().0),
        ops_root: B256::from(sealed.ops_root().0),
        ops_start: *sealed.sync_boundary(),
        ops_end: *bounds.tip.size,
    };
    Ok((sealed, commitment))
}

/// The sync target that a block commits to; `None` if its range is empty.
#[must_use]
pub fn sync_target(ops_root: B256, start: u64, end: u64) -> Option<SyncTarget> {
    if start >= end {
        return None;
    }
    let range: NonEmptyRange<Location> = non_empty_range!(Location::new(start), Location::new(end));
    Some(Target::new(sha256::Digest::from(ops_root.0), range))
}

fn key(key: &StateKey) -> Key {
    sha256::Digest::from(key.0)
}

fn value(value: &StateValue) -> Value {
    FixedBytes::new(value.0)
}

fn from_value(value: &Value) -> StateValue {
    let mut bytes = [0; VALUE_BYTES];
    bytes.copy_from_slice(value.as_ref());
    StateValue(bytes)
}

/// Whether the failure only says that another branch was finalized meanwhile.
#[must_use]
pub const fn is_stale(error: &QmdbError<mmr::Family>) -> bool {
    matches!(error, QmdbError::StaleRead | QmdbError::StaleBatch)
}

/// Reads of the state that a block builds on.
pub struct BatchView<'a, E: Spawner + StorageContext> {
    batch: &'a Batch<E>,
    codes: &'a CodeCache,
    stale: AtomicBool,
}

impl<E: Spawner + StorageContext> std::fmt::Debug for BatchView<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchView").finish_non_exhaustive()
    }
}

impl<'a, E: Spawner + StorageContext> BatchView<'a, E> {
    /// Reads through `batch`; contract code is kept in `codes`.
    #[must_use]
    pub const fn new(batch: &'a Batch<E>, codes: &'a CodeCache) -> Self {
        Self { batch, codes, stale: AtomicBool::new(false) }
    }

    /// Whether a read failed because another branch was finalized.
    #[must_use]
    pub fn stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    fn failed(&self, error: &QmdbError<mmr::Family>) -> StateError {
        if is_stale(error) {
            self.stale.store(true, Ordering::Relaxed);
        }
        StateError(error.to_string())
    }
}

impl<E: Spawner + StorageContext> StateView for BatchView<'_, E> {
    fn get<'a>(
        &'a self,
        wanted: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        Box::pin(async move {
            let found = self.batch.get(&key(wanted)).await.map_err(|e| self.failed(&e))?;
            Ok(found.as_ref().map(from_value))
        })
    }

    fn get_many<'a>(
        &'a self,
        wanted: &'a [StateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<StateValue>>, StateError>> {
        Box::pin(async move {
            let keys: Vec<Key> = wanted.iter().map(key).collect();
            let keys: Vec<&Key> = keys.iter().collect();
            let found = self.batch.get_many(&keys).await.map_err(|e| self.failed(&e))?;
            Ok(found.iter().map(|v| v.as_ref().map(from_value)).collect())
        })
    }

    fn code_cache(&self) -> Option<&CodeCache> {
        Some(self.codes)
    }
}

/// Reads and proofs of the last applied state.
pub struct LiveState<E: Spawner + StorageContext> {
    databases: Databases<E>,
    codes: CodeCache,
}

impl<E: Spawner + StorageContext> std::fmt::Debug for LiveState<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveState").finish_non_exhaustive()
    }
}

impl<E: Spawner + StorageContext> LiveState<E> {
    /// Reads `databases`.
    #[must_use]
    pub fn new(databases: Databases<E>) -> Self {
        Self { databases, codes: CodeCache::default() }
    }
}

impl<E: Spawner + StorageContext + Sync> StateView for LiveState<E> {
    fn get<'a>(
        &'a self,
        wanted: &'a StateKey,
    ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        Box::pin(async move {
            let db = self.databases.read().await;
            let found = db.get(&key(wanted)).await.map_err(|e| StateError(e.to_string()))?;
            Ok(found.as_ref().map(from_value))
        })
    }

    fn get_many<'a>(
        &'a self,
        wanted: &'a [StateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<StateValue>>, StateError>> {
        Box::pin(async move {
            let keys: Vec<Key> = wanted.iter().map(key).collect();
            let keys: Vec<&Key> = keys.iter().collect();
            let db = self.databases.read().await;
            let found = db.get_many(&keys).await.map_err(|e| StateError(e.to_string()))?;
            Ok(found.iter().map(|v| v.as_ref().map(from_value)).collect())
        })
    }

    fn code_cache(&self) -> Option<&CodeCache> {
        Some(&self.codes)
    }
}

/// What the node needs of a state database beyond reads, without the database in its type.
pub trait StateStore: StateView {
    /// Proves each of `keys` present or absent in one applied state.
    fn prove<'a>(&'a self, keys: &'a [StateKey]) -> BoxFuture<'a, Result<StateProof, ProofError>>;

    /// Commitments to the applied state.
    fn commitment(&self) -> BoxFuture<'_, StateCommitment>;

    /// One of the [`pieces`] of the state with this commitment, encoded; all of them rebuild it.
    fn piece<'a>(
        &'a self,
        of: &'a StateCommitment,
        piece: Piece,
    ) -> BoxFuture<'a, Result<Vec<u8>, StateError>>;
}

impl<E: Spawner + StorageContext + Sync> StateStore for LiveState<E> {
    fn prove<'a>(&'a self, keys: &'a [StateKey]) -> BoxFuture<'a, Result<StateProof, ProofError>> {
        Box::pin(async move {
            let failed = |error: QmdbError<mmr::Family>| ProofError::State(error.to_string());
            let db = self.databases.read().await;
            let head = db.get(&key(&StateKey::head())).await.map_err(failed)?;
            let (height, _) = head.as_ref().map_or((0, 0), |v| from_value(v).as_head());
            let mut proofs = Vec::with_capacity(keys.len());
            for wanted in keys.iter().map(key) {
                let proof = match db.get(&wanted).await.map_err(failed)? {
                    Some(found) => {
                        let proof = db.key_value_proof(wanted).await.map_err(failed)?;
                        cairn_light::encode_present(&found, &proof)
                    }
                    None => {
                        let proof = db.exclusion_proof(&wanted).await.map_err(failed)?;
                        cairn_light::encode_absent(&proof)
                    }
                };
                proofs.push(Bytes::from(proof).into());
            }
            Ok(StateProof { height, proofs })
        })
    }

    fn commitment(&self) -> BoxFuture<'_, StateCommitment> {
        Box::pin(async move { commitment(&*self.databases.read().await) })
    }

    fn piece<'a>(
        &'a self,
        of: &'a StateCommitment,
        piece: Piece,
    ) -> BoxFuture<'a, Result<Vec<u8>, StateError>> {
        Box::pin(async move {
            let db = self.databases.read().await;
            piece.read(&*db, of).await.map_err(|error| StateError(error.to_string()))
        })
    }
}

fn commitment<E: Spawner + StorageContext>(db: &StateDb<E>) -> StateCommitment {
    StateCommitment {
        root: B256::from(db.root().0),
        ops_root: B256::from(sync::Database::root(db).0),
        ops_start: *db.sync_boundary(),
        ops_end: *db.bounds().end,
    }
}

const _: () = assert!(KEY_BYTES == 32);
