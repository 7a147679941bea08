//! Logs of a call, with transfers of ether among them if wanted (ERC-7528).
//!
//! Logs of a frame that fails are dropped, as the EVM does; a transfer belongs to the frame that
//! it pays.

use alloy_primitives::{Address, B256, Bytes, Log, U256, address, b256};
use cairn_evm::revm::{
    Inspector,
    context::JournalTr as _,
    context_interface::ContextTr,
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome},
};

/// Stands for ether in logs of transfers.
pub(super) const ETHER: Address = address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
/// `Transfer(address,address,uint256)`.
pub(super) const TRANSFER: B256 =
    b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// The inspector.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs {
    transfers: bool,
    frames: Vec<Vec<Log>>,
    kept: Vec<Log>,
}

impl Logs {
    pub(super) fn new(transfers: bool) -> Self {
        Self { transfers, ..Self::default() }
    }

    /// Logs of the frames that succeeded, in order.
    pub(super) fn into_kept(self) -> Vec<Log> {
        self.kept
    }

    fn push(&mut self, log: Log) {
        self.frames.last_mut().unwrap_or(&mut self.kept).push(log);
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if self.transfers && !value.is_zero() {
            let topics = vec![TRANSFER, from.into_word(), to.into_word()];
            let data = Bytes::copy_from_slice(&value.to_be_bytes::<32>());
            self.push(Log::new_unchecked(ETHER, topics, data));
        }
    }

    fn end(&mut self, success: bool) {
        let logs = self.frames.pop().unwrap_or_default();
        if success {
            self.frames.last_mut().unwrap_or(&mut self.kept).extend(logs);
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Logs {
    fn log(&mut self, _: &mut CTX, log: Log) {
        self.push(log);
    }

    fn call(&mut self, _: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.frames.push(Vec::new());
        if let Some(value) = inputs.transfer_value() {
            self.transfer(inputs.transfer_from(), inputs.transfer_to(), value);
        }
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.end(outcome.result.is_ok());
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.frames.push(Vec::new());
        if self.transfers && !inputs.value().is_zero() {
            let creator = context.journal_mut().load_account(inputs.caller()).ok()?;
            let nonce = creator.data.info.nonce;
            self.transfer(inputs.caller(), inputs.created_address(nonce), inputs.value());
        }
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.end(outcome.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}
