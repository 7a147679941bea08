//! How accounts, storage slots and code are laid out in the authenticated key-value state.
//!
//! The state is one ordered map from 32-byte keys to 72-byte values:
//!
//! | what | key = SHA-256 of | value (72 bytes, zero padded) |
//! |---|---|---|
//! | account | `"a" ‖ address` | nonce (8, BE) ‖ balance (32, BE) ‖ code hash (32) |
//! | storage slot | `"s" ‖ address ‖ slot (32, BE)` | value (32, BE) |
//! | code length | `"c" ‖ code hash ‖ 0u32` | length in bytes (8, BE) |
//! | code piece i ≥ 1 | `"c" ‖ code hash ‖ i (4, BE)` | 72 bytes of code |
//! | chain head | `"m" ‖ "head"` | height (8, BE) ‖ timestamp in ms (8, BE) |
//!
//! A slot that holds zero and an account that is empty (EIP-161) are absent. Keys are hashed, so
//! they are uniformly spread: an index over key prefixes cannot be attacked.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use sha2::{Digest as _, Sha256};

/// Length of a [`StateKey`] in bytes.
pub const KEY_BYTES: usize = 32;
/// Length of a [`StateValue`] in bytes.
pub const VALUE_BYTES: usize = 72;

/// Name of one entry of the authenticated state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey(pub [u8; KEY_BYTES]);

/// Content of one entry of the authenticated state, zero padded on the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateValue(pub [u8; VALUE_BYTES]);

impl StateKey {
    /// Key of the account at `address`.
    #[must_use]
    pub fn account(address: Address) -> Self {
        Self::hash(&[b"a", address.as_slice()])
    }

    /// Key of storage slot `slot` of `address`.
    #[must_use]
    pub fn slot(address: Address, slot: U256) -> Self {
        Self::hash(&[b"s", address.as_slice(), &slot.to_be_bytes::<32>()])
    }

    /// Key of piece `piece` of the code with Keccak-256 hash `code_hash`; piece 0 is the length.
    #[must_use]
    pub fn code(code_hash: B256, piece: u32) -> Self {
        Self::hash(&[b"c", code_hash.as_slice(), &piece.to_be_bytes()])
    }

    /// Key of the height and timestamp of the block whose state this is.
    #[must_use]
    pub fn head() -> Self {
        Self::hash(&[b"m", b"head"])
    }

    fn hash(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }
}

impl StateValue {
    /// A storage word.
    #[must_use]
    pub fn word(value: U256) -> Self {
        Self::join(&[&value.to_be_bytes::<32>()])
    }

    /// Reads a storage word.
    #[must_use]
    pub fn as_word(&self) -> U256 {
        U256::from_be_slice(self.0.split_at(32).0)
    }

    /// The chain head entry: `height` and `timestamp_ms` of a block.
    #[must_use]
    pub fn head(height: u64, timestamp_ms: u64) -> Self {
        Self::join(&[&height.to_be_bytes(), &timestamp_ms.to_be_bytes()])
    }

    /// Reads the chain head entry: (height, timestamp in ms).
    #[must_use]
    pub fn as_head(&self) -> (u64, u64) {
        let (height, rest) = self.0.split_at(8);
        (be_u64(height), be_u64(rest.split_at(8).0))
    }

    /// Concatenates `parts`, cutting at [`VALUE_BYTES`] and padding with zeros.
    fn join(parts: &[&[u8]]) -> Self {
        let mut out = [0; VALUE_BYTES];
        let bytes = parts.iter().flat_map(|part| part.iter());
        for (to, from) in out.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self(out)
    }
}

/// An account as the state stores it. Code lives under its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent (or contracts created) so far.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Keccak-256 of the code; of the empty string for an account without code.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl Account {
    /// Encodes the account as a state value.
    #[must_use]
    pub fn encode(&self) -> StateValue {
        StateValue::join(&[
            &self.nonce.to_be_bytes(),
            &self.balance.to_be_bytes::<32>(),
            self.code_hash.as_slice(),
        ])
    }

    /// Decodes an account; every 72-byte value is one.
    #[must_use]
    pub fn decode(value: &StateValue) -> Self {
        let (nonce, rest) = value.0.split_at(8);
        let (balance, code_hash) = rest.split_at(32);
        Self {
            nonce: be_u64(nonce),
            balance: U256::from_be_slice(balance),
            code_hash: B256::from_slice(code_hash),
        }
    }

    /// Whether the account has neither nonce, balance nor code (EIP-161: it is not stored).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK256_EMPTY
    }
}

/// Entries that hold `code`: its length, then pieces of [`VALUE_BYTES`] bytes, the last one padded.
pub fn code_entries(code_hash: B256, code: &[u8]) -> impl Iterator<Item = (StateKey, StateValue)> {
    let length = StateValue::join(&[&(code.len() as u64).to_be_bytes()]);
    let pieces = (1u32..).zip(code.chunks(VALUE_BYTES));
    std::iter::once((StateKey::code(code_hash, 0), length)).chain(
        pieces.map(move |(i, piece)| (StateKey::code(code_hash, i), StateValue::join(&[piece]))),
    )
}

/// Number of pieces that follow the length entry of a code of `length` bytes.
#[must_use]
pub fn code_pieces(length: u64) -> u32 {
    u32::try_from(length.div_ceil(VALUE_BYTES as u64)).unwrap_or(u32::MAX)
}

/// Reads the length of a code from its piece 0.
#[must_use]
pub fn code_length(value: &StateValue) -> u64 {
    be_u64(value.0.split_at(8).0)
}

fn be_u64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |acc, byte| (acc << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn account_round_trips(nonce: u64, balance: [u8; 32], code: [u8; 32]) {
            let account = Account {
                nonce,
                balance: U256::from_be_bytes(balance),
                code_hash: B256::from(code),
            };
            prop_assert_eq!(Account::decode(&account.encode()), account);
        }

        #[test]
        fn word_and_head_round_trip(word: [u8; 32], height: u64, time: u64) {
            let word = U256::from_be_bytes(word);
            prop_assert_eq!(StateValue::word(word).as_word(), word);
            prop_assert_eq!(StateValue::head(height, time).as_head(), (height, time));
        }

        #[test]
        fn code_is_rebuilt_from_its_entries(code in prop::collection::vec(any::<u8>(), 0..500)) {
            let entries: Vec<_> = code_entries(keccak256(&code), &code).collect();
            let length = code_length(&entries[0].1);
            prop_assert_eq!(entries.len() as u32, code_pieces(length) + 1);
            let mut joined: Vec<u8> = entries[1..].iter().flat_map(|(_, v)| v.0).collect();
            joined.truncate(length as usize);
            prop_assert_eq!(joined, code);
        }
    }

    #[test]
    fn kinds_of_keys_are_separated() {
        let address = Address::repeat_byte(1);
        let keys = [
            StateKey::account(address),
            StateKey::slot(address, U256::ZERO),
            StateKey::code(B256::left_padding_from(address.as_slice()), 0),
            StateKey::head(),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|b| a != b));
        }
    }

    #[test]
    fn layout_is_pinned() {
        let key = StateKey::account(Address::ZERO);
        let expected = Sha256::digest([b"a".as_slice(), &[0; 20]].concat());
        assert_eq!(key.0, <[u8; 32]>::from(expected));
    }
}
