//! Key files: one secret a file, readable by its owner alone.
//!
//! ```text
//! # Cairn node key (ed25519). Secret: …
//! ed25519:0x3f…
//! ```
//! Lines that start with `#` are comments. Secrets never appear in arguments, logs or results; the
//! only way to see one is to read its file.

use alloy_primitives::{Address, B256, hex, keccak256};
use std::{
    fmt,
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Mode of key files: the owner reads and writes, nobody else.
const KEY_FILE_MODE: u32 = 0o600;

/// Longest key file in bytes; what is longer is not a key file.
const MAX_KEY_FILE_BYTES: u64 = 4_096;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum KeyKind {
    /// An Ethereum account (secp256k1): holds coins and signs transactions.
    Account,
    /// The identity of a node (ed25519): names it to its peers.
    Node,
    /// A validator's share of the committee's threshold key (BLS12-381); dealt, never made alone.
    #[value(skip)]
    Share,
}

impl KeyKind {
    const ALL: [Self; 3] = [Self::Account, Self::Node, Self::Share];

    /// Name of the kind, for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Node => "node",
            Self::Share => "share",
        }
    }

    const fn scheme(self) -> &'static str {
        match self {
            Self::Account => "secp256k1",
            Self::Node => "ed25519",
            Self::Share => "bls12381-share",
        }
    }

    const fn warning(self) -> &'static str {
        match self {
            Self::Account => "whoever reads it can spend the account's coins",
            Self::Node => "whoever reads it can act as this node",
            Self::Share => "a quorum of shares can finalise any block",
        }
    }
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file cannot be read.
    #[error("cannot read key file {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write key file {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The content is not a key of a known kind.
    #[error("{} is not a key file: {rule}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What must hold.
        rule: &'static str,
    },
    /// A key of another kind is needed.
    #[error("{} holds a key of kind `{}`, needed is `{}`", path.display(), found.name(), needed.name())]
    Kind {
        /// Which file.
        path: PathBuf,
        /// The kind in the file.
        found: KeyKind,
        /// The kind that is needed.
        needed: KeyKind,
    },
}

/// A secret and what it is for.
#[derive(Clone)]
pub(crate) struct Key {
    kind: KeyKind,
    secret: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Key {
    /// A new key of entropy from the operating system.
    pub(crate) fn generate(kind: KeyKind) -> Self {
        loop {
            let secret: [u8; 32] = rand::random();
            if kind != KeyKind::Account || secp256k1::SecretKey::from_byte_array(secret).is_ok() {
                return Self { kind, secret: secret.to_vec() };
            }
        }
    }

    /// A key whose secret was made elsewhere.
    pub(crate) const fn from_secret(kind: KeyKind, secret: Vec<u8>) -> Self {
        Self { kind, secret }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub(crate) fn read(path: &Path) -> Result<Self, KeyError> {
        let read = |source| KeyError::Read { path: path.to_owned(), source };
        let content = |rule| KeyError::Content { path: path.to_owned(), rule };
        let metadata = fs::metadata(path).map_err(read)?;
        if metadata.len() > MAX_KEY_FILE_BYTES {
            return Err(content("it is too long"));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "key file is readable by others; chmod 600 it");
        }
        let text = fs::read_to_string(path).map_err(read)?;
        Self::parse(&text).map_err(content)
    }

    /// Reads a key file that must hold a key of this kind.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub(crate) fn read_kind(path: &Path, needed: KeyKind) -> Result<Self, KeyError> {
        let key = Self::read(path)?;
        if key.kind == needed {
            return Ok(key);
        }
        Err(KeyError::Kind { path: path.to_owned(), found: key.kind, needed })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut lines =
            text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let line = lines.next().ok_or("it is empty")?;
        if lines.next().is_some() {
            return Err("it must hold exactly one key");
        }
        let (scheme, secret) = line.split_once(':').ok_or("its line must be `scheme:0xhex`")?;
        let kind = KeyKind::ALL.into_iter().find(|kind| kind.scheme() == scheme);
        let kind = kind.ok_or("its scheme must be secp256k1, ed25519 or bls12381-share")?;
        let secret = hex::decode(secret.trim()).map_err(|_| "its secret must be hexadecimal")?;
        let valid = match kind {
            KeyKind::Account => <[u8; 32]>::try_from(secret.as_slice())
                .is_ok_and(|secret| secp256k1::SecretKey::from_byte_array(secret).is_ok()),
            KeyKind::Node => secret.len() == 32,
            KeyKind::Share => !secret.is_empty(),
        };
        if valid { Ok(Self { kind, secret }) } else { Err("its secret is not a key of its scheme") }
    }

