//! System contracts inside the EVM: a [`Host`] over the journal, and the provider that routes calls.
//!
//! The EVM's frame sets a checkpoint around every call, so a contract that reverts after writing
//! leaves neither writes nor logs. Nothing is loaded from the database before it is paid for.

use alloy_primitives::{Address, Bytes, Log, LogData, U256, map::AddressSet};
use cairn_contracts::{
    BlockInfo, CONTRACTS, Fault, Host, Outcome, SystemContract, abi::ISystem, call::Reached,
    revert, run,
};
use cairn_protocol::Rules;
use revm::{
    context::{Block, Cfg, ContextTr, JournalTr},
    context_interface::journaled_state::{JournalLoadError, account::JournaledAccountTr},
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, Gas, InstructionResult, InterpreterResult},
    primitives::hardfork::SpecId,
};

/// Constant part of the price of `LOG0` to `LOG4`.
const LOG_GAS: u64 = 375;
/// What a `CALL` with value costs beyond the access, without its stipend.
const VALUE_GAS: u64 = 6_700;
/// What coins for an account that does not exist cost on top (EIP-161).
const NEW_ACCOUNT_GAS: u64 = 25_000;

/// Ethereum's precompiles, and the system contracts if the rules have them.
#[derive(Clone, Debug)]
pub struct SystemPrecompiles {
    ethereum: EthPrecompiles,
    contracts: &'static [SystemContract],
    rules: Rules,
    warm: AddressSet,
}

impl SystemPrecompiles {
    pub(crate) fn new(spec: SpecId, rules: Rules) -> Self {
        let contracts = if rules.system_contracts { CONTRACTS } else { &[] };
        Self::with_contracts(spec, rules, contracts)
    }

    /// With other system contracts than the chain's, for tests of the host.
    pub(crate) fn with_contracts(
        spec: SpecId,
        rules: Rules,
        contracts: &'static [SystemContract],
    ) -> Self {
        let ethereum = EthPrecompiles::new(spec);
        let mut warm = ethereum.warm_addresses().clone();
        warm.extend(contracts.iter().map(|contract| contract.address));
        Self { ethereum, contracts, rules, warm }
    }

    fn contract(&self, address: &Address) -> Option<&'static SystemContract> {
        self.contracts.iter().find(|contract| contract.address == *address)
    }
}

impl<CTX: ContextTr<Cfg: Cfg<Spec = SpecId>>> PrecompileProvider<CTX> for SystemPrecompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: SpecId) -> bool {
        let changed = spec != self.ethereum.spec;
        if changed {
            *self = Self::with_contracts(spec, self.rules, self.contracts);
        }
        changed
    }

    fn run(
        &mut self,
        context: &mut CTX,
        inputs: &CallInputs,
    ) -> Result<Option<InterpreterResult>, String> {
        let Some(contract) = self.contract(&inputs.bytecode_address) else {
            return self.ethereum.run(context, inputs);
        };
        let input = inputs.input.bytes(context);
        let gas = Gas::new_with_regular_gas_and_reservoir(inputs.gas_limit, inputs.reservoir);
        let mut host = JournalHost { context, gas, is_static: inputs.is_static, rules: self.rules };
        let reached = Reached {
            target: inputs.target_address,
            caller: inputs.caller,
            value: inputs.value.get(),
        };
        let outcome = run(contract, &mut host, reached, &input);
        result(outcome, host.gas).map(Some)
    }

    fn warm_addresses(&self) -> &AddressSet {
        &self.warm
    }
}

/// Translates an outcome for the EVM. A fatal fault aborts the transaction.
fn result(outcome: Outcome<Bytes>, mut gas: Gas) -> Result<InterpreterResult, String> {
    let (result, output) = match outcome {
        Ok(output) => (InstructionResult::Return, output),
        Err(Fault::Revert(output)) => (InstructionResult::Revert, output),
        Err(Fault::OutOfGas) => {
            gas.spend_all();
            (InstructionResult::PrecompileOOG, Bytes::new())
        }
        Err(Fault::Fatal(message)) => return Err(message),
    };
    if result != InstructionResult::Return {
        gas.set_refunded(0);
    }
    Ok(InterpreterResult::new(result, output, gas))
}

struct JournalHost<'a, CTX> {
    context: &'a mut CTX,
    gas: Gas,
    is_static: bool,
    rules: Rules,
}

impl<CTX: ContextTr> JournalHost<'_, CTX> {
    fn refuse_static(&self) -> Outcome<()> {
        if self.is_static { revert(ISystem::StaticCallNotAllowed {}) } else { Ok(()) }
    }
}

