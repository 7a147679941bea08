//! The EVM's database: an overlay of everything a block has read and written so far.
//!
//! Entries are typed (account, slot, code) and found by address; state keys are hashed only when an
//! entry is first read or finally written. Every entry remembers its value *before* the block, so
//! the changes taken at the end are exact differences in both directions.
//!
//! Rules of removal: an account that is touched and empty disappears (EIP-161); an account that is
//! destroyed in the transaction that created it disappears with its storage (EIP-6780). Code is named
//! by its hash, shared between accounts and never removed.
//!
//! A failed read is final: the first error is kept, every later read fails, and whoever drives the
//! fiber reports it.

mod overlay;

use crate::code::CodeCache;
use crate::fiber::{Answer, Port, Request, drive};
use crate::system::history_slot;
use crate::view::{Change, StateError, StateView};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_primitives::{Address, B256, Bytes, U256, map::AddressMap};
use cairn_primitives::state::{StateKey, StateValue, code_length, code_pieces};
use overlay::Before;
pub(crate) use overlay::Overlay;
use revm::{
    Database, DatabaseCommit, DatabaseRef,
    bytecode::Bytecode,
    state::{Account, AccountInfo},
};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Longest code that is read, in bytes. EIP-170 allows 24,576; a longer length entry means a corrupt
/// database.
const MAX_CODE_BYTES: u64 = 1 << 20;

/// Database of an EVM on a fiber.
pub struct StateDb<'p> {
    port: &'p Port,
    shared_code: Option<&'p CodeCache>,
    overlay: Overlay,
    block_hashes: BTreeMap<u64, B256>,
    failure: RefCell<Option<StateError>>,
}

impl std::fmt::Debug for StateDb<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateDb").field("failure", &self.failure).finish_non_exhaustive()
    }
}

