//! Opening the history file: creation, checks, rebuilding the part of the indexes in memory.

use super::{
    History, HistoryConfig, HistoryError, Index, MAX_STATE_HISTORY, buckets, corrupted,
    error::{classify, classify_io},
    format::{
        BLOCKS, BLOOMS, DIFF_INDEX, DIFFS, HEIGHTS, META, META_ARCHIVE, META_EARLIEST,
        META_GENESIS, META_OLDEST_STATE, META_PRUNED, META_VERSION, RECEIPTS, TX_INDEX, VERSION,
        decode_diffs, prefix,
    },
    recent::{Keys, Recent},
};
use alloy_primitives::{B256, keccak256};
use parking_lot::{Mutex, RwLock};
use redb::{
    Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, StorageBackend,
    backends::InMemoryBackend,
};
use std::{
    fs,
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};
use tracing::info;

/// Files up to this size are checked page by page whenever they are opened; larger ones only after
/// a crash.
const CHECKED_BYTES: u64 = 256 << 20;

impl History {
    /// Opens the history at `path`, or creates it if there is no file.
    ///
    /// # Errors
    /// See [`HistoryError`]. The file is never reset: one that cannot be used stays as it is.
    pub fn open(path: &Path, genesis: B256, config: HistoryConfig) -> Result<Self, HistoryError> {
        let io = |error| classify_io(path.to_owned(), error);
        match fs::metadata(path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => create(path, genesis)?,
            Err(error) => return Err(io(error)),
        }
        let size = fs::metadata(path).map_err(io)?.len();
        let mut builder = builder(&config);
        builder.set_check_integrity_on_open(size <= CHECKED_BYTES);
        // A large file is checked only after a crash, which takes long enough to be told of.
        if size > CHECKED_BYTES {
            builder.set_repair_callback(|repair| {
                let percent = (repair.progress() * 100.0).round();
                info!(percent, "checking the history after a crash");
            });
        }
        let db = guard(path, || Ok(builder.open(path)?))?;
        Self::load(db, path.to_owned(), genesis, config)
    }

    /// A history that lives and dies with this process, for simulations and tests.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn in_memory(genesis: B256, config: HistoryConfig) -> Result<Self, HistoryError> {
        Self::with_backend(InMemoryBackend::new(), genesis, config)
    }

    pub(super) fn with_backend(
        backend: impl StorageBackend,
        genesis: B256,
        config: HistoryConfig,
    ) -> Result<Self, HistoryError> {
        let path = PathBuf::from("(memory)");
        let db = guard(&path, || {
            let db = builder(&config).create_with_backend(backend)?;
            initialize(&db, genesis)?;
            Ok(db)
        })?;
        Self::load(db, path, genesis, config)
    }

    fn load(
        db: Database,
        path: PathBuf,
        genesis: B256,
        mut config: HistoryConfig,
    ) -> Result<Self, HistoryError> {
        config.state_history = config.state_history.clamp(1, MAX_STATE_HISTORY);
        let meta = guard(&path, || Meta::read(&db))?;
        if meta.version != VERSION {
            return Err(HistoryError::Version { path, found: meta.version, supported: VERSION });
        }
        if meta.genesis != genesis {
            return Err(HistoryError::OtherChain { path, found: meta.genesis, expected: genesis });
        }
        let index = guard(&path, || {
            let index = read_index(&db, &meta, &config)?;
            if meta.archive != config.archive {
                let tip = index.span.map_or(0, |(_, tip)| tip);
                switch_mode(&db, index.oldest_state, tip, config.archive)?;
            }
            Ok(index)
        })?;
        let failed = AtomicBool::new(false);
        Ok(Self { db, path, config, index: RwLock::new(index), writing: Mutex::new(()), failed })
    }
}

fn builder(config: &HistoryConfig) -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(config.cache_bytes);
    builder
}

/// Runs `open`; a damaged file may make the database panic, which is reported as what it is.
fn guard<T>(path: &Path, open: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, HistoryError> {
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(result) => result.map_err(|error| classify(path, error)),
        Err(_) => {
            let detail = "the database library cannot make sense of it".into();
            Err(HistoryError::Corrupt { path: path.to_owned(), detail })
        }
    }
}

/// Creates the file under another name and renames it, so that an empty or half-initialised file
/// under its own name is always damage, never a beginning.
fn create(path: &Path, genesis: B256) -> Result<(), HistoryError> {
    let io = |error| classify_io(path.to_owned(), error);
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    guard(&fresh, || {
        let db = Database::builder().create(&fresh)?;
        initialize(&db, genesis)
    })?;
    fs::rename(&fresh, path).map_err(io)?;
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
    let directory = fs::File::open(directory.unwrap_or(Path::new("."))).map_err(io)?;
    directory.sync_all().map_err(io)
}

fn initialize(db: &Database, genesis: B256) -> Result<(), redb::Error> {
    let txn = db.begin_write()?;
    {
        let mut meta = txn.open_table(META)?;
        meta.insert(META_VERSION, VERSION.to_be_bytes().as_slice())?;
        meta.insert(META_GENESIS, genesis.as_slice())?;
        txn.open_table(BLOCKS)?;
        txn.open_table(RECEIPTS)?;
        txn.open_table(BLOOMS)?;
        txn.open_table(HEIGHTS)?;
        txn.open_table(DIFFS)?;
        txn.open_table(TX_INDEX)?;
        txn.open_table(DIFF_INDEX)?;
    }
    txn.commit()?;
    Ok(())
}

