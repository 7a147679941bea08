//! The older part of an index, on disk: rows of entries by bucket, written a little per block.
//!
//! A B-tree over hashes would touch one page per entry: 8 MiB of writes for a block of 2,000
//! transactions. Instead the newest [`GROUPS`] blocks are indexed in memory ([`super::recent`]) and
//! every block writes one group of buckets: block `h` appends, to the buckets whose keys start with
//! the byte `h mod 256`, the entries of the last 256 blocks. Each entry is so written once, about
//! 256 blocks late, and a full block writes 32 rows.
//!
//! ```text
//! bucket = first 13 bits of the key;  row key = (bucket, height of the flush that began the row)
//! entry  = first 8 bytes of the key ‖ height (5) ‖ place in the block (3)
//! ```
//!
//! Invariants: within a bucket heights never decrease from entry to entry and row to row. After
//! block `tip`, every entry of a block `<= tip - 256` is on disk; newer ones may be.
//! Limits: 2^40 blocks, 2^24 places a block. A lookup reads its whole bucket, 1/8,192 of the index.

use super::recent::Recent;
use redb::{ReadableTable, StorageError, Table};
use std::ops::Range;

/// Blocks over which the writing of an index is spread; blocks that memory must hold.
pub(super) const GROUPS: u64 = 256;

const BUCKETS_PER_GROUP: usize = 32;
const ENTRY_BYTES: usize = 16;
/// A row is extended while it has at most this many bytes.
const ROW_BYTES: usize = 2_048;

type Rows<'t> = Table<'t, (u16, u64), &'static [u8]>;

/// Bucket of a key.
fn bucket(prefix: u64) -> u16 {
    u16::try_from(prefix >> 51).expect("13 bits fit into 16")
}

fn group_of(height: u64) -> u8 {
    u8::try_from(height % GROUPS).expect("a remainder of 256 fits into a byte")
}

/// Appends the entries that are due at block `height`, which `recent` covers already.
pub(super) fn flush(rows: &mut Rows<'_>, recent: &Recent, height: u64) -> Result<(), StorageError> {
    let from = (height + 1).saturating_sub(GROUPS);
    append(rows, recent, group_of(height), from..height + 1)
}

/// Appends all entries of `recent`, for an index that starts in the middle of a chain.
pub(super) fn flush_all(rows: &mut Rows<'_>, recent: &Recent) -> Result<(), StorageError> {
    (0..=u8::MAX).try_for_each(|group| append(rows, recent, group, recent.first()..recent.end()))
}

fn append(
    rows: &mut Rows<'_>,
    recent: &Recent,
    group: u8,
    heights: Range<u64>,
) -> Result<(), StorageError> {
    let Some(flushed_at) = heights.end.checked_sub(1) else { return Ok(()) };
    let mut buckets = vec![Vec::new(); BUCKETS_PER_GROUP];
    for (height, keys) in recent.range(heights) {
        for (prefix, place) in keys.with_top(group) {
            let out = &mut buckets[usize::from(bucket(prefix)) % BUCKETS_PER_GROUP];
            out.extend_from_slice(&prefix.to_be_bytes());
            out.extend_from_slice(&height.to_be_bytes()[3..]);
            out.extend_from_slice(&place.to_be_bytes()[1..]);
        }
    }
    let first = u16::from(group) << 5;
    for (bucket, entries) in (first..).zip(buckets).filter(|(_, entries)| !entries.is_empty()) {
        let extended = last_row(rows, bucket)?
            .filter(|(at, row)| row.len() + entries.len() <= ROW_BYTES || *at == flushed_at);
        let (at, mut row) = extended.unwrap_or((flushed_at, Vec::new()));
        row.extend_from_slice(&entries);
        rows.insert((bucket, at), row.as_slice())?;
    }
    Ok(())
}

/// Height at which the newest row of a bucket was begun, and the row.
fn last_row(rows: &Rows<'_>, bucket: u16) -> Result<Option<(u64, Vec<u8>)>, StorageError> {
    let last = rows.range((bucket, 0)..=(bucket, u64::MAX))?.next_back().transpose()?;
    Ok(last.map(|(key, row)| (key.value().1, row.value().to_vec())))
}

