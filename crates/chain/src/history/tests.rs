//! The store against full copies of every state, under crashes, replacement and concurrency.

#![expect(clippy::cast_possible_truncation, reason = "tests are small")]

use super::{History, HistoryConfig, HistoryError, RawBlock, StateAt, format::Before};
use crate::{
    block::{Block, BlockExtra, base_header, transactions_root},
    testing::{Directory, Live},
};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bloom, Bytes, keccak256};
use cairn_evm::{Change, StateError, StateView};
use cairn_primitives::state::{StateKey, StateValue};
use futures::{executor::block_on, future::BoxFuture};
use parking_lot::RwLock;
use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::SmallRng};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const GENESIS: B256 = B256::repeat_byte(0xaa);

fn config(archive: bool, state_history: u64) -> HistoryConfig {
    HistoryConfig { archive, state_history, cache_bytes: 8 << 20 }
}

/// A chain that remembers every state it ever had.
struct Model {
    rng: SmallRng,
    live: Live,
    blocks: Vec<RawBlock>,
    states: Vec<BTreeMap<StateKey, StateValue>>,
}

impl Model {
    fn new(seed: u64) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(seed),
            live: Live::default(),
            blocks: vec![raw(0, B256::ZERO, 0, Vec::new(), Vec::new())],
            states: vec![BTreeMap::new()],
        }
    }

    fn tip(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    fn key(&mut self) -> StateKey {
        let n = self.rng.random_range(0..40u8);
        StateKey(keccak256([n]).0)
    }

    /// A random block on top; not yet recorded, applied or remembered.
    fn next(&mut self, salt: u64) -> (RawBlock, Vec<Change>) {
        let state = self.states.last().unwrap().clone();
        let mut changes = BTreeMap::new();
        for _ in 0..self.rng.random_range(0..8) {
            let key = self.key();
            let before = state.get(&key).copied();
            let after = self.rng.random_bool(0.7).then(|| {
                let mut value = [0; 72];
                self.rng.fill_bytes(&mut value[..40]);
                StateValue(value)
            });
            if before != after {
                changes.insert(key, Change { key, before, after });
            }
        }
        let changes: Vec<Change> = changes.into_values().collect();
        let diffs = changes.iter().map(|c| (c.key, c.before)).collect();
        let height = self.tip() + 1;
        let transactions = (0..self.rng.random_range(0..4u8))
            .map(|i| Bytes::from(format!("tx {height} {salt} {i}").into_bytes()))
            .collect();
        let parent = self.blocks.last().unwrap().hash;
        (raw(height, parent, salt, transactions, diffs), changes)
    }

    fn apply(&mut self, block: RawBlock, changes: &[Change]) {
        let mut live = self.live.0.write();
        live.apply(changes);
        self.states.push(live.entries.clone());
        self.blocks.push(block);
    }

    fn grow(&mut self, history: &History) {
        let (block, changes) = self.next(1);
        history.record(std::slice::from_ref(&block), self.tip()).unwrap();
        self.apply(block, &changes);
    }

    /// Compares `reads` random (height, key) and some indexes with the copies.
    fn check(&mut self, history: &Arc<History>, reads: usize) {
        let oldest = history.oldest_state();
        for _ in 0..reads {
            let height = self.rng.random_range(oldest..=self.tip());
            let keys: Vec<StateKey> = (0..3).map(|_| self.key()).collect();
            let view = StateAt::new(history.clone(), Arc::new(self.live.clone()), height).unwrap();
            let values = block_on(view.get_many(&keys)).unwrap();
            for (key, value) in keys.iter().zip(values) {
                let expected = self.states[height as usize].get(key).copied();
                assert_eq!(value, expected, "height {height} of {}, {key:?}", self.tip());
            }
            let at = self.rng.random_range(0..=self.tip());
            self.check_block(history, at);
        }
        assert!(history.candidates(keccak256(b"no such transaction")).unwrap().is_empty());
    }

    fn check_block(&self, history: &History, height: u64) {
        let block = &self.blocks[height as usize];
        assert_eq!(history.height_of(block.hash).unwrap(), Some(height));
        assert_eq!(history.block(height).unwrap().unwrap().block, block.block);
        for (index, hash) in (0..).zip(&block.transactions) {
            assert_eq!(history.locate(*hash, height).unwrap(), Some((height, index)));
        }
    }
}

