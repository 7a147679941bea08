use super::*;
use crate::abi::ISystem;
use crate::memory::MemoryHost;
use crate::{Fault, TIMELOCK};
use alloy_sol_types::{SolError, SolEvent};
use proptest::prelude::*;

const BOB: Address = Address::repeat_byte(0xb0);

/// Calls as governance.
fn call<C: SolCall>(host: &mut MemoryHost, input: &C) -> Outcome<C::Return> {
    host.gas = 10_000_000;
    let output = host.call(TIMELOCK, FEATURES, U256::ZERO, &input.abi_encode())?;
    Ok(C::abi_decode_returns(&output).unwrap())
}

fn schedule_for(host: &mut MemoryHost, feature: B256, epoch: u64) -> Outcome<()> {
    call(host, &IFeatures::scheduleCall { feature, epoch }).map(|_| ())
}

fn at_epoch(host: &mut MemoryHost, epoch: u64) {
    let (contract, slot) = supply::EPOCH.place();
    host.storage.insert((contract, slot), U256::from(epoch));
}

fn name(text: &str) -> B256 {
    B256::right_padding_from(text.as_bytes())
}

fn fault(error: impl SolError) -> Fault {
    Fault::Revert(error.abi_encode().into())
}

#[test]
fn every_rejection_names_its_rule() {
    let mut host = MemoryHost::default();
    let (ready, other, bad) = (name("ready"), name("other"), name("Bad name"));
    schedule_for(&mut host, ready, 3).unwrap();
    at_epoch(&mut host, 3);
    let set = |feature, epoch| IFeatures::scheduleCall { feature, epoch }.abi_encode();
    let take = |feature| IFeatures::cancelCall { feature }.abi_encode();
    let only = || fault(ISystem::OnlyGovernance { caller: BOB, governance: TIMELOCK });
    let late = |epoch| fault(IFeatures::EpochNotAhead { feature: other, epoch, current: 3 });
    let active = || fault(IFeatures::AlreadyActive { feature: ready, epoch: 3 });
    let (index, count) = (U256::from(1), U256::from(1));
    let rows = [
        (BOB, set(other, 9), only()),
        (BOB, take(ready), only()),
        (TIMELOCK, set(bad, 9), fault(IFeatures::MalformedFeature { feature: bad })),
        (TIMELOCK, set(other, 3), late(3)),
        (TIMELOCK, set(other, u64::MAX), late(u64::MAX)),
        (TIMELOCK, set(ready, 9), active()),
        (TIMELOCK, take(ready), active()),
        (TIMELOCK, take(other), fault(IFeatures::NotScheduled { feature: other })),
        (
            BOB,
            IFeatures::featureAtCall { index }.abi_encode(),
            fault(IFeatures::NoSuchFeature { index, count }),
        ),
    ];
    let before = host.storage.clone();
    for (caller, input, expected) in rows {
        host.gas = 1_000_000;
        assert_eq!(host.call(caller, FEATURES, U256::ZERO, &input), Err(expected));
        assert!(host.storage == before && host.logs.len() == 1);
    }
}

#[test]
fn the_number_of_features_is_bounded_but_known_ones_can_move() {
    let mut host = MemoryHost::default();
    for index in 0..MAX_FEATURES {
        schedule_for(&mut host, name(&format!("f{index}")), 2).unwrap();
    }
    let error = IFeatures::TooManyFeatures { max: U256::from(MAX_FEATURES) };
    assert_eq!(schedule_for(&mut host, name("more"), 2), Err(fault(error)));
    call(&mut host, &IFeatures::cancelCall { feature: name("f7") }).unwrap();
    schedule_for(&mut host, name("f7"), 5).unwrap();
    let count = call(&mut host, &IFeatures::countCall {}).unwrap();
    assert_eq!(count, U256::from(MAX_FEATURES));
    let index = U256::from(7);
    assert_eq!(call(&mut host, &IFeatures::featureAtCall { index }), Ok(name("f7")));
}

#[test]
fn a_known_feature_opens_in_its_epoch() {
    let mut host = MemoryHost::default();
    let feature: B256 = Feature::CryptoSha512.id().into();
    schedule_for(&mut host, feature, 2).unwrap();
    for (epoch, expected) in [(0, false), (1, false), (2, true), (3, true)] {
        at_epoch(&mut host, epoch);
        host.gas = 100_000;
        let mut inside = Call::internal(&mut host, FEATURES, BOB);
        assert_eq!(is_active(&mut inside, Feature::CryptoSha512), Ok(expected));
        assert_eq!(call(&mut host, &IFeatures::isActiveCall { feature }), Ok(expected));
    }
    let found = call(&mut host, &IFeatures::activationCall { feature }).unwrap();
    assert_eq!((found.scheduled, found.epoch), (true, 2));
}

#[test]
fn releases_are_signalled_by_anyone_for_themselves() {
    let mut host = MemoryHost::with_gas(1_000_000);
    let input = IFeatures::signalVersionCall { version: name("0.3.0") }.abi_encode();
    host.call(BOB, FEATURES, U256::ZERO, &input).unwrap();
    let event = IFeatures::VersionSignalled::decode_log(&host.logs[0]).unwrap();
    assert_eq!((event.validator, event.version), (BOB, name("0.3.0")));
    let mut version = |validator| call(&mut host, &IFeatures::versionOfCall { validator }).unwrap();
    assert_eq!((version(BOB), version(TIMELOCK)), (name("0.3.0"), B256::ZERO));
}

proptest! {
    #[test]
    fn what_is_active_stays_active(
        steps in prop::collection::vec((0..4u8, 0..12u64, 0..3u8), 1..60),
    ) {
        let mut host = MemoryHost::default();
        let (mut epoch, mut seen) = (0, [false; 4]);
        for (which, target, action) in steps {
            let id = name(&format!("f{which}"));
            match action {
                0 => drop(schedule_for(&mut host, id, target)),
                1 => drop(call(&mut host, &IFeatures::cancelCall { feature: id })),
                _ => epoch += 1,
            }
            at_epoch(&mut host, epoch);
            for (index, was) in seen.iter_mut().enumerate() {
                let feature = name(&format!("f{index}"));
                let now = call(&mut host, &IFeatures::isActiveCall { feature }).unwrap();
                prop_assert!(now || !*was);
                *was = now;
            }
        }
    }
}
