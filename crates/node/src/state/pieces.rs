//! The state database cut into pieces that prove themselves.
//!
//! A state is rebuilt from its operations log, as in state sync: the log alone determines every root.
//! A piece is a run of at most [`PIECE_OPS`] operations with the proof that they stand in the log with
//! the `opsRoot` of a block; the first piece pins what came before the log's beginning. So whoever
//! knows a final block needs to trust nobody for its state.

use super::{DbConfig, StateCommitment, StateDb, StateOp, commitment, sync_target};
use commonware_codec::{Decode as _, Encode as _};
use commonware_cryptography::{Sha256, sha256};
use commonware_runtime::Spawner;
use commonware_storage::{
    Context as StorageContext,
    mmr::{self, Location},
    qmdb::{
        Error as QmdbError,
        sync::{self, EngineError, Request, Response, ResponseOf, Source, engine},
        verify_proof, verify_proof_and_pinned_nodes,
    },
};
use commonware_utils::{NZU64, NZUsize};
use std::{num::NonZeroU64, sync::Arc};

/// Operations in one piece; the last one may have fewer.
pub const PIECE_OPS: NonZeroU64 = NZU64!(2_048);

/// One piece of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// What came before the log's first operation, and that operation.
    Boundary,
    /// Operations from this one on.
    Operations(u64),
}

/// First operation in the pieces of a state. The boundary of a log that does not begin with operation
/// 0 brings its first operation along.
#[must_use]
pub const fn first_operation(of: &StateCommitment) -> u64 {
    if of.ops_start == 0 { 0 } else { of.ops_start + 1 }
}

/// All pieces of a state, in order.
pub fn pieces(of: &StateCommitment) -> impl Iterator<Item = Piece> {
    let step = usize::try_from(PIECE_OPS.get()).unwrap_or(usize::MAX);
    let operations = (first_operation(of)..of.ops_end).step_by(step).map(Piece::Operations);
    std::iter::once(Piece::Boundary).chain(operations)
}

/// Where the pieces of a state come from. Nothing that it returns is believed.
pub trait PieceReader: Send + Sync + 'static {
    /// Why a piece cannot be had.
    type Error: std::error::Error + Send + 'static;

    /// The encoding of a piece.
    ///
    /// # Errors
    /// If the piece cannot be had.
    fn read(&self, piece: Piece) -> Result<Vec<u8>, Self::Error>;
}

/// Why a state cannot be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError<E: std::error::Error> {
    /// The source of the pieces failed.
    #[error(transparent)]
    Source(E),
    /// A piece is not part of the state.
    #[error("{0:?} does not belong to the state of the block")]
    Foreign(Piece),
    /// The block names no operations.
    #[error("the block names an empty range of operations")]
    Empty,
    /// The database failed.
    #[error("the state database failed: {0}")]
    Database(String),
}

impl Piece {
    fn request(self, of: &StateCommitment) -> Request<mmr::Family> {
        let size = Location::new(of.ops_end);
        match self {
            Self::Boundary => Request::Boundary { size, start: Location::new(of.ops_start) },
            Self::Operations(start) => {
                let rest = NonZeroU64::new(of.ops_end.saturating_sub(start));
                let max_ops = rest.map_or(NonZeroU64::MIN, |rest| rest.min(PIECE_OPS));
                Request::Operations { size, start: Location::new(start), max_ops }
            }
        }
    }

    /// Reads and encodes this piece of the state `of`, which `db` has or had.
    pub(super) async fn read<E: Spawner + StorageContext>(
        self,
        db: &StateDb<E>,
        of: &StateCommitment,
    ) -> Result<Vec<u8>, QmdbError<mmr::Family>> {
        let (response, _) = db.serve(self.request(of)).await?;
        Ok(response.encode().to_vec())
    }

    /// Whether `bytes` are the encoding of this piece of the state `of`.
    #[must_use]
    pub fn is_proven_by(self, bytes: &[u8], of: &StateCommitment) -> bool {
        self.decode(bytes, of).is_some()
    }

