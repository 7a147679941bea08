//! Typed storage of system contracts, laid out as Solidity would.
//!
//! A layout is a list of constants at the top of a contract's module, so that every slot of a
//! contract is on one page:
//!
//! ```
//! use alloy_primitives::{Address, U256};
//! use cairn_contracts::{ASSETS, storage::{Field, Mapping}};
//!
//! const COUNT: Field<u64> = Field::new(ASSETS, 0);
//! const OWNERS: Mapping<U256, Address> = Mapping::new(ASSETS, 1);
//! const APPROVALS: Mapping<Address, Mapping<Address, bool>> = Mapping::new(ASSETS, 2);
//! ```
//!
//! Layouts name their contract, so the code of one contract can read and write the state of another
//! through that other's functions without a message call.
//!
//! A [`Field`] is one word, a [`Mapping`] has the slots of a Solidity mapping (`keccak256(key ‖ slot)`),
//! a [`Record`] takes several consecutive words. Reads and writes cost what `SLOAD` and `SSTORE` cost,
//! a mapping's key also its hash ([`MAPPING_GAS`]).

use crate::call::{Call, MAPPING_GAS};
use crate::host::Outcome;
use alloy_primitives::{Address, B256, U256, keccak256};
use std::marker::PhantomData;

/// A value of one word. Zero is the value of a slot that was never written.
pub trait Word: Sized {
    /// The word that is stored.
    fn to_word(&self) -> U256;
    /// The value of a stored word.
    fn from_word(word: U256) -> Self;
}

/// A value of `N` consecutive words.
pub trait Record<const N: usize>: Sized {
    /// The words that are stored.
    fn to_words(&self) -> [U256; N];
    /// The value of stored words.
    fn from_words(words: [U256; N]) -> Self;
}

impl Word for U256 {
    fn to_word(&self) -> U256 {
        *self
    }
    fn from_word(word: U256) -> Self {
        word
    }
}

impl Word for bool {
    fn to_word(&self) -> U256 {
        U256::from(u8::from(*self))
    }
    fn from_word(word: U256) -> Self {
        !word.is_zero()
    }
}

impl Word for B256 {
    fn to_word(&self) -> U256 {
        (*self).into()
    }
    fn from_word(word: U256) -> Self {
        word.into()
    }
}

impl Word for Address {
    fn to_word(&self) -> U256 {
        self.into_word().into()
    }
    fn from_word(word: U256) -> Self {
        Self::from_word(word.into())
    }
}

/// Integers; only their own values are ever written, so reading never loses bits.
macro_rules! words {
    ($($type:ty),*) => {$(
        impl Word for $type {
            fn to_word(&self) -> U256 {
                U256::from(*self)
            }
            fn from_word(word: U256) -> Self {
                word.wrapping_to()
            }
        }
    )*};
}
words!(u8, u16, u32, u64, u128);

/// One stored value.
#[derive(Debug)]
pub struct Field<T> {
    contract: Address,
    slot: U256,
    value: PhantomData<T>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Field<T> {}

impl<T> Field<T> {
    /// The value at `slot` of `contract`.
    #[must_use]
    pub const fn new(contract: Address, slot: u64) -> Self {
        Self::at(contract, U256::from_limbs([slot, 0, 0, 0]))
    }

    /// The value at a computed slot of `contract`.
    #[must_use]
    pub const fn at(contract: Address, slot: U256) -> Self {
        Self { contract, slot, value: PhantomData }
    }

    /// Contract and slot.
    #[must_use]
    pub const fn place(&self) -> (Address, U256) {
        (self.contract, self.slot)
    }
}

impl<T: Word> Field<T> {
    /// Reads the value.
    ///
    /// # Errors
    /// See [`crate::Host::sload`].
    pub fn get(&self, call: &mut Call<'_>) -> Outcome<T> {
        call.host().sload(self.contract, self.slot).map(T::from_word)
    }

    /// Writes the value.
    ///
    /// # Errors
    /// See [`crate::Host::sstore`].
    #[expect(clippy::needless_pass_by_value, reason = "values are small; calls read better")]
    pub fn set(&self, call: &mut Call<'_>, value: T) -> Outcome<()> {
        call.host().sstore(self.contract, self.slot, value.to_word())
    }
}

/// A Solidity mapping. `T` is a [`Word`], a [`Record`], or again a mapping.
#[derive(Debug)]
pub struct Mapping<K, T> {
    contract: Address,
    slot: U256,
    types: PhantomData<(K, T)>,
}

impl<K, T> Clone for Mapping<K, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K, T> Copy for Mapping<K, T> {}

impl<K, T> Mapping<K, T> {
    /// The mapping at `slot` of `contract`.
    #[must_use]
    pub const fn new(contract: Address, slot: u64) -> Self {
        Self { contract, slot: U256::from_limbs([slot, 0, 0, 0]), types: PhantomData }
    }
}

impl<K: Word, T> Mapping<K, T> {
    /// Slot of the value of `key`, without payment: for readers outside a call.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "keys are small; calls read better")]
    pub fn slot(&self, key: K) -> U256 {
        let words = [key.to_word().to_be_bytes::<32>(), self.slot.to_be_bytes::<32>()];
        keccak256(words.concat()).into()
    }

    fn paid_slot(&self, call: &mut Call<'_>, key: K) -> Outcome<U256> {
        call.charge(MAPPING_GAS)?;
        Ok(self.slot(key))
    }

