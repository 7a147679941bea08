//! Layout of the history file, version 1.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | `version` u32, `genesis` 32 B, `earliest` u64, `oldest_state` u64, `pruned` u64, `archive` u8 |
//! | `blocks` | height | hash (32) ‖ encoded block |
//! | `receipts` | height | senders and receipts, see [`crate::sealed`] |
//! | `blooms` | height | logs bloom (256); blocks without logs have no entry |
//! | `heights` | block hash | height |
//! | `diffs` | (height, chunk) | up to [`CHUNK`] diffs, by key |
//! | `tx_index` | (bucket, height of the flush) | index entries, see [`super::buckets`] |
//! | `diff_index` | (bucket, height of the flush) | the same for diffs; only with `archive` |
//!
//! All integers are big endian. A diff is `key (32) ‖ tag ‖ old value`:
//! tag 0 = the entry did not exist; tag 1 = a bitmap of the non-zero bytes of the 72-byte value (9)
//! and those bytes; tag 2 = as 1 for an account without code, whose code hash is left out.

use alloy_primitives::KECCAK256_EMPTY;
use cairn_primitives::state::{KEY_BYTES, StateKey, StateValue, VALUE_BYTES};
use redb::TableDefinition;

/// The format that this module reads and writes.
pub(super) const VERSION: u32 = 1;

pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
pub(super) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
pub(super) const RECEIPTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("receipts");
pub(super) const BLOOMS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blooms");
pub(super) const HEIGHTS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("heights");
pub(super) const DIFFS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("diffs");
pub(super) const TX_INDEX: TableDefinition<'_, (u16, u64), &[u8]> =
    TableDefinition::new("tx_index");
pub(super) const DIFF_INDEX: TableDefinition<'_, (u16, u64), &[u8]> =
    TableDefinition::new("diff_index");

pub(super) const META_VERSION: &str = "version";
pub(super) const META_GENESIS: &str = "genesis";
pub(super) const META_EARLIEST: &str = "earliest";
pub(super) const META_OLDEST_STATE: &str = "oldest_state";
pub(super) const META_PRUNED: &str = "pruned";
pub(super) const META_ARCHIVE: &str = "archive";

/// Diffs in one row of `diffs`: a row then mostly fits into one page of 4 KiB.
pub(super) const CHUNK: usize = 32;

/// Where the code hash starts in an account's value.
const CODE_HASH_AT: usize = 40;
const MASK_BYTES: usize = VALUE_BYTES / 8;

const ABSENT: u8 = 0;
const PLAIN: u8 = 1;
const NO_CODE: u8 = 2;

/// A value before a block changed it; `None` if the entry did not exist.
pub(super) type Before = Option<StateValue>;

/// Appends one diff to `out`.
pub(super) fn encode_diff(key: &StateKey, before: &Before, out: &mut Vec<u8>) {
    out.extend_from_slice(&key.0);
    let Some(StateValue(mut value)) = *before else {
        out.push(ABSENT);
        return;
    };
    let no_code = value[CODE_HASH_AT..] == KECCAK256_EMPTY[..];
    if no_code {
        value[CODE_HASH_AT..].fill(0);
    }
    out.push(if no_code { NO_CODE } else { PLAIN });
    for byte in value.chunks(8) {
        out.push(byte.iter().fold(0, |mask, b| (mask << 1) | u8::from(*b != 0)));
    }
    out.extend(value.iter().filter(|byte| **byte != 0));
}

/// Reads the diffs of one row of `diffs` in order.
pub(super) fn decode_diffs(
    mut row: &[u8],
) -> impl Iterator<Item = Result<(StateKey, Before), &'static str>> {
    std::iter::from_fn(move || {
        if row.is_empty() {
            return None;
        }
        let decoded = decode_diff(&mut row).ok_or("a state diff is cut off");
        if decoded.is_err() {
            row = &[];
        }
        Some(decoded)
    })
}

fn decode_diff(row: &mut &[u8]) -> Option<(StateKey, Before)> {
    let (key, rest) = row.split_first_chunk::<KEY_BYTES>()?;
    let (tag, rest) = rest.split_first()?;
    let key = StateKey(*key);
    if *tag == ABSENT {
        *row = rest;
        return Some((key, None));
    }
    if *tag != PLAIN && *tag != NO_CODE {
        return None;
    }
    let (mask, mut rest) = rest.split_first_chunk::<MASK_BYTES>()?;
    let mut value = [0; VALUE_BYTES];
    for (i, byte) in value.iter_mut().enumerate() {
        if mask[i / 8] & (0x80 >> (i % 8)) != 0 {
            let (first, tail) = rest.split_first()?;
            *byte = *first;
            rest = tail;
        }
    }
    if *tag == NO_CODE {
        value[CODE_HASH_AT..].copy_from_slice(KECCAK256_EMPTY.as_slice());
    }
    *row = rest;
    Some((key, Some(StateValue(value))))
}

/// First eight bytes of a hashed key, as the indexes keep them.
pub(super) fn prefix(hash: &[u8; 32]) -> u64 {
    hash.iter().take(8).fold(0, |acc, byte| (acc << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;
    use cairn_primitives::state::Account;
    use proptest::prelude::*;

    fn round_trip(diffs: &[(StateKey, Before)]) -> Vec<(StateKey, Before)> {
        let mut row = Vec::new();
        for (key, before) in diffs {
            encode_diff(key, before, &mut row);
        }
        decode_diffs(&row).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn accounts_and_words_round_trip_in_few_bytes() {
        let account =
            Account { nonce: 7, balance: U256::from(10).pow(U256::from(18)), ..Account::default() };
        let diffs = [
            (StateKey([1; 32]), Some(account.encode())),
            (StateKey([2; 32]), None),
            (StateKey([3; 32]), Some(StateValue::word(U256::from(5)))),
            (StateKey([4; 32]), Some(StateValue([0; VALUE_BYTES]))),
        ];
        assert_eq!(round_trip(&diffs), diffs);
        let mut row = Vec::new();
        encode_diff(&diffs[0].0, &diffs[0].1, &mut row);
        assert!(row.len() < 55, "{}", row.len());
    }

    proptest! {
        #[test]
        fn any_diffs_round_trip(diffs in prop::collection::vec(
            (any::<[u8; 32]>(), prop::option::of(any::<[u8; VALUE_BYTES]>())), 0..40,
        )) {
            let diffs: Vec<_> =
                diffs.into_iter().map(|(k, v)| (StateKey(k), v.map(StateValue))).collect();
            prop_assert_eq!(round_trip(&diffs), diffs);
        }

        #[test]
        fn arbitrary_rows_never_panic(row in prop::collection::vec(any::<u8>(), 0..300)) {
            let count = decode_diffs(&row).count();
            prop_assert!(count <= 300);
        }
    }
}
