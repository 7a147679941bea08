// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// A small contract with one of everything a client library decodes:
/// storage, indexed and dynamic events, custom errors, reasons, panics, value.
contract Ledger {
    error Refused(address who, uint256 asked, uint256 limit);

    event Entry(address indexed who, uint256 indexed key, uint256 value);
    event Note(string indexed topic, string text, bytes data);
    event Deposit(address indexed who, uint256 amount);

    uint256 public immutable limit;
    uint256 public total;
    mapping(address => mapping(uint256 => uint256)) public entries;
    string public name;

    constructor(string memory name_, uint256 limit_) payable {
        name = name_;
        limit = limit_;
    }

    receive() external payable {
        emit Deposit(msg.sender, msg.value);
    }

    function put(uint256 key, uint256 value) public {
        if (value > limit) revert Refused(msg.sender, value, limit);
        total += 1;
        entries[msg.sender][key] = value;
        emit Entry(msg.sender, key, value);
    }

    /// `count` log entries with keys from `first`, to fill blooms and filters.
    function putMany(uint256 first, uint256 count) external {
        for (uint256 i; i < count; i++) put(first + i, i % limit);
    }

    function note(string calldata topic, string calldata text, bytes calldata data) external {
        emit Note(topic, text, data);
    }

    function withReason() external payable {
        require(false, "the ledger is closed");
    }

    /// Writes, then reverts: nothing may remain.
    function writeThenFail(uint256 key) external {
        put(key, 1);
        revert("written in vain");
    }

    function panics(uint256 divisor) external view returns (uint256) {
        return total / divisor;
    }

    function silent() external pure {
        assembly ("memory-safe") {
            revert(0, 0)
        }
    }

    /// Calls `target`, swallowing its failure: an inner revert under an outer success.
    function attempt(address target, bytes calldata data) external returns (bool ok) {
        (ok,) = target.call(data);
        total += 1;
    }

    /// Consumes roughly `amount` gas.
    function burn(uint256 amount) external {
        uint256 start = gasleft();
        while (start - gasleft() < amount) total = total + 1;
    }

    function environment()
        external
        view
        returns (uint256 number, uint256 time, uint256 random, uint256 fee, address coinbase, uint256 chain, uint256 gasLimit)
    {
        return (block.number, block.timestamp, block.prevrandao, block.basefee, block.coinbase, block.chainid, block.gaslimit);
    }

    function hashOf(uint256 number) external view returns (bytes32) {
        return blockhash(number);
    }
}
