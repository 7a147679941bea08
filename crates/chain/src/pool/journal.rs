//! Local transactions on disk, so that they survive a restart.
//!
//! The file is a header and then, for each transaction, its length (4 bytes, big endian), the first
//! 4 bytes of its Keccak-256 hash and its EIP-2718 encoding. A thread appends what is handed to it
//! and syncs once per batch; admission never waits for the disk, so the transactions of the last
//! moments before a crash of the machine may be missing. On start, and when it has grown far beyond
//! what is alive, the file is written anew and renamed into place.

use super::metrics::{PoolMetrics, add};
use alloy_primitives::{Bytes, keccak256};
use parking_lot::{Condvar, Mutex};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};
use tracing::{error, warn};

const HEADER: &[u8] = b"cairn transactions 1\n";

/// Bytes that may wait for the disk; beyond them transactions are not kept.
const MAX_WAITING: usize = 64 << 20;

/// Growth since it was last written anew at which the file is written anew.
const MAX_GROWTH: usize = 32 << 20;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused an operation.
    #[error(
        "cannot use the journal of local transactions {path}: {source}; check disk and permissions"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error(
        "{path} is not a journal of transactions of this version; move it away, it holds only pending transactions"
    )]
    Format {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the transactions that are alive, when the file is to be written anew.
pub(super) type Alive = Box<dyn Fn() -> Vec<Bytes> + Send>;

/// The open journal.
#[derive(Debug)]
pub(super) struct Journal {
    shared: Arc<(Mutex<Waiting>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Waiting {
    transactions: Vec<Bytes>,
    bytes: usize,
    closing: bool,
}

/// Reads the journal at `path`; a missing one is empty. What follows a damaged entry is lost and
/// logged: the process may have stopped while it wrote.
pub(super) fn read(path: &Path) -> Result<Vec<Bytes>, JournalError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(JournalError::Io { path: path.to_owned(), source }),
    };
    let Some(mut rest) = bytes.strip_prefix(HEADER) else {
        return Err(JournalError::Format { path: path.to_owned() });
    };
    let mut transactions = Vec::new();
    while let Some((transaction, tail)) = read_entry(rest) {
        transactions.push(Bytes::copy_from_slice(transaction));
        rest = tail;
    }
    if !rest.is_empty() {
        warn!(path = %path.display(), bytes = rest.len(), "the end of the journal is damaged");
    }
    Ok(transactions)
}

fn read_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (entry, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    (keccak256(entry)[..4] == *sum).then_some((entry, rest))
}

fn encode(transactions: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::with_capacity(transactions.iter().map(|tx| tx.len() + 8).sum());
    for tx in transactions {
        let length = u32::try_from(tx.len()).expect("the pool limits the size of transactions");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&keccak256(tx)[..4]);
        out.extend_from_slice(tx);
    }
    out
}

