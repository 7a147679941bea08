// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Tunables of the network
/// @notice System contract at 0x000000000000000000000000000000000000ca01. The key of a parameter is
/// the Keccak-256 hash of its name. Only governance changes a value, and only within its bounds; the
/// bounds change by an upgrade of the protocol alone.
interface IParams {
    /// @notice A parameter with its bounds.
    /// @param key Keccak-256 hash of the name.
    /// @param name Its name.
    /// @param unit Unit of all values.
    /// @param min Least value.
    /// @param max Greatest value.
    /// @param defaultValue Value until governance sets another.
    /// @param current Value now.
    struct Description {
        bytes32 key;
        string name;
        string unit;
        uint256 min;
        uint256 max;
        uint256 defaultValue;
        uint256 current;
    }

    /// @notice There is no parameter with this key.
    /// @param key The key asked for.
    error UnknownParam(bytes32 key);

    /// @notice There is no parameter with this name.
    /// @param name The name asked for.
    error UnknownName(string name);

    /// @notice There is no parameter at this position.
    /// @param index The position asked for.
    /// @param count Number of parameters.
    error NoSuchIndex(uint256 index, uint256 count);

    /// @notice The value lies outside the bounds.
    /// @param key Which parameter.
    /// @param value The value given.
    /// @param min Least value.
    /// @param max Greatest value.
    error OutOfBounds(bytes32 key, uint256 value, uint256 min, uint256 max);

    /// @notice Governance set a parameter.
    /// @param key Which.
    /// @param name Its name.
    /// @param oldValue Value before.
    /// @param newValue Value from now on.
    event ParamChanged(bytes32 indexed key, string name, uint256 oldValue, uint256 newValue);

    /// @notice Value of a parameter. Reverts with `UnknownParam`.
    /// @param key Keccak-256 hash of its name.
    /// @return current Its value now.
    function get(bytes32 key) external view returns (uint256 current);

    /// @notice Value of a parameter. Reverts with `UnknownName`.
    /// @param name Its name.
    /// @return current Its value now.
    function value(string calldata name) external view returns (uint256 current);

    /// @notice Number of parameters.
    /// @return parameters The number.
    function count() external view returns (uint256 parameters);

    /// @notice The parameter at a position. The order may change with a release; keys do not.
    /// Reverts with `NoSuchIndex`.
    /// @param index Position, below `count()`.
    /// @return description The parameter.
    function describe(uint256 index) external view returns (Description memory description);

    /// @notice The parameter with a key. Reverts with `UnknownParam`.
    /// @param key Keccak-256 hash of its name.
    /// @return description The parameter.
    function describeKey(bytes32 key) external view returns (Description memory description);

    /// @notice Sets a parameter. Governance only. Reverts with `OnlyGovernance`, `UnknownParam` or
    /// `OutOfBounds`.
    /// @param key Which parameter.
    /// @param newValue Its value from now on.
    function set(bytes32 key, uint256 newValue) external;
}
