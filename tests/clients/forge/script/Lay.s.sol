// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Cairnstone} from "../src/Cairnstone.sol";

interface Cheats {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// Deploys a stone and lays two more: three transactions that depend on one another.
contract Lay {
    Cheats private constant CHEATS = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public constant IS_SCRIPT = true;

    function run() external returns (Cairnstone stone) {
        CHEATS.startBroadcast();
        stone = new Cairnstone(40);
        stone.lay();
        stone.lay();
        CHEATS.stopBroadcast();
        require(stone.height() == 42, "height");
    }
}