    /// Decodes a piece and checks that it belongs to the state `of`.
    fn decode(self, bytes: &[u8], of: &StateCommitment) -> Option<Answer> {
        let limit = usize::try_from(PIECE_OPS.get()).ok()?;
        let answer = Answer::decode_cfg(commonware_codec::Copying(bytes), &(limit, ())).ok()?;
        let request = self.request(of);
        let root = sha256::Digest::from(of.ops_root.0);
        let start = request.start();
        let proven = answer.proof().leaves == request.size()
            && match (self, &answer) {
                (Self::Operations(_), Response::Operations { proof, operations }) => {
                    operations.len() as u64 == request.max_ops().get()
                        && verify_proof::<Sha256, _, _>(proof, start, operations, &root)
                }
                (Self::Boundary, Response::Boundary { proof, op, pinned_nodes }) => {
                    let op = std::slice::from_ref(op);
                    verify_proof_and_pinned_nodes::<Sha256, _, _>(
                        proof,
                        start,
                        op,
                        pinned_nodes,
                        &root,
                    )
                }
                (Self::Boundary, Response::Operations { .. })
                | (Self::Operations(_), Response::Boundary { .. }) => false,
            };
        proven.then_some(answer)
    }
}

type Answer = Response<mmr::Family, StateOp, sha256::Digest>;

/// The pieces as the database's sync engine asks for them.
struct Pieces<R> {
    reader: Arc<R>,
    of: StateCommitment,
}

impl<R: PieceReader> Source for Pieces<R> {
    type Family = mmr::Family;
    type Digest = sha256::Digest;
    type Op = StateOp;
    type Error = RebuildError<R::Error>;

    async fn serve(&self, request: Request<mmr::Family>) -> sync::source::Result<Self> {
        let piece = match request {
            Request::Boundary { .. } => Piece::Boundary,
            Request::Operations { start, .. } => Piece::Operations(*start),
        };
        let bytes = self.reader.read(piece).map_err(RebuildError::Source)?;
        let answer: ResponseOf<Self> =
            piece.decode(&bytes, &self.of).ok_or(RebuildError::Foreign(piece))?;
        Ok((answer, None))
    }
}

/// Builds the state with the operations of `of` in an empty storage, durably, and returns what the
/// new database commits to. The caller compares the canonical root.
///
/// # Errors
/// See [`RebuildError`].
pub async fn rebuild<E: Spawner + StorageContext, R: PieceReader>(
    context: E,
    config: DbConfig,
    of: StateCommitment,
    reader: R,
) -> Result<StateCommitment, RebuildError<R::Error>> {
    let target = sync_target(of.ops_root, of.ops_start, of.ops_end).ok_or(RebuildError::Empty)?;
    let failed = |error: QmdbError<mmr::Family>| RebuildError::Database(error.to_string());
    // The engine does not ask for the boundary of a log that begins with operation 0.
    let boundary = reader.read(Piece::Boundary).map_err(RebuildError::Source)?;
    Piece::Boundary.decode(&boundary, &of).ok_or(RebuildError::Foreign(Piece::Boundary))?;
    let db: StateDb<E> = sync::sync(engine::Config {
        context,
        source: Pieces { reader: Arc::new(reader), of },
        target,
        // Pieces are asked for in order, one after the other: they come from one file.
        max_outstanding_requests: NZUsize!(1),
        fetch_batch_size: PIECE_OPS,
        apply_batch_size: PIECE_OPS,
        db_config: config,
        update_rx: None,
        finish_rx: None,
        reached_target_tx: None,
    })
    .await
    .map_err(|error| match error {
        sync::Error::Source(error) => error,
        sync::Error::Database(error) => failed(error),
        sync::Error::Engine(error) => engine_failed(&error),
    })?;
    let db = db.sync().await.map_err(failed)?;
    Ok(commitment(&db))
}

fn engine_failed<E: std::error::Error>(
    error: &EngineError<mmr::Family, sha256::Digest>,
) -> RebuildError<E> {
    RebuildError::Database(error.to_string())
}
