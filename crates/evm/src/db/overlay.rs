//! What a block has read and written so far, without any IO.

use crate::view::Change;
use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, AddressSet, B256Map, HashMap},
};
use cairn_primitives::state::{Account, StateKey, StateValue, code_entries};
use revm::{
    bytecode::Bytecode,
    state::{Account as Touched, AccountInfo},
};

/// Value of an entry before the block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Before {
    /// Not known yet.
    Unread,
    /// Known; `None` if it was absent.
    Read(Option<StateValue>),
}

#[derive(Debug)]
struct AccountEntry {
    key: StateKey,
    before: Before,
    now: Option<AccountInfo>,
}

/// Kept small, because a block may read many slots: the key is hashed again if the slot changes.
#[derive(Debug, Default)]
struct Slot {
    /// Value before the block, if it was read.
    before: Option<U256>,
    now: U256,
}

#[derive(Debug, Default)]
struct Contract {
    slots: HashMap<U256, Slot>,
    hidden: bool,
}

/// The overlay; see the module above.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    accounts: AddressMap<AccountEntry>,
    contracts: AddressMap<Contract>,
    codes: B256Map<Bytecode>,
    new_codes: B256Map<Bytecode>,
}

impl Overlay {
    /// `None` if the account was not read yet; `Some(None)` if it does not exist.
    pub(crate) fn account(&self, address: &Address) -> Option<Option<AccountInfo>> {
        self.accounts.get(address).map(|entry| entry.now.clone())
    }

    /// Notes what the state says about an account.
    pub(crate) fn account_read(
        &mut self,
        address: Address,
        key: StateKey,
        value: Option<StateValue>,
    ) -> Option<AccountInfo> {
        let now = value.as_ref().map(decode);
        let entry = AccountEntry { key, before: Before::Read(value), now: now.clone() };
        self.accounts.insert(address, entry);
        now
    }

    /// Those of `addresses` that were not read yet, each once, with their keys.
    pub(crate) fn unread_accounts(
        &self,
        addresses: impl Iterator<Item = Address>,
    ) -> Vec<(Address, StateKey)> {
        let mut seen = AddressSet::default();
        addresses
            .filter(|address| !self.accounts.contains_key(address) && seen.insert(*address))
            .map(|address| (address, StateKey::account(address)))
            .collect()
    }

    pub(crate) fn set_account(&mut self, address: Address, mut info: AccountInfo) {
        if let Some(code) = &info.code {
            info.code_hash = code.hash_slow();
            if !code.is_empty() {
                self.new_codes.insert(info.code_hash, code.clone());
                self.codes.insert(info.code_hash, code.clone());
            }
        }
        self.account_entry(address).now = (!info.is_empty()).then_some(info);
    }

    pub(crate) fn slot(&self, address: &Address, slot: &U256) -> Option<U256> {
        let contract = self.contracts.get(address)?;
        let known = contract.slots.get(slot).map(|entry| entry.now);
        known.or_else(|| contract.hidden.then_some(U256::ZERO))
    }

    /// Notes what the state says about a slot.
    pub(crate) fn slot_read(
        &mut self,
        address: Address,
        slot: U256,
        value: Option<StateValue>,
    ) -> U256 {
        let now = value.map_or(U256::ZERO, |value| value.as_word());
        let contract = self.contracts.entry(address).or_default();
        contract.slots.insert(slot, Slot { before: Some(now), now });
        now
    }

    pub(crate) fn set_slot(&mut self, address: Address, slot: U256, value: U256) {
        let contract = self.contracts.entry(address).or_default();
        contract.slots.entry(slot).or_default().now = value;
    }

    pub(crate) fn hide_storage(&mut self, address: Address) {
        self.contracts.insert(address, Contract { slots: HashMap::default(), hidden: true });
    }

    pub(crate) fn code(&self, hash: &B256) -> Option<Bytecode> {
        self.codes.get(hash).cloned()
    }