fn raw(
    height: u64,
    parent: B256,
    salt: u64,
    transactions: Vec<Bytes>,
    diffs: Vec<(StateKey, Before)>,
) -> RawBlock {
    let header = Header {
        number: height,
        parent_hash: parent,
        gas_used: salt,
        transactions_root: transactions_root(&transactions),
        ..base_header()
    };
    let hashes = transactions.iter().map(keccak256).collect();
    let block = Block { header, extra: BlockExtra::default(), transactions };
    let bloom = if height % 3 == 1 { Bloom::repeat_byte(1) } else { Bloom::ZERO };
    RawBlock {
        height,
        hash: block.hash(),
        parent,
        block: block.encode(),
        receipts: height.to_be_bytes().to_vec(),
        bloom,
        transactions: hashes,
        diffs,
    }
}

fn fresh(model: &Model, config: HistoryConfig) -> Arc<History> {
    let history = History::in_memory(GENESIS, config).unwrap();
    history.record(&model.blocks[..1], 0).unwrap();
    Arc::new(history)
}

#[test]
fn past_states_equal_full_copies_while_old_ones_are_pruned() {
    for seed in 0..8 {
        let mut model = Model::new(seed);
        let history = fresh(&model, config(false, 37));
        for height in 1..=150 {
            model.grow(&history);
            assert_eq!(history.oldest_state(), height.max(37) - 37);
            model.check(&history, 4);
        }
        let error = StateAt::new(history, Arc::new(model.live.clone()), 112).unwrap_err();
        assert_eq!(
            error.to_string(),
            "state of block 112 is pruned, the oldest kept is that of block 113"
        );
    }
}

#[test]
fn an_archive_keeps_every_state() {
    let mut model = Model::new(3);
    let history = fresh(&model, config(true, 1));
    for _ in 0..900 {
        model.grow(&history);
    }
    assert_eq!(history.oldest_state(), 0);
    model.check(&history, 3_000);
}

#[test]
fn a_view_reads_its_height_while_a_block_is_applied_in_the_middle_of_the_read() {
    struct Hooked(Live, Box<dyn Fn() + Send + Sync>);
    impl StateView for Hooked {
        fn get<'a>(
            &'a self,
            key: &'a StateKey,
        ) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
            let value = self.0.0.read().entries.get(key).copied();
            (self.1)();
            Box::pin(async move { Ok(value) })
        }
    }
    let mut model = Model::new(5);
    let history = fresh(&model, config(false, 1_000));
    for _ in 0..20 {
        model.grow(&history);
    }
    let live = model.live.clone();
    let model = Arc::new(parking_lot::Mutex::new(model));
    for height in 0..20u64 {
        let (grown, writer) = (model.clone(), history.clone());
        let hook = move || grown.lock().grow(&writer);
        let view = Hooked(live.clone(), Box::new(hook));
        let view = StateAt::new(history.clone(), Arc::new(view), height).unwrap();
        for n in 0..40u8 {
            let key = StateKey(keccak256([n]).0);
            let value = block_on(view.get(&key)).unwrap();
            assert_eq!(value, model.lock().states[height as usize].get(&key).copied());
        }
    }
}

#[test]
fn views_stay_right_under_concurrent_application() {
    let mut model = Model::new(6);
    let history = fresh(&model, config(true, 256));
    for _ in 0..50 {
        model.grow(&history);
    }
    let copies = Arc::new(RwLock::new(model.states.clone()));
    let live = model.live.clone();
    let tip = AtomicU64::new(50);
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (history, live, copies, tip) =
                (history.clone(), live.clone(), copies.clone(), &tip);
            scope.spawn(move || {
                let mut rng = SmallRng::seed_from_u64(seed);
                loop {
                    let head = tip.load(Ordering::Acquire);
                    let height = rng.random_range(0..=head);
                    let view =
                        StateAt::new(history.clone(), Arc::new(live.clone()), height).unwrap();
                    let key = StateKey(keccak256([rng.random_range(0..40u8)]).0);
                    let value = block_on(view.get(&key)).unwrap();
                    assert_eq!(value, copies.read()[height as usize].get(&key).copied());
                    if head == 600 {
                        return;
                    }
                }
            });
        }
        for height in 51..=600 {
            model.grow(&history);
            copies.write().push(model.states.last().unwrap().clone());
            tip.store(height, Ordering::Release);
        }
    });
}

