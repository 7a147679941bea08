//! A real state database, and its own verifier as an oracle.

use alloy_primitives::{Address, B256, U256};
use cairn_light::{Absence, MAX_DIGESTS, Presence, encode_absent, encode_present};
use cairn_primitives::state::{Account, StateKey, StateValue, VALUE_BYTES};
use commonware_codec::{Copying, Decode as _};
use commonware_cryptography::{Sha256, sha256};
use commonware_parallel::Sequential;
use commonware_runtime::{Runner as _, Supervisor as _, buffer::paged::CacheRef, deterministic};
use commonware_storage::{
    journal::contiguous::fixed::Config as LogConfig,
    mmr::{self, full::Config as MmrConfig},
    qmdb::{
        any::value::FixedEncoding,
        current::{FixedConfig, ordered::fixed},
        floor::Proportional,
    },
    translator::EightCap,
};
use commonware_utils::{NZU16, NZU64, NZUsize, sequence::FixedBytes};
use std::sync::LazyLock;

type Value = FixedBytes<VALUE_BYTES>;
type Db = fixed::Db<
    mmr::Family,
    deterministic::Context,
    sha256::Digest,
    Value,
    Sha256,
    EightCap,
    32,
    Sequential,
>;
type Config = FixedConfig<EightCap, Sequential>;
pub(crate) type Batch = Vec<(StateKey, Option<StateValue>)>;

pub(crate) const RICH: Address = Address::repeat_byte(0x11);
pub(crate) const NOBODY: Address = Address::repeat_byte(0x22);

pub(crate) fn account() -> Account {
    Account { nonce: 7, balance: U256::from(1_000), ..Account::default() }
}

/// A proof from the database, with what it says.
#[derive(Clone)]
pub(crate) struct Proven {
    pub(crate) key: StateKey,
    pub(crate) value: Option<StateValue>,
    pub(crate) proof: Vec<u8>,
}

/// The state after some batches, and proofs of some keys.
pub(crate) struct State {
    pub(crate) root: B256,
    /// Operations in the log.
    pub(crate) operations: u64,
    pub(crate) proofs: Vec<Proven>,
}

/// What to do to an empty database.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) batches: Vec<Batch>,
    /// Whether to go on until the log ends with a chunk of the bitmap.
    pub(crate) align: bool,
    /// Whether to drop what is not needed any more.
    pub(crate) prune: bool,
    /// Which keys to prove, present or absent.
    pub(crate) prove: Vec<StateKey>,
}

/// Two hundred accounts, one of which is [`RICH`] with 55 in slot 5; proofs of that account, of
/// [`NOBODY`], and of slots 5 and 6.
pub(crate) static SMALL: LazyLock<State> = LazyLock::new(|| {
    let mut batch = accounts(0..200, 0);
    batch.push((StateKey::account(RICH), Some(account().encode())));
    batch.push((StateKey::slot(RICH, U256::from(5)), Some(StateValue::word(U256::from(55)))));
    let prove = vec![
        StateKey::account(RICH),
        StateKey::account(NOBODY),
        StateKey::slot(RICH, U256::from(5)),
        StateKey::slot(RICH, U256::from(6)),
    ];
    State::build(Plan { batches: vec![batch], prove, ..Plan::default() })
});

/// Accounts number `range`, each with its number plus `round` as its nonce.
pub(crate) fn accounts(range: std::ops::Range<u64>, round: u64) -> Batch {
    range.map(|i| (numbered(i), Some(Account { nonce: i + round, ..account() }.encode()))).collect()
}

/// Key of account number `i`.
pub(crate) fn numbered(i: u64) -> StateKey {
    StateKey::account(Address::left_padding_from(&(i + 1_000).to_be_bytes()))
}

impl State {
    pub(crate) fn build(plan: Plan) -> Self {
        deterministic::Runner::default().start(async |context| {
            let mut db =
                Db::init(context.child("db"), config(), None).await.expect("the database opens");
            for batch in plan.batches {
                db = apply(db, batch).await;
            }
            let mut extra = 1_000_000;
            while plan.align && *db.bounds().end % 256 != 0 {
                db = apply(db, accounts(extra..extra + 1, 0)).await;
                extra += 1;
            }
            if plan.prune {
                let boundary = db.sync_boundary();
                assert!(*boundary >= 256, "nothing to prune");
                db = db.prune(boundary).await.expect("prunes");
            }
            let mut proofs = Vec::new();
            for key in plan.prove {
                proofs.push(prove(&db, key).await);
            }
            Self { root: B256::from(db.root().0), operations: *db.bounds().end, proofs }
        })
    }
}

async fn apply(db: Db, batch: Batch) -> Db {
    let mut writes = db.new_batch();
    for (key, value) in batch {
        writes = writes.write(digest(&key), value.map(|value| FixedBytes::new(value.0)));
    }
    let sealed = writes.merkleize(&db, None, &mut Proportional).await.expect("hashes");
    db.apply_batch(sealed).await.expect("applies")
}

async fn prove(db: &Db, key: StateKey) -> Proven {
    let wanted = digest(&key);
    let found = db.get(&wanted).await.expect("reads");
    let (value, proof) = match found {
        Some(found) => {
            let proof = db.key_value_proof(wanted).await.expect("proves");
            let value = StateValue(found.as_ref().try_into().expect("of that length"));
            (Some(value), encode_present(&found, &proof))
        }
        None => (None, encode_absent(&db.exclusion_proof(&wanted).await.expect("proves"))),
    };
    Proven { key, value, proof }
}

fn digest(key: &StateKey) -> sha256::Digest {
    sha256::Digest::from(key.0)
}

fn config() -> Config {
    let page_cache = CacheRef::new(NZU16!(1_024), NZUsize!(64));
    let buffer = NZUsize!(1 << 16);
    FixedConfig {
        merkle_config: MmrConfig {
            journal_partition: "mmr-journal".into(),
            metadata_partition: "mmr-metadata".into(),
            items_per_blob: NZU64!(256),
            write_buffer: buffer,
            replay_buffer: buffer,
            strategy: Sequential,
            page_cache: page_cache.clone(),
        },
        journal_config: LogConfig {
            partition: "log".into(),
            items_per_blob: NZU64!(256),
            page_cache,
            write_buffer: buffer,
            replay_buffer: buffer,
        },
        grafted_metadata_partition: "grafted".into(),
        translator: EightCap,
        init_cache: None,
        init_buffer: buffer,
        init_concurrency: (),
    }
}

/// What the database's own verifier says of an encoded proof: the oracle for ours.
pub(crate) fn oracle(root: B256, key: &StateKey, proof: &[u8]) -> Option<Option<StateValue>> {
    let root = sha256::Digest::from(root.0);
    match proof.split_first_chunk()? {
        ([1, 1], body) => {
            let (value, body) = body.split_first_chunk::<VALUE_BYTES>()?;
            let proof = Presence::decode_cfg(Copying(body), &(MAX_DIGESTS, ())).ok()?;
            proof
                .verify::<Sha256, FixedEncoding<Value>>(digest(key), FixedBytes::new(*value), &root)
                .then_some(Some(StateValue(*value)))
        }
        ([1, 0], body) => {
            let limits = (MAX_DIGESTS, Default::default(), ());
            let proof = Absence::decode_cfg(Copying(body), &limits).ok()?;
            proof.verify::<Sha256>(&digest(key), &root).then_some(None)
        }
        _ => None,
    }
}