/// Takes back what [`flush`] did at block `height`; blocks above must have been taken back before.
pub(super) fn undo(rows: &mut Rows<'_>, height: u64) -> Result<(), StorageError> {
    let keep = (height + 1).saturating_sub(GROUPS);
    let first = u16::from(group_of(height)) << 5;
    for bucket in (first..).take(BUCKETS_PER_GROUP) {
        while let Some((at, old)) = last_row(rows, bucket)? {
            let kept = entries(&old).take_while(|(_, height, _)| *height < keep).count();
            let kept = &old[..kept * ENTRY_BYTES];
            if kept.is_empty() {
                rows.remove((bucket, at))?;
                continue;
            }
            if kept.len() < old.len() {
                rows.insert((bucket, at), kept)?;
            }
            break;
        }
    }
    Ok(())
}

/// Calls `visit(height, place)` for entries with this prefix and a height `>= from`, oldest first,
/// until it returns something.
pub(super) fn visit<T, E: From<StorageError>>(
    rows: &impl ReadableTable<(u16, u64), &'static [u8]>,
    prefix: u64,
    from: u64,
    mut visit: impl FnMut(u64, u32) -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let bucket = bucket(prefix);
    // All entries of rows before the last one begun at or below `from` are at or below `from`.
    let begun =
        rows.range((bucket, 0)..=(bucket, from.saturating_sub(1)))?.next_back().transpose()?;
    let start = begun.map_or(0, |(key, _)| key.value().1);
    for row in rows.range((bucket, start)..=(bucket, u64::MAX))? {
        let (_, row) = row?;
        for (_, height, place) in
            entries(row.value()).filter(|(p, height, _)| *p == prefix && *height >= from)
        {
            if let Some(found) = visit(height, place)? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// (prefix, height, place) of each entry of a row.
fn entries(row: &[u8]) -> impl Iterator<Item = (u64, u64, u32)> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |acc, b| (acc << 8) | u64::from(*b));
    row.as_chunks::<ENTRY_BYTES>().0.iter().map(move |entry| {
        let place = u32::try_from(number(&entry[13..])).expect("3 bytes fit into 32 bits");
        (number(&entry[..8]), number(&entry[8..13]), place)
    })
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "tests are small")]
mod tests {
    use super::*;
    use crate::history::{format::TX_INDEX, recent::Keys};
    use proptest::prelude::*;
    use redb::{Database, ReadableDatabase, backends::InMemoryBackend};
    use std::{collections::BTreeSet, sync::Arc};

    /// Every height at which `prefix` stands, by disk (below the window) and memory.
    fn heights_on_disk(db: &Database, prefix: u64, from: u64) -> Vec<u64> {
        let txn = db.begin_read().unwrap();
        let rows = txn.open_table(TX_INDEX).unwrap();
        let mut found = Vec::new();
        visit::<(), StorageError>(&rows, prefix, from, |height, _| {
            found.push(height);
            Ok(None)
        })
        .unwrap();
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn disk_and_memory_together_have_every_entry(
            pool in prop::collection::vec(any::<u64>(), 1..12),
            picks in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 300..700),
            undone in 0..100u64,
        ) {
            let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
            let blocks: Vec<BTreeSet<u64>> =
                picks.iter().map(|b| b.iter().map(|i| *i.get(&pool)).collect()).collect();
            let mut recent = Recent::starting_at(0);
            let write = |height: u64, recent: &mut Recent| {
                let keys = blocks[height as usize].iter().copied();
                recent.push(Arc::new(Keys::sort(keys)));
                recent.keep_last(GROUPS + 100);
                let txn = db.begin_write().unwrap();
                flush(&mut txn.open_table(TX_INDEX).unwrap(), recent, height).unwrap();
                txn.commit().unwrap();
            };
            let count = blocks.len() as u64;
            for height in 0..count {
                write(height, &mut recent);
            }
            // Take the last blocks back and write them again.
            for height in (count - undone..count).rev() {
                let txn = db.begin_write().unwrap();
                undo(&mut txn.open_table(TX_INDEX).unwrap(), height).unwrap();
                txn.commit().unwrap();
            }
            recent.truncate(count - undone);
            for height in count - undone..count {
                write(height, &mut recent);
            }
            for prefix in pool {
                for from in [0, count / 2, count.saturating_sub(300)] {
                    let disk = heights_on_disk(&db, prefix, from);
                    prop_assert!(disk.is_sorted_by(|a, b| a < b), "no entry is written twice");
                    let memory = recent.range(from..count);
                    let memory = memory.filter(|(_, k)| k.find(prefix).next().is_some());
                    let found: BTreeSet<u64> = disk.into_iter().chain(memory.map(|(h, _)| h)).collect();
                    let expected: BTreeSet<u64> =
                        (from..count).filter(|h| blocks[*h as usize].contains(&prefix)).collect();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
