//! The tunables of the network: name, unit, bounds, default and meaning of each, in one table.
//!
//! Governance changes a value through the `Params` contract, only within the bounds. The bounds are
//! part of the protocol: a change of them is an upgrade, and the tests that show that no setting
//! within them can be exploited run over exactly these.
//!
//! The `Params` contract stores `value + 1` under the Keccak-256 hash of the name, so that zero means
//! "never set": then the default here holds.

/// One tunable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Name on chain, in the CLI and in the docs.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// Least value.
    pub min: u128,
    /// Greatest value.
    pub max: u128,
    /// Value until governance sets another.
    pub default: u128,
    /// What it does.
    pub meaning: &'static str,
}

macro_rules! params {
    ($($(#[doc = $meaning:literal])+ $id:ident = $name:literal, $unit:literal, $default:expr, $min:expr => $max:expr;)+) => {
        /// A tunable of the network.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Param {
            $($(#[doc = $meaning])+ $id,)+
        }

        impl Param {
            /// Every tunable, in the order of the docs.
            pub const ALL: &'static [Self] = &[$(Self::$id),+];

            /// Its row in the table.
            #[must_use]
            pub const fn bounds(self) -> Bounds {
                match self {
                    $(Self::$id => Bounds {
                        name: $name,
                        unit: $unit,
                        min: $min,
                        max: $max,
                        default: $default,
                        meaning: concat!($($meaning),+).trim_ascii(),
                    },)+
                }
            }
        }
    };
}

const DAY: u128 = 86_400;
/// Wei in one coin.
pub const COIN: u128 = 1_000_000_000_000_000_000;

params! {
    // Epochs, emission and split.
    /// Length of an epoch. A change takes effect when the running epoch ends.
    EpochSeconds = "epoch_seconds", "seconds", DAY, 60 => 30 * DAY;
    /// Share of the emission of an epoch that goes to validators.
    SplitValidators = "split_validators", "basis points", 2_000, 0 => 10_000;
    /// Share of the emission of an epoch that goes to the treasury.
    SplitTreasury = "split_treasury", "basis points", 1_000, 0 => 3_000;
    /// Share of the fees burned by a class that its payout follows (kappa).
    ClassKappa = "class_kappa", "basis points", 8_000, 0 => 10_000;

    // Staking.
    /// Time from giving up stake to its release.
    UnbondingSeconds = "unbonding_seconds", "seconds", 7 * DAY, 60 => 90 * DAY;
    /// Number of paid validator seats.
    Seats = "seats", "seats", 32, 1 => 100;
    /// Stake of its own that a validator needs for a seat.
    MinSelfStake = "min_self_stake", "wei", 1_000 * COIN, COIN => 10_000_000 * COIN;
    /// Time that a jailed validator waits before it may return.
    JailSeconds = "jail_seconds", "seconds", DAY / 4, 60 => 30 * DAY;

    // Assets.
    /// Least time between the retirement of an asset and the return of its bond.
    BondReleaseSeconds = "bond_release_seconds", "seconds", 7 * DAY, 60 => 90 * DAY;
    /// Longest life of a session key of a device.
    SessionKeySeconds = "session_key_seconds", "seconds", 30 * DAY, 3_600 => 365 * DAY;

    // Market.
    /// Protocol fee on what a provider earns, burned.
    MarketFee = "market_fee", "basis points", 500, 100 => 3_000;
    /// Time after the escrow of an agreement is spent until it ends for good.
    GraceSeconds = "grace_seconds", "seconds", 3 * DAY, 60 => 60 * DAY;
    /// Notice that either side gives before an agreement ends.
    NoticeSeconds = "notice_seconds", "seconds", DAY, 0 => 60 * DAY;
}

impl Param {
    /// The tunable with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|param| param.bounds().name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn defaults_lie_within_bounds_and_names_are_unique() {
        let mut names = BTreeSet::new();
        for param in Param::ALL {
            let Bounds { name, min, max, default, meaning, .. } = param.bounds();
            assert!(min <= default && default <= max && min < max, "{name}");
            assert!(names.insert(name) && !meaning.is_empty(), "{name}");
            assert_eq!(Param::named(name), Some(*param));
        }
    }
}
