//! The file format of a snapshot.
//!
//! ```text
//! magic "cairn-state\n" ‖ version (u32)
//! record*    tag (u8) ‖ length (u32) ‖ payload ‖ CRC-32 of all of it (u32)
//! ```
//! in this order: [`Manifest`], block, receipts, certificate, boundary piece, pieces of operations, and
//! an end that counts the pieces. Numbers are big endian. A record has at most [`MAX_RECORD`] bytes;
//! a reader keeps the offset of every record and one record at a time.

use super::SnapshotError;
use crate::state::{PIECE_OPS, Piece};
use alloy_primitives::B256;
use alloy_rlp::{RlpDecodable, RlpEncodable};
use commonware_cryptography::Crc32;
use parking_lot::Mutex;
use std::{
    fs::File,
    io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

/// Version of the format.
pub(super) const VERSION: u32 = 1;

/// Longest record in bytes: larger than any block or piece.
const MAX_RECORD: u32 = 64 << 20;

const MAGIC: &[u8; 12] = b"cairn-state\n";
const HEAD_BYTES: usize = 5;
const CRC_BYTES: usize = 4;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Manifest = 1,
    Block = 2,
    Receipts = 3,
    Certificate = 4,
    Boundary = 5,
    Operations = 6,
    End = 7,
}

/// Records before the first piece of operations.
const FRONT: [Tag; 5] = [Tag::Manifest, Tag::Block, Tag::Receipts, Tag::Certificate, Tag::Boundary];

impl Tag {
    const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "the manifest",
            Self::Block => "the block",
            Self::Receipts => "the receipts",
            Self::Certificate => "the certificate",
            Self::Boundary => "the boundary of the log",
            Self::Operations => "a piece of the log",
            Self::End => "the end",
        }
    }
}

/// What the snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct Manifest {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Hash of the genesis file.
    pub genesis: B256,
    /// Height of the block.
    pub height: u64,
    /// Operations in one piece.
    pub piece_ops: u64,
}

/// Writes a snapshot under a name of its own until it is whole.
pub(super) struct Writer {
    path: PathBuf,
    partial: PathBuf,
    out: BufWriter<File>,
    bytes: u64,
    pieces: u64,
}

impl Writer {
    pub(super) fn create(path: &Path) -> Result<Self, SnapshotError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = path.with_file_name(name);
        let file = File::create(&partial).map_err(SnapshotError::io(&partial))?;
        let mut writer =
            Self { path: path.to_owned(), partial, out: BufWriter::new(file), bytes: 0, pieces: 0 };
        writer.write(MAGIC)?;
        writer.write(&VERSION.to_be_bytes())?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(SnapshotError::io(&self.partial))
    }

    pub(super) fn record(&mut self, tag: Tag, payload: &[u8]) -> Result<(), SnapshotError> {
        let length = u32::try_from(payload.len()).ok().filter(|length| *length <= MAX_RECORD);
        let length = length.expect("blocks and pieces are far below the limit of a record");
        self.pieces += u64::from(tag == Tag::Operations);
        let mut head = vec![tag as u8];
        head.extend_from_slice(&length.to_be_bytes());
        let crc = checksum(&head, payload);
        self.write(&head)?;
        self.write(payload)?;
        self.write(&crc.to_be_bytes())
    }

    /// Ends the file, makes it durable and gives it its name; returns its size in bytes.
    pub(super) fn finish(mut self) -> Result<u64, SnapshotError> {
        let pieces = self.pieces.to_be_bytes();
        self.record(Tag::End, &pieces)?;
        let io = SnapshotError::io(&self.partial);
        let file = self.out.into_inner().map_err(|error| io(error.into_error()))?;
        file.sync_all().map_err(SnapshotError::io(&self.partial))?;
        std::fs::rename(&self.partial, &self.path).map_err(SnapshotError::io(&self.path))?;
        sync_directory(&self.path)?;
        Ok(self.bytes)
    }
}

/// Makes the name of `path` durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), SnapshotError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let directory = File::open(parent).map_err(SnapshotError::io(parent))?;
    directory.sync_all().map_err(SnapshotError::io(parent))
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    use commonware_cryptography::Hasher as _;
    Crc32::hash(&[head, payload]).as_u32()
}

/// A snapshot whose structure is known to be whole; its records are checked as they are read.
pub(super) struct Reader {
    path: PathBuf,
    file: Mutex<BufReader<File>>,
    front: [u64; FRONT.len()],
    operations: Vec<u64>,
    pub(super) bytes: u64,
}

