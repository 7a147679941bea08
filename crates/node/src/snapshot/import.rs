//! Reading a snapshot into an empty data directory.

use super::{
    PAGE_CACHE_BYTES, Place, Progress, SnapshotError, Summary,
    file::{Reader, Tag, sync_directory},
    with_storage,
};
use crate::{
    backend::NodeBackend,
    block::{ConsensusBlock, max_encoded_bytes},
    node::{PREFIX, empty_state},
    state::{PIECE_OPS, Piece, PieceReader, StateCommitment, db_config, first_operation, rebuild},
    storage::{self, BUFFER, Imported, Plan, STORAGE},
    types::Finalization,
};
use cairn_chain::{Chain, ChainConfig, Sealed, block::Block};
use cairn_light::{LightError, Part, TrustAnchor, verify_finality};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::Digestible as _;
use commonware_runtime::{Supervisor as _, tokio::Context};
use commonware_storage::archive::Archive as _;
use parking_lot::Mutex;
use std::{fs, path::Path, sync::Arc};

/// Where an import builds the storage of a node.
const UNFINISHED: &str = "storage.import";

/// What a snapshot says of its block, checked.
struct Verified {
    sealed: Sealed,
    certificate: Finalization,
    commitment: StateCommitment,
}

/// Puts the snapshot at `path` into the empty directory of a node that does not run. Blocks the calling
/// thread. The node then starts from the snapshot's block.
///
/// # Errors
/// See [`SnapshotError`]. The directory has no state then.
pub fn import(place: &Place, path: &Path, progress: Progress) -> Result<Summary, SnapshotError> {
    let (unfinished, finished) = (place.data_dir.join(UNFINISHED), place.data_dir.join(STORAGE));
    let chain = prepare(place)?;
    let reader = Reader::open(path)?;
    let verified = verify(place, &reader)?;
    let (commitment, bytes) = (verified.commitment, reader.bytes);
    let header = &verified.sealed.block.header;
    let summary = Summary {
        height: header.number,
        hash: verified.sealed.hash,
        state_root: header.state_root,
        operations: commitment.ops_end - commitment.ops_start,
        bytes,
    };
    let source = Source { reader, commitment, progress: Mutex::new(progress) };
    let built = with_storage(unfinished.clone(), |context| {
        let verified = &verified;
        async move { build(&context, place, verified, source).await }
    });
    if let Err(error) = built {
        let _ = fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    chain()?.adopt(&verified.sealed)?;
    storage::write_version(&place.data_dir).map_err(SnapshotError::io(&place.data_dir))?;
    fs::rename(&unfinished, &finished).map_err(SnapshotError::io(&finished))?;
    sync_directory(&finished)?;
    Ok(summary)
}

/// Makes sure that the directory has no state; returns what creates its history.
fn prepare(place: &Place) -> Result<impl FnOnce() -> Result<Chain, SnapshotError>, SnapshotError> {
    let directory = &place.data_dir;
    fs::create_dir_all(directory).map_err(SnapshotError::io(directory))?;
    let unfinished = directory.join(UNFINISHED);
    let history = directory.join(cairn_chain::chain::HISTORY_FILE);
    if directory.join(STORAGE).exists() || (history.exists() && !unfinished.exists()) {
        return Err(SnapshotError::NotEmpty(directory.clone()));
    }
    // An import that did not come to its end left nothing that a node has used.
    for leftover in [&unfinished, &history] {
        let removed = match fs::metadata(leftover) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(leftover),
            Ok(_) => fs::remove_file(leftover),
            Err(_) => Ok(()),
        };
        removed.map_err(SnapshotError::io(leftover))?;
    }
    let config = ChainConfig {
        genesis: place.genesis.clone(),
        genesis_block: place.genesis.block(empty_state()),
        directory: Some(directory.clone()),
        archive: place.archive,
        backend: Arc::new(NodeBackend::new(tokio::sync::mpsc::channel(1).0)),
    };
    Ok(move || Ok(Chain::open(config)?))
}