    /// Notes code that the state holds.
    pub(crate) fn code_read(&mut self, hash: B256, code: Bytecode) {
        self.codes.insert(hash, code);
    }

    /// Takes over what a transaction made of a touched account.
    pub(crate) fn commit(&mut self, address: Address, account: Touched) {
        let entry = self.account_entry(address);
        if account.is_selfdestructed() || account.is_empty() {
            entry.now = None;
            if account.is_selfdestructed() {
                self.clear_storage(address);
            }
            return;
        }
        let old_hash = entry.now.as_ref().map(|info| info.code_hash);
        let hash = account.info.code_hash;
        if let Some(code) = &account.info.code
            && old_hash != Some(hash)
            && !code.is_empty()
        {
            self.new_codes.insert(hash, code.clone());
            self.codes.insert(hash, code.clone());
        }
        self.account_entry(address).now = Some(account.info);
        for (slot, value) in account.storage {
            if value.is_changed() {
                self.set_slot(address, slot, value.present_value);
            }
        }
    }

    /// A contract destroyed in its own creation (EIP-6780) has no storage in the state; what the
    /// overlay knows of its slots becomes zero.
    fn clear_storage(&mut self, address: Address) {
        if let Some(contract) = self.contracts.get_mut(&address) {
            contract.slots.values_mut().for_each(|slot| slot.now = U256::ZERO);
        }
    }

    fn account_entry(&mut self, address: Address) -> &mut AccountEntry {
        self.accounts.entry(address).or_insert_with(|| AccountEntry {
            key: StateKey::account(address),
            before: Before::Unread,
            now: None,
        })
    }

    /// Every entry that may have changed.
    pub(crate) fn into_pending(self) -> Pending {
        let mut pending = Pending::default();
        for entry in self.accounts.into_values() {
            let now = entry.now.map(|info| stored(&info).encode());
            pending.add(entry.key, entry.before, now);
        }
        for (address, contract) in self.contracts {
            for (slot, Slot { before, now }) in contract.slots {
                if before == Some(now) {
                    continue;
                }
                let before = before.map_or(Before::Unread, |before| Before::Read(word(before)));
                pending.add(StateKey::slot(address, slot), before, word(now));
            }
        }
        for (hash, code) in self.new_codes {
            for (key, value) in code_entries(hash, &code.original_bytes()) {
                pending.add(key, Before::Unread, Some(value));
            }
        }
        pending
    }
}

/// Entries on their way to becoming [`Change`]s.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    known: Vec<Change>,
    unread: Vec<(StateKey, Option<StateValue>)>,
}

impl Pending {
    pub(crate) fn add(&mut self, key: StateKey, before: Before, after: Option<StateValue>) {
        match before {
            Before::Unread => self.unread.push((key, after)),
            Before::Read(before) if before != after => {
                self.known.push(Change { key, before, after });
            }
            Before::Read(_) => {}
        }
    }

    /// Keys whose values before the block are still to be read.
    pub(crate) fn unread_keys(&self) -> Vec<StateKey> {
        self.unread.iter().map(|(key, _)| *key).collect()
    }

    /// All changes, ascending by key; `values` answers [`Pending::unread_keys`].
    pub(crate) fn finish(mut self, values: Vec<Option<StateValue>>) -> Vec<Change> {
        for ((key, after), before) in self.unread.into_iter().zip(values) {
            if before != after {
                self.known.push(Change { key, before, after });
            }
        }
        self.known.sort_unstable_by_key(|change| change.key);
        self.known
    }
}

/// A stored account as the EVM takes it; its code is loaded when it is needed.
pub(super) fn decode(value: &StateValue) -> AccountInfo {
    let account = Account::decode(value);
    AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: account.code_hash,
        account_id: None,
        code: None,
    }
}

/// A storage word as the state holds it: zero is absent.
fn word(value: U256) -> Option<StateValue> {
    (!value.is_zero()).then(|| StateValue::word(value))
}

fn stored(info: &AccountInfo) -> Account {
    Account { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash }
}
