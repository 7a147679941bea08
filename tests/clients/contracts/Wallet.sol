// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// Code that an EOA delegates to by EIP-7702: batched calls, by the account itself or,
/// for the relayed case, by anyone (tests only).
contract Wallet {
    struct Call {
        address to;
        uint256 value;
        bytes data;
    }

    event Executed(address indexed account, address indexed by, uint256 calls);

    function execute(Call[] calldata calls) external payable {
        for (uint256 i; i < calls.length; i++) {
            (bool ok, bytes memory result) = calls[i].to.call{value: calls[i].value}(calls[i].data);
            if (!ok) {
                assembly ("memory-safe") {
                    revert(add(result, 32), mload(result))
                }
            }
        }
        emit Executed(address(this), msg.sender, calls.length);
    }

    receive() external payable {}
}