    /// Writes the key to a file that must not exist yet, for the owner's eyes alone, durably.
    ///
    /// # Errors
    /// See [`KeyError`]; an existing file is never overwritten.
    pub(crate) fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        let kind = self.kind;
        let text = format!(
            "# Cairn {} key ({}). Secret: {}.\n{}:0x{}\n",
            kind.name(),
            kind.scheme(),
            kind.warning(),
            kind.scheme(),
            hex::encode(&self.secret)
        );
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(KEY_FILE_MODE).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|source| KeyError::Write { path: path.to_owned(), source })
    }

    /// What the key is for.
    pub(crate) const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The secret bytes, for the part of the program that signs with them.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Ethereum address of an account key.
    pub(crate) fn address(&self) -> Option<Address> {
        let secret = self.account_secret()?;
        let public = secret.public_key(secp256k1::SECP256K1).serialize_uncompressed();
        Some(Address::from_raw_public_key(public.get(1..)?))
    }

    /// Public key of an account or node key; a share's public half is in the genesis file.
    pub(crate) fn public_key(&self) -> Option<String> {
        match self.kind {
            KeyKind::Account => {
                let public = self.account_secret()?.public_key(secp256k1::SECP256K1);
                Some(hex::encode_prefixed(public.serialize()))
            }
            KeyKind::Node => self.node_public_key().map(|key| key.to_string()),
            KeyKind::Share => None,
        }
    }

    /// Ed25519 public key of a node key.
    pub(crate) fn node_public_key(&self) -> Option<B256> {
        if self.kind != KeyKind::Node {
            return None;
        }
        let secret = ed25519_consensus::SigningKey::try_from(self.secret.as_slice()).ok()?;
        Some(B256::from(secret.verification_key().to_bytes()))
    }

    fn account_secret(&self) -> Option<secp256k1::SecretKey> {
        let bytes = <[u8; 32]>::try_from(self.secret.as_slice()).ok()?;
        (self.kind == KeyKind::Account)
            .then(|| secp256k1::SecretKey::from_byte_array(bytes).ok())
            .flatten()
    }

    /// First bytes of a hash of the secret: tells two shares apart without showing either.
    pub(crate) fn fingerprint(&self) -> String {
        hex::encode(&keccak256(&self.secret)[..4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip_and_are_never_overwritten_or_shared() {
        let dir = tempfile::tempdir().unwrap();
        for kind in [KeyKind::Account, KeyKind::Node] {
            let path = dir.path().join(kind.name());
            let key = Key::generate(kind);
            key.write_new(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(key.write_new(&path).unwrap_err().to_string().contains("exists"));
            let read = Key::read_kind(&path, kind).unwrap();
            assert_eq!(read.secret(), key.secret());
            assert_eq!(read.public_key(), key.public_key());
            assert!(Key::read_kind(&path, KeyKind::Share).is_err());
        }
    }

    #[test]
    fn public_halves_match_published_vectors() {
        let account = Key::parse(&format!("secp256k1:{}", crate::dev::KEYS[0].0)).unwrap();
        assert_eq!(account.address().unwrap().to_string(), crate::dev::KEYS[0].1);
        // RFC 8032, section 7.1, test 1.
        let node = "ed25519:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(Key::parse(node).unwrap().public_key().unwrap(), public);
    }

    #[test]
    fn bad_files_are_refused_with_a_reason() {
        let zero = format!("secp256k1:0x{}", "00".repeat(32));
        let cases = [
            ("", "empty"),
            ("# only a comment", "empty"),
            ("0x00", "scheme:0xhex"),
            ("rsa:0x00", "scheme must be"),
            ("ed25519:0xzz", "hexadecimal"),
            ("ed25519:0x00", "not a key"),
            (zero.as_str(), "not a key"),
            ("bls12381-share:", "not a key"),
            ("ed25519:00\ned25519:00", "exactly one"),
        ];
        for (text, reason) in cases {
            let error = Key::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
