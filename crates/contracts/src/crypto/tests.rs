use super::*;
use crate::abi::ISystem;
use crate::memory::MemoryHost;
use crate::{CRYPTO, Fault};
use alloy_primitives::{Address, FixedBytes};
use alloy_sol_types::SolError;
use ed25519_consensus::SigningKey;

const CALLER: Address = Address::repeat_byte(1);

fn call(host: &mut MemoryHost, input: &[u8]) -> Outcome<Bytes> {
    host.call(CALLER, CRYPTO, U256::ZERO, input)
}

fn reverted(outcome: Outcome<Bytes>, error: impl SolError) {
    assert_eq!(outcome, Err(Fault::Revert(error.abi_encode().into())));
}

fn signed(seed: u8, message: &[u8]) -> (B256, Bytes, Bytes) {
    let key = SigningKey::from([seed; 32]);
    let signature = key.sign(message).to_bytes().to_vec();
    (key.verification_key().to_bytes().into(), message.to_vec().into(), signature.into())
}

fn batch(count: u8) -> ICrypto::verifyEd25519BatchCall {
    let items: Vec<_> = (0..count).map(|i| signed(i, &[i; 40])).collect();
    ICrypto::verifyEd25519BatchCall {
        publicKeys: items.iter().map(|item| item.0).collect(),
        messages: items.iter().map(|item| item.1.clone()).collect(),
        signatures: items.iter().map(|item| item.2.clone()).collect(),
    }
}

#[test]
fn a_signature_is_verified_and_paid_for() {
    let (key, message, signature) = signed(7, &[9; 33]);
    let input = ICrypto::verifyEd25519Call { publicKey: key, message, signature };
    let encoded = input.abi_encode();
    let mut host = MemoryHost::with_gas(1_000_000);
    let output = call(&mut host, &encoded).unwrap();
    assert!(ICrypto::verifyEd25519Call::abi_decode_returns(&output).unwrap());
    let decoding = 100 + 3 * words(encoded.len());
    assert_eq!(1_000_000 - host.gas, decoding + 3_000 + 2 * 6);

    let wrong = ICrypto::verifyEd25519Call { message: Bytes::from_static(b"x"), ..input };
    let output = call(&mut host, &wrong.abi_encode()).unwrap();
    assert!(!ICrypto::verifyEd25519Call::abi_decode_returns(&output).unwrap());
}

#[test]
fn a_batch_is_verified_and_paid_for_by_item() {
    let args = batch(5);
    let encoded = args.abi_encode();
    let mut host = MemoryHost::with_gas(1_000_000);
    let output = call(&mut host, &encoded).unwrap();
    assert!(ICrypto::verifyEd25519BatchCall::abi_decode_returns(&output).unwrap());
    let decoding = 100 + 3 * words(encoded.len());
    assert_eq!(1_000_000 - host.gas, decoding + 3_000 + 5 * (1_500 + 2 * 6));

    let mut wrong = args;
    wrong.messages.swap(0, 1);
    let output = call(&mut host, &wrong.abi_encode()).unwrap();
    assert!(!ICrypto::verifyEd25519BatchCall::abi_decode_returns(&output).unwrap());
}

#[test]
fn blake3_is_the_official_hash() {
    let mut host = MemoryHost::with_gas(10_000);
    let output = call(&mut host, &ICrypto::blake3HashCall { input: Bytes::new() }.abi_encode());
    let hash = ICrypto::blake3HashCall::abi_decode_returns(&output.unwrap()).unwrap();
    let official = "0xaf1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(hash.to_string(), official);
}

#[test]
fn bad_input_is_refused_with_the_rule_it_breaks() {
    let mut host = MemoryHost::with_gas(u64::MAX);
    let (key, message, _) = signed(1, b"m");
    let short = ICrypto::verifyEd25519Call {
        publicKey: key,
        message,
        signature: Bytes::from_static(&[0; 63]),
    };
    let error = ICrypto::BadSignatureLength { index: U256::ZERO, length: U256::from(63) };
    reverted(call(&mut host, &short.abi_encode()), error);

    let mut args = batch(3);
    args.signatures[2] = Bytes::from_static(&[0; 65]);
    let error = ICrypto::BadSignatureLength { index: U256::from(2), length: U256::from(65) };
    reverted(call(&mut host, &args.abi_encode()), error);

    let mut args = batch(3);
    args.messages.pop();
    let error = ICrypto::BatchLengthMismatch {
        publicKeys: U256::from(3),
        messages: U256::from(2),
        signatures: U256::from(3),
    };
    reverted(call(&mut host, &args.abi_encode()), error);
    reverted(call(&mut host, &batch(0).abi_encode()), ICrypto::EmptyBatch {});

    let error = ISystem::UnknownFunction { selector: FixedBytes([1, 2, 3, 0]) };
    reverted(call(&mut host, &[1, 2, 3]), error);
    let error = ISystem::UnknownFunction { selector: FixedBytes([9; 4]) };
    reverted(call(&mut host, &[9; 36]), error);

    let input = ICrypto::blake3HashCall { input: Bytes::from_static(b"x") }.abi_encode();
    host.give(CALLER, U256::from(5));
    let outcome = host.call(CALLER, CRYPTO, U256::from(5), &input);
    reverted(outcome, ISystem::NotPayable { value: U256::from(5) });
}

#[test]
fn overlapping_arguments_cannot_blow_up_memory() {
    // A thousand messages that all point to the same megabyte.
    let args = ICrypto::verifyEd25519BatchCall {
        publicKeys: Vec::new(),
        messages: vec![Bytes::from(vec![0; 1 << 20])],
        signatures: Vec::new(),
    };
    let mut encoded = args.abi_encode();
    let list = 4 + 3 * 32 + 32; // selector, heads, empty list of keys
    encoded[list..list + 32].copy_from_slice(&U256::from(1_000).to_be_bytes::<32>());
    let mut host = MemoryHost::with_gas(u64::MAX);
    let selector = FixedBytes(ICrypto::verifyEd25519BatchCall::SELECTOR);
    reverted(call(&mut host, &encoded), ISystem::MalformedArguments { selector });
}

#[test]
fn every_function_stops_when_the_gas_is_gone() {
    let (key, message, signature) = signed(7, &[9; 33]);
    let inputs = [
        ICrypto::verifyEd25519Call { publicKey: key, message, signature }.abi_encode(),
        batch(4).abi_encode(),
        ICrypto::blake3HashCall { input: Bytes::from(vec![1; 100]) }.abi_encode(),
    ];
    for input in inputs {
        let mut host = MemoryHost::with_gas(1_000_000);
        call(&mut host, &input).unwrap();
        let needed = 1_000_000 - host.gas;
        assert!(call(&mut MemoryHost::with_gas(needed), &input).is_ok());
        let outcome = call(&mut MemoryHost::with_gas(needed - 1), &input);
        assert_eq!(outcome, Err(Fault::OutOfGas));
    }
}