impl Journal {
    /// Writes the journal at `path` anew with the transactions that are alive and keeps appending.
    pub(super) fn start(
        path: PathBuf,
        alive: Alive,
        metrics: Arc<PoolMetrics>,
    ) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Io { path: path.clone(), source };
        let file = rewrite(&path, &alive()).map_err(failed)?;
        let shared = Arc::new((Mutex::new(Waiting::default()), Condvar::new()));
        let writer = Writer { path: path.clone(), file, alive, grown: 0 };
        let theirs = shared.clone();
        let thread = thread::Builder::new()
            .name("cairn-journal".into())
            .spawn(move || writer.run(&theirs, &metrics))
            .map_err(failed)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Hands transactions to the writing thread; returns how many were turned away because the disk
    /// is too slow.
    pub(super) fn append(&self, transactions: impl IntoIterator<Item = Bytes>) -> usize {
        let (waiting, wake) = &*self.shared;
        let mut waiting = waiting.lock();
        let mut lost = 0;
        for transaction in transactions {
            if waiting.bytes + transaction.len() > MAX_WAITING {
                lost += 1;
                continue;
            }
            waiting.bytes += transaction.len();
            waiting.transactions.push(transaction);
        }
        wake.notify_one();
        lost
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let (waiting, wake) = &*self.shared;
        waiting.lock().closing = true;
        wake.notify_one();
        if let Some(thread) =
            self.thread.take().filter(|t| t.thread().id() != thread::current().id())
        {
            // A panic of the writer was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// The thread that writes.
struct Writer {
    path: PathBuf,
    file: File,
    alive: Alive,
    grown: usize,
}

impl Writer {
    fn run(mut self, shared: &(Mutex<Waiting>, Condvar), metrics: &PoolMetrics) {
        let mut broken = false;
        loop {
            let (batch, closing) = take(shared);
            if !batch.is_empty() && (broken || !self.write(&batch)) {
                broken = true;
                add(&metrics.journal_lost_total, batch.len());
            }
            if closing {
                return;
            }
        }
    }

    fn write(&mut self, batch: &[Bytes]) -> bool {
        let bytes = encode(batch);
        self.grown += bytes.len();
        let written = if self.grown > MAX_GROWTH {
            self.grown = 0;
            rewrite(&self.path, &(self.alive)()).map(|file| self.file = file)
        } else {
            self.file.write_all(&bytes).and_then(|()| self.file.sync_data())
        };
        if let Err(error) = &written {
            let path = self.path.display();
            error!(%path, %error, "local transactions are no longer kept on disk; restart the node");
        }
        written.is_ok()
    }
}

/// Waits for something to write; returns it, and whether it is the last.
fn take((waiting, wake): &(Mutex<Waiting>, Condvar)) -> (Vec<Bytes>, bool) {
    let mut waiting = waiting.lock();
    while waiting.transactions.is_empty() && !waiting.closing {
        wake.wait(&mut waiting);
    }
    waiting.bytes = 0;
    (std::mem::take(&mut waiting.transactions), waiting.closing)
}

fn rewrite(path: &Path, transactions: &[Bytes]) -> io::Result<File> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(HEADER)?;
    file.write_all(&encode(transactions))?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    OpenOptions::new().append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("cairn-journal-{}-{name}", std::process::id()))
    }

    fn transactions(range: std::ops::Range<u8>) -> Vec<Bytes> {
        range.map(|i| Bytes::from(vec![i; 100 + usize::from(i)])).collect()
    }

    #[test]
    fn what_is_appended_is_read_again_and_starting_keeps_what_is_alive() {
        let path = path("append");
        let metrics = Arc::new(PoolMetrics::default());
        let open = |alive: Vec<Bytes>| {
            Journal::start(path.clone(), Box::new(move || alive.clone()), metrics.clone()).unwrap()
        };
        assert_eq!(read(&path).unwrap(), Vec::<Bytes>::new());
        let journal = open(Vec::new());
        assert_eq!(journal.append(transactions(0..5)), 0);
        assert_eq!(journal.append(transactions(5..9)), 0);
        drop(journal);
        assert_eq!(read(&path).unwrap(), transactions(0..9));
        drop(open(transactions(3..6)));
        assert_eq!(read(&path).unwrap(), transactions(3..6));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_torn_end_loses_only_the_end() {
        let path = path("torn");
        let mut bytes = [HEADER, &encode(&transactions(0..4))].concat();
        let whole = bytes.len();
        for cut in [1, 50, 103] {
            fs::write(&path, &bytes[..whole - cut]).unwrap();
            assert_eq!(read(&path).unwrap(), transactions(0..3));
        }
        bytes[whole - 1] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path).unwrap(), transactions(0..3));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn another_file_is_refused_and_left_alone() {
        let path = path("other");
        fs::write(&path, "my shopping list").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("is not a journal"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"my shopping list");
        fs::remove_file(path).unwrap();
    }
}