/// Runs synchronous EVM work on one fiber over `view`.
///
/// `work` gets an empty overlay on top of `view`; what it writes stays there.
///
/// # Errors
/// If any read failed, even if `work` went on.
pub async fn on_state<R: Send>(
    view: &dyn StateView,
    work: impl FnOnce(&mut StateDb<'_>) -> R + Send,
) -> Result<R, StateError> {
    run(view, Overlay::default(), |db| Ok(work(db))).await
}

/// Runs `work` on one fiber over `view`, starting from `overlay`.
pub(crate) async fn run<R: Send>(
    view: &dyn StateView,
    overlay: Overlay,
    work: impl FnOnce(&mut StateDb<'_>) -> Result<R, StateError> + Send,
) -> Result<R, StateError> {
    let shared_code = view.code_cache();
    drive(view, move |port| {
        let block_hashes = BTreeMap::new();
        let failure = RefCell::default();
        let mut db = StateDb { port, shared_code, overlay, block_hashes, failure };
        let result = work(&mut db);
        match db.failure.into_inner() {
            Some(failure) => Err(failure),
            None => result,
        }
    })
    .await?
}

impl StateDb<'_> {
    /// Account at `address` as the overlay sees it; `None` if it does not exist.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn account(&mut self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        if let Some(known) = self.overlay.account(&address) {
            return Ok(known);
        }
        let key = StateKey::account(address);
        let value = self.read(key)?;
        Ok(self.overlay.account_read(address, key, value))
    }

    /// Replaces the account at `address`; its storage stays.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn set_account(&mut self, address: Address, info: AccountInfo) -> Result<(), StateError> {
        self.account(address)?;
        self.overlay.set_account(address, info);
        Ok(())
    }

    /// Storage slot of `address` as the overlay sees it.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn slot(&mut self, address: Address, slot: U256) -> Result<U256, StateError> {
        if let Some(known) = self.overlay.slot(&address, &slot) {
            return Ok(known);
        }
        let value = self.read(StateKey::slot(address, slot))?;
        Ok(self.overlay.slot_read(address, slot, value))
    }

    /// Writes a storage slot.
    pub fn set_slot(&mut self, address: Address, slot: U256, value: U256) {
        self.overlay.set_slot(address, slot, value);
    }

    /// Makes every slot of `address` that is not set afterwards read as zero, for state overrides of
    /// calls. Must not be used in blocks: slots that were never read would not be removed.
    pub fn hide_storage(&mut self, address: Address) {
        self.overlay.hide_storage(address);
    }

    /// Sets what `BLOCKHASH` answers for the block at `number`, for simulated blocks.
    pub fn set_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// Reads the accounts at `addresses` ahead of their use, in one request.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub(crate) fn prefetch(
        &mut self,
        addresses: impl Iterator<Item = Address>,
    ) -> Result<(), StateError> {
        let wanted = self.overlay.unread_accounts(addresses);
        let keys = wanted.iter().map(|(_, key)| *key).collect();
        for ((address, key), value) in wanted.into_iter().zip(self.read_many(keys)?) {
            self.overlay.account_read(address, key, value);
        }
        Ok(())
    }

    /// Differences between the state before and the overlay, ascending by key, none without effect.
    /// `head` is the head entry's new value.
    ///
    /// # Errors
    /// If the state cannot be read: values before the block that were never needed are read now.
    pub(crate) fn take_changes(&mut self, head: StateValue) -> Result<Vec<Change>, StateError> {
        let mut pending = std::mem::take(&mut self.overlay).into_pending();
        pending.add(StateKey::head(), Before::Unread, Some(head));
        let values = self.read_many(pending.unread_keys())?;
        Ok(pending.finish(values))
    }

    fn code(&mut self, hash: B256) -> Result<Bytecode, StateError> {
        if let Some(code) = self.overlay.code(&hash) {
            return Ok(code);
        }
        let code = self.load_code(hash)?;
        self.overlay.code_read(hash, code.clone());
        Ok(code)
    }

    /// Code from the shared cache, or from the state.
    fn load_code(&self, hash: B256) -> Result<Bytecode, StateError> {
        if let Some(code) = self.shared_code.and_then(|cache| cache.get(&hash)) {
            return Ok(code);
        }
        let code = self.read_code(hash)?;
        if let Some(cache) = self.shared_code {
            cache.insert(hash, &code);
        }
        Ok(code)
    }

    fn read_code(&self, hash: B256) -> Result<Bytecode, StateError> {
        let corrupt = |what: &str| StateError(format!("code {hash}: {what}"));
        let first = self.read(StateKey::code(hash, 0))?.ok_or_else(|| corrupt("is missing"))?;
        let length = code_length(&first);
        if length > MAX_CODE_BYTES {
            return Err(corrupt("has an impossible length"));
        }
        let keys = (1..=code_pieces(length)).map(|piece| StateKey::code(hash, piece)).collect();
        let mut code = Vec::new();
        for piece in self.read_many(keys)? {
            code.extend_from_slice(&piece.ok_or_else(|| corrupt("lacks a piece"))?.0);
        }
        // At most MAX_CODE_BYTES, so it fits.
        code.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Bytecode::new_raw_checked(Bytes::from(code)).map_err(|error| corrupt(&error.to_string()))
    }

    fn read(&self, key: StateKey) -> Result<Option<StateValue>, StateError> {
        match self.ask(Request::One(key))? {
            Answer::One(value) => Ok(value),
            _ => Err(self.fail(StateError("a read was answered with something else".into()))),
        }
    }

    fn read_many(&self, keys: Vec<StateKey>) -> Result<Vec<Option<StateValue>>, StateError> {
        let count = keys.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        match self.ask(Request::Many(keys))? {
            Answer::Many(values) if values.len() == count => Ok(values),
            _ => Err(self.fail(StateError("a read was answered with something else".into()))),
        }
    }

    fn ask(&self, request: Request) -> Result<Answer, StateError> {
        if let Some(failure) = &*self.failure.borrow() {
            return Err(failure.clone());
        }
        match self.port.suspend(request) {
            Answer::Failed(error) => Err(self.fail(error)),
            answer => Ok(answer),
        }
    }

    fn fail(&self, error: StateError) -> StateError {
        self.failure.borrow_mut().get_or_insert(error).clone()
    }
}

impl Database for StateDb<'_> {
    type Error = StateError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        self.account(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, StateError> {
        self.code(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.slot(address, slot)
    }

    /// The EVM asks only for the last 256 blocks, all of which EIP-2935 keeps in storage.
    fn block_hash(&mut self, number: u64) -> Result<B256, StateError> {
        if let Some(hash) = self.block_hashes.get(&number) {
            return Ok(*hash);
        }
        Ok(self.slot(HISTORY_STORAGE_ADDRESS, history_slot(number))?.into())
    }
}

/// Reads through a shared reference, as tracers do after execution: nothing is remembered.
impl DatabaseRef for StateDb<'_> {
    type Error = StateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        match self.overlay.account(&address) {
            Some(known) => Ok(known),
            None => Ok(self.read(StateKey::account(address))?.as_ref().map(overlay::decode)),
        }
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, StateError> {
        self.overlay.code(&hash).map_or_else(|| self.load_code(hash), Ok)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        match self.overlay.slot(&address, &slot) {
            Some(known) => Ok(known),
            None => {
                let value = self.read(StateKey::slot(address, slot))?;
                Ok(value.map_or(U256::ZERO, |value| value.as_word()))
            }
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateError> {
        if let Some(hash) = self.block_hashes.get(&number) {
            return Ok(*hash);
        }
        Ok(self.storage_ref(HISTORY_STORAGE_ADDRESS, history_slot(number))?.into())
    }
}

impl DatabaseCommit for StateDb<'_> {
    fn commit(&mut self, changes: AddressMap<Account>) {
        for (address, account) in changes {
            if account.is_touched() {
                self.overlay.commit(address, account);
            }
        }
    }
}
