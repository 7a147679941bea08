//! `cairn_*`: what Ethereum has no methods for.

use crate::{
    api::{Api, Module, method},
    error::RpcError,
    params::Args,
    web3::client_version,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use cairn_primitives::state::StateKey;
use serde::Serialize;

/// Blocks after a block among which one with a certificate of its own is looked for.
const MAX_DESCENDANTS: u64 = 256;
/// Most storage slots of one proof: what the light client takes.
const MAX_SLOTS: usize = 256;

pub(crate) fn register(module: &mut Module) {
    method(module, "cairn_status", status);
    method(module, "cairn_getFinalization", finalization);
    method(module, "cairn_getProof", proof);
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    chain_id: U64,
    network: String,
    /// Height of the last final block.
    head: U64,
    hash: B256,
    timestamp_ms: U64,
    /// First height of which this node has all blocks since.
    earliest: U64,
    /// Oldest height whose state this node has.
    oldest_state: U64,
    peers: U64,
    pending: U64,
    queued: U64,
    validators: Vec<B256>,
    version: String,
}

async fn status(api: Api, _: Args) -> Result<Status, RpcError> {
    let chain = api.chain();
    let (head, genesis) = (chain.head(), chain.genesis());
    let (pending, queued) = chain.pool().status();
    Ok(Status {
        chain_id: U64::from(genesis.chain_id),
        network: genesis.name.clone(),
        head: U64::from(head.number()),
        hash: head.hash,
        timestamp_ms: U64::from(head.block.extra.timestamp_ms),
        earliest: U64::from(chain.earliest()),
        oldest_state: U64::from(chain.oldest_state()),
        peers: U64::from(chain.backend().peers()),
        pending: U64::from(pending),
        queued: U64::from(queued),
        validators: genesis.committee.validators.iter().map(|v| v.public_key).collect(),
        version: client_version(),
    })
}

/// What makes a block final: a certificate for it or for a descendant, with the headers between.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finalization {
    block_number: U64,
    block_hash: B256,
    /// RLP of the block's header.
    header: Bytes,
    /// RLP of the headers after it, up to the one that the certificate is for; empty if it is for
    /// the block itself.
    descendants: Vec<Bytes>,
    /// The encoded certificate.
    certificate: Bytes,
}

async fn finalization(api: Api, mut args: Args) -> Result<Option<Finalization>, RpcError> {
    let number: BlockNumberOrTag = args.next("number")?;
    find_finalization(&api, api.height(number)).await
}

/// Finds the first certificate at or above `height`.
async fn find_finalization(api: &Api, height: u64) -> Result<Option<Finalization>, RpcError> {
    let Some(block) = api.by_number(height)? else { return Ok(None) };
    let mut found = Finalization {
        block_number: U64::from(height),
        block_hash: block.hash,
        header: alloy_rlp::encode(&block.block.header).into(),
        descendants: Vec::new(),
        certificate: Bytes::new(),
    };
    for at in height..=height.saturating_add(MAX_DESCENDANTS) {
        if at > height {
            let Some(block) = api.by_number(at)? else { return Ok(None) };
            found.descendants.push(alloy_rlp::encode(&block.block.header).into());
        }
        if let Some(certificate) = api.chain().backend().finalization(at).await {
            found.certificate = certificate;
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A proof of an account and some of its storage, as the light client verifies it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    #[serde(flatten)]
    finalization: Finalization,
    address: Address,
    account_proof: Bytes,
    storage_proofs: Vec<SlotProof>,
}

#[derive(Clone, Debug, Serialize)]
struct SlotProof {
    slot: U256,
    proof: Bytes,
}

async fn proof(api: Api, mut args: Args) -> Result<Proof, RpcError> {
    let address: Address = args.next("address")?;
    let slots: Vec<U256> = args.or_default("slots")?;
    let wanted: BlockId = args.or_default("block")?;
    if slots.len() > MAX_SLOTS {
        return Err(RpcError::Params(format!("too many slots (max {MAX_SLOTS})")));
    }
    let account = std::iter::once(StateKey::account(address));
    let keys: Vec<_> =
        account.chain(slots.iter().map(|slot| StateKey::slot(address, *slot))).collect();
    let proven = api.chain().backend().prove(&keys).await;
    let proven = proven.map_err(|error| RpcError::Internal(error.to_string()))?;
    if !names(&api, wanted, proven.height)? {
        return Err(RpcError::Refused(format!(
            "only the newest state can be proven, which is that of block {}",
            proven.height
        )));
    }
    let finalization = certified(&api, proven.height).await?;
    let mut proofs = proven.proofs.into_iter();
    let account_proof = proofs.next().unwrap_or_default();
    let storage_proofs =
        slots.into_iter().zip(proofs).map(|(slot, proof)| SlotProof { slot, proof });
    Ok(Proof { finalization, address, account_proof, storage_proofs: storage_proofs.collect() })
}

/// Whether `wanted` stands for the block at `height`.
fn names(api: &Api, wanted: BlockId, height: u64) -> Result<bool, RpcError> {
    Ok(match wanted {
        BlockId::Number(BlockNumberOrTag::Number(number)) => number == height,
        BlockId::Number(BlockNumberOrTag::Earliest) => height == 0,
        BlockId::Number(_) => true,
        BlockId::Hash(hash) => {
            api.by_hash(hash.block_hash)?.is_some_and(|block| block.number() == height)
        }
    })
}

/// The certificate for the block at `height`. A state may be applied just before its block becomes the
/// head, and certified just after; that is waited for.
async fn certified(api: &Api, height: u64) -> Result<Finalization, RpcError> {
    let mut heads = api.chain().subscribe();
    for _ in 0..MAX_DESCENDANTS {
        if let Some(found) = find_finalization(api, height).await? {
            return Ok(found);
        }
        let next = tokio::time::timeout(api.limits().sync_wait_default, heads.recv()).await;
        if next.is_err() {
            break;
        }
    }
    Err(RpcError::Refused(format!("there is no finality certificate for block {height} yet")))
}