impl<CTX: ContextTr> JournalHost<'_, CTX> {
    /// Makes sure that the journal knows the account of a system contract before its slots are used:
    /// a contract may reach the storage of another one that the transaction has not called.
    fn load(&mut self, contract: Address) -> Outcome<()> {
        match self.context.journal_mut().load_account(contract) {
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::Fatal(error.to_string())),
        }
    }

    /// Changes the balance of `account`, paying for its access and, where coins create it, for the
    /// account. `change` answers whether the amount was possible.
    fn change_balance(
        &mut self,
        account: Address,
        cost: u64,
        change: impl FnOnce(&mut dyn JournaledAccountTr) -> bool,
    ) -> Outcome<()> {
        self.refuse_static()?;
        let params = self.context.cfg().gas_params();
        let (warm, cold) = (params.warm_storage_read_cost(), params.cold_account_additional_cost());
        self.charge(warm.saturating_add(cost))?;
        let skip_cold = self.gas.remaining() < cold;
        let journal = self.context.journal_mut();
        let mut load =
            journal.load_account_mut_skip_cold_load(account, skip_cold).map_err(load_fault)?;
        let (is_cold, is_new) = (load.is_cold, load.data.account().is_empty());
        let done = change(&mut load.data);
        drop(load);
        self.charge(if is_cold { cold } else { 0 })?;
        self.charge(if is_new { NEW_ACCOUNT_GAS } else { 0 })?;
        if done { Ok(()) } else { Err(Fault::Fatal(format!("books of {account} are wrong"))) }
    }
}

impl<CTX: ContextTr> Host for JournalHost<'_, CTX> {
    fn block(&self) -> BlockInfo {
        let block = self.context.block();
        BlockInfo {
            chain_id: self.context.cfg().chain_id(),
            number: block.number().saturating_to(),
            timestamp: block.timestamp().saturating_to(),
            beneficiary: block.beneficiary(),
            rules: self.rules,
        }
    }

    fn charge(&mut self, gas: u64) -> Outcome<()> {
        if self.gas.record_regular_cost(gas) { Ok(()) } else { Err(Fault::OutOfGas) }
    }

    fn sload(&mut self, address: Address, slot: U256) -> Outcome<U256> {
        let params = self.context.cfg().gas_params();
        let (warm, cold) = (params.warm_storage_read_cost(), params.cold_storage_additional_cost());
        self.charge(warm)?;
        self.load(address)?;
        let skip_cold = self.gas.remaining() < cold;
        let load = self
            .context
            .journal_mut()
            .sload_skip_cold_load(address, slot, skip_cold)
            .map_err(load_fault)?;
        if load.is_cold {
            self.charge(cold)?;
        }
        Ok(load.data)
    }

    fn sstore(&mut self, address: Address, slot: U256, value: U256) -> Outcome<()> {
        self.refuse_static()?;
        let params = self.context.cfg().gas_params();
        let (stipend, fixed, cold) =
            (params.call_stipend(), params.sstore_static_gas(), params.cold_storage_cost());
        if self.gas.remaining() <= stipend {
            return Err(Fault::OutOfGas); // EIP-2200
        }
        self.charge(fixed)?;
        self.load(address)?;
        let skip_cold = self.gas.remaining() < cold;
        let load = self
            .context
            .journal_mut()
            .sstore_skip_cold_load(address, slot, value, skip_cold)
            .map_err(load_fault)?;
        let params = self.context.cfg().gas_params();
        let cost = params.sstore_dynamic_gas(true, &load.data, load.is_cold);
        let refund = params.sstore_refund(true, &load.data);
        self.charge(cost)?;
        self.gas.record_refund(refund);
        Ok(())
    }

    fn emit(&mut self, address: Address, log: LogData) -> Outcome<()> {
        self.refuse_static()?;
        // A log has at most four topics.
        let topics = u8::try_from(log.topics().len()).unwrap_or(u8::MAX);
        let data = self.context.cfg().gas_params().log_cost(topics, log.data.len() as u64);
        self.charge(LOG_GAS.saturating_add(data))?;
        self.context.journal_mut().log(Log { address, data: log });
        Ok(())
    }

    fn balance(&mut self, account: Address) -> Outcome<U256> {
        let params = self.context.cfg().gas_params();
        let (warm, cold) = (params.warm_storage_read_cost(), params.cold_account_additional_cost());
        self.charge(warm)?;
        let skip_cold = self.gas.remaining() < cold;
        let load = self
            .context
            .journal_mut()
            .load_account_mut_skip_cold_load(account, skip_cold)
            .map_err(load_fault)?;
        let (balance, is_cold) = (*load.data.balance(), load.is_cold);
        drop(load);
        self.charge(if is_cold { cold } else { 0 })?;
        Ok(balance)
    }

    fn transfer(&mut self, from: Address, to: Address, amount: U256) -> Outcome<()> {
        if amount.is_zero() {
            return Ok(());
        }
        self.change_balance(from, 0, |account| account.decr_balance(amount))?;
        self.change_balance(to, VALUE_GAS, |account| account.incr_balance(amount))
    }

    fn mint(&mut self, to: Address, amount: U256) -> Outcome<()> {
        if amount.is_zero() {
            return Ok(());
        }
        self.change_balance(to, VALUE_GAS, |account| account.incr_balance(amount))
    }

    fn burn(&mut self, from: Address, amount: U256) -> Outcome<()> {
        if amount.is_zero() {
            return Ok(());
        }
        self.change_balance(from, VALUE_GAS, |account| account.decr_balance(amount))
    }
}

/// A skipped cold load means that the gas for it was missing.
fn load_fault<E: std::fmt::Display>(error: JournalLoadError<E>) -> Fault {
    match error {
        JournalLoadError::DBError(error) => Fault::Fatal(error.to_string()),
        JournalLoadError::ColdLoadSkipped => Fault::OutOfGas,
    }
}
