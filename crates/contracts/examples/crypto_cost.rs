//! What the functions of the `Crypto` contract take, against what they charge.
//!
//! `cargo run --release -p cairn-contracts --example crypto_cost`
//!
//! The prices aim at 70 gas a microsecond or more, what Ethereum charges for its elliptic-curve
//! precompiles on ordinary hardware (`ECRECOVER`: 3,000 gas for about 40 µs).

use alloy_primitives::hex;
use cairn_contracts::crypto::{
    BLAKE3_GAS, BLAKE3_WORD_GAS, ED25519_BATCH_GAS, ED25519_BATCH_ITEM_GAS, ED25519_GAS,
    MESSAGE_WORD_GAS,
};
use cairn_contracts::ed25519::{Signed, verify, verify_batch};
use std::{hint::black_box, time::Instant};

/// Least time of several runs of `work`, in microseconds for one of `count` parts.
fn micros(count: u32, mut work: impl FnMut()) -> f64 {
    let best = (0..10)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    best * 1e6 / f64::from(count)
}

fn row(name: &str, micros: f64, gas: u64) {
    println!("{name:<34} {micros:>9.2} µs {gas:>9} gas {:>7.0} gas/µs", gas as f64 / micros);
}

fn main() {
    // RFC 8032, test 2.
    let public_key = hex!("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let signature = hex!(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    );
    let signed = Signed { public_key: &public_key, message: &[0x72], signature: &signature };
    assert!(verify(&signed), "the vector is valid");

    let one = micros(200, || (0..200).for_each(|_| assert!(verify(black_box(&signed)))));
    row("ed25519, one", one, ED25519_GAS + MESSAGE_WORD_GAS);
    for size in [2u32, 8, 64, 1_000] {
        let batch = vec![signed; size as usize];
        let each = micros(size, || assert!(verify_batch(black_box(&batch))));
        let gas = ED25519_BATCH_GAS / u64::from(size) + ED25519_BATCH_ITEM_GAS + MESSAGE_WORD_GAS;
        row(&format!("ed25519, each of a batch of {size}"), each, gas);
    }
    let long = vec![7; 1 << 20];
    let words = 1 << 15;
    let message = Signed { message: &long, ..signed };
    let each = micros(words, || assert!(!verify(black_box(&message))));
    row("ed25519, a word of message", each, MESSAGE_WORD_GAS);
    let hash = |input: &[u8]| {
        black_box(blake3::hash(black_box(input)));
    };
    let each = micros(words, || hash(&long));
    row("BLAKE3, a word", each, BLAKE3_WORD_GAS);
    let each = micros(1_000, || {
        (0..1_000).for_each(|_| hash(&long[..32]));
    });
    row("BLAKE3, 32 bytes", each, BLAKE3_GAS + BLAKE3_WORD_GAS);
}
