use super::*;
use alloy_primitives::hex;
use proptest::prelude::*;

#[test]
fn reverts_carry_geths_words_and_the_data() {
    let reason = Revert::from("the ledger is closed").abi_encode();
    let overflow = Panic { code: U256::from(0x11) }.abi_encode();
    let odd = Panic { code: U256::from(0x99) }.abi_encode();
    let rows: [(&[u8], &str); 5] = [
        (&reason, "execution reverted: the ledger is closed"),
        (&overflow, "execution reverted: arithmetic underflow or overflow"),
        (&odd, "execution reverted: unknown panic code: 0x99"),
        (&[1, 2, 3, 4], "execution reverted"),
        (&[], "execution reverted"),
    ];
    for (data, text) in rows {
        let error = ErrorObjectOwned::from(RpcError::Reverted(Bytes::copy_from_slice(data)));
        assert_eq!((error.code(), error.message()), (3, text));
        let expected = format!("\"{}\"", hex::encode_prefixed(data));
        assert_eq!(error.data().unwrap().get(), expected);
    }
}

#[test]
fn pool_errors_keep_the_texts_that_clients_classify_by() {
    let rows = [
        (PoolError::NonceTooLow { next: 3, nonce: 1 }, "nonce too low"),
        (PoolError::AlreadyKnown, "already known"),
        (PoolError::ReplacementUnderpriced, "replacement transaction underpriced"),
        (PoolError::IntrinsicGas { gas: 1, needed: 2 }, "intrinsic gas too low"),
        (
            PoolError::InsufficientFunds { have: U256::ZERO, want: U256::ONE },
            "insufficient funds for gas * price + value",
        ),
    ];
    for (error, text) in rows {
        let error = ErrorObjectOwned::from(RpcError::from(error));
        assert_eq!(error.code(), SERVER_ERROR);
        assert!(error.message().starts_with(text), "{}", error.message());
        assert!(error.data().is_none());
    }
}

#[test]
fn pruned_state_names_the_oldest_height_and_the_way_out() {
    let error = RpcError::from(HistoryError::StatePruned { height: 5, oldest: 900 });
    let text = error.to_string();
    assert!(text.contains("block 900") && text.contains("--archive"), "{text}");
    assert_eq!(error.code(), SERVER_ERROR);
}

#[test]
fn calls_that_cannot_start_have_geths_words() {
    let fee = Box::new(U256::from(9));
    let funds = InvalidTransaction::LackOfFundForMaxFee { fee, balance: Box::new(U256::ONE) };
    assert_eq!(invalid_text(&funds), "insufficient funds for gas * price + value: have 1 want 9");
    let gas = InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas: 21_000, gas_limit: 5 };
    assert_eq!(invalid_text(&gas), "intrinsic gas too low: have 5, want 21000");
}

proptest! {
    #[test]
    fn no_revert_data_panics(data: Vec<u8>) {
        let _ = revert_reason(&data);
        let error = [&Revert::SELECTOR[..], &data].concat();
        let _ = revert_reason(&error);
    }
}
