use super::*;
use crate::abi::ISystem;
use crate::memory::MemoryHost;
use crate::{Fault, TIMELOCK};
use alloy_primitives::Address;
use alloy_sol_types::{SolError, SolEvent};
use proptest::prelude::*;

fn call<C: SolCall>(host: &mut MemoryHost, caller: Address, input: &C) -> Outcome<C::Return> {
    host.gas = 10_000_000;
    let output = host.call(caller, PARAMS, U256::ZERO, &input.abi_encode())?;
    Ok(C::abi_decode_returns(&output).unwrap())
}

fn set_to(host: &mut MemoryHost, param: Param, value: U256) -> Outcome<IParams::setReturn> {
    call(host, TIMELOCK, &IParams::setCall { key: key(param), newValue: value })
}

fn fault(error: impl SolError) -> Fault {
    Fault::Revert(error.abi_encode().into())
}

#[test]
fn every_rejection_names_its_rule() {
    let mut host = MemoryHost::default();
    let (param, unknown) = (Param::MarketFee, B256::repeat_byte(7));
    let Bounds { min, max, .. } = param.bounds();
    let (key, min, max) = (key(param), U256::from(min), U256::from(max));
    let bounds = |value| fault(IParams::OutOfBounds { key, value, min, max });
    let count = U256::from(Param::ALL.len());
    let set = |key, value| IParams::setCall { key, newValue: value }.abi_encode();
    let stranger = ISystem::OnlyGovernance { caller: Address::ZERO, governance: TIMELOCK };
    let rows = [
        (Address::ZERO, set(key, min), fault(stranger)),
        (TIMELOCK, set(unknown, min), fault(IParams::UnknownParam { key: unknown })),
        (TIMELOCK, set(key, min - U256::ONE), bounds(min - U256::ONE)),
        (TIMELOCK, set(key, max + U256::ONE), bounds(max + U256::ONE)),
        (TIMELOCK, set(key, U256::MAX), bounds(U256::MAX)),
        (
            TIMELOCK,
            IParams::getCall { key: unknown }.abi_encode(),
            fault(IParams::UnknownParam { key: unknown }),
        ),
        (
            TIMELOCK,
            IParams::valueCall { name: "no".into() }.abi_encode(),
            fault(IParams::UnknownName { name: "no".into() }),
        ),
        (
            TIMELOCK,
            IParams::describeCall { index: count }.abi_encode(),
            fault(IParams::NoSuchIndex { index: count, count }),
        ),
        (
            TIMELOCK,
            IParams::describeKeyCall { key: unknown }.abi_encode(),
            fault(IParams::UnknownParam { key: unknown }),
        ),
    ];
    for (caller, input, expected) in rows {
        host.gas = 1_000_000;
        let outcome = host.call(caller, PARAMS, U256::ZERO, &input);
        assert_eq!(outcome, Err(expected));
        assert!(host.storage.is_empty() && host.logs.is_empty());
    }
}

#[test]
fn a_change_is_seen_everywhere_and_logged_with_what_was_before() {
    let mut host = MemoryHost::default();
    let param = Param::MarketFee;
    let before = U256::from(param.bounds().default);
    for (old, new) in [(before, U256::from(100)), (U256::from(100), U256::from(700))] {
        set_to(&mut host, param, new).unwrap();
        let event = IParams::ParamChanged::decode_log(host.logs.last().unwrap()).unwrap();
        assert_eq!((event.oldValue, event.newValue, event.key), (old, new, key(param)));
        assert_eq!(event.name, "market_fee");
    }
    let (key, name) = (key(param), "market_fee".to_owned());
    let seven = U256::from(700);
    assert_eq!(call(&mut host, Address::ZERO, &IParams::getCall { key }), Ok(seven));
    assert_eq!(call(&mut host, Address::ZERO, &IParams::valueCall { name }), Ok(seven));
    let described = call(&mut host, Address::ZERO, &IParams::describeKeyCall { key }).unwrap();
    assert_eq!((described.current, described.defaultValue), (seven, before));
}

#[test]
fn every_parameter_can_be_described_by_position() {
    let mut host = MemoryHost::default();
    for (index, param) in Param::ALL.iter().enumerate() {
        let index = U256::from(index);
        let found = call(&mut host, Address::ZERO, &IParams::describeCall { index }).unwrap();
        assert_eq!((found.key, found.name.as_str()), (key(*param), param.bounds().name));
    }
}

proptest! {
    #[test]
    fn values_never_leave_their_bounds(
        steps in prop::collection::vec((0..Param::ALL.len(), any::<u128>(), any::<bool>()), 1..40),
    ) {
        let mut host = MemoryHost::default();
        for (index, value, reduce) in steps {
            let param = Param::ALL[index];
            let Bounds { min, max, .. } = param.bounds();
            let value = if reduce { min.saturating_sub(1) + value % (max - min + 3) } else { value };
            let allowed = (min..=max).contains(&value);
            prop_assert_eq!(set_to(&mut host, param, U256::from(value)).is_ok(), allowed);
            host.gas = 10_000_000;
            let mut inside = Call::internal(&mut host, PARAMS, Address::ZERO);
            for param in Param::ALL {
                let Bounds { min, max, .. } = param.bounds();
                prop_assert!((min..=max).contains(&get(&mut inside, *param).unwrap()));
            }
        }
    }
}
