// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Funds of the network
/// @notice System contract at 0x000000000000000000000000000000000000ca0a. Takes plain transfers of
/// coins from anyone; governance alone spends them. Emission comes in without a call.
interface ITreasury {
    /// @notice The treasury holds less than it is to spend.
    /// @param amount What is to be spent, in wei.
    /// @param balance What it holds, in wei.
    error InsufficientFunds(uint256 amount, uint256 balance);

    /// @notice Coins cannot go to the zero address or to the treasury itself.
    /// @param to The recipient given.
    error InvalidRecipient(address to);

    /// @notice The memo is too long.
    /// @param length Its length in bytes.
    /// @param max Greatest length in bytes.
    error MemoTooLong(uint256 length, uint256 max);

    /// @notice Somebody sent coins.
    /// @param from Who.
    /// @param amount How much, in wei.
    event Received(address indexed from, uint256 amount);

    /// @notice Governance spent coins.
    /// @param to Who received them.
    /// @param amount How much, in wei.
    /// @param memo What for.
    event Spent(address indexed to, uint256 amount, string memo);

    /// @notice Takes coins.
    receive() external payable;

    /// @notice Pays coins. No code of the recipient runs. Governance only. Reverts with
    /// `OnlyGovernance`, `InvalidRecipient`, `MemoTooLong` or `InsufficientFunds`.
    /// @param to Who receives them.
    /// @param amount How much, in wei.
    /// @param memo What for; at most 1,024 bytes.
    function spend(address to, uint256 amount, string calldata memo) external;

    /// @notice What the treasury holds.
    /// @return wei_ The amount in wei.
    function funds() external view returns (uint256 wei_);
}
