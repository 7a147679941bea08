//! `eth_*` about prices of gas.

use crate::{
    api::{Api, Module, blocking, method},
    error::RpcError,
    params::Args,
};
use alloy_consensus::Transaction as _;
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{U64, U128};
use alloy_rpc_types_eth::FeeHistory;
use cairn_chain::Sealed;
use serde::Deserialize;

/// Blocks whose tips make the suggestion.
const SAMPLED_BLOCKS: u64 = 20;
/// Lowest tips of a block that count.
const SAMPLED_TIPS: usize = 3;
/// Which of the sampled tips is suggested, in percent.
const SAMPLED_PERCENTILE: usize = 60;
/// Suggestion when there is nothing to sample, in wei per gas.
const DEFAULT_TIP: u128 = 1_000_000;
/// Highest suggestion, in wei per gas.
const MAX_TIP: u128 = 500_000_000_000;
/// Most percentiles of a fee history.
const MAX_PERCENTILES: usize = 100;

pub(crate) fn register(module: &mut Module) {
    method(module, "eth_gasPrice", |api, _| async move {
        let tip = suggested_tip(&api).await?;
        Ok(U128::from(u128::from(api.chain().next_base_fee()).saturating_add(tip)))
    });
    method(module, "eth_maxPriorityFeePerGas", |api, _| async move {
        Ok(U128::from(suggested_tip(&api).await?))
    });
    method(
        module,
        "eth_baseFee",
        |api, _| async move { Ok(U64::from(api.chain().next_base_fee())) },
    );
    method(module, "eth_blobBaseFee", |api, _| async move {
        Ok(U64::from(api.chain().genesis().rules().blob_base_fee))
    });
    method(module, "eth_feeHistory", fee_history);
}

/// A tip that recent blocks took: the 60th percentile of the lowest tips of each.
async fn suggested_tip(api: &Api) -> Result<u128, RpcError> {
    let api = api.clone();
    blocking(move || {
        let head = api.chain().head().number();
        let mut tips = Vec::new();
        for height in head.saturating_sub(SAMPLED_BLOCKS - 1)..=head {
            if let Some(block) = api.by_number(height)? {
                let mut of_block: Vec<_> = tips_of(&block).map(|(tip, _)| tip).collect();
                of_block.sort_unstable();
                tips.extend(of_block.into_iter().take(SAMPLED_TIPS));
            }
        }
        tips.sort_unstable();
        let at = tips.len().saturating_sub(1) * SAMPLED_PERCENTILE / 100;
        Ok(tips.get(at).copied().unwrap_or(DEFAULT_TIP).min(MAX_TIP))
    })
    .await
}

/// (Tip in wei per gas, gas used) of every transaction of a block.
fn tips_of(block: &Sealed) -> impl Iterator<Item = (u128, u64)> + '_ {
    let base_fee = block.block.header.base_fee_per_gas.unwrap_or_default();
    block.transactions.iter().zip(&block.receipts).map(move |(tx, receipt)| {
        (tx.envelope.effective_tip_per_gas(base_fee).unwrap_or_default(), receipt.gas_used)
    })
}

/// A count in hex, or as some clients send it, a number.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Count {
    Number(u64),
    Hex(U64),
}

impl Count {
    pub(crate) fn get(self) -> u64 {
        match self {
            Self::Number(count) => count,
            Self::Hex(count) => count.to(),
        }
    }
}

async fn fee_history(api: Api, mut args: Args) -> Result<FeeHistory, RpcError> {
    let count = args.next::<Count>("block count")?.get().min(api.limits().fee_history);
    let newest: BlockNumberOrTag = args.next("newest block")?;
    let percentiles: Option<Vec<f64>> = args.optional("reward percentiles")?;
    check_percentiles(percentiles.as_deref().unwrap_or_default())?;
    let (head, newest) = (api.chain().head().number(), api.height(newest));
    if newest > head {
        return Err(RpcError::Refused(format!(
            "request beyond head block: requested {newest}, head {head}"
        )));
    }
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let oldest = (newest + 1).saturating_sub(count).max(api.chain().earliest().min(newest));
    blocking(move || collect(&api, oldest, newest, percentiles.as_deref())).await
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    if percentiles.len() > MAX_PERCENTILES {
        return Err(RpcError::Params(format!(
            "invalid reward percentile: over the query limit {MAX_PERCENTILES}"
        )));
    }
    for (i, percentile) in percentiles.iter().enumerate() {
        if !(0.0..=100.0).contains(percentile) {
            return Err(RpcError::Params(format!("invalid reward percentile: {percentile}")));
        }
        let before = i.checked_sub(1).and_then(|before| percentiles.get(before));
        if let Some(before) = before.filter(|before| *before > percentile) {
            return Err(RpcError::Params(format!(
                "invalid reward percentile: #{}:{before} >= #{i}:{percentile}",
                i - 1
            )));
        }
    }
    Ok(())
}

fn collect(
    api: &Api,
    oldest: u64,
    newest: u64,
    percentiles: Option<&[f64]>,
) -> Result<FeeHistory, RpcError> {
    let blob_base_fee = u128::from(api.chain().genesis().rules().blob_base_fee);
    let mut history = FeeHistory { oldest_block: oldest, ..FeeHistory::default() };
    let mut rewards = Vec::new();
    for height in oldest..=newest {
        let block = api.known_block(height.into())?;
        let header = &block.block.header;
        history.base_fee_per_gas.push(header.base_fee_per_gas.unwrap_or_default().into());
        history.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
        history.base_fee_per_blob_gas.push(blob_base_fee);
        history.blob_gas_used_ratio.push(0.0);
        if let Some(percentiles) = percentiles {
            rewards.push(rewards_of(&block, percentiles));
        }
        if height == newest {
            history.base_fee_per_gas.push(api.next_base_fee(&block).into());
            history.base_fee_per_blob_gas.push(blob_base_fee);
        }
    }
    history.reward = percentiles.filter(|p| !p.is_empty()).map(|_| rewards);
    Ok(history)
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for display")]
fn ratio(used: u64, limit: u64) -> f64 {
    if limit == 0 { 0.0 } else { used as f64 / limit as f64 }
}

/// The tips below which each percentage of the block's gas was used.
fn rewards_of(block: &Sealed, percentiles: &[f64]) -> Vec<u128> {
    let mut tips: Vec<_> = tips_of(block).collect();
    tips.sort_unstable();
    rewards(&tips, block.block.header.gas_used, percentiles)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "percentiles are 0 to 100 and gas is far below 2^53"
)]
fn rewards(sorted: &[(u128, u64)], gas_used: u64, percentiles: &[f64]) -> Vec<u128> {
    let reward = |percentile: &f64| {
        let threshold = (gas_used as f64 * percentile / 100.0) as u64;
        let mut sum = 0;
        let reached = sorted.iter().find(|(_, gas)| {
            sum += gas;
            sum >= threshold
        });
        reached.or(sorted.last()).map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(reward).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_checked() {
        for good in [&[][..], &[0.0, 50.0, 50.0, 100.0]] {
            assert_eq!(check_percentiles(good), Ok(()));
        }
        for bad in [&[101.0][..], &[-1.0], &[f64::NAN], &[50.0, 10.0], &[1.0; 101]] {
            assert!(check_percentiles(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn rewards_are_weighted_by_gas() {
        let tips = [(1, 70), (5, 20), (9, 10)];
        assert_eq!(rewards(&tips, 100, &[0.0, 70.0, 71.0, 90.0, 100.0]), [1, 1, 5, 5, 9]);
        assert_eq!(rewards(&[], 0, &[50.0]), [0]);
    }
}
