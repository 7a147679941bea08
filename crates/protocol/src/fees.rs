//! Base fee of the next block.
//!
//! **Source**: [EIP-1559](https://eips.ethereum.org/EIPS/eip-1559), with a floor.
//!
//! With `limit` and `used` the parent's gas limit and gas used, `fee` its base fee and
//! `target = ⌊limit / 2⌋`:
//!
//! ```text
//! used = target:  next = fee
//! used > target:  next = fee + max(1, ⌊⌊fee · (used − target) / target⌋ / 8⌋)
//! used < target:  next = fee − ⌊⌊fee · (target − used) / target⌋ / 8⌋
//! result        = max(next, min_base_fee)
//! ```
//!
//! **Rounding**: every division rounds down, so a falling fee falls a little less; a rising fee
//! rises by at least 1 wei. A fee that would pass 2⁶⁴ − 1 stays there.
//!
//! **Worked example**: limit 100 M, used 75 M, fee 1,000,000,000 wei. The target is 50 M, the block
//! is 25 M above it: 1,000,000,000 · 25/50 = 500,000,000; an eighth is 62,500,000; the next block
//! pays 1,062,500,000 wei. A full block would raise the fee by 12.5 %, an empty one lower it by
//! 12.5 %.

use crate::rules::Rules;

/// Gas limit over gas target.
pub const ELASTICITY: u64 = 2;
/// A full block changes the base fee by one part in this many.
pub const CHANGE_DENOMINATOR: u64 = 8;

/// What the parent block says about demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParentGas {
    /// Base fee of the parent in wei per gas.
    pub base_fee: u64,
    /// Gas used by the parent.
    pub used: u64,
    /// Gas limit of the parent.
    pub limit: u64,
}

/// Base fee, in wei per gas, of the block after `parent` under the `rules` of that block.
#[must_use]
pub fn next_base_fee(rules: &Rules, parent: ParentGas) -> u64 {
    let ParentGas { base_fee, used, limit } = parent;
    let target = limit.checked_div(ELASTICITY).unwrap_or(0);
    let next = if used > target {
        let step = change(base_fee, used.saturating_sub(target), target);
        base_fee.saturating_add(step.max(1))
    } else {
        base_fee.saturating_sub(change(base_fee, target.saturating_sub(used), target))
    };
    next.max(rules.min_base_fee)
}

/// `⌊⌊fee · distance / target⌋ / 8⌋`, capped at 2⁶⁴ − 1; a target of zero counts as one.
fn change(fee: u64, distance: u64, target: u64) -> u64 {
    // 64 by 64 bits fit into 128, so the product cannot saturate.
    let product = u128::from(fee).saturating_mul(u128::from(distance));
    let scaled = product.checked_div(u128::from(target.max(1))).unwrap_or(0);
    let step = scaled.checked_div(u128::from(CHANGE_DENOMINATOR)).unwrap_or(0);
    u64::try_from(step).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};
    use proptest::prelude::*;

    const NO_FLOOR: Rules = Rules { min_base_fee: 0, ..Rules::V1 };

    fn next(base_fee: u64, used: u64, limit: u64) -> u64 {
        next_base_fee(&NO_FLOOR, ParentGas { base_fee, used, limit })
    }

    #[test]
    fn table() {
        // (fee, used, limit, next)
        let rows = [
            (1_000_000_000, 50_000_000, 100_000_000, 1_000_000_000), // on target
            (1_000_000_000, 75_000_000, 100_000_000, 1_062_500_000), // the worked example
            (1_000_000_000, 100_000_000, 100_000_000, 1_125_000_000), // full
            (1_000_000_000, 0, 100_000_000, 875_000_000),            // empty
            (1, 100_000_000, 100_000_000, 2),                        // at least one wei up
            (7, 0, 100_000_000, 7),                                  // an eighth of 7 is 0
            (0, 100_000_000, 100_000_000, 1),
            (u64::MAX, 100_000_000, 100_000_000, u64::MAX), // saturates
            (5, 3, 0, 6),                                   // no target: still defined
            (5, 0, 1, 5),
        ];
        for (fee, used, limit, expected) in rows {
            assert_eq!(next(fee, used, limit), expected, "fee {fee}, used {used} of {limit}");
        }
    }

    #[test]
    fn the_floor_holds() {
        let parent = ParentGas { base_fee: 1, used: 0, limit: 100_000_000 };
        assert_eq!(next_base_fee(&Rules::V1, parent), Rules::V1.min_base_fee);
    }

    proptest! {
        #[test]
        fn agrees_with_alloy(fee in 0..u64::MAX / 2, limit in 2..1u64 << 40, share in 0..=1_000u64) {
            let used = limit / 1_000 * share;
            let expected = calc_next_block_base_fee(used, limit, fee, BaseFeeParams::ethereum());
            prop_assert_eq!(next(fee, used, limit), expected);
        }

        #[test]
        fn moves_by_at_most_an_eighth(fee: u64, limit: u64, used: u64) {
            let used = used.min(limit);
            // An odd limit rounds the target down, so "full" may be a little past twice the target.
            prop_assume!(limit > 1_000);
            let new = next(fee, used, limit);
            let bound = u128::from(fee) / 8 + u128::from(fee) / 4_000 + 1;
            prop_assert!(u128::from(new.abs_diff(fee)) <= bound);
        }

        #[test]
        fn more_gas_never_means_a_lower_fee(fee: u64, limit: u64, a: u64, b: u64) {
            prop_assert!(next(fee, a.min(b), limit) <= next(fee, a.max(b), limit));
        }
    }
}
