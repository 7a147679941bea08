// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Signatures and hashes that the EVM lacks
/// @notice System contract at 0x000000000000000000000000000000000000ca07. Stateless: every function
/// is `pure` in effect and may be called by STATICCALL. P-256 is at 0x100 (EIP-7951).
///
/// Ed25519 follows ZIP-215 (https://zips.z.cash/zip-0215): `s` must be canonical, encodings of the
/// public key and of `R` may be non-canonical, and the equation is checked with the cofactor. A batch
/// therefore accepts exactly the signatures that single verification accepts (but for a chance of
/// 2^-125 that a batch with a false signature passes).
interface ICrypto {
    /// @notice An Ed25519 signature has 64 bytes: `R` (32) and `s` (32).
    /// @param index Position in the batch; 0 for a single signature.
    /// @param length Length of what was given, in bytes.
    error BadSignatureLength(uint256 index, uint256 length);

    /// @notice The lists of a batch differ in length.
    /// @param publicKeys Number of public keys.
    /// @param messages Number of messages.
    /// @param signatures Number of signatures.
    error BatchLengthMismatch(uint256 publicKeys, uint256 messages, uint256 signatures);

    /// @notice A batch holds at least one signature.
    error EmptyBatch();

    /// @notice Verifies one Ed25519 signature.
    /// @dev Gas: 3,000, and 6 for each started 32 bytes of the message.
    /// @param publicKey The 32-byte public key.
    /// @param message The signed bytes.
    /// @param signature `R` and `s`, 64 bytes.
    /// @return valid Whether the signature is valid. A malformed key or signature of the right length
    /// is invalid; it does not revert.
    function verifyEd25519(bytes32 publicKey, bytes calldata message, bytes calldata signature)
        external
        view
        returns (bool valid);

    /// @notice Verifies many Ed25519 signatures at once, for about half the cost of one by one.
    /// @dev Gas: 3,000, and for each signature 1,500 and 6 for each started 32 bytes of its message.
    /// The random coefficients of the batch equation are derived from a hash of all inputs, so every
    /// node finds the same answer.
    /// @param publicKeys One 32-byte public key a signature.
    /// @param messages One message a signature.
    /// @param signatures `R` and `s`, 64 bytes each.
    /// @return valid Whether every signature is valid.
    function verifyEd25519Batch(
        bytes32[] calldata publicKeys,
        bytes[] calldata messages,
        bytes[] calldata signatures
    ) external view returns (bool valid);

    /// @notice Hashes with BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs).
    /// @dev Gas: 30, and 1 for each started 32 bytes of the input.
    /// @param input The bytes to hash.
    /// @return hash The 32-byte BLAKE3 hash.
    function blake3Hash(bytes calldata input) external view returns (bytes32 hash);
}