impl Reader {
    /// Opens the file and finds its records.
    pub(super) fn open(path: &Path) -> Result<Self, SnapshotError> {
        let io = || SnapshotError::io(path);
        let file = File::open(path).map_err(io())?;
        let bytes = file.metadata().map_err(io())?.len();
        let mut input = BufReader::new(file);
        let mut magic = [0; MAGIC.len()];
        let mut version = [0; 4];
        if input.read_exact(&mut magic).is_err() || magic != *MAGIC {
            return Err(SnapshotError::NotASnapshot(path.to_owned()));
        }
        input.read_exact(&mut version).map_err(io())?;
        let found = u32::from_be_bytes(version);
        if found != VERSION {
            let path = path.to_owned();
            return Err(SnapshotError::Version { path, found, supported: VERSION });
        }
        let mut reader = Self {
            path: path.to_owned(),
            file: Mutex::new(input),
            front: [0; FRONT.len()],
            operations: Vec::new(),
            bytes,
        };
        reader.scan()?;
        Ok(reader)
    }

    /// Finds all records by their heads.
    fn scan(&mut self) -> Result<(), SnapshotError> {
        let mut at = (MAGIC.len() + 4) as u64;
        let mut next = |expected: Option<Tag>| {
            let (tag, length) = self.head(at)?;
            let offset = at;
            at += HEAD_BYTES as u64 + u64::from(length) + CRC_BYTES as u64;
            if at > self.bytes {
                return Err(SnapshotError::Truncated(self.path.clone()));
            }
            match expected {
                Some(expected) if expected != tag => Err(self.damaged(expected, offset)),
                _ => Ok((tag, offset)),
            }
        };
        let mut front = [0; FRONT.len()];
        for (offset, tag) in front.iter_mut().zip(FRONT) {
            *offset = next(Some(tag))?.1;
        }
        let mut operations = Vec::new();
        let end = loop {
            match next(None)? {
                (Tag::Operations, offset) => operations.push(offset),
                (Tag::End, offset) => break offset,
                (tag, offset) => return Err(self.damaged(tag, offset)),
            }
        };
        let count = (operations.len() as u64).to_be_bytes();
        if at != self.bytes || self.record(Tag::End, end)? != count {
            return Err(self.damaged(Tag::End, end));
        }
        (self.front, self.operations) = (front, operations);
        Ok(())
    }

    fn head(&self, at: u64) -> Result<(Tag, u32), SnapshotError> {
        let mut file = self.file.lock();
        let mut head = [0; HEAD_BYTES];
        file.seek(SeekFrom::Start(at)).map_err(SnapshotError::io(&self.path))?;
        file.read_exact(&mut head).map_err(SnapshotError::io(&self.path))?;
        drop(file);
        let [tag, length @ ..] = head;
        let length = u32::from_be_bytes(length);
        let tags = FRONT.into_iter().chain([Tag::Operations, Tag::End]);
        let tag = tags.into_iter().find(|known| *known as u8 == tag);
        match tag {
            Some(tag) if length <= MAX_RECORD => Ok((tag, length)),
            tag => Err(self.damaged(tag.unwrap_or(Tag::End), at)),
        }
    }

    fn damaged(&self, tag: Tag, offset: u64) -> SnapshotError {
        SnapshotError::Damaged { path: self.path.clone(), part: tag.name(), offset }
    }

    fn record(&self, tag: Tag, at: u64) -> Result<Vec<u8>, SnapshotError> {
        let (_, length) = self.head(at)?;
        let mut file = self.file.lock();
        let mut payload = vec![0; length as usize];
        let mut crc = [0; CRC_BYTES];
        file.read_exact(&mut payload).map_err(SnapshotError::io(&self.path))?;
        file.read_exact(&mut crc).map_err(SnapshotError::io(&self.path))?;
        drop(file);
        let mut head = vec![tag as u8];
        head.extend_from_slice(&length.to_be_bytes());
        if checksum(&head, &payload).to_be_bytes() != crc {
            return Err(self.damaged(tag, at));
        }
        Ok(payload)
    }

    /// The payload of a record before the operations.
    pub(super) fn front(&self, tag: Tag) -> Result<Vec<u8>, SnapshotError> {
        let place = FRONT.iter().position(|front| *front == tag);
        self.record(tag, self.front[place.expect("only called for records of the front")])
    }

    pub(super) fn manifest(&self) -> Result<Manifest, SnapshotError> {
        let bytes = self.front(Tag::Manifest)?;
        let manifest = alloy_rlp::decode_exact::<Manifest>(&bytes).ok();
        let manifest = manifest.filter(|manifest| manifest.piece_ops == PIECE_OPS.get());
        manifest.ok_or_else(|| self.damaged(Tag::Manifest, self.front[0]))
    }

    /// The encoding of a piece of a log that begins with operation `first`.
    pub(super) fn piece(&self, piece: Piece, first: u64) -> Result<Vec<u8>, SnapshotError> {
        let Piece::Operations(start) = piece else { return self.front(Tag::Boundary) };
        let index = start.saturating_sub(first) / PIECE_OPS;
        let offset = usize::try_from(index).ok().and_then(|index| self.operations.get(index));
        let offset = offset.ok_or_else(|| SnapshotError::Truncated(self.path.clone()))?;
        self.record(Tag::Operations, *offset)
    }
}
