//! When a block may be proposed, and which timestamp it may carry.
//!
//! ```text
//! parent + min_block_interval ≤ timestamp ≤ parent + max_timestamp_advance      (validity)
//! transactions wait:  propose at parent + min_block_interval                    (policy)
//! nothing waits:      propose at parent + max_block_interval                    (heartbeat)
//! ```
//!
//! **Why a bound upwards**: one faulty proposer could otherwise push the chain's clock years ahead,
//! and every lease and period with it. After an outage the chain's clock therefore lags and catches
//! up by at most `max_timestamp_advance_ms` a block; proposing waits for nothing meanwhile, because
//! the heartbeat is long due.
//!
//! **Worked example** (200 ms, 1,000 ms, 60,000 ms): the parent says 10,000. A block may say 10,200
//! to 70,000. A proposer whose clock shows 10,050 proposes at 10,200 if transactions wait and at
//! 11,000 if none do. A proposer whose clock shows 9,000 (it lags) writes 10,200 at the earliest.

use crate::rules::Rules;

/// A timestamp that its parent does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// The block follows its parent too closely.
    #[error(
        "block timestamp {timestamp_ms} ms is too early: its parent allows {earliest_ms} ms or later"
    )]
    TooEarly {
        /// Timestamp of the block.
        timestamp_ms: u64,
        /// Earliest valid timestamp.
        earliest_ms: u64,
    },
    /// The block is too far ahead of its parent.
    #[error(
        "block timestamp {timestamp_ms} ms is too late: its parent allows {latest_ms} ms or earlier"
    )]
    TooLate {
        /// Timestamp of the block.
        timestamp_ms: u64,
        /// Latest valid timestamp.
        latest_ms: u64,
    },
}

/// Earliest valid timestamp of a child of a block at `parent_ms`.
#[must_use]
pub const fn earliest(rules: &Rules, parent_ms: u64) -> u64 {
    parent_ms.saturating_add(rules.min_block_interval_ms)
}

/// Latest valid timestamp of a child of a block at `parent_ms`; never before [`earliest`].
#[must_use]
pub fn latest(rules: &Rules, parent_ms: u64) -> u64 {
    parent_ms.saturating_add(rules.max_timestamp_advance_ms).max(earliest(rules, parent_ms))
}

/// Checks the timestamp of a block against its parent's.
///
/// # Errors
/// If the timestamp is outside [`earliest`] to [`latest`].
pub fn check(rules: &Rules, parent_ms: u64, timestamp_ms: u64) -> Result<(), TimestampError> {
    let (earliest_ms, latest_ms) = (earliest(rules, parent_ms), latest(rules, parent_ms));
    if timestamp_ms < earliest_ms {
        return Err(TimestampError::TooEarly { timestamp_ms, earliest_ms });
    }
    if timestamp_ms > latest_ms {
        return Err(TimestampError::TooLate { timestamp_ms, latest_ms });
    }
    Ok(())
}

/// Timestamp a proposer whose clock shows `now_ms` writes: its clock, moved into the valid range.
#[must_use]
pub fn timestamp(rules: &Rules, parent_ms: u64, now_ms: u64) -> u64 {
    now_ms.clamp(earliest(rules, parent_ms), latest(rules, parent_ms))
}

/// Clock time, in milliseconds, at which a proposer builds on a block at `parent_ms`.
#[must_use]
pub fn propose_at(rules: &Rules, parent_ms: u64, transactions_wait: bool) -> u64 {
    let interval = if transactions_wait {
        rules.min_block_interval_ms
    } else {
        rules.max_block_interval_ms.max(rules.min_block_interval_ms)
    };
    parent_ms.saturating_add(interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: Rules = Rules::V1;

    #[test]
    fn validity() {
        let rows = [
            (10_199, Err(TimestampError::TooEarly { timestamp_ms: 10_199, earliest_ms: 10_200 })),
            (10_200, Ok(())),
            (70_000, Ok(())),
            (70_001, Err(TimestampError::TooLate { timestamp_ms: 70_001, latest_ms: 70_000 })),
        ];
        for (timestamp_ms, expected) in rows {
            assert_eq!(check(&RULES, 10_000, timestamp_ms), expected, "{timestamp_ms}");
        }
    }

    #[test]
    fn proposing() {
        assert_eq!(propose_at(&RULES, 10_000, true), 10_200);
        assert_eq!(propose_at(&RULES, 10_000, false), 11_000);
        for (now_ms, expected) in [(9_000, 10_200), (10_500, 10_500), (900_000, 70_000)] {
            assert_eq!(timestamp(&RULES, 10_000, now_ms), expected, "clock at {now_ms}");
        }
    }

    proptest! {
        #[test]
        fn an_honest_timestamp_is_valid(parent: u64, now: u64, min: u64, max: u64) {
            let rules = Rules { min_block_interval_ms: min, max_timestamp_advance_ms: max, ..RULES };
            prop_assert_eq!(check(&rules, parent, timestamp(&rules, parent, now)), Ok(()));
        }
    }
}
