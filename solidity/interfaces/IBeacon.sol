// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Delayed random seeds by block height
/// @notice System contract at 0x000000000000000000000000000000000000ca08. Every finalised block
/// yields one seed: the hash of the committee's threshold signature over the block's view. A seed
/// enters this contract `delay()` blocks after its block or later, in order of height.
///
/// The leader of a view can, with colluders, choose among a few seeds. So fix what is drawn for
/// first, and draw with the seed of a block that comes at least `delay()` blocks after:
/// commit at height `h`, then use `seedAt(h + delay())`.
interface IBeacon {
    /// @notice The seed of this height is not published yet.
    /// @param height The height asked for.
    /// @param latest The newest height whose seed is published; 0 if there is none yet.
    error SeedNotYet(uint256 height, uint256 latest);

    /// @notice The seed of this height is no longer kept: the contract keeps the newest 8,192 heights.
    /// @param height The height asked for.
    /// @param oldest The oldest height that is kept.
    error SeedTooOld(uint256 height, uint256 oldest);

    /// @notice The seed of this height was lost and will never be published. Height 0, the genesis,
    /// has none. Use that of the next height.
    /// @param height The height asked for.
    error SeedSkipped(uint256 height);

    /// @notice The seed of a height.
    /// @dev Gas: 100, and up to three storage reads.
    /// @param height Height of the block the seed belongs to.
    /// @return seed 32 random bytes.
    function seedAt(uint256 height) external view returns (bytes32 seed);

    /// @notice The newest published seed.
    /// @return height The height it belongs to; 0 if none is published yet.
    /// @return seed The seed; zero if none is published yet.
    function latest() external view returns (uint256 height, bytes32 seed);

    /// @notice Least number of blocks between a block and the one that publishes its seed.
    /// @return blocks The delay in blocks.
    function delay() external view returns (uint256 blocks);
}