/// Checks everything but the operations.
fn verify(place: &Place, reader: &Reader) -> Result<Verified, SnapshotError> {
    let genesis = &place.genesis;
    let manifest = reader.manifest()?;
    let (found, expected) = (manifest.genesis, genesis.hash());
    if found != expected {
        return Err(SnapshotError::OtherNetwork { found, expected });
    }
    let anchor =
        TrustAnchor { chain_id: genesis.chain_id, identity: genesis.committee.identity.to_vec() };
    let certificate = reader.front(Tag::Certificate)?;
    let finalized = verify_finality(&anchor, &certificate)?;
    let limit = max_encoded_bytes(genesis.parameters.block_bytes as usize);
    let block = Block::decode(&reader.front(Tag::Block)?, limit)?;
    let (certified, found) = (finalized.hash, block.hash());
    if certified != found {
        return Err(SnapshotError::OtherBlock { certified, found });
    }
    let certificate = Finalization::decode(Copying(certificate.as_slice()))
        .map_err(|why| LightError::Malformed { part: Part::Certificate, why: why.to_string() })?;
    let commitment = StateCommitment {
        root: block.header.state_root,
        ops_root: block.extra.ops_root,
        ops_start: block.extra.ops_start,
        ops_end: block.extra.ops_end,
    };
    let sealed = Sealed::from_parts(block, &reader.front(Tag::Receipts)?, genesis.chain_id)?;
    Ok(Verified { sealed, certificate, commitment })
}

/// Fills an empty storage with what a node finds there after state sync.
async fn build(
    context: &Context,
    place: &Place,
    verified: &Verified,
    source: Source,
) -> Result<(), SnapshotError> {
    let path = place.data_dir.join(UNFINISHED);
    let Verified { sealed, certificate, commitment } = verified;
    let page_cache = storage::page_cache(PAGE_CACHE_BYTES);
    let config = db_config(PREFIX, page_cache.clone(), BUFFER);
    let rebuilt = rebuild(context.child("state"), config, *commitment, source).await;
    let rebuilt = rebuilt.map_err(|error| SnapshotError::rebuild(&path, error))?;
    if rebuilt.root != commitment.root {
        let (expected, found) = (commitment.root, rebuilt.root);
        return Err(SnapshotError::OtherState { expected, found });
    }
    let block = ConsensusBlock::new(sealed.block.clone());
    let max_block = max_encoded_bytes(place.genesis.parameters.block_bytes as usize);
    let blocks = storage::blocks(context.child("blocks"), PREFIX, page_cache, max_block).await;
    let blocks = blocks.map_err(SnapshotError::storage(&path))?;
    let (height, digest) = (sealed.number(), block.digest());
    let put = blocks.put_sync(height, digest, &Arc::new(block)).await;
    put.map_err(SnapshotError::storage(&path))?;
    let note = Imported::open(context.child("imported"), PREFIX).await;
    let note = note
        .map_err(SnapshotError::storage(&path))?
        .set(certificate.proposal.round.view().get())
        .await;
    note.map_err(SnapshotError::storage(&path))?;
    // Last: from here on the node starts as after a state sync that has all it needs.
    let _plan =
        Plan::init(context.child("plan"), PREFIX).await.set_floor(certificate.clone()).await;
    Ok(())
}

/// The pieces in the file.
struct Source {
    reader: Reader,
    commitment: StateCommitment,
    progress: Mutex<Progress>,
}

impl PieceReader for Source {
    type Error = SnapshotError;

    fn read(&self, piece: Piece) -> Result<Vec<u8>, SnapshotError> {
        let StateCommitment { ops_start, ops_end, .. } = self.commitment;
        if let Piece::Operations(start) = piece {
            let done = start.saturating_sub(ops_start) + PIECE_OPS.get();
            let operations = ops_end - ops_start;
            (self.progress.lock())(done.min(operations), operations);
        }
        self.reader.piece(piece, first_operation(&self.commitment))
    }
}
