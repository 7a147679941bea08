//! What every method works on, and how methods are registered.

use crate::{error::RpcError, eth::filter::Filters, limits::Limits, params::Args};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, U256};
use cairn_chain::{Chain, Sealed};
use cairn_evm::{BlockEnv, StateDb, StateView, on_state};
use cairn_primitives::state::{Account, StateKey};
use cairn_protocol::fees::{ParentGas, next_base_fee};
use jsonrpsee::{RpcModule, types::ErrorObjectOwned};
use serde::Serialize;
use std::{future::Future, sync::Arc};
use tokio::sync::Semaphore;

/// The methods of a server, over an [`Api`].
pub type Module = RpcModule<Api>;

/// What every method works on. Clones share it.
#[derive(Clone, Debug)]
pub struct Api(Arc<Inner>);

struct Inner {
    chain: Chain,
    limits: Limits,
    filters: Filters,
    calls: Semaphore,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A block that a client named, and the state to work on.
pub struct At {
    /// The block; for `pending` the head.
    pub block: Arc<Sealed>,
    /// The state after it.
    pub state: Arc<dyn StateView>,
    /// What the client named.
    pub id: BlockId,
}

impl std::fmt::Debug for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("At").field("block", &self.block.number()).finish_non_exhaustive()
    }
}

impl Api {
    /// An API over `chain`.
    #[must_use]
    pub fn new(chain: Chain, limits: Limits) -> Self {
        let filters = Filters::new(limits.filters, limits.filter_idle);
        Self(Arc::new(Inner { chain, limits, filters, calls: Semaphore::new(limits.calls) }))
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.0.chain
    }

    /// Bounds of what clients can ask for.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn filters(&self) -> &Filters {
        &self.0.filters
    }

    /// The height that `number` names; for `pending` that of the head.
    #[must_use]
    pub fn height(&self, number: BlockNumberOrTag) -> u64 {
        match number {
            BlockNumberOrTag::Number(height) => height,
            BlockNumberOrTag::Earliest => 0,
            BlockNumberOrTag::Latest
            | BlockNumberOrTag::Finalized
            | BlockNumberOrTag::Safe
            | BlockNumberOrTag::Pending => self.0.chain.head().number(),
        }
    }

    /// The block at `height`, if this node has it.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub fn by_number(&self, height: u64) -> Result<Option<Arc<Sealed>>, RpcError> {
        Ok(self.0.chain.by_number(height)?)
    }

    /// The block with this hash, if this node has it.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub fn by_hash(&self, hash: B256) -> Result<Option<Arc<Sealed>>, RpcError> {
        Ok(self.0.chain.by_hash(hash)?)
    }

    /// The block that a client names; for `pending` the head.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub fn block(&self, id: BlockId) -> Result<Option<Arc<Sealed>>, RpcError> {
        match id {
            BlockId::Hash(hash) => self.by_hash(hash.block_hash),
            BlockId::Number(number) => self.by_number(self.height(number)),
        }
    }

    /// The block that a client names, which must be there.
    ///
    /// # Errors
    /// If there is no such block, with geth's text.
    pub fn known_block(&self, id: BlockId) -> Result<Arc<Sealed>, RpcError> {
        self.block(id)?.ok_or_else(|| match id {
            BlockId::Hash(_) => RpcError::refused("header for hash not found"),
            BlockId::Number(_) => RpcError::refused("header not found"),
        })
    }

    /// The block that a client names (the head if it names none) and the state after it.
    ///
    /// # Errors
    /// If there is no such block or its state is pruned.
    pub fn at(&self, id: Option<BlockId>) -> Result<At, RpcError> {
        let id = id.unwrap_or_default();
        let block = self.known_block(id)?;
        let state = self.0.chain.state_at(block.number())?;
        Ok(At { block, state, id })
    }

    /// What the transactions of `block` saw of it.
    #[must_use]
    pub fn env(&self, block: &Sealed) -> BlockEnv {
        let header = &block.block.header;
        BlockEnv {
            chain_id: self.0.chain.genesis().chain_id,
            number: header.number,
            timestamp: header.timestamp,
            beneficiary: header.beneficiary,
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            prevrandao: header.mix_hash,
            parent_hash: header.parent_hash,
            rules: self.0.chain.genesis().rules(),
        }
    }

    /// What a call at `at` sees: the named block, or for `pending` a block on top of the head.
    #[must_use]
    pub fn env_at(&self, at: &At) -> BlockEnv {
        let env = self.env(&at.block);
        if at.id != BlockId::pending() {
            return env;
        }
        BlockEnv {
            number: env.number + 1,
            timestamp: at
                .block
                .block
                .extra
                .timestamp_ms
                .saturating_add(env.rules.min_block_interval_ms)
                / 1_000,
            base_fee: self.next_base_fee(&at.block),
            parent_hash: at.block.hash,
            ..env
        }
    }

    /// Base fee of the block after `block`, in wei per gas.
    #[must_use]
    pub fn next_base_fee(&self, block: &Sealed) -> u64 {
        let genesis = self.0.chain.genesis();
        let header = &block.block.header;
        if header.number == 0 {
            return genesis.parameters.initial_base_fee;
        }
        let parent = ParentGas {
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            used: header.gas_used,
            limit: header.gas_limit,
        };
        next_base_fee(&genesis.rules(), parent)
    }

    /// Runs EVM work over `state` on a thread where it delays nobody else. At most
    /// [`Limits::calls`] run at a time.
    ///
    /// # Errors
    /// If the state cannot be read, or `work` fails.
    pub async fn run<R: Send + 'static>(
        &self,
        state: Arc<dyn StateView>,
        work: impl FnOnce(&mut StateDb<'_>) -> Result<R, RpcError> + Send + 'static,
    ) -> Result<R, RpcError> {
        let _permit = self.0.calls.acquire().await.map_err(stopping)?;
        let runtime = tokio::runtime::Handle::current();
        blocking(move || runtime.block_on(on_state(state.as_ref(), work))?).await
    }
}

/// Runs work that blocks, such as long reads of the history, beside the tasks of the runtime.
pub(crate) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, RpcError> + Send + 'static,
) -> Result<R, RpcError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a request failed in an unforeseen way");
        RpcError::Internal("the request failed in an unforeseen way; see the node's log".into())
    })?
}

fn stopping(_: impl std::error::Error) -> RpcError {
    RpcError::Internal("the node is stopping".into())
}

impl At {
    /// The account at `address`; an empty one if there is none.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn account(&self, address: Address) -> Result<Account, RpcError> {
        let value = self.state.get(&StateKey::account(address)).await?;
        Ok(value.map(|value| Account::decode(&value)).unwrap_or_default())
    }

    /// Storage slot `slot` of `address`.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn slot(&self, address: Address, slot: U256) -> Result<U256, RpcError> {
        let value = self.state.get(&StateKey::slot(address, slot)).await?;
        Ok(value.map(|value| value.as_word()).unwrap_or_default())
    }
}

/// Registers `handler` as the method `name`.
///
/// # Panics
/// If the name is taken.
pub fn method<F, Fut, T>(module: &mut Module, name: &'static str, handler: F)
where
    F: Fn(Api, Args) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<T, RpcError>> + Send + 'static,
    T: Serialize + Clone + 'static,
{
    let run = move |params: jsonrpsee::types::Params<'static>, api: Arc<Api>, _| {
        let args = Args::parse(&params);
        let handler = handler.clone();
        async move { handler(Api::clone(&api), args?).await.map_err(ErrorObjectOwned::from) }
    };
    module.register_async_method(name, run).expect("every method has a name of its own");
}
