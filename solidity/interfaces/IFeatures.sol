// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Feature gates
/// @notice System contract at 0x000000000000000000000000000000000000ca02. A change of the protocol
/// waits behind a gate until governance activates it for an epoch. The id of a feature is its name:
/// lower-case ASCII letters, digits and `_`, padded with zeros. Names that no release knows yet may be
/// scheduled: a node that does not know an active feature stops until its software is replaced.
interface IFeatures {
    /// @notice The id is not a name: lower-case ASCII letters, digits and `_`, then zeros.
    /// @param feature The id given.
    error MalformedFeature(bytes32 feature);

    /// @notice A feature is activated in a later epoch than the running one.
    /// @param feature Which feature.
    /// @param epoch The epoch given.
    /// @param current The running epoch.
    error EpochNotAhead(bytes32 feature, uint64 epoch, uint64 current);

    /// @notice An active feature cannot be moved or cancelled.
    /// @param feature Which feature.
    /// @param epoch Since when it is active.
    error AlreadyActive(bytes32 feature, uint64 epoch);

    /// @notice The feature is not scheduled.
    /// @param feature Which feature.
    error NotScheduled(bytes32 feature);

    /// @notice As many features as the contract can hold were scheduled.
    /// @param max The greatest number.
    error TooManyFeatures(uint256 max);

    /// @notice There is no feature at this position.
    /// @param index The position asked for.
    /// @param count Number of features.
    error NoSuchFeature(uint256 index, uint256 count);

    /// @notice A feature will be active from an epoch on. Replaces an earlier schedule of it.
    /// @param feature Which feature.
    /// @param epoch First epoch in which it is active.
    event FeatureScheduled(bytes32 indexed feature, uint64 epoch);

    /// @notice A scheduled feature will not be activated.
    /// @param feature Which feature.
    event FeatureCancelled(bytes32 indexed feature);

    /// @notice An account says which release it runs.
    /// @param validator The account; for a validator, its payout address.
    /// @param version The release, in ASCII.
    event VersionSignalled(address indexed validator, bytes32 version);

    /// @notice Schedules a feature, or moves one that is not active yet. Governance only. Reverts with
    /// `OnlyGovernance`, `MalformedFeature`, `AlreadyActive`, `EpochNotAhead` or `TooManyFeatures`.
    /// @param feature Which feature.
    /// @param epoch First epoch in which it is active; after the running one, below 2^64 - 1.
    function schedule(bytes32 feature, uint64 epoch) external;

    /// @notice Takes a feature that is not active yet off the schedule. Governance only. Reverts with
    /// `OnlyGovernance`, `NotScheduled` or `AlreadyActive`.
    /// @param feature Which feature.
    function cancel(bytes32 feature) external;

    /// @notice Says which release the caller runs. Informs the holders before they vote; has no other
    /// effect.
    /// @param version The release, in ASCII, such as "0.3.0".
    function signalVersion(bytes32 version) external;

    /// @notice Release that an account said it runs.
    /// @param validator The account.
    /// @return version The release; zero if it said none.
    function versionOf(address validator) external view returns (bytes32 version);

    /// @notice Whether a feature is active in the running epoch.
    /// @param feature Which feature.
    /// @return active Whether it is.
    function isActive(bytes32 feature) external view returns (bool active);

    /// @notice When a feature becomes or became active.
    /// @param feature Which feature.
    /// @return scheduled Whether it is scheduled or active.
    /// @return epoch First epoch in which it is active.
    function activation(bytes32 feature) external view returns (bool scheduled, uint64 epoch);

    /// @notice Number of features that were ever scheduled.
    /// @return features The number.
    function count() external view returns (uint256 features);

    /// @notice A feature that was ever scheduled, in order of its first schedule. Reverts with
    /// `NoSuchFeature`.
    /// @param index Position, below `count()`.
    /// @return feature Its id.
    function featureAt(uint256 index) external view returns (bytes32 feature);
}
