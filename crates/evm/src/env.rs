//! The block an EVM runs in, and an EVM configured for it.

use crate::db::StateDb;
use crate::system::SystemPrecompiles;
use alloy_primitives::{Address, B256, U256};
use cairn_protocol::{Rules, Spec};
use revm::{
    Context, MainBuilder, MainContext,
    context::{CfgEnv, Evm, Journal, TxEnv},
    context_interface::block::BlobExcessGasAndPrice,
    handler::{EthFrame, instructions::EthInstructions},
    interpreter::interpreter::EthInterpreter,
    primitives::hardfork::SpecId,
};

/// What a block tells its transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockEnv {
    /// Chain id (EIP-155).
    pub chain_id: u64,
    /// Height.
    pub number: u64,
    /// Unix time in seconds.
    pub timestamp: u64,
    /// Receives the tips.
    pub beneficiary: Address,
    /// Most gas the transactions may use together.
    pub gas_limit: u64,
    /// Base fee in wei per gas; burned.
    pub base_fee: u64,
    /// Value of `PREVRANDAO` (EIP-4399).
    pub prevrandao: B256,
    /// Hash of the parent block.
    pub parent_hash: B256,
    /// Parameters of the protocol at this height.
    pub rules: Rules,
}

/// Context of [`CairnEvm`].
pub type CairnContext<'a, 'p> = Context<
    revm::context::BlockEnv,
    TxEnv,
    CfgEnv,
    &'a mut StateDb<'p>,
    Journal<&'a mut StateDb<'p>>,
    (),
>;

/// An EVM over a [`StateDb`], with Ethereum's precompiles and Cairn's system contracts.
pub type CairnEvm<'a, 'p, I> = Evm<
    CairnContext<'a, 'p>,
    I,
    EthInstructions<EthInterpreter, CairnContext<'a, 'p>>,
    SystemPrecompiles,
    EthFrame<EthInterpreter>,
>;

/// An EVM configured for `env`. Pass `()` as `inspector` to run without one.
///
/// For calls that are not transactions, relax the checks through `evm.ctx.cfg`
/// (`disable_balance_check`, `disable_base_fee`, `disable_block_gas_limit`, `disable_eip3607`,
/// `disable_nonce_check`).
pub fn evm_with<'a, 'p, I>(
    env: &BlockEnv,
    db: &'a mut StateDb<'p>,
    inspector: I,
) -> CairnEvm<'a, 'p, I> {
    let spec = spec_id(env.rules.spec);
    Context::mainnet()
        .with_db(db)
        .with_cfg(config(env, spec))
        .with_block(block_env(env))
        .build_mainnet_with_inspector(inspector)
        .with_precompiles(SystemPrecompiles::new(spec, env.rules))
}

fn config(env: &BlockEnv, spec: SpecId) -> CfgEnv {
    let mut cfg = CfgEnv::new().with_spec_and_mainnet_gas_params(spec).with_chain_id(env.chain_id);
    cfg.tx_gas_limit_cap = Some(env.rules.tx_gas_limit);
    cfg
}

fn block_env(env: &BlockEnv) -> revm::context::BlockEnv {
    revm::context::BlockEnv {
        number: U256::from(env.number),
        beneficiary: env.beneficiary,
        timestamp: U256::from(env.timestamp),
        gas_limit: env.gas_limit,
        basefee: env.base_fee,
        difficulty: U256::ZERO,
        prevrandao: Some(env.prevrandao),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice {
            excess_blob_gas: 0,
            blob_gasprice: env.rules.blob_base_fee.into(),
        }),
        slot_num: 0,
    }
}

const fn spec_id(spec: Spec) -> SpecId {
    match spec {
        Spec::Osaka => SpecId::OSAKA,
    }
}
