//! From a parent, a consensus context and an execution to a block: the same code for the proposer
//! who builds it and the validators who check it.

use crate::{state::StateCommitment, types::Context};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use cairn_chain::{
    Genesis,
    block::{Block, BlockExtra, PublishedSeed, base_header, transactions_root},
};
use cairn_evm::{BlockEnv, BlockOutput, BuildLimits, Round, Seed, SystemStep, system_step};
use cairn_protocol::{
    fees::{ParentGas, next_base_fee},
    rules::Rules,
};

/// Most transactions in a block.
const MAX_TRANSACTIONS: usize = 50_000;

/// Everything about a block that is known before its transactions run.
#[derive(Clone, Debug)]
pub struct Template {
    /// Environment of execution.
    pub env: BlockEnv,
    extra: BlockExtra,
}

impl Template {
    /// A block on `parent` in the round of `context` at `timestamp_ms`.
    #[must_use]
    pub fn new(
        genesis: &Genesis,
        rules: &Rules,
        parent: &Block,
        context: &Context,
        timestamp_ms: u64,
    ) -> Self {
        let leader = B256::from_slice(context.leader.as_ref());
        let base_fee = if parent.number() == 0 {
            genesis.parameters.initial_base_fee
        } else {
            let header = &parent.header;
            let parent = ParentGas {
                base_fee: header.base_fee_per_gas.unwrap_or_default(),
                used: header.gas_used,
                limit: header.gas_limit,
            };
            next_base_fee(rules, parent)
        };
        let env = BlockEnv {
            chain_id: genesis.chain_id,
            number: parent.number() + 1,
            timestamp: timestamp_ms / 1_000,
            beneficiary: genesis.payout(leader),
            gas_limit: genesis.parameters.block_gas_limit,
            base_fee,
            prevrandao: parent.header.mix_hash,
            parent_hash: parent.hash(),
            rules: *rules,
        };
        let extra = BlockExtra {
            epoch: context.round.epoch().get(),
            view: context.round.view().get(),
            leader,
            parent_view: context.parent.0.get(),
            timestamp_ms,
            ..BlockExtra::default()
        };
        Self { env, extra }
    }

    /// `PREVRANDAO` is the newest published seed: of this block, or else the parent's.
    pub fn publish(&mut self, seeds: &[PublishedSeed], parent: &Block) {
        self.env.prevrandao = seeds.last().map_or(parent.header.mix_hash, PublishedSeed::value);
    }

    /// Writes of the protocol before the first transaction.
    #[must_use]
    pub fn step(&self, genesis: &Genesis, seeds: &[PublishedSeed]) -> SystemStep {
        let seeds: Vec<_> =
            seeds.iter().map(|seed| Seed { height: seed.height, seed: seed.value() }).collect();
        let round = Round { epoch: self.extra.epoch, view: self.extra.view };
        let accounts = if self.env.number == 1 { genesis.accounts() } else { Vec::new() };
        system_step(&self.env, self.extra.timestamp_ms, round, &seeds, accounts)
    }

    /// How much a proposer may put into the block.
    #[must_use]
    pub fn limits(&self, rules: &Rules) -> BuildLimits {
        let bytes = usize::try_from(rules.block_bytes).unwrap_or(usize::MAX);
        BuildLimits { bytes, transactions: MAX_TRANSACTIONS }
    }
}

/// The block that `template` becomes once executed.
#[must_use]
pub fn assemble(
    template: &Template,
    output: &BlockOutput,
    state: &StateCommitment,
    seeds: &[PublishedSeed],
) -> Block {
    let transactions: Vec<Bytes> =
        output.transactions.iter().map(|tx| tx.encoded.clone()).collect();
    let extra = BlockExtra {
        ops_root: state.ops_root,
        ops_start: state.ops_start,
        ops_end: state.ops_end,
        seeds: seeds.to_vec(),
        ..template.extra.clone()
    };
    let env = &template.env;
    let header = Header {
        parent_hash: env.parent_hash,
        beneficiary: env.beneficiary,
        state_root: state.root,
        transactions_root: transactions_root(&transactions),
        receipts_root: output.receipts_root(),
        logs_bloom: output.logs_bloom(),
        number: env.number,
        gas_limit: env.gas_limit,
        gas_used: output.gas_used,
        timestamp: env.timestamp,
        mix_hash: env.prevrandao,
        base_fee_per_gas: Some(env.base_fee),
        parent_beacon_block_root: Some(extra.commitment()),
        ..base_header()
    };
    Block { header, extra, transactions }
}
