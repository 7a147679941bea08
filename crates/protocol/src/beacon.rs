//! Which random seeds a block publishes.
//!
//! Every finalised block yields one seed: the threshold signature over its view. The leader of a view
//! can choose among a few outcomes while it knows the seed, so a seed is only of use for what was
//! committed at least `randomness_delay` blocks before the seed's own block. Seeds therefore enter
//! the state late, in order, and can be left out only when they are lost.
//!
//! A block at height `number`, whose state says that `last` was the height of the newest published
//! seed (0: none yet), publishes seeds of heights `h₁ < h₂ < … < hₖ` such that
//!
//! ```text
//! order:     h₁ > last
//! delay:     hₖ ≤ number − randomness_delay
//! patience:  every height x that is passed over (last < x < hₖ, x not listed)
//!            is more than seed_patience blocks old: number − x > seed_patience
//! bound:     k ≤ block_seeds
//! ```
//!
//! Publishing is never forced: a proposer that has not seen a certificate cannot be made to show it,
//! and the next proposer that has seen it publishes it. A seed that nobody has after
//! `seed_patience` blocks is skipped for good.
//!
//! **Worked example** (delay 2, patience 64, 8 a block): the state says `last = 10`. The block at
//! 13 may publish the seed of 11 and not that of 12. If the seed of 11 is lost, the block at 75 must
//! still wait for it (75 − 11 = 64), and the block at 76 may go on with 12 to 19.

use crate::rules::Rules;

/// A list of seeds that a block may not publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// More seeds than a block may carry.
    #[error("block publishes {count} seeds; at most {max} are allowed")]
    TooMany {
        /// Number of seeds in the block.
        count: usize,
        /// Most seeds a block may carry.
        max: u64,
    },
    /// A seed was published before, or the list is not ascending.
    #[error("seed of height {height} is out of order: the next one must be above {last}")]
    OutOfOrder {
        /// Height of the seed.
        height: u64,
        /// Newest height before it.
        last: u64,
    },
    /// A seed is too fresh.
    #[error(
        "seed of height {height} is too early: block {number} may publish up to height {newest:?}"
    )]
    TooEarly {
        /// Height of the seed.
        height: u64,
        /// Height of the publishing block.
        number: u64,
        /// Newest height it may publish, if there is any.
        newest: Option<u64>,
    },
    /// A seed that may still turn up was passed over.
    #[error(
        "seed of height {skipped} is passed over by block {number}, but may only be skipped after {patience} blocks"
    )]
    Impatient {
        /// First height passed over too early.
        skipped: u64,
        /// Height of the publishing block.
        number: u64,
        /// Number of blocks to wait.
        patience: u64,
    },
}

/// Newest height whose seed the block at `number` may publish, if there is any.
#[must_use]
pub const fn newest(rules: &Rules, number: u64) -> Option<u64> {
    match number.checked_sub(rules.randomness_delay) {
        None | Some(0) => None,
        height => height,
    }
}

/// Whether the block at `number` may pass over the seed of `height`.
#[must_use]
pub const fn may_skip(rules: &Rules, number: u64, height: u64) -> bool {
    number.saturating_sub(height) > rules.seed_patience
}

/// Checks the `heights` of the seeds that the block at `number` publishes; returns the newest
/// published height after it. `last` is the newest one before it (0: none).
///
/// # Errors
/// One variant of [`SeedError`] for each rule of this module.
pub fn check(rules: &Rules, number: u64, last: u64, heights: &[u64]) -> Result<u64, SeedError> {
    if u64::try_from(heights.len()).unwrap_or(u64::MAX) > rules.block_seeds {
        return Err(SeedError::TooMany { count: heights.len(), max: rules.block_seeds });
    }
    let newest = newest(rules, number);
    let mut last = last;
    for &height in heights {
        if height <= last {
            return Err(SeedError::OutOfOrder { height, last });
        }
        if newest.is_none_or(|newest| height > newest) {
            return Err(SeedError::TooEarly { height, number, newest });
        }
        // Younger heights are harder to skip, so the youngest one passed over decides.
        let youngest = height.saturating_sub(1);
        if youngest > last && !may_skip(rules, number, youngest) {
            let skipped = number.saturating_sub(rules.seed_patience).max(last.saturating_add(1));
            return Err(SeedError::Impatient { skipped, number, patience: rules.seed_patience });
        }
        last = height;
    }
    Ok(last)
}

