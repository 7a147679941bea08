//! `eth_getLogs`: logs of a range of blocks, found by the bloom filters of the blocks.

use crate::{
    api::{Api, Module, blocking, method},
    convert,
    error::RpcError,
    params::Args,
};
use alloy_eips::BlockNumberOrTag;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use cairn_chain::Sealed;
use std::ops::RangeInclusive;

/// Blocks whose bloom filters are read at a time.
const CHUNK: u64 = 4_096;

pub(crate) fn register(module: &mut Module) {
    method(module, "eth_getLogs", get_logs);
}

async fn get_logs(api: Api, mut args: Args) -> Result<Vec<Log>, RpcError> {
    let filter: Filter = args.next("filter")?;
    blocking(move || all(&api, &filter)).await
}

/// All logs that `filter` asks for.
pub(crate) fn all(api: &Api, filter: &Filter) -> Result<Vec<Log>, RpcError> {
    let mut logs = Vec::new();
    if let FilterBlockOption::AtBlockHash(hash) = filter.block_option {
        let block = api.by_hash(hash)?.ok_or_else(|| RpcError::refused("unknown block"))?;
        append(&block, filter, &mut logs);
        return Ok(logs);
    }
    let range = range(api, filter)?;
    let (start, end) = (*range.start(), *range.end());
    let last = scan(api, filter, range, &mut logs)?;
    if last < end || logs.len() > api.limits().logs {
        return Err(RpcError::Refused(format!(
            "query exceeds max results {}, retry with the range {start}-{}",
            api.limits().logs,
            last.saturating_sub(1).max(start)
        )));
    }
    Ok(logs)
}

/// The blocks that `filter` spans, if they are not too many and all there.
fn range(api: &Api, filter: &Filter) -> Result<RangeInclusive<u64>, RpcError> {
    let FilterBlockOption::Range { from_block, to_block } = filter.block_option else {
        return Err(RpcError::params("a filter has either a block hash or a range"));
    };
    let head = api.chain().head().number();
    let from = api.height(from_block.unwrap_or(BlockNumberOrTag::Latest));
    let to = api.height(to_block.unwrap_or(BlockNumberOrTag::Latest));
    let max = api.limits().log_blocks;
    if from > to && from <= head {
        return Err(RpcError::params("invalid block range params"));
    }
    if from > head || to > head {
        return Err(RpcError::Params(format!(
            "block range extends beyond current head block: requested {from} to {to}, head {head}"
        )));
    }
    if to - from >= max {
        return Err(RpcError::Params(format!("query exceeds max block range {max}")));
    }
    let earliest = api.chain().earliest();
    if from < earliest && from > 0 {
        return Err(RpcError::Refused(format!(
            "pruned history unavailable: this node has the blocks since {earliest}; ask another one"
        )));
    }
    Ok(from..=to)
}

/// Appends the logs of a range that `filter` matches, until there are more than a request may have.
/// Returns the last block that was looked at.
pub(crate) fn scan(
    api: &Api,
    filter: &Filter,
    range: RangeInclusive<u64>,
    logs: &mut Vec<Log>,
) -> Result<u64, RpcError> {
    let (mut start, end) = range.into_inner();
    while start <= end {
        let stop = end.min(start.saturating_add(CHUNK - 1));
        for (height, bloom) in api.chain().blooms(start..=stop)? {
            if !filter.matches_bloom(bloom) {
                continue;
            }
            let Some(block) = api.by_number(height)? else { continue };
            append(&block, filter, logs);
            if logs.len() > api.limits().logs {
                return Ok(height);
            }
        }
        start = stop + 1;
    }
    Ok(end)
}

/// Appends the logs of a block that `filter` matches; its range is not looked at.
pub(crate) fn append(block: &Sealed, filter: &Filter, logs: &mut Vec<Log>) {
    let wanted = |log: &Log| {
        filter.matches_address(log.inner.address) && filter.matches_topics(log.inner.topics())
    };
    logs.extend(convert::logs(block).filter(wanted));
}
