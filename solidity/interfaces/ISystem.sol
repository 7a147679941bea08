// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Errors that every system contract of Cairn can answer with
/// @notice System contracts are part of the chain itself. They live at fixed addresses, carry the
/// one-byte code `0xfe` so that `extcodesize` is not zero, and behave like any contract: their state
/// is account storage, their logs are logs, and a revert undoes both. Reaching one costs 100 gas and 3
/// for each started 32 bytes of call data; the gas that a function states comes on top.
interface ISystem {
    /// @notice The function changes state, but was called by STATICCALL.
    error StaticCallNotAllowed();

    /// @notice System contracts cannot be run in the storage of another account: use CALL or
    /// STATICCALL, not DELEGATECALL or CALLCODE.
    error DelegateCallNotAllowed();

    /// @notice The function does not accept coins.
    /// @param value Amount that was sent, in wei.
    error NotPayable(uint256 value);

    /// @notice The contract has no such function.
    /// @param selector First four bytes of the call data, padded with zeros.
    error UnknownFunction(bytes4 selector);

    /// @notice The arguments are not the strict ABI encoding of what the function takes.
    /// @param selector The function that was called.
    error MalformedArguments(bytes4 selector);

    /// @notice Only governance may call this function: propose it there.
    /// @param caller Who called.
    /// @param governance The timelock that may.
    error OnlyGovernance(address caller, address governance);
}
