//! Vectors in which Cairn deviates from Ethereum on purpose.

/// Why the [`EMPTY_WITH_STORAGE`] vectors deviate.
pub(super) const EMPTY_WITH_STORAGE_REASON: &str = "deviates: the test creates a contract over an account that has storage but neither nonce nor code \
     (EIP-7610); Cairn's genesis refuses such accounts and no transaction can make one";

/// Creations over an account that has storage, but neither nonce nor code. Ethereum has 28 such
/// accounts from before EIP-161; the collision rule of EIP-7610 is for them.
pub(super) const EMPTY_WITH_STORAGE: &[&str] = &[
    "tests/paris/eip7610_create_collision/test_initcollision.py::test_init_collision_create_opcode[fork_Osaka-state_test-opcode_CREATE-non-empty-balance-correct-initcode]",
    "tests/paris/eip7610_create_collision/test_initcollision.py::test_init_collision_create_opcode[fork_Osaka-state_test-opcode_CREATE-non-empty-balance-revert-initcode]",
    "tests/paris/eip7610_create_collision/test_initcollision.py::test_init_collision_create_opcode[fork_Osaka-state_test-opcode_CREATE2-non-empty-balance-correct-initcode]",
    "tests/paris/eip7610_create_collision/test_initcollision.py::test_init_collision_create_opcode[fork_Osaka-state_test-opcode_CREATE2-non-empty-balance-revert-initcode]",
    "tests/paris/eip7610_create_collision/test_initcollision.py::test_init_collision_create_tx[fork_Osaka-tx_type_0-state_test-non-empty-balance-correct-initcode]",
    "tests/paris/eip7610_create_collision/test_initcollision.py::test_init_collision_create_tx[fork_Osaka-tx_type_0-state_test-non-empty-balance-revert-initcode]",
    "tests/paris/eip7610_create_collision/test_initcollision.py::test_init_collision_create_tx[fork_Osaka-tx_type_1-state_test-non-empty-balance-correct-initcode]",
    "tests/paris/eip7610_create_collision/test_initcollision.py::test_init_collision_create_tx[fork_Osaka-tx_type_1-state_test-non-empty-balance-revert-initcode]",
    "tests/paris/eip7610_create_collision/test_initcollision.py::test_init_collision_create_tx[fork_Osaka-tx_type_2-state_test-non-empty-balance-correct-initcode]",
    "tests/paris/eip7610_create_collision/test_initcollision.py::test_init_collision_create_tx[fork_Osaka-tx_type_2-state_test-non-empty-balance-revert-initcode]",
    "tests/static/state_tests/stCreate2/create2collisionStorageParisFiller.json::create2collisionStorageParis[fork_Osaka-state_test-d0]",
    "tests/static/state_tests/stCreate2/create2collisionStorageParisFiller.json::create2collisionStorageParis[fork_Osaka-state_test-d1]",
    "tests/static/state_tests/stCreate2/create2collisionStorageParisFiller.json::create2collisionStorageParis[fork_Osaka-state_test-d2]",
    "tests/static/state_tests/stExtCodeHash/dynamicAccountOverwriteEmpty_ParisFiller.yml::dynamicAccountOverwriteEmpty_Paris[fork_Osaka-state_test-]",
];