#[test]
fn recording_again_changes_nothing_and_another_block_above_the_applied_height_replaces() {
    for archive in [false, true] {
        let mut model = Model::new(7);
        let history = fresh(&model, config(archive, 300));
        for _ in 0..700 {
            model.grow(&history);
            let again = model.blocks.last().unwrap().clone();
            history.record(&[again], model.tip()).unwrap();
            // A node may record a block, stop, and find that another one was finalized.
            if model.rng.random_bool(0.1) {
                let (lost, _) = model.next(2);
                history.record(std::slice::from_ref(&lost), model.tip()).unwrap();
                model.grow(&history);
                assert_eq!(history.height_of(lost.hash).unwrap(), None);
                for hash in &lost.transactions {
                    assert!(history.candidates(*hash).unwrap().is_empty());
                }
            }
        }
        model.check(&history, 1_000);
    }
}

#[test]
fn wrong_blocks_are_refused_by_name_and_change_nothing() {
    let mut model = Model::new(8);
    let history = fresh(&model, config(false, 10));
    for _ in 0..5 {
        model.grow(&history);
    }
    let parent = |h: usize| model.blocks[h].hash;
    let other = raw(4, parent(3), 9, Vec::new(), Vec::new());
    let error = history.record(&[other], 5).unwrap_err();
    assert!(matches!(error, HistoryError::Conflict { height: 4, .. }), "{error}");
    let gap = raw(7, parent(5), 9, Vec::new(), Vec::new());
    let error = history.record(&[gap], 5).unwrap_err();
    assert!(matches!(error, HistoryError::Gap { tip: 5, offered: 7 }), "{error}");
    let stray = raw(6, parent(4), 9, Vec::new(), Vec::new());
    let error = history.record(&[stray], 5).unwrap_err();
    assert!(matches!(error, HistoryError::Parent { height: 6, .. }), "{error}");
    assert_eq!(history.tip(), Some(5));
    model.grow(&history);
    model.check(&history, 50);
}

#[test]
fn several_blocks_go_in_one_transaction() {
    let mut model = Model::new(9);
    let history = fresh(&model, config(false, 100));
    let mut blocks = Vec::new();
    for _ in 0..30 {
        let (block, changes) = model.next(1);
        blocks.push(block.clone());
        model.apply(block, &changes);
    }
    history.record(&blocks, 0).unwrap();
    model.check(&history, 200);
}

#[test]
fn a_node_that_joins_by_state_sync_starts_anywhere() {
    let mut model = Model::new(10);
    let full = fresh(&model, config(false, 100));
    for _ in 0..50 {
        model.grow(&full);
    }
    let history = fresh(&model, config(false, 100));
    for block in &model.blocks[40..] {
        history.record(std::slice::from_ref(block), block.height - 1).unwrap();
    }
    assert_eq!(
        (history.earliest(), history.tip(), history.oldest_state()),
        (Some(40), Some(50), 39)
    );
    assert!(history.block(0).unwrap().is_some() && history.block(39).unwrap().is_none());
    for _ in 0..100 {
        let height = model.rng.random_range(39..=50);
        let key = model.key();
        let view = StateAt::new(history.clone(), Arc::new(model.live.clone()), height).unwrap();
        let expected = model.states[height as usize].get(&key).copied();
        assert_eq!(block_on(view.get(&key)).unwrap(), expected);
    }
}

