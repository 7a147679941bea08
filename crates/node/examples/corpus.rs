//! Writes one well-formed input for each fuzz target to `fuzz/corpus`, from real keys and formats.

use alloy_consensus::{Header, SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, FixedBytes, Signature, TxKind, U256};
use cairn_chain::{
    Genesis,
    block::{Block, BlockExtra, PublishedSeed, base_header, transactions_root},
    genesis::{Allocation, GENESIS_VERSION, Parameters, Predeploy},
};
use cairn_evm::Change;
use cairn_light::{ProofBundle, StorageProof};
use cairn_node::{
    committee::{self, Dealt},
    gossip::encode_batches,
    state::{Databases, LiveState, Piece, StateStore as _, db_config, first_operation, seal},
    types::{Digest, EPOCH, Finalization},
};
use cairn_primitives::state::{StateKey, StateValue, VALUE_BYTES};
use commonware_codec::Encode as _;
use commonware_consensus::{
    simplex::types::{Finalize, Proposal},
    types::{Round, View},
};
use commonware_glue::stateful::db::DatabaseSet as _;
use commonware_parallel::Sequential;
use commonware_runtime::{
    Runner as _, Supervisor as _,
    buffer::paged::{CacheRef, page_size},
    tokio,
};
use commonware_utils::{NZUsize, non_empty};
use rand::SeedableRng as _;
use secp256k1::{Message, SECP256K1, SecretKey};
use std::{collections::BTreeMap, fs, path::Path};

fn transaction() -> Bytes {
    let transaction = TxEip1559 {
        chain_id: 1,
        gas_limit: 21_000,
        max_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(1)),
        ..TxEip1559::default()
    };
    let secret = SecretKey::from_byte_array([1; 32]).expect("one is a key");
    let message = Message::from_digest(transaction.signature_hash().0);
    let (id, bytes) = SECP256K1.sign_ecdsa_recoverable(message, &secret).serialize_compact();
    let signature = Signature::from_bytes_and_parity(&bytes, i32::from(id) == 1);
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

fn block() -> Block {
    let seed =
        PublishedSeed { height: 3, epoch: 0, view: 5, signature: FixedBytes::repeat_byte(7) };
    let extra = BlockExtra { view: 9, seeds: vec![seed], ..BlockExtra::default() };
    let transactions = vec![transaction()];
    let header = Header {
        number: 5,
        transactions_root: transactions_root(&transactions),
        parent_beacon_block_root: Some(extra.commitment()),
        ..base_header()
    };
    Block { header, extra, transactions }
}

fn genesis(dealt: &Dealt) -> Genesis {
    let rich = Allocation { balance: U256::from(1), ..Allocation::default() };
    Genesis {
        version: GENESIS_VERSION,
        name: "corpus".into(),
        chain_id: 1,
        timestamp_ms: 0,
        dev: true,
        parameters: Parameters::default(),
        predeploys: Predeploy::all(),
        allocations: BTreeMap::from([(Address::repeat_byte(1), rich)]),
        committee: dealt.committee.clone(),
    }
}

fn certificate(genesis: &Genesis, dealt: &Dealt, hash: B256) -> Vec<u8> {
    let proposal = Proposal {
        round: Round::new(EPOCH, View::new(9)),
        parent: View::new(8),
        payload: Digest::from(hash.0),
    };
    let votes: Vec<_> = dealt
        .identities
        .iter()
        .map(|identity| {
            let scheme = committee::scheme(genesis, identity).expect("dealt together");
            Finalize::sign(&scheme, proposal.clone()).expect("a signer")
        })
        .collect();
    let scheme = committee::scheme(genesis, &dealt.identities[0]).expect("dealt together");
    let finalization: Finalization =
        Finalization::from_finalizes(&scheme, non_empty![@votes.iter()], &Sequential)
            .expect("all voted");
    finalization.encode().to_vec()
}

/// Both kinds of pieces of a small state whose log begins after its first operation.
fn state_pieces() -> std::io::Result<Vec<(&'static str, Vec<u8>)>> {
    let directory = tempfile::tempdir()?;
    let config = tokio::Config::new().with_storage_directory(directory.path());
    Ok(tokio::Runner::new(config).start(|context| async move {
        let pages = CacheRef::new(page_size(4_096), NZUsize!(64));
        let config = db_config("corpus", pages, NZUsize!(1 << 16));
        let databases = Databases::init(context.child("state"), config, None).await;
        let state = LiveState::new(databases.clone());
        // Few accounts that change again and again: soon the first operations are inactive.
        let mut of = state.commitment().await;
        for round in 0..=u8::MAX {
            if of.ops_start > 0 {
                break;
            }
            let mut changes: Vec<_> = (0..8)
                .map(|i| Change {
                    key: StateKey::account(Address::repeat_byte(i)),
                    before: None,
                    after: Some(StateValue([round; VALUE_BYTES])),
                })
                .collect();
            changes.sort_by_key(|change| change.key);
            let (sealed, _) =
                seal(databases.new_batches().await, &changes).await.expect("the database hashes");
            databases.apply(sealed).await;
            of = state.commitment().await;
        }
        let kinds = [
            ("boundary", 0u8, Piece::Boundary),
            ("operations", 1, Piece::Operations(first_operation(&of))),
        ];
        let mut inputs = Vec::new();
        for (name, kind, piece) in kinds {
            let bytes = state.piece(&of, piece).await.expect("the database reads");
            assert!(piece.is_proven_by(&bytes, &of), "a piece proves itself");
            let mut head = vec![kind];
            head.extend_from_slice(of.ops_root.as_slice());
            head.extend_from_slice(&of.ops_start.to_be_bytes());
            head.extend_from_slice(&of.ops_end.to_be_bytes());
            inputs.push((name, [head, bytes].concat()));
        }
        inputs
    }))
}

fn main() -> std::io::Result<()> {
    let dealt = committee::deal(4, rand::rngs::StdRng::seed_from_u64(1));
    let genesis = genesis(&dealt);
    let block = block();
    let certificate = certificate(&genesis, &dealt, block.hash());
    let header = alloy_rlp::encode(&block.header);
    let bundle = ProofBundle {
        version: 1,
        block_number: block.number(),
        header: header.clone().into(),
        descendants: Vec::new(),
        certificate: certificate.clone().into(),
        address: Address::repeat_byte(1),
        account_proof: Bytes::from_static(&[1, 0, 1, 2, 3]),
        storage_proofs: vec![StorageProof {
            slot: U256::from(1),
            proof: Bytes::from_static(&[1, 1]),
        }],
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let inputs: [(&str, Vec<u8>); 7] = [
        ("block", block.encode()),
        ("transaction", transaction().to_vec()),
        ("certificate", certificate),
        ("header", header),
        ("proof_bundle", serde_json::to_vec(&bundle)?),
        ("gossip", encode_batches(&[transaction(), transaction()]).concat()),
        ("genesis", genesis.to_json().into_bytes()),
    ];
    for (name, bytes) in inputs {
        fs::create_dir_all(root.join(name))?;
        fs::write(root.join(name).join("valid"), bytes)?;
    }
    for (name, bytes) in state_pieces()? {
        fs::create_dir_all(root.join("state_piece"))?;
        fs::write(root.join("state_piece").join(name), bytes)?;
    }
    fs::write(root.join("identity.hex"), format!("{}\n", hex::encode(&genesis.committee.identity)))
}
