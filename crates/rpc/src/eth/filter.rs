//! Filters that a client polls.
//!
//! A filter is a cursor: nothing is collected while nobody asks, except that the pool's announcements
//! are kept for a filter of pending transactions as long as their common buffer lasts. Filters are the
//! node's, not a connection's; one that nobody asks for [`crate::Limits::filter_idle`] is forgotten.

use crate::{
    api::{Api, Module, blocking, method},
    convert,
    error::RpcError,
    eth::logs,
    params::Args,
};
use alloy_primitives::{B256, U128};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use cairn_evm::RecoveredTx;
use parking_lot::Mutex;
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

/// Most hashes of blocks or transactions in one answer; the rest comes with the next.
const MAX_CHANGES: usize = 10_000;

pub(crate) fn register(module: &mut Module) {
    method(module, "eth_newFilter", new_filter);
    method(module, "eth_newBlockFilter", new_block_filter);
    method(module, "eth_newPendingTransactionFilter", new_pending_filter);
    method(module, "eth_getFilterChanges", changes);
    method(module, "eth_getFilterLogs", filter_logs);
    method(module, "eth_uninstallFilter", |api, mut args| async move {
        Ok(api.filters().remove(args.next("filter id")?))
    });
}

/// All filters of a node.
#[derive(Debug)]
pub(crate) struct Filters {
    entries: Mutex<HashMap<U128, Entry>>,
    max: usize,
    idle: Duration,
}

#[derive(Debug)]
struct Entry {
    /// Locked while a poll is answered, so that polls of one filter do not share changes.
    cursor: Arc<Mutex<Cursor>>,
    used: Instant,
}

#[derive(Debug)]
enum Cursor {
    Blocks { next: u64 },
    Logs { filter: Box<Filter>, next: u64 },
    Pending { receiver: Receiver<Arc<RecoveredTx>>, full: bool },
}

impl Filters {
    pub(crate) fn new(max: usize, idle: Duration) -> Self {
        Self { entries: Mutex::default(), max, idle }
    }

    fn add(&self, cursor: Cursor, now: Instant) -> Result<U128, RpcError> {
        let mut entries = self.entries.lock();
        if entries.len() >= self.max {
            entries.retain(|_, entry| now.duration_since(entry.used) < self.idle);
        }
        if entries.len() >= self.max {
            return Err(RpcError::Refused(format!("too many filters (max {})", self.max)));
        }
        let id = U128::from(rand::random::<u128>());
        entries.insert(id, Entry { cursor: Arc::new(Mutex::new(cursor)), used: now });
        Ok(id)
    }

    fn get(&self, id: U128, now: Instant) -> Result<Arc<Mutex<Cursor>>, RpcError> {
        let mut entries = self.entries.lock();
        entries.retain(|_, entry| now.duration_since(entry.used) < self.idle);
        let entry = entries.get_mut(&id).ok_or_else(|| RpcError::refused("filter not found"))?;
        entry.used = now;
        Ok(entry.cursor.clone())
    }

    fn remove(&self, id: U128) -> bool {
        self.entries.lock().remove(&id).is_some()
    }
}

/// What came since the last poll.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Changes {
    Hashes(Vec<B256>),
    Logs(Vec<Log>),
    Transactions(Vec<convert::RpcTransaction>),
}

async fn new_filter(api: Api, mut args: Args) -> Result<U128, RpcError> {
    let filter: Box<Filter> = args.next("filter")?;
    let head = api.chain().head().number();
    let from = match filter.block_option {
        FilterBlockOption::Range { from_block, to_block } => {
            let from = from_block.map(|from| api.height(from));
            let to = to_block.map(|to| api.height(to));
            if to.is_some_and(|to| from.unwrap_or(to) > to) {
                return Err(RpcError::params("invalid block range params"));
            }
            from.unwrap_or_default()
        }
        FilterBlockOption::AtBlockHash(_) => 0,
    };
    api.filters().add(Cursor::Logs { filter, next: from.max(head + 1) }, Instant::now())
}

