//! [`cairn_chain::block::Block`] as consensus sees it.

use crate::types::{Context, Digest, EPOCH, PublicKey};
use alloy_primitives::B256;
use cairn_chain::block::Block;
use commonware_codec::{
    Buf, Copying, DecodeExt as _, EncodeSize, Error as CodecError, Read, Write,
};
use commonware_consensus::{
    BoundedBlock, CertifiableBlock, Heightable,
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::{Digestible, Signer as _, ed25519};
use commonware_runtime::BufMut;
use std::sync::{Arc, OnceLock};

/// Bytes of a block beyond its transactions: header, consensus data, list prefixes.
const OVERHEAD: usize = 8 << 10;

/// Bytes that frame one block: its length.
const PREFIX: usize = 4;

/// A block on its way through consensus. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ConsensusBlock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    block: Arc<Block>,
    hash: B256,
    encoded: OnceLock<Vec<u8>>,
}

/// Largest encoding of a block whose transactions have at most `block_bytes` bytes.
///
/// RLP adds at most 9 bytes to each transaction of at least 60 bytes.
#[must_use]
pub const fn max_encoded_bytes(block_bytes: usize) -> usize {
    block_bytes + block_bytes / 6 + OVERHEAD
}

impl ConsensusBlock {
    /// Wraps `block`.
    #[must_use]
    pub fn new(block: impl Into<Arc<Block>>) -> Self {
        let block = block.into();
        let hash = block.hash();
        Self(Arc::new(Inner { block, hash, encoded: OnceLock::new() }))
    }

    /// The block itself.
    #[must_use]
    pub fn block(&self) -> &Arc<Block> {
        &self.0.block
    }

    /// Keccak-256 of its header.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.0.hash
    }

    fn encoded(&self) -> &[u8] {
        self.0.encoded.get_or_init(|| self.0.block.encode())
    }
}

impl PartialEq for ConsensusBlock {
    fn eq(&self, other: &Self) -> bool {
        self.0.hash == other.0.hash
    }
}

impl Eq for ConsensusBlock {}

impl Write for ConsensusBlock {
    fn write(&self, buf: &mut impl BufMut) {
        let bytes = self.encoded();
        u32::try_from(bytes.len()).expect("blocks are far below 4 GiB").write(buf);
        buf.put_slice(bytes);
    }
}

impl EncodeSize for ConsensusBlock {
    fn encode_size(&self) -> usize {
        PREFIX + self.encoded().len()
    }
}

impl Read for ConsensusBlock {
    /// Most bytes that the block's encoding may have.
    type Cfg = usize;

    fn read_cfg(buf: &mut impl Buf, limit: &usize) -> Result<Self, CodecError> {
        let length = u32::read_cfg(buf, &())? as usize;
        if length > *limit {
            return Err(CodecError::InvalidLength(length));
        }
        if buf.remaining() < length {
            return Err(CodecError::EndOfBuffer);
        }
        let bytes = buf.copy_to_bytes(length);
        let block = Block::decode(&bytes, *limit)
            .map_err(|error| CodecError::Wrapped("block", Box::new(error)))?;
        if PublicKey::decode(Copying(block.extra.leader.as_slice())).is_err() && block.number() > 0
        {
            return Err(CodecError::Invalid("block", "leader is not an ed25519 key"));
        }
        if block.extra.ops_start >= block.extra.ops_end {
            return Err(CodecError::Invalid("block", "empty range of state operations"));
        }
        Ok(Self::new(block))
    }
}

impl Digestible for ConsensusBlock {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        Digest::from(self.0.hash.0)
    }
}

impl Heightable for ConsensusBlock {
    fn height(&self) -> Height {
        Height::new(self.0.block.number())
    }
}

impl commonware_consensus::Block for ConsensusBlock {
    fn parent(&self) -> Digest {
        Digest::from(self.0.block.header.parent_hash.0)
    }
}

impl CertifiableBlock for ConsensusBlock {
    type Context = Context;

    fn context(&self) -> Context {
        let extra = &self.0.block.extra;
        let leader = PublicKey::decode(Copying(extra.leader.as_slice()))
            .unwrap_or_else(|_| ed25519::PrivateKey::from_seed(0).public_key());
        Context {
            round: Round::new(Epoch::new(extra.epoch), View::new(extra.view)),
            leader,
            parent: (View::new(extra.parent_view), Digest::from(self.0.block.header.parent_hash.0)),
        }
    }
}

impl BoundedBlock for ConsensusBlock {
    fn max_encode_size(limit: &usize) -> usize {
        PREFIX + *limit
    }
}

/// Whether `block` names exactly the consensus round, leader and parent of `context`.
#[must_use]
pub fn matches_context(block: &Block, context: &Context) -> bool {
    let extra = &block.extra;
    let leader: &[u8] = context.leader.as_ref();
    context.round.epoch() == EPOCH
        && extra.epoch == context.round.epoch().get()
        && extra.view == context.round.view().get()
        && extra.leader.as_slice() == leader
        && extra.parent_view == context.parent.0.get()
        && block.header.parent_hash.0 == context.parent.1.0
}