#[test]
fn a_history_that_adopts_a_block_reads_states_from_there() {
    for (adopted, archive) in [(1, false), (40, false), (40, true)] {
        let mut model = Model::new(12);
        let full = fresh(&model, config(false, 100));
        for _ in 0..50 {
            model.grow(&full);
        }
        let history = fresh(&model, config(archive, 100));
        history.adopt(&RawBlock { diffs: Vec::new(), ..model.blocks[adopted].clone() }).unwrap();
        let height = adopted as u64;
        assert_eq!((history.tip(), history.oldest_state()), (Some(height), height));
        for block in &model.blocks[adopted + 1..] {
            history.record(std::slice::from_ref(block), block.height - 1).unwrap();
        }
        for _ in 0..100 {
            let height = model.rng.random_range(height..=50);
            let key = model.key();
            let view = StateAt::new(history.clone(), Arc::new(model.live.clone()), height).unwrap();
            let expected = model.states[height as usize].get(&key).copied();
            assert_eq!(block_on(view.get(&key)).unwrap(), expected);
        }
        let live = Arc::new(model.live.clone());
        let error = StateAt::new(history.clone(), live, height - 1).err().unwrap();
        assert!(matches!(error, HistoryError::StatePruned { oldest, .. } if oldest == height));
        let error = history.adopt(&model.blocks[50]).unwrap_err();
        assert!(matches!(error, HistoryError::Gap { tip: 50, offered: 50 }), "{error}");
    }
}

#[test]
fn blooms_are_returned_by_height_for_blocks_with_logs() {
    let mut model = Model::new(11);
    let history = fresh(&model, config(false, 5));
    for _ in 0..9 {
        model.grow(&history);
    }
    let heights = |range| -> Vec<u64> {
        history.blooms(range).unwrap().into_iter().map(|(height, _)| height).collect()
    };
    assert_eq!(heights(0..=9), [1, 4, 7]);
    assert_eq!(heights(4..=6), [4]);
    assert!(heights(20..=30).is_empty());
}

/// Opens the history as a process that was killed would find it.
fn reopen_after_kill(
    history: &Arc<History>,
    directory: &Directory,
    config: HistoryConfig,
) -> Arc<History> {
    let _ = history;
    let copy = directory.file("copy.redb");
    std::fs::copy(directory.file("history.redb"), &copy).unwrap();
    std::fs::rename(&copy, directory.file("history.redb")).unwrap();
    Arc::new(History::open(&directory.file("history.redb"), GENESIS, config).unwrap())
}

#[test]
fn nothing_recorded_is_lost_by_a_kill_whatever_the_mode_becomes() {
    let directory = Directory::new();
    let mut model = Model::new(12);
    let pruned = config(false, 300);
    let archive = config(true, 1);
    let mut history =
        Arc::new(History::open(&directory.file("history.redb"), GENESIS, pruned).unwrap());
    assert_eq!(history.tip(), None);
    history.record(&model.blocks[..1], 0).unwrap();
    for (round, mode) in [pruned, archive, archive, pruned].into_iter().cycle().take(12).enumerate()
    {
        for _ in 0..40 + 9 * round {
            model.grow(&history);
        }
        // Recorded, not applied: the kill comes in between.
        let (block, changes) = model.next(3);
        history.record(std::slice::from_ref(&block), model.tip()).unwrap();
        history = reopen_after_kill(&history, &directory, mode);
        assert_eq!(history.tip(), Some(model.tip() + 1));
        model.check(&history, 60);
        model.apply(block, &changes);
        model.check(&history, 100);
    }
}

fn written(directory: &Directory, blocks: usize) {
    let mut model = Model::new(13);
    let history =
        History::open(&directory.file("history.redb"), GENESIS, config(false, 50)).unwrap();
    history.record(&model.blocks[..1], 0).unwrap();
    for _ in 0..blocks {
        model.grow(&history);
    }
}

