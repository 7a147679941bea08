//! Tools for testing Cairn against the outside world.
//!
//! [`eest`] runs Ethereum's execution-spec state tests through Cairn's own executor.

pub mod eest;
