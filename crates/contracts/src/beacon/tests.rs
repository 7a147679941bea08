use super::*;
use crate::memory::MemoryHost;
use crate::{BEACON, Fault};
use alloy_primitives::Address;
use alloy_sol_types::SolError;
use cairn_protocol::Rules;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn seed(height: u64) -> B256 {
    B256::from(U256::from(height) + U256::from(1_000_000))
}

fn publish(host: &mut MemoryHost, number: u64, heights: &[u64]) {
    let seeds: Vec<_> = heights.iter().map(|h| Seed { height: *h, seed: seed(*h) }).collect();
    for (slot, value) in writes(number, Round { epoch: 1, view: number * 2 }, &seeds) {
        host.storage.insert((BEACON, slot), value);
    }
}

fn call<C: SolCall>(host: &mut MemoryHost, input: &C) -> Outcome<C::Return> {
    host.gas = 1_000_000;
    let output = host.call(Address::ZERO, BEACON, U256::ZERO, &input.abi_encode())?;
    Ok(C::abi_decode_returns(&output).unwrap())
}

fn seed_at_height(host: &mut MemoryHost, height: u64) -> Outcome<B256> {
    call(host, &IBeacon::seedAtCall { height: U256::from(height) })
}

fn refused<T>(error: impl SolError) -> Outcome<T> {
    Err(Fault::Revert(error.abi_encode().into()))
}

#[test]
fn nothing_is_published_at_first() {
    let mut host = MemoryHost::default();
    let newest = call(&mut host, &IBeacon::latestCall {}).unwrap();
    assert_eq!((newest.height, newest.seed), (U256::ZERO, B256::ZERO));
    let (height, latest) = (U256::from(1), U256::ZERO);
    assert_eq!(seed_at_height(&mut host, 1), refused(IBeacon::SeedNotYet { height, latest }));
    assert_eq!(seed_at_height(&mut host, 0), refused(IBeacon::SeedSkipped { height: U256::ZERO }));
}

#[test]
fn published_seeds_are_found_and_others_are_explained() {
    let mut host = MemoryHost::default();
    publish(&mut host, 20, &[1, 2, 4]);
    assert_eq!(seed_at_height(&mut host, 2), Ok(seed(2)));
    assert_eq!(seed_at_height(&mut host, 4), Ok(seed(4)));
    assert_eq!(
        seed_at_height(&mut host, 3),
        refused(IBeacon::SeedSkipped { height: U256::from(3) })
    );
    let error = IBeacon::SeedNotYet { height: U256::from(5), latest: U256::from(4) };
    assert_eq!(seed_at_height(&mut host, 5), refused(error));
    let newest = call(&mut host, &IBeacon::latestCall {}).unwrap();
    assert_eq!((newest.height, newest.seed), (U256::from(4), seed(4)));
}

#[test]
fn the_ring_forgets() {
    let mut host = MemoryHost::default();
    publish(&mut host, 10, &[5, 6, 7]);
    // Heights 5 + 8192 and 6 + 8192 are published, that of 6 + 8192 is skipped.
    publish(&mut host, 9_000, &[5 + RING, 7 + RING]);
    let oldest = U256::from(8);
    let error = IBeacon::SeedTooOld { height: U256::from(7), oldest };
    assert_eq!(seed_at_height(&mut host, 7), refused(error));
    let error = IBeacon::SeedTooOld { height: U256::from(6), oldest };
    assert_eq!(seed_at_height(&mut host, 6), refused(error));
    let error = IBeacon::SeedSkipped { height: U256::from(6 + RING) };
    assert_eq!(seed_at_height(&mut host, 6 + RING), refused(error));
    assert_eq!(seed_at_height(&mut host, 7 + RING), Ok(seed(7 + RING)));
}

#[test]
fn a_height_beyond_64_bits_is_not_yet() {
    let mut host = MemoryHost::default();
    publish(&mut host, 10, &[5]);
    let height = U256::MAX;
    let error = IBeacon::SeedNotYet { height, latest: U256::from(5) };
    assert_eq!(call(&mut host, &IBeacon::seedAtCall { height }), refused(error));
}

#[test]
fn the_delay_is_the_rules() {
    let mut host = MemoryHost::default();
    host.block.rules = Rules { randomness_delay: 9, ..Rules::V1 };
    assert_eq!(call(&mut host, &IBeacon::delayCall {}), Ok(U256::from(9)));
}

#[test]
fn a_broken_database_is_fatal() {
    let mut host = MemoryHost { broken: Some("disk".into()), ..MemoryHost::default() };
    assert_eq!(seed_at_height(&mut host, 1), Err(Fault::Fatal("disk".into())));
}

#[test]
fn rounds_are_found_under_their_height_only() {
    let mut host = MemoryHost::default();
    publish(&mut host, 10, &[]);
    let word = |host: &MemoryHost, height| {
        host.storage.get(&(BEACON, round_slot(height))).copied().unwrap_or_default()
    };
    let round = Round { epoch: 1, view: 20 };
    assert_eq!(decode_round(10, word(&host, 10)), Some(round));
    assert_eq!(decode_round(10 + RING, word(&host, 10 + RING)), None);
    assert_eq!(decode_round(11, word(&host, 11)), None);
    assert_eq!(decode_round(0, U256::ZERO), None);
}

proptest! {
    #[test]
    fn the_ring_is_a_window_of_a_map(steps in prop::collection::vec(1..4_000u64, 1..20), probe in 0..60_000u64) {
        let mut host = MemoryHost::default();
        let mut all = BTreeMap::new();
        let mut last = 0;
        for step in steps {
            last += step;
            publish(&mut host, last + 2, &[last]);
            all.insert(last, seed(last));
        }
        let expected = all.get(&probe).filter(|_| probe + RING > last).copied();
        prop_assert_eq!(seed_at_height(&mut host, probe).ok(), expected);
    }

    #[test]
    fn rounds_round_trip(number: u64, epoch: u64, view: u64) {
        let list = writes(number, Round { epoch, view }, &[]);
        prop_assume!(number != 0 || epoch != 0 || view != 0);
        prop_assert_eq!(list[0].0, round_slot(number));
        prop_assert_eq!(decode_round(number, list[0].1), Some(Round { epoch, view }));
    }
}