#[test]
fn files_that_cannot_be_used_are_refused_with_advice_and_left_alone() {
    let directory = Directory::new();
    written(&directory, 60);
    let path = directory.file("history.redb");
    let whole = std::fs::read(&path).unwrap();
    let open = |genesis| History::open(&path, genesis, config(false, 50));

    let error = open(B256::repeat_byte(0xbb)).unwrap_err();
    assert!(matches!(error, HistoryError::OtherChain { .. }), "{error}");
    assert!(error.to_string().contains("another data directory"), "{error}");

    let held = open(GENESIS).unwrap();
    let error = open(GENESIS).unwrap_err();
    assert!(matches!(error, HistoryError::Locked { .. }), "{error}");
    drop(held);

    let damaged: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("cut in the header", whole[..100].to_vec()),
        ("cut in half", whole[..whole.len() / 2].to_vec()),
        ("garbage", vec![7; 100_000]),
        ("text", b"not a database at all".repeat(500)),
    ];
    for (what, bytes) in damaged {
        std::fs::write(&path, &bytes).unwrap();
        let error = open(GENESIS).expect_err(what);
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{what}: {error}");
        assert!(error.to_string().contains("restore the data directory"), "{what}: {error}");
        assert!(!std::fs::read(&path).unwrap().is_empty() || bytes.is_empty(), "{what}: reset");
    }
}

#[test]
fn flipped_bits_are_noticed_when_the_file_is_opened() {
    let directory = Directory::new();
    written(&directory, 60);
    let path = directory.file("history.redb");
    let whole = std::fs::read(&path).unwrap();
    let mut rng = SmallRng::seed_from_u64(1);
    let mut noticed = 0;
    for _ in 0..40 {
        let mut bytes = whole.clone();
        for _ in 0..200 {
            let at = rng.random_range(4_096..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }
        std::fs::write(&path, &bytes).unwrap();
        match History::open(&path, GENESIS, config(false, 50)) {
            Ok(_) => {}
            Err(HistoryError::Corrupt { .. }) => noticed += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(noticed, 40);
}

#[test]
fn a_newer_format_is_refused_by_version() {
    let directory = Directory::new();
    written(&directory, 1);
    let db = redb::Database::open(directory.file("history.redb")).unwrap();
    let txn = db.begin_write().unwrap();
    let version = 2u32.to_be_bytes();
    txn.open_table(super::format::META).unwrap().insert("version", version.as_slice()).unwrap();
    txn.commit().unwrap();
    drop(db);
    let error =
        History::open(&directory.file("history.redb"), GENESIS, config(false, 50)).unwrap_err();
    assert!(
        error.to_string().contains("format version 2, this program reads version 1"),
        "{error}"
    );
}

/// A volume of limited size.
#[derive(Debug)]
struct SmallDisk(redb::backends::InMemoryBackend, u64);

impl redb::StorageBackend for SmallDisk {
    fn len(&self) -> Result<u64, std::io::Error> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        if len > self.1 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0.set_len(len)
    }
    fn sync_data(&self) -> Result<(), std::io::Error> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.0.write(offset, data)
    }
}

#[test]
fn a_full_disk_is_named_and_ends_writing_but_not_reading() {
    let disk = SmallDisk(redb::backends::InMemoryBackend::new(), 3 << 20);
    let history = Arc::new(History::with_backend(disk, GENESIS, config(true, 1)).unwrap());
    let mut model = Model::new(14);
    history.record(&model.blocks[..1], 0).unwrap();
    let error = loop {
        let (mut block, changes) = model.next(1);
        block.receipts = vec![1; 50_000];
        match history.record(std::slice::from_ref(&block), model.tip()) {
            Ok(()) => model.apply(block, &changes),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, HistoryError::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("free some and start the node again"), "{error}");
    let (block, _) = model.next(1);
    let error = history.record(&[block], model.tip()).unwrap_err();
    assert!(matches!(error, HistoryError::Failed { .. }), "{error}");
    model.check(&history, 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_interleaving_of_growth_replacement_and_reads_agrees_with_the_copies(
        seed: u64,
        archive: bool,
        window in 1..60u64,
        steps in prop::collection::vec(0..10u8, 50..300),
    ) {
        let mut model = Model::new(seed);
        let history = fresh(&model, config(archive, window));
        for step in steps {
            match step {
                0..=6 => model.grow(&history),
                7 => {
                    let (lost, _) = model.next(4);
                    history.record(&[lost], model.tip()).unwrap();
                }
                _ => model.check(&history, 3),
            }
        }
        model.check(&history, 50);
    }
}