/// The table `meta`.
struct Meta {
    version: u32,
    genesis: B256,
    earliest: u64,
    oldest_state: u64,
    pruned: u64,
    archive: bool,
}

impl Meta {
    fn read(db: &Database) -> Result<Self, redb::Error> {
        let txn = db.begin_read()?;
        let table = txn.open_table(META)?;
        let bytes = |name: &str| -> Result<Option<Vec<u8>>, redb::Error> {
            Ok(table.get(name)?.map(|row| row.value().to_vec()))
        };
        let number = |name| -> Result<u64, redb::Error> {
            let bytes = bytes(name)?.unwrap_or_default();
            Ok(bytes.iter().fold(0, |acc, b| (acc << 8) | u64::from(*b)))
        };
        let genesis = bytes(META_GENESIS)?.and_then(|b| B256::try_from(b.as_slice()).ok());
        Ok(Self {
            version: u32::try_from(number(META_VERSION)?).unwrap_or(u32::MAX),
            genesis: genesis.ok_or_else(|| corrupted("it names no genesis"))?,
            earliest: number(META_EARLIEST)?,
            oldest_state: number(META_OLDEST_STATE)?,
            pruned: number(META_PRUNED)?,
            archive: number(META_ARCHIVE)? == 1,
        })
    }
}

fn read_index(db: &Database, meta: &Meta, config: &HistoryConfig) -> Result<Index, redb::Error> {
    let txn = db.begin_read()?;
    let blocks = txn.open_table(BLOCKS)?;
    let Some((tip, _)) = blocks.last()? else { return Ok(Index::default()) };
    let tip = tip.value();
    let floor = if config.archive { 0 } else { tip.saturating_sub(config.state_history) };
    let oldest_state = meta.oldest_state.max(floor);
    let window = config.diffs_in_memory();
    Ok(Index {
        span: Some((meta.earliest, tip)),
        oldest_state,
        pruned: meta.pruned,
        transactions: recent_transactions(&blocks, meta.earliest, tip)?,
        diffs: recent_diffs(&txn.open_table(DIFFS)?, oldest_state, tip, window)?,
    })
}

/// Transaction hashes of the last blocks up to `tip`.
pub(super) fn recent_transactions(
    blocks: &impl redb::ReadableTable<u64, &'static [u8]>,
    earliest: u64,
    tip: u64,
) -> Result<Recent, redb::Error> {
    let first = earliest.max((tip + 1).saturating_sub(buckets::GROUPS));
    let mut recent = Recent::starting_at(first);
    for height in first..=tip {
        let row = blocks.get(height)?.ok_or_else(|| corrupted("a block is missing"))?;
        let encoded = row.value().get(32..).unwrap_or_default();
        let transactions = crate::sealed::stored_transactions(encoded)
            .map_err(|error| corrupted(&format!("block {height}: {error}")))?;
        let hashes = transactions.iter().map(|tx| prefix(&keccak256(tx).0));
        recent.push(Arc::new(Keys::sort(hashes)));
    }
    Ok(recent)
}

/// Keys of the diffs of the last `window` blocks up to `tip`.
fn recent_diffs(
    diffs: &ReadOnlyTable<(u64, u32), &'static [u8]>,
    oldest_state: u64,
    tip: u64,
    window: u64,
) -> Result<Recent, redb::Error> {
    let first = (oldest_state + 1).max((tip + 1).saturating_sub(window));
    let mut recent = Recent::starting_at(first.min(tip + 1));
    let mut keys = Vec::new();
    for row in diffs.range((first, 0)..)? {
        let (key, row) = row?;
        let (height, _) = key.value();
        while recent.end() < height {
            recent.push(Arc::new(Keys::in_order(std::mem::take(&mut keys))));
        }
        for diff in decode_diffs(row.value()) {
            keys.push(prefix(&diff.map_err(corrupted)?.0.0));
        }
        if !keys.is_sorted() {
            return Err(corrupted("state diffs are out of order"));
        }
    }
    while recent.end() <= tip {
        recent.push(Arc::new(Keys::in_order(std::mem::take(&mut keys))));
    }
    Ok(recent)
}

/// Starts or ends the index of all diffs. The diffs themselves are pruned block by block.
fn switch_mode(
    db: &Database,
    oldest_state: u64,
    tip: u64,
    archive: bool,
) -> Result<(), redb::Error> {
    info!(archive, oldest_state, "the history begins or ends to keep every state");
    let window = if archive { u64::MAX } else { 0 };
    let kept = recent_diffs(&db.begin_read()?.open_table(DIFFS)?, oldest_state, tip, window)?;
    let txn = db.begin_write()?;
    txn.delete_table(DIFF_INDEX)?;
    {
        let mut rows = txn.open_table(DIFF_INDEX)?;
        if archive {
            buckets::flush_all(&mut rows, &kept)?;
        }
        let mut meta = txn.open_table(META)?;
        meta.insert(META_ARCHIVE, [u8::from(archive)].as_slice())?;
        meta.insert(META_OLDEST_STATE, oldest_state.to_be_bytes().as_slice())?;
    }
    txn.commit()?;
    Ok(())
}
