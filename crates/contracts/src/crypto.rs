//! `Crypto`: Ed25519 (ZIP-215) and BLAKE3 for contracts. Stateless.
//!
//! Prices follow measured time at about 70 gas a microsecond, the price of the Ethereum precompiles
//! for elliptic curves (see the `crypto_cost` example).

use crate::abi::ICrypto::{self, ICryptoCalls};
use crate::call::{Call, dispatch, words};
use crate::ed25519::{self, Signed};
use crate::host::{Outcome, revert};
use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::SolCall;

/// Gas of verifying one signature.
pub const ED25519_GAS: u64 = 3_000;
/// Gas of a batch, before its signatures.
pub const ED25519_BATCH_GAS: u64 = 3_000;
/// Gas of each signature of a batch.
pub const ED25519_BATCH_ITEM_GAS: u64 = 1_500;
/// Gas for each started 32 bytes of a signed message.
pub const MESSAGE_WORD_GAS: u64 = 6;
/// Gas of a BLAKE3 hash.
pub const BLAKE3_GAS: u64 = 30;
/// Gas for each started 32 bytes that BLAKE3 hashes.
pub const BLAKE3_WORD_GAS: u64 = 1;

/// Answers a call.
pub(crate) fn handle(call: &mut Call<'_>, input: &[u8]) -> Outcome<Bytes> {
    dispatch(call, input, &[], |call, function| match function {
        ICryptoCalls::verifyEd25519(args) => {
            verify(call, &args).map(|ok| ICrypto::verifyEd25519Call::abi_encode_returns(&ok))
        }
        ICryptoCalls::verifyEd25519Batch(args) => verify_batch(call, &args)
            .map(|ok| ICrypto::verifyEd25519BatchCall::abi_encode_returns(&ok)),
        ICryptoCalls::blake3Hash(ICrypto::blake3HashCall { input }) => {
            call.charge(word_gas(BLAKE3_GAS, BLAKE3_WORD_GAS, input.len()))?;
            let hash = B256::from(*blake3::hash(&input).as_bytes());
            Ok(ICrypto::blake3HashCall::abi_encode_returns(&hash))
        }
    })
}

fn verify(call: &mut Call<'_>, args: &ICrypto::verifyEd25519Call) -> Outcome<bool> {
    let signature = signature(0, &args.signature)?;
    call.charge(word_gas(ED25519_GAS, MESSAGE_WORD_GAS, args.message.len()))?;
    Ok(ed25519::verify(&Signed {
        public_key: &args.publicKey.0,
        message: &args.message,
        signature,
    }))
}

fn verify_batch(call: &mut Call<'_>, args: &ICrypto::verifyEd25519BatchCall) -> Outcome<bool> {
    let (keys, messages, signatures) = (&args.publicKeys, &args.messages, &args.signatures);
    if keys.len() != messages.len() || keys.len() != signatures.len() {
        return revert(ICrypto::BatchLengthMismatch {
            publicKeys: U256::from(keys.len()),
            messages: U256::from(messages.len()),
            signatures: U256::from(signatures.len()),
        });
    }
    if keys.is_empty() {
        return revert(ICrypto::EmptyBatch {});
    }
    call.charge(ED25519_BATCH_GAS)?;
    let mut batch = Vec::with_capacity(keys.len());
    for (index, ((key, message), bytes)) in keys.iter().zip(messages).zip(signatures).enumerate() {
        call.charge(word_gas(ED25519_BATCH_ITEM_GAS, MESSAGE_WORD_GAS, message.len()))?;
        let signature = signature(index, bytes)?;
        batch.push(Signed { public_key: &key.0, message, signature });
    }
    Ok(ed25519::verify_batch(&batch))
}

/// Checks the length of a signature.
fn signature(index: usize, bytes: &[u8]) -> Outcome<&[u8; 64]> {
    bytes.try_into().or_else(|_| {
        let (index, length) = (U256::from(index), U256::from(bytes.len()));
        revert(ICrypto::BadSignatureLength { index, length })
    })
}

/// `base + word · ⌈bytes / 32⌉`.
const fn word_gas(base: u64, word: u64, bytes: usize) -> u64 {
    base.saturating_add(word.saturating_mul(words(bytes)))
}

#[cfg(test)]
mod tests;
