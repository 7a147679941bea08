//! Which blocks a simulation consists of: numbers and times in order, gaps filled.

use super::SimulateError;
use crate::error::RpcError;
use alloy_primitives::U256;
use alloy_rpc_types_eth::simulate::SimBlock;

/// Most blocks of a simulation, those that fill gaps included.
pub(super) const MAX_BLOCKS: u64 = 256;
/// Seconds between blocks whose time is not given.
const INCREMENT: u64 = 1;

/// A block to simulate.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub number: u64,
    pub timestamp: u64,
    pub content: SimBlock,
}

/// Puts `blocks` on top of a block with this number and time.
pub(super) fn plan(
    base: u64,
    timestamp: u64,
    blocks: Vec<SimBlock>,
) -> Result<Vec<Planned>, SimulateError> {
    let too_many = SimulateError::TooManyBlocks { max: MAX_BLOCKS };
    if blocks.is_empty() {
        return Err(SimulateError::Empty);
    }
    if blocks.len() as u64 > MAX_BLOCKS {
        return Err(too_many);
    }
    let (mut number, mut time) = (base, timestamp);
    let mut planned: Vec<Planned> = Vec::new();
    for content in blocks {
        let wanted = number_of(&content)?.unwrap_or(number.saturating_add(1));
        if wanted <= number {
            return Err(SimulateError::Number { number: wanted, previous: number });
        }
        if wanted - base > MAX_BLOCKS {
            return Err(too_many);
        }
        for number in number + 1..wanted {
            time = time.saturating_add(INCREMENT);
            planned.push(Planned { number, timestamp: time, content: SimBlock::default() });
        }
        let overrides = content.block_overrides.as_ref();
        let timestamp = overrides.and_then(|overrides| overrides.time);
        let timestamp = timestamp.unwrap_or(time.saturating_add(INCREMENT));
        if timestamp <= time {
            return Err(SimulateError::Timestamp { timestamp, previous: time });
        }
        (number, time) = (wanted, timestamp);
        planned.push(Planned { number, timestamp, content });
    }
    Ok(planned)
}

fn number_of(block: &SimBlock) -> Result<Option<u64>, SimulateError> {
    let fits = |number: U256| {
        u64::try_from(number).map_err(|_| RpcError::params("block number exceeds 64 bits").into())
    };
    block.block_number_override().map(fits).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_rpc_types_eth::BlockOverrides;

    fn block(number: Option<u64>, time: Option<u64>) -> SimBlock {
        let overrides =
            BlockOverrides { number: number.map(U256::from), time, ..Default::default() };
        SimBlock::default().with_block_overrides(overrides)
    }

    fn places(blocks: Vec<SimBlock>) -> Result<Vec<(u64, u64)>, SimulateError> {
        Ok(plan(10, 100, blocks)?.iter().map(|block| (block.number, block.timestamp)).collect())
    }

    #[test]
    fn defaults_follow_and_gaps_are_filled() {
        let two = vec![block(None, None), block(Some(13), Some(200))];
        assert_eq!(places(two), Ok(vec![(11, 101), (12, 102), (13, 200)]));
        let edge = vec![block(Some(10 + MAX_BLOCKS), None)];
        assert_eq!(places(edge).map(|places| places.len() as u64), Ok(MAX_BLOCKS));
    }

    #[test]
    fn disorder_is_refused() {
        let many = SimulateError::TooManyBlocks { max: MAX_BLOCKS };
        let number = |number, previous| SimulateError::Number { number, previous };
        let time = |timestamp, previous| SimulateError::Timestamp { timestamp, previous };
        let rows = [
            (vec![], SimulateError::Empty, -32_602),
            (vec![SimBlock::default(); 257], many.clone(), -38_026),
            (vec![block(Some(267), None)], many, -38_026),
            (vec![block(Some(10), None)], number(10, 10), -38_020),
            (vec![block(Some(12), None), block(Some(12), None)], number(12, 12), -38_020),
            (vec![block(None, Some(100))], time(100, 100), -38_021),
            (vec![block(Some(12), Some(101))], time(101, 101), -38_021),
        ];
        for (blocks, error, code) in rows {
            assert_eq!(error.code(), code);
            assert_eq!(places(blocks), Err(error));
        }
    }
}