    /// The field of `key`.
    ///
    /// # Errors
    /// See [`crate::Host::charge`].
    pub fn field(&self, call: &mut Call<'_>, key: K) -> Outcome<Field<T>> {
        Ok(Field::at(self.contract, self.paid_slot(call, key)?))
    }
}

impl<K: Word, T: Word> Mapping<K, T> {
    /// Reads the value of `key`.
    ///
    /// # Errors
    /// See [`crate::Host::sload`].
    pub fn get(&self, call: &mut Call<'_>, key: K) -> Outcome<T> {
        self.field(call, key)?.get(call)
    }

    /// Writes the value of `key`.
    ///
    /// # Errors
    /// See [`crate::Host::sstore`].
    pub fn set(&self, call: &mut Call<'_>, key: K, value: T) -> Outcome<()> {
        self.field(call, key)?.set(call, value)
    }
}

impl<K: Word, J: Word, T> Mapping<K, Mapping<J, T>> {
    /// The inner mapping of `key`.
    ///
    /// # Errors
    /// See [`crate::Host::charge`].
    pub fn inner(&self, call: &mut Call<'_>, key: K) -> Outcome<Mapping<J, T>> {
        let slot = self.paid_slot(call, key)?;
        Ok(Mapping { contract: self.contract, slot, types: PhantomData })
    }

    /// The inner mapping of `key`, without payment: for readers outside a call.
    #[must_use]
    pub fn inner_unpaid(&self, key: K) -> Mapping<J, T> {
        Mapping { contract: self.contract, slot: self.slot(key), types: PhantomData }
    }
}

/// A mapping whose values take `N` consecutive words each.
#[derive(Debug)]
pub struct Table<K, T, const N: usize> {
    words: Mapping<K, U256>,
    record: PhantomData<T>,
}

impl<K, T, const N: usize> Clone for Table<K, T, N> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K, T, const N: usize> Copy for Table<K, T, N> {}

impl<K: Word, T: Record<N>, const N: usize> Table<K, T, N> {
    /// The table at `slot` of `contract`.
    #[must_use]
    pub const fn new(contract: Address, slot: u64) -> Self {
        Self { words: Mapping::new(contract, slot), record: PhantomData }
    }

    /// Slot of word `index` of the record of `key`, without payment: for readers outside a call.
    #[must_use]
    pub fn slot(&self, key: K, index: u64) -> U256 {
        self.words.slot(key).wrapping_add(U256::from(index))
    }

    /// Reads the record of `key`: `N` reads.
    ///
    /// # Errors
    /// See [`crate::Host::sload`].
    pub fn get(&self, call: &mut Call<'_>, key: K) -> Outcome<T> {
        let mut slot = self.words.paid_slot(call, key)?;
        let mut words = [U256::ZERO; N];
        for word in &mut words {
            *word = call.host().sload(self.words.contract, slot)?;
            slot = slot.wrapping_add(U256::ONE);
        }
        Ok(T::from_words(words))
    }

    /// Writes the record of `key`: `N` writes, of which unchanged words cost a warm read.
    ///
    /// # Errors
    /// See [`crate::Host::sstore`].
    pub fn set(&self, call: &mut Call<'_>, key: K, record: &T) -> Outcome<()> {
        let mut slot = self.words.paid_slot(call, key)?;
        for word in record.to_words() {
            call.host().sstore(self.words.contract, slot, word)?;
            slot = slot.wrapping_add(U256::ONE);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ASSETS;
    use crate::memory::MemoryHost;

    #[derive(Debug, PartialEq)]
    struct Pair(U256, u64);

    impl Record<2> for Pair {
        fn to_words(&self) -> [U256; 2] {
            [self.0, U256::from(self.1)]
        }
        fn from_words([first, second]: [U256; 2]) -> Self {
            Self(first, u64::from_word(second))
        }
    }

    #[test]
    fn values_come_back_and_slots_are_soliditys() {
        let nested: Mapping<Address, Mapping<u64, bool>> = Mapping::new(ASSETS, 1);
        let table: Table<u64, Pair, 2> = Table::new(ASSETS, 2);
        let mut host = MemoryHost::with_gas(1_000_000);
        let mut call = Call::internal(&mut host, ASSETS, Address::ZERO);
        let holder = Address::repeat_byte(7);
        nested.inner(&mut call, holder).unwrap().set(&mut call, 9, true).unwrap();
        assert!(nested.inner(&mut call, holder).unwrap().get(&mut call, 9).unwrap());
        assert!(!nested.inner(&mut call, holder).unwrap().get(&mut call, 8).unwrap());
        table.set(&mut call, 5, &Pair(U256::MAX, 3)).unwrap();
        assert_eq!(table.get(&mut call, 5), Ok(Pair(U256::MAX, 3)));
        let (first, second) = (table.slot(5, 0), table.slot(5, 1));
        assert_eq!(second, first + U256::ONE);
        assert_eq!(host.storage[&(ASSETS, second)], U256::from(3));
        let outer = keccak256([holder.into_word().0, U256::ONE.to_be_bytes()].concat());
        let inner = keccak256([U256::from(9).to_be_bytes::<32>(), outer.0].concat());
        assert_eq!(host.storage[&(ASSETS, inner.into())], U256::ONE);
    }
}
