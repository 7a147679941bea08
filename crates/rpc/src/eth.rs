//! `eth_*`.
//!
//! | module | methods about |
//! |---|---|
//! | `chain` | the chain, blocks, transactions, receipts |
//! | `state` | balances, nonces, code, storage |
//! | [`call`] | calls, access lists; state and block overrides |
//! | `estimate` | gas limits |
//! | `fee` | prices of gas |
//! | `submit` | new transactions |
//! | `logs` | logs of a range of blocks |
//! | `filter` | filters that a client polls |
//! | `subscribe` | subscriptions over WebSocket |

pub mod call;
mod chain;
mod estimate;
mod fee;
pub(crate) mod filter;
mod logs;
pub mod overrides;
mod state;
pub(crate) mod submit;
mod subscribe;

use crate::api::Module;

pub(crate) fn register(module: &mut Module) {
    chain::register(module);
    state::register(module);
    call::register(module);
    estimate::register(module);
    fee::register(module);
    submit::register(module);
    logs::register(module);
    filter::register(module);
    subscribe::register(module);
}

#[cfg(test)]
mod tests;
