use super::*;
use crate::abi::ISystem;
use crate::memory::MemoryHost;
use crate::{Fault, TIMELOCK};
use alloy_sol_types::{SolError, SolEvent};
use proptest::prelude::*;

const BOB: Address = Address::repeat_byte(0xb0);

fn spend_call(to: Address, amount: u64, memo: &str) -> Vec<u8> {
    ITreasury::spendCall { to, amount: U256::from(amount), memo: memo.into() }.abi_encode()
}

fn rich(amount: u64) -> MemoryHost {
    let mut host = MemoryHost::with_gas(u64::MAX);
    host.give(TREASURY, U256::from(amount));
    host
}

fn fault(error: impl SolError) -> Outcome<Bytes> {
    Err(Fault::Revert(error.abi_encode().into()))
}

#[test]
fn every_rejection_names_its_rule() {
    let mut host = rich(5);
    host.give(BOB, U256::from(9));
    let long = "x".repeat(MAX_MEMO + 1);
    let rows = [
        (BOB, 0, spend_call(BOB, 1, ""), {
            fault(ISystem::OnlyGovernance { caller: BOB, governance: TIMELOCK })
        }),
        (TIMELOCK, 0, spend_call(Address::ZERO, 1, ""), {
            fault(ITreasury::InvalidRecipient { to: Address::ZERO })
        }),
        (TIMELOCK, 0, spend_call(TREASURY, 1, ""), {
            fault(ITreasury::InvalidRecipient { to: TREASURY })
        }),
        (TIMELOCK, 0, spend_call(BOB, 1, &long), {
            fault(ITreasury::MemoTooLong { length: U256::from(1_025), max: U256::from(1_024) })
        }),
        (TIMELOCK, 0, spend_call(BOB, 6, ""), {
            fault(ITreasury::InsufficientFunds { amount: U256::from(6), balance: U256::from(5) })
        }),
        (BOB, 3, ITreasury::fundsCall {}.abi_encode(), {
            fault(ISystem::NotPayable { value: U256::from(3) })
        }),
    ];
    let before = host.balances.clone();
    for (caller, value, input, expected) in rows {
        assert_eq!(host.call(caller, TREASURY, U256::from(value), &input), expected);
        assert!(host.balances == before && host.logs.is_empty());
    }
}

#[test]
fn coins_come_in_by_transfer_and_go_out_by_governance() {
    let mut host = rich(0);
    host.give(BOB, U256::from(9));
    assert_eq!(host.call(BOB, TREASURY, U256::from(9), &[]), Ok(Bytes::new()));
    let event = ITreasury::Received::decode_log(&host.logs[0]).unwrap();
    assert_eq!((event.from, event.amount), (BOB, U256::from(9)));
    host.call(TIMELOCK, TREASURY, U256::ZERO, &spend_call(BOB, 4, "grant 1")).unwrap();
    let event = ITreasury::Spent::decode_log(&host.logs[1]).unwrap();
    assert_eq!((event.to, event.amount, event.memo.as_str()), (BOB, U256::from(4), "grant 1"));
    let funds = host.call(BOB, TREASURY, U256::ZERO, &ITreasury::fundsCall {}.abi_encode());
    assert_eq!(funds.unwrap().as_ref(), U256::from(5).to_be_bytes::<32>());
    assert_eq!(host.balances[&BOB], U256::from(4));
}

proptest! {
    #[test]
    fn it_never_spends_more_than_it_holds(
        steps in prop::collection::vec((any::<bool>(), 0..1_000u64), 1..60),
    ) {
        let mut host = rich(0);
        host.give(BOB, U256::from(1_000_000));
        let mut held = 0;
        for (comes_in, amount) in steps {
            if comes_in {
                host.call(BOB, TREASURY, U256::from(amount), &[]).unwrap();
                held += amount;
            } else {
                let paid = host.call(TIMELOCK, TREASURY, U256::ZERO, &spend_call(BOB, amount, ""));
                prop_assert_eq!(paid.is_ok(), amount <= held);
                held -= if paid.is_ok() { amount } else { 0 };
            }
            let holds = host.balances.get(&TREASURY).copied().unwrap_or_default();
            prop_assert_eq!(holds, U256::from(held));
            prop_assert_eq!(host.balances[&BOB] + holds, U256::from(1_000_000));
        }
    }
}