async fn new_block_filter(api: Api, _: Args) -> Result<U128, RpcError> {
    let next = api.chain().head().number() + 1;
    api.filters().add(Cursor::Blocks { next }, Instant::now())
}

async fn new_pending_filter(api: Api, mut args: Args) -> Result<U128, RpcError> {
    let full: bool = args.or_default("full")?;
    let receiver = api.chain().pool().subscribe();
    api.filters().add(Cursor::Pending { receiver, full }, Instant::now())
}

async fn changes(api: Api, mut args: Args) -> Result<Changes, RpcError> {
    let cursor = api.filters().get(args.next("filter id")?, Instant::now())?;
    blocking(move || match &mut *cursor.lock() {
        Cursor::Blocks { next } => new_blocks(&api, next).map(Changes::Hashes),
        Cursor::Logs { filter, next } => new_logs(&api, filter, next).map(Changes::Logs),
        Cursor::Pending { receiver, full } => Ok(new_pending(&api, receiver, *full)),
    })
    .await
}

fn new_blocks(api: &Api, next: &mut u64) -> Result<Vec<B256>, RpcError> {
    let head = api.chain().head().number();
    let mut hashes = Vec::new();
    while *next <= head && hashes.len() < MAX_CHANGES {
        hashes.extend(api.by_number(*next)?.map(|block| block.hash));
        *next += 1;
    }
    Ok(hashes)
}

fn new_logs(api: &Api, filter: &Filter, next: &mut u64) -> Result<Vec<Log>, RpcError> {
    let FilterBlockOption::Range { to_block, .. } = filter.block_option else {
        return Ok(Vec::new());
    };
    let head = api.chain().head().number();
    let end = to_block.map_or(head, |to| api.height(to)).min(head);
    let mut logs = Vec::new();
    if *next <= end {
        *next = logs::scan(api, filter, *next..=end, &mut logs)? + 1;
    }
    Ok(logs)
}

fn new_pending(api: &Api, receiver: &mut Receiver<Arc<RecoveredTx>>, full: bool) -> Changes {
    let mut new = Vec::new();
    while new.len() < MAX_CHANGES {
        match receiver.try_recv() {
            Ok(tx) => new.push(tx),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    if !full {
        return Changes::Hashes(new.iter().map(|tx| tx.hash).collect());
    }
    let base_fee = Some(api.chain().next_base_fee());
    Changes::Transactions(new.iter().map(|tx| convert::pending(tx, base_fee)).collect())
}

async fn filter_logs(api: Api, mut args: Args) -> Result<Vec<Log>, RpcError> {
    let cursor = api.filters().get(args.next("filter id")?, Instant::now())?;
    blocking(move || {
        let filter = match &*cursor.lock() {
            Cursor::Logs { filter, .. } => filter.clone(),
            _ => return Err(RpcError::refused("filter not found")),
        };
        logs::all(&api, &filter)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(300);

    fn cursor(filters: &Filters, now: Instant) -> Result<U128, RpcError> {
        filters.add(Cursor::Blocks { next: 1 }, now)
    }

    #[test]
    fn idle_filters_are_forgotten_and_used_ones_are_not() {
        let filters = Filters::new(8, IDLE);
        let start = Instant::now();
        let (used, idle) = (cursor(&filters, start).unwrap(), cursor(&filters, start).unwrap());
        assert!(filters.get(used, start + IDLE / 2).is_ok());
        let later = start + IDLE + Duration::from_secs(1);
        assert!(filters.get(used, later).is_ok());
        let error = filters.get(idle, later).unwrap_err();
        assert_eq!(error.to_string(), "filter not found");
        assert!(filters.remove(used) && !filters.remove(used));
    }

    #[test]
    fn the_number_of_filters_is_bounded_and_idle_ones_make_room() {
        let filters = Filters::new(2, IDLE);
        let start = Instant::now();
        cursor(&filters, start).unwrap();
        cursor(&filters, start).unwrap();
        assert!(cursor(&filters, start).unwrap_err().to_string().contains("max 2"));
        assert!(cursor(&filters, start + IDLE).is_ok());
    }
}
