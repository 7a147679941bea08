//! Names and formats of what a node keeps in its storage, apart from the history.
//!
//! All names start with the node's prefix. The engine opens these stores when a node starts; an
//! import writes them, so that a node starts from it as if it had fetched the state from peers.

use crate::{
    block::ConsensusBlock,
    types::{Digest, Finalization, Runtime, Scheme},
};
use commonware_consensus::marshal::standard::Standard;
use commonware_glue::stateful::SyncPlan;
use commonware_runtime::buffer::paged::{CacheRef, page_size};
use commonware_storage::{
    archive::prunable,
    metadata::{self, Metadata},
    translator::EightCap,
};
use commonware_utils::{NZU64, NZUsize, fixed_bytes, sequence::FixedBytes};
use std::{
    fs,
    io::{self, Write as _},
    num::{NonZeroU16, NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Directory of the storage in a node's directory.
pub(crate) const STORAGE: &str = "storage";

/// File in a node's directory that names the version of the storage's format.
const VERSION_FILE: &str = "storage.version";

/// Version of the format: 2 has pages that fill whole pages of the disk.
const VERSION: u32 = 2;

/// A storage that this program cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the storage in {path} has format {found}, this program reads format {VERSION}; export the state \
     with the program that wrote it and import it into an empty directory, or move the directory away \
     and let the node sync again"
)]
pub struct StorageVersionError {
    /// The node's directory.
    pub path: PathBuf,
    /// Version in the directory.
    pub found: String,
}

/// Checks that the storage in `data_dir` has this program's format, or is yet to be made.
///
/// # Errors
/// [`StorageVersionError`]: opening it would take its pages for damaged and cut them off.
pub(crate) fn check_version(data_dir: &Path) -> Result<(), StorageVersionError> {
    if !data_dir.join(STORAGE).exists() {
        return Ok(());
    }
    // The first version wrote no file.
    let found = fs::read_to_string(data_dir.join(VERSION_FILE)).unwrap_or_else(|_| "1".into());
    if found.trim() == VERSION.to_string() {
        return Ok(());
    }
    Err(StorageVersionError { path: data_dir.to_owned(), found: found.trim().to_owned() })
}

/// Names the format of the storage that will be made in `data_dir`.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_version(data_dir: &Path) -> io::Result<()> {
    let mut file = fs::File::create(data_dir.join(VERSION_FILE))?;
    writeln!(file, "{VERSION}")?;
    file.sync_all()
}

/// Bytes that a store buffers before it writes.
pub(crate) const BUFFER: NonZeroUsize = NZUsize!(1 << 20);

/// Blocks or certificates in one section of an archive.
pub(crate) const ARCHIVE_SECTION: NonZeroU64 = NZU64!(256);

/// Bytes of a page without its checksum: with it, a page of the disk.
const PAGE_BYTES: NonZeroU16 = page_size(4_096);
const IMPORTED_VIEW: FixedBytes<1> = fixed_bytes!("00");

/// Finalized blocks by height and hash.
pub(crate) type Blocks<E> = prunable::Archive<EightCap, E, Digest, Arc<ConsensusBlock>>;
/// Finality certificates by height and hash of the block.
pub(crate) type Finalizations<E> = prunable::Archive<EightCap, E, Digest, Finalization>;
/// Where the state comes from: blocks, or peers.
pub(crate) type Plan<E> = SyncPlan<E, Scheme, Standard<ConsensusBlock>>;

/// A cache of at most `bytes` bytes for pages of all stores.
pub(crate) fn page_cache(bytes: usize) -> CacheRef {
    let pages = NonZeroUsize::new(bytes / usize::from(PAGE_BYTES.get()));
    CacheRef::new(PAGE_BYTES, pages.unwrap_or(NonZeroUsize::MIN))
}

fn archive<C>(
    prefix: &str,
    name: &str,
    page_cache: CacheRef,
    codec_config: C,
) -> prunable::Config<EightCap, C> {
    prunable::Config {
        translator: EightCap,
        metadata_partition: format!("{prefix}-{name}-metadata"),
        key_partition: format!("{prefix}-{name}-key"),
        key_page_cache: page_cache,
        value_partition: format!("{prefix}-{name}-value"),
        compression: None,
        codec_config,
        items_per_section: ARCHIVE_SECTION,
        key_write_buffer: BUFFER,
        value_write_buffer: BUFFER,
        replay_buffer: BUFFER,
    }
}

/// Opens the archive of finality certificates.
///
/// # Errors
/// If the storage fails or is damaged.
pub(crate) async fn finalizations<E: Runtime>(
    context: E,
    prefix: &str,
    page_cache: CacheRef,
) -> Result<Finalizations<E>, commonware_storage::archive::Error> {
    prunable::Archive::init(context, archive(prefix, "finalizations", page_cache, ())).await
}

/// Opens the archive of blocks, whose encodings have at most `max_block` bytes.
///
/// # Errors
/// If the storage fails or is damaged.
pub(crate) async fn blocks<E: Runtime>(
    context: E,
    prefix: &str,
    page_cache: CacheRef,
    max_block: usize,
) -> Result<Blocks<E>, commonware_storage::archive::Error> {
    prunable::Archive::init(context, archive(prefix, "blocks", page_cache, max_block)).await
}

/// Notes which view an import ends in.
pub(crate) struct Imported<E: Runtime>(Metadata<E, FixedBytes<1>, u64>);

impl<E: Runtime> Imported<E> {
    /// Opens the note.
    ///
    /// # Errors
    /// If the storage fails or is damaged.
    pub(crate) async fn open(context: E, prefix: &str) -> Result<Self, metadata::Error> {
        let config = metadata::Config { partition: format!("{prefix}-imported"), codec_config: () };
        Metadata::init(context, config).await.map(Self)
    }

    /// View of the last imported block, if the node started from an import.
    pub(crate) fn view(&self) -> Option<u64> {
        self.0.get(&IMPORTED_VIEW).copied()
    }

    /// Writes the note, durably.
    ///
    /// # Errors
    /// If the storage fails.
    pub(crate) async fn set(self, view: u64) -> Result<Self, metadata::Error> {
        self.0.put_sync(IMPORTED_VIEW, view).await.map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_of_another_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(check_version(path), Ok(()), "there is none yet");
        fs::create_dir(path.join(STORAGE)).unwrap();
        let found = |version: &str| {
            Err(StorageVersionError { path: path.to_owned(), found: version.into() })
        };
        assert_eq!(check_version(path), found("1"), "the first version wrote no file");
        write_version(path).unwrap();
        assert_eq!(check_version(path), Ok(()));
        fs::write(path.join(VERSION_FILE), "3\n").unwrap();
        assert_eq!(check_version(path), found("3"));
    }
}
