//! Solidity interfaces, generated from the files in `solidity/interfaces`, which are their only
//! source.
#![allow(missing_docs, clippy::too_many_arguments)]

use alloy_sol_types::sol;

sol!("../../solidity/interfaces/ISystem.sol");
sol!("../../solidity/interfaces/IParams.sol");
sol!("../../solidity/interfaces/IFeatures.sol");
sol!("../../solidity/interfaces/ICrypto.sol");
sol!("../../solidity/interfaces/IBeacon.sol");
sol!("../../solidity/interfaces/ITreasury.sol");

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_sol_types::{SolCall, SolError};

    /// What contracts and clients out there rely on. Changing a line here breaks them.
    #[test]
    fn the_abi_is_pinned() {
        let signatures = [
            IBeacon::delayCall::SIGNATURE,
            IBeacon::latestCall::SIGNATURE,
            IBeacon::seedAtCall::SIGNATURE,
            IBeacon::SeedNotYet::SIGNATURE,
            IBeacon::SeedSkipped::SIGNATURE,
            IBeacon::SeedTooOld::SIGNATURE,
            ICrypto::blake3HashCall::SIGNATURE,
            ICrypto::verifyEd25519Call::SIGNATURE,
            ICrypto::verifyEd25519BatchCall::SIGNATURE,
            ICrypto::BadSignatureLength::SIGNATURE,
            ICrypto::BatchLengthMismatch::SIGNATURE,
            ICrypto::EmptyBatch::SIGNATURE,
            ISystem::DelegateCallNotAllowed::SIGNATURE,
            ISystem::MalformedArguments::SIGNATURE,
            ISystem::NotPayable::SIGNATURE,
            ISystem::OnlyGovernance::SIGNATURE,
            ISystem::StaticCallNotAllowed::SIGNATURE,
            ISystem::UnknownFunction::SIGNATURE,
        ];
        let pinned = [
            "delay()",
            "latest()",
            "seedAt(uint256)",
            "SeedNotYet(uint256,uint256)",
            "SeedSkipped(uint256)",
            "SeedTooOld(uint256,uint256)",
            "blake3Hash(bytes)",
            "verifyEd25519(bytes32,bytes,bytes)",
            "verifyEd25519Batch(bytes32[],bytes[],bytes[])",
            "BadSignatureLength(uint256,uint256)",
            "BatchLengthMismatch(uint256,uint256,uint256)",
            "EmptyBatch()",
            "DelegateCallNotAllowed()",
            "MalformedArguments(bytes4)",
            "NotPayable(uint256)",
            "OnlyGovernance(address,address)",
            "StaticCallNotAllowed()",
            "UnknownFunction(bytes4)",
        ];
        assert_eq!(signatures, pinned);
    }
}
