//! Writing a snapshot.

use super::{
    PAGE_CACHE_BYTES, Place, Progress, SnapshotError, Summary,
    file::{Manifest, Tag, Writer},
    with_storage,
};
use crate::{
    backend::NodeBackend,
    block::{ConsensusBlock, max_encoded_bytes},
    node::{PREFIX, empty_state},
    state::{Databases, LiveState, PIECE_OPS, Piece, StateStore, db_config, pieces},
    storage::{self, BUFFER, STORAGE},
};
use cairn_chain::{Chain, ChainConfig, Sealed};
use cairn_evm::StateView as _;
use cairn_primitives::state::StateKey;
use commonware_codec::Encode as _;
use commonware_glue::stateful::db::DatabaseSet;
use commonware_runtime::{Supervisor as _, tokio::Context};
use commonware_storage::archive::{Archive as _, Identifier};
use std::{path::Path, sync::Arc};

/// The state of a node that does not run, and the block that it belongs to.
struct Exported {
    state: Box<dyn StateStore>,
    block: ConsensusBlock,
    certificate: Vec<u8>,
}

/// Writes the state of a node that does not run to `path`. Blocks the calling thread.
///
/// # Errors
/// See [`SnapshotError`]. What is at `path` is replaced only by a whole snapshot.
pub fn export(place: &Place, path: &Path, progress: Progress) -> Result<Summary, SnapshotError> {
    let directory = place.data_dir.join(STORAGE);
    if !directory.is_dir() {
        return Err(SnapshotError::Empty(place.data_dir.clone()));
    }
    storage::check_version(&place.data_dir)?;
    with_storage(directory, |context| async move {
        let exported = open(&context, place).await?;
        write(place, &exported, path, progress).await
    })
}

async fn open(context: &Context, place: &Place) -> Result<Exported, SnapshotError> {
    let failed = |error| SnapshotError::storage(place.data_dir.join(STORAGE))(error);
    let page_cache = storage::page_cache(PAGE_CACHE_BYTES);
    let config = db_config(PREFIX, page_cache.clone(), BUFFER);
    let state = LiveState::new(Databases::init(context.child("state"), config, None).await);
    let head = state.get(&StateKey::head()).await;
    let head = head.map_err(SnapshotError::storage(place.data_dir.join(STORAGE)))?;
    let height = head.map_or(0, |value| value.as_head().0);
    if height == 0 {
        return Err(SnapshotError::Empty(place.data_dir.clone()));
    }
    let max_block = max_encoded_bytes(place.genesis.parameters.block_bytes as usize);
    let blocks =
        storage::blocks(context.child("blocks"), PREFIX, page_cache.clone(), max_block).await;
    let block = blocks.map_err(failed)?.get(Identifier::Index(height)).await.map_err(failed)?;
    let certificates =
        storage::finalizations(context.child("finalizations"), PREFIX, page_cache).await;
    let certificate = certificates.map_err(failed)?.get(Identifier::Index(height)).await;
    let missing =
        |missing| SnapshotError::Incomplete { height, missing, path: place.data_dir.clone() };
    let certificate = certificate.map_err(failed)?.ok_or_else(|| missing("certificate"))?;
    let block = Arc::unwrap_or_clone(block.ok_or_else(|| missing("block"))?);
    let commitment = state.commitment().await;
    let (header, extra) = (&block.block().header, &block.block().extra);
    if (header.state_root, extra.ops_root) != (commitment.root, commitment.ops_root) {
        return Err(missing("state"));
    }
    Ok(Exported { state: Box::new(state), block, certificate: certificate.encode().to_vec() })
}

/// The block as the history has it, with its receipts.
fn recorded(place: &Place, height: u64) -> Result<Arc<Sealed>, SnapshotError> {
    let chain = Chain::open(ChainConfig {
        genesis: place.genesis.clone(),
        genesis_block: place.genesis.block(empty_state()),
        directory: Some(place.data_dir.clone()),
        archive: place.archive,
        backend: Arc::new(NodeBackend::new(tokio::sync::mpsc::channel(1).0)),
    })?;
    chain.recorded_block(height)?.ok_or_else(|| SnapshotError::Incomplete {
        height,
        missing: "receipts",
        path: place.data_dir.clone(),
    })
}

async fn write(
    place: &Place,
    exported: &Exported,
    path: &Path,
    mut progress: Progress,
) -> Result<Summary, SnapshotError> {
    let Exported { state, block, certificate } = exported;
    let (header, extra) = (&block.block().header, &block.block().extra);
    let sealed = recorded(place, header.number)?;
    let mut commitment = state.commitment().await;
    commitment.ops_start = extra.ops_start;
    let manifest = Manifest {
        chain_id: place.genesis.chain_id,
        genesis: place.genesis.hash(),
        height: header.number,
        piece_ops: PIECE_OPS.get(),
    };
    let mut writer = Writer::create(path)?;
    writer.record(Tag::Manifest, &alloy_rlp::encode(&manifest))?;
    writer.record(Tag::Block, &block.block().encode())?;
    writer.record(Tag::Receipts, &sealed.encode_receipts())?;
    writer.record(Tag::Certificate, certificate)?;
    let operations = extra.ops_end - extra.ops_start;
    for piece in pieces(&commitment) {
        let bytes = state.piece(&commitment, piece).await;
        let bytes = bytes.map_err(SnapshotError::storage(place.data_dir.join(STORAGE)))?;
        match piece {
            Piece::Boundary => writer.record(Tag::Boundary, &bytes)?,
            Piece::Operations(start) => {
                writer.record(Tag::Operations, &bytes)?;
                let done = start - extra.ops_start + PIECE_OPS.get();
                progress(done.min(operations), operations);
            }
        }
    }
    Ok(Summary {
        height: header.number,
        hash: block.hash(),
        state_root: header.state_root,
        operations,
        bytes: writer.finish()?,
    })
}
