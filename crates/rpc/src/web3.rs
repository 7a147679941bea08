//! `web3_*` and `net_*`.

use crate::api::{Module, method};
use alloy_primitives::{B256, Bytes, U64, keccak256};

/// What the node calls itself: name, version, platform.
pub(crate) fn client_version() -> String {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("cairn/v{}/{os}-{arch}", env!("CARGO_PKG_VERSION"))
}

pub(crate) fn register(module: &mut Module) {
    method(module, "web3_clientVersion", |_, _| async { Ok(client_version()) });
    method(module, "web3_sha3", |_, mut args| async move {
        Ok::<B256, _>(keccak256(args.next::<Bytes>("data")?))
    });
    method(module, "net_version", |api, _| async move {
        Ok(api.chain().genesis().chain_id.to_string())
    });
    method(module, "net_listening", |_, _| async { Ok(true) });
    method(module, "net_peerCount", |api, _| async move {
        Ok(U64::from(api.chain().backend().peers()))
    });
}
