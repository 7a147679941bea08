//! Filling the page cache before it is needed.
//!
//! A page that is not in memory costs a read of the disk on another thread, tens of microseconds; the
//! reads of a block come one after the other. So a transaction that reads many entries for the first
//! time after a start could hold a block back for a second. Reading the log once, in order, takes a
//! fraction of that.

use super::{Databases, StateOp};
use commonware_codec::FixedSize as _;
use commonware_runtime::Spawner;
use commonware_storage::{
    Context as StorageContext,
    mmr::{self, Location},
    qmdb::{
        Error as QmdbError,
        sync::{Request, Response, Source as _},
    },
};
use commonware_utils::NZU64;
use std::num::NonZeroU64;

/// Operations that are read at once.
const BATCH: NonZeroU64 = NZU64!(8_192);

/// Reads the newest operations of the log, at most as many as fit three quarters of a page cache of
/// `page_cache_bytes`; the rest is for hashes and archives. Returns how many were read.
///
/// # Errors
/// If the database fails.
pub async fn warm<E: Spawner + StorageContext>(
    databases: &Databases<E>,
    page_cache_bytes: usize,
) -> Result<u64, QmdbError<mmr::Family>> {
    let room = (page_cache_bytes / 4 * 3 / StateOp::SIZE) as u64;
    let (first, end) = {
        let db = databases.read().await;
        let (first, end) = (*db.sync_boundary(), *db.bounds().end);
        (first.max(end.saturating_sub(room)), end)
    };
    let mut at = first;
    while let Some(rest) = NonZeroU64::new(end - at) {
        let size = Location::new(end);
        let start = Location::new(at);
        let request = Request::Operations { size, start, max_ops: rest.min(BATCH) };
        // Blocks are applied between the batches, if the node runs already.
        let db = databases.read().await;
        let (Response::Operations { operations, .. }, _) = db.serve(request).await? else { break };
        if operations.is_empty() {
            break;
        }
        at += operations.len() as u64;
    }
    Ok(at - first)
}
