//! `eth_*` about accounts.

use crate::{
    api::{Api, Module, method},
    error::RpcError,
    params::Args,
};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256};
use cairn_evm::revm::Database as _;
use std::collections::BTreeMap;

/// Most slots of one `eth_getStorageValues`.
const MAX_SLOTS: usize = 1_024;

pub(crate) fn register(module: &mut Module) {
    method(module, "eth_getBalance", balance);
    method(module, "eth_getTransactionCount", transaction_count);
    method(module, "eth_getCode", code);
    method(module, "eth_getStorageAt", storage_at);
    method(module, "eth_getStorageValues", storage_values);
    method(module, "eth_getProof", |_, _| async {
        Err::<(), _>(RpcError::NoSuchMethod(
            "eth_getProof does not exist: the state of this chain is not a Merkle-Patricia trie; \
             use cairn_getProof, whose proofs verify against a finality certificate"
                .into(),
        ))
    });
}

async fn balance(api: Api, mut args: Args) -> Result<U256, RpcError> {
    let address: Address = args.next("address")?;
    Ok(api.at(args.optional("block")?)?.account(address).await?.balance)
}

async fn transaction_count(api: Api, mut args: Args) -> Result<U64, RpcError> {
    let address: Address = args.next("address")?;
    let id: Option<BlockId> = args.optional("block")?;
    if id == Some(BlockId::pending())
        && let Some(nonce) = api.chain().pool().next_nonce(&address)
    {
        return Ok(U64::from(nonce));
    }
    Ok(U64::from(api.at(id)?.account(address).await?.nonce))
}

async fn code(api: Api, mut args: Args) -> Result<Bytes, RpcError> {
    let address: Address = args.next("address")?;
    let at = api.at(args.optional("block")?)?;
    let hash = at.account(address).await?.code_hash;
    if hash == KECCAK256_EMPTY {
        return Ok(Bytes::new());
    }
    api.run(at.state, move |db| Ok(db.code_by_hash(hash)?.original_bytes())).await
}

async fn storage_at(api: Api, mut args: Args) -> Result<B256, RpcError> {
    let address: Address = args.next("address")?;
    let slot: U256 = args.next("slot")?;
    Ok(api.at(args.optional("block")?)?.slot(address, slot).await?.into())
}

async fn storage_values(
    api: Api,
    mut args: Args,
) -> Result<BTreeMap<Address, Vec<B256>>, RpcError> {
    let wanted: BTreeMap<Address, Vec<U256>> = args.next("slots by address")?;
    if wanted.values().map(Vec::len).sum::<usize>() > MAX_SLOTS {
        return Err(RpcError::Params(format!("too many slots (max {MAX_SLOTS})")));
    }
    let at = api.at(args.optional("block")?)?;
    let mut values = BTreeMap::new();
    for (address, slots) in wanted {
        let found: &mut Vec<B256> = values.entry(address).or_default();
        for slot in slots {
            found.push(at.slot(address, slot).await?.into());
        }
    }
    Ok(values)
}
