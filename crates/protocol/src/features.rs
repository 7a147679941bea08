//! Feature gates: changes of the protocol that governance switches on.
//!
//! A release that knows a feature carries both behaviours; which one a block follows is decided by
//! the chain alone. Governance schedules a feature for an epoch through the `Features` contract; it is
//! active in every block whose parent's state is in that epoch or a later one. A node that does not
//! know an active feature cannot follow the chain and must stop.
//!
//! The id of a feature on chain is its name in ASCII, padded with zeros to 32 bytes, so that a node
//! can name even a feature that it does not know.

/// Most features that can ever be scheduled: what a node reads at the start of every block is bounded.
pub const MAX_FEATURES: u64 = 64;

macro_rules! features {
    ($($(#[doc = $meaning:literal])+ $id:ident = $name:literal;)+) => {
        /// A change of the protocol that this release knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Feature {
            $($(#[doc = $meaning])+ $id,)+
        }

        impl Feature {
            /// Every feature that this release knows.
            pub const ALL: &'static [Self] = &[$(Self::$id),+];

            /// Name on chain, in the CLI and in the docs; at most 32 ASCII characters.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$id => $name,)+
                }
            }

            /// What it changes.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$id => concat!($($meaning),+).trim_ascii(),)+
                }
            }
        }
    };
}

features! {
    /// `Crypto.sha512(bytes)` answers.
    CryptoSha512 = "crypto_sha512";
}

impl Feature {
    /// Id on chain: the name, padded with zeros.
    #[must_use]
    pub fn id(self) -> [u8; 32] {
        let mut id = [0; 32];
        for (to, from) in id.iter_mut().zip(self.name().bytes()) {
            *to = from;
        }
        id
    }

    /// The feature with this id, if this release knows it.
    #[must_use]
    pub fn with_id(id: [u8; 32]) -> Option<Self> {
        Self::ALL.iter().copied().find(|feature| feature.id() == id)
    }

    /// The feature with this name, if this release knows it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|feature| feature.name() == name)
    }
}

/// Whether a feature scheduled for `activation` is active in `epoch`; `None`: it is not scheduled.
///
/// ```
/// use cairn_protocol::features::is_active;
/// assert!(!is_active(Some(8), 7));
/// assert!(is_active(Some(8), 8));
/// assert!(!is_active(None, u64::MAX));
/// ```
#[must_use]
pub fn is_active(activation: Option<u64>, epoch: u64) -> bool {
    activation.is_some_and(|first| first <= epoch)
}

/// Whether `id` is a well-formed name: lower-case ASCII letters, digits and `_`, at least one, then
/// zeros only.
///
/// ```
/// use cairn_protocol::features::{Feature, is_name};
/// assert!(is_name(&Feature::CryptoSha512.id()));
/// assert!(!is_name(&[0; 32]));
/// ```
#[must_use]
pub fn is_name(id: &[u8; 32]) -> bool {
    let length = id.iter().position(|byte| *byte == 0).unwrap_or(id.len());
    let (name, padding) = id.split_at(length);
    !name.is_empty()
        && name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_')
        && padding.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_well_formed_and_lead_back() {
        let mut ids = BTreeSet::new();
        for feature in Feature::ALL {
            assert!(feature.name().len() <= 32 && !feature.meaning().is_empty());
            assert!(is_name(&feature.id()) && ids.insert(feature.id()));
            assert_eq!(Feature::with_id(feature.id()), Some(*feature));
            assert_eq!(Feature::named(feature.name()), Some(*feature));
        }
        assert_eq!(Feature::with_id([7; 32]), None);
    }

    #[test]
    fn names_have_no_gaps_and_no_foreign_characters() {
        let padded = |text: &[u8]| {
            let mut id = [0; 32];
            id[..text.len()].copy_from_slice(text);
            id
        };
        assert!(is_name(&padded(b"a_1")) && is_name(&[b'a'; 32]));
        for bad in [&b"\0a"[..], b"a\0b", b"A", b"a b", b"\xff"] {
            assert!(!is_name(&padded(bad)), "{bad:?}");
        }
    }
}
