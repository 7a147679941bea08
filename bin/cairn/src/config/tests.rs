//! What a configuration file may and may not say.

use super::*;

const MINIMAL: &str = r#"
genesis = "../genesis.json"
data_dir = "data"
[keys]
node = "node.key"
[p2p]
listen = "127.0.0.1:30300"
"#;

fn parse(text: &str) -> Result<NodeFile, ConfigError> {
    NodeFile::parse(Path::new("config.toml"), text)
}

#[test]
fn a_minimal_file_has_the_documented_defaults() {
    let file = parse(MINIMAL).unwrap();
    assert_eq!(file.rpc.listen, "127.0.0.1:8545".parse().unwrap());
    assert_eq!(file.resources.page_cache_mib, 256);
    assert!(!file.archive && !file.state_sync && file.keys.share.is_none());
    assert!(file.p2p.peers.is_empty());
}

#[test]
fn files_round_trip() {
    let mut file = parse(MINIMAL).unwrap();
    file.keys.share = Some("share.key".into());
    file.p2p.peers.push(PeerEntry {
        public_key: B256::repeat_byte(3),
        address: "10.0.0.1:30300".parse().unwrap(),
    });
    file.log.filter = Some("info".into());
    assert_eq!(parse(&file.to_toml("A node.")).unwrap(), file);
}

#[test]
fn every_mistake_is_named() {
    let key = format!("0x{}", "01".repeat(32));
    let peer = |key: &str, address: &str| {
        format!("[[p2p.peers]]\npublic_key = \"{key}\"\naddress = \"{address}\"\n")
    };
    let repeated = format!("{}{}", peer(&key, "10.0.0.1:1"), peer(&key, "10.0.0.2:1"));
    let table = [
        (MINIMAL.replace("data_dir", "datadir"), "unknown field `datadir`"),
        (MINIMAL.replace("[p2p]", "[p2p]\nport = 1"), "unknown field `port`"),
        (format!("{MINIMAL}[rpc]\nlisten = \"127.0.0.1:99999\""), "invalid socket address"),
        (format!("{MINIMAL}[rpc]\nlisten = \"8545\""), "invalid socket address"),
        (format!("{MINIMAL}[rpc]\nlisten = \"127.0.0.1:30300\""), "must differ from p2p.listen"),
        (MINIMAL.replace("genesis = \"../genesis.json\"", ""), "missing field `genesis`"),
        (MINIMAL.replace("node = \"node.key\"", ""), "missing field `node`"),
        (MINIMAL.replace("data_dir = \"data\"", "data_dir = 7"), "invalid type"),
        (format!("archive = \"yes\"\n{MINIMAL}"), "invalid type"),
        (format!("{MINIMAL}[resources]\nthreads = 0"), "resources.threads must be 1 to 256"),
        (format!("{MINIMAL}[resources]\npage_cache_mib = 0"), "must be 1 to 1048576"),
        (format!("{MINIMAL}{}", peer("0x01", "10.0.0.1:1")), "public_key"),
        (format!("{MINIMAL}{}", peer(&key, "validator.example:1")), "invalid socket address"),
        (format!("{MINIMAL}{}", peer(&key, "10.0.0.1:0")), "must not have port 0"),
        (format!("{MINIMAL}{repeated}"), "repeats"),
    ];
    for (text, reason) in table {
        let error = parse(&text).expect_err(reason).to_string();
        assert!(error.contains(reason), "expected `{reason}` in:\n{error}");
        assert!(error.contains("config.toml"), "{error}");
    }
}

#[test]
fn flags_win_over_the_file() {
    let overrides = Overrides {
        data_dir: Some("/elsewhere".into()),
        rpc_listen: Some("127.0.0.1:1".parse().unwrap()),
        archive: true,
        ..Overrides::default()
    };
    let file = parse(MINIMAL).unwrap();
    let merged = file.clone().with(&overrides);
    assert_eq!(merged.data_dir, Path::new("/elsewhere"));
    assert_eq!(merged.rpc.listen.port(), 1);
    assert!(merged.archive && !merged.state_sync);
    assert_eq!(merged.p2p, file.p2p);
}

#[test]
fn paths_count_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    fs::write(&path, MINIMAL).unwrap();
    let file = NodeFile::read(&path).unwrap();
    assert_eq!(file.data_dir, dir.path().join("data"));
    assert_eq!(file.keys.node, dir.path().join("node.key"));
    assert!(file.load().unwrap_err().to_string().contains("genesis.json"));
}

#[test]
fn the_guide_explains_every_key() {
    let guide = include_str!("../../../../docs/guides/run-a-node.md");
    let mut file = parse(MINIMAL).unwrap();
    file.keys.share = Some("share.key".into());
    file.resources.threads = Some(2);
    file.log = Log { format: Some("text".into()), filter: Some("info".into()) };
    let table: toml::Table = toml::from_str(&file.to_toml("A node.")).unwrap();
    for (section, value) in &table {
        let keys: Vec<_> = value.as_table().map(|t| t.keys().collect()).unwrap_or_default();
        let named = keys.iter().map(|key| format!("`{section}.{key}`"));
        let named: Vec<_> =
            if keys.is_empty() { vec![format!("`{section}`")] } else { named.collect() };
        for key in named {
            assert!(guide.contains(&key), "docs/guides/run-a-node.md does not explain {key}");
        }
    }
}