/// Heights of the seeds that an honest proposer publishes at `number`: as many as it has and the
/// rules allow, oldest first. `has` says whether the proposer has the seed of a height.
///
/// Asks `has` for at most `seed_patience + block_seeds` heights that may not be skipped, and for
/// those older ones that follow `last`.
#[must_use]
pub fn select(rules: &Rules, number: u64, last: u64, has: impl Fn(u64) -> bool) -> Vec<u64> {
    let mut heights = Vec::new();
    let Some(newest) = newest(rules, number) else { return heights };
    for height in last.saturating_add(1)..=newest {
        if u64::try_from(heights.len()).unwrap_or(u64::MAX) >= rules.block_seeds {
            break;
        }
        if has(height) {
            heights.push(height);
        } else if !may_skip(rules, number, height) {
            break;
        }
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const RULES: Rules = Rules::V1;

    #[test]
    fn table() {
        let many: Vec<u64> = (11..20).collect();
        let early = |height, number, newest| SeedError::TooEarly { height, number, newest };
        let impatient = |skipped, number| SeedError::Impatient { skipped, number, patience: 64 };
        type Row<'a> = (u64, u64, &'a [u64], Result<u64, SeedError>);
        let rows: [Row<'_>; 14] = [
            (1, 0, &[], Ok(0)),
            (13, 10, &[], Ok(10)),
            (13, 10, &[11], Ok(11)),
            (13, 10, &[11, 12], Err(early(12, 13, Some(11)))),
            (2, 0, &[1], Err(early(1, 2, None))),
            (3, 0, &[1], Ok(1)),
            (14, 10, &[12], Err(impatient(11, 14))),
            (75, 10, &[12], Err(impatient(11, 75))),
            (76, 10, &[12], Ok(12)),
            (76, 10, &[13], Err(impatient(12, 76))),
            (30, 10, &[10], Err(SeedError::OutOfOrder { height: 10, last: 10 })),
            (30, 10, &[11, 11], Err(SeedError::OutOfOrder { height: 11, last: 11 })),
            (30, 10, &many, Err(SeedError::TooMany { count: 9, max: 8 })),
            (30, 10, &many[..8], Ok(18)),
        ];
        for (number, last, heights, expected) in rows {
            let got = check(&RULES, number, last, heights);
            assert_eq!(got, expected, "{number} after {last}: {heights:?}");
        }
    }

    #[test]
    fn an_honest_proposer_waits_then_skips() {
        let has = |height| height != 11;
        assert_eq!(select(&RULES, 75, 10, has), Vec::<u64>::new());
        assert_eq!(select(&RULES, 76, 10, has), (12..20).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn the_honest_choice_is_valid(number in 0..300u64, last in 0..300u64,
                                      seen in prop::collection::btree_set(0..300u64, 0..300)) {
            let heights = select(&RULES, number, last, |h| seen.contains(&h));
            prop_assert!(check(&RULES, number, last, &heights).is_ok());
            prop_assert!(heights.iter().all(|h| seen.contains(h)));
        }

        #[test]
        fn check_is_the_definition(number in 0..90u64, last in 0..90u64,
                                   list in prop::collection::btree_set(0..90u64, 0..10)) {
            let heights: Vec<u64> = list.iter().copied().collect();
            let valid = heights.len() <= 8
                && heights.iter().all(|h| *h > last && h + 2 <= number)
                && (last + 1..heights.last().copied().unwrap_or(0))
                    .all(|x| list.contains(&x) || number - x > 64);
            prop_assert_eq!(check(&RULES, number, last, &heights).is_ok(), valid);
        }

        #[test]
        fn every_seed_is_published_when_all_are_seen(blocks in 1..200u64) {
            let mut last = 0;
            let mut published = BTreeSet::new();
            for number in 1..=blocks {
                let heights = select(&RULES, number, last, |_| true);
                last = check(&RULES, number, last, &heights).unwrap();
                published.extend(heights);
            }
            prop_assert_eq!(published, (1..=blocks.saturating_sub(2)).collect());
        }
    }
}
