// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// What forge deploys: one value, one event.
contract Cairnstone {
    event Laid(address indexed by, uint256 height);

    uint256 public height;

    constructor(uint256 height_) {
        height = height_;
        emit Laid(msg.sender, height_);
    }

    function lay() external {
        height += 1;
        emit Laid(msg.sender, height);
    }
}
