//! The shape of the workspace: which crate may use which, and under which licences we ship.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

/// Every crate of ours, and those of ours that it may use. Dependencies point down only.
const LAYERS: &[(&str, &[&str])] = &[
    ("cairn-telemetry", &[]),
    ("cairn-primitives", &[]),
    ("cairn-protocol", &["primitives"]),
    ("cairn-contracts", &["primitives", "protocol"]),
    ("cairn-evm", &["contracts", "primitives", "protocol"]),
    ("cairn-light", &["primitives"]),
    ("cairn-chain", &["contracts", "evm", "primitives", "protocol"]),
    ("cairn-node", &["chain", "contracts", "evm", "light", "primitives", "protocol", "telemetry"]),
    ("cairn-rpc", &["chain", "contracts", "evm", "primitives", "protocol", "telemetry"]),
    ("cairn", &["chain", "evm", "light", "node", "primitives", "protocol", "rpc", "telemetry"]),
];

/// May use everything: it serves tests and measurements.
const TESTKIT: &str = "cairn-testkit";

/// Crates that state rules: no runtime, no socket, no file, no database, however indirectly.
const PURE: &[&str] = &["cairn-primitives", "cairn-protocol", "cairn-contracts"];

/// What a pure crate must not reach.
const IMPURE: &[&str] = &[
    "async-std",
    "commonware-p2p",
    "commonware-runtime",
    "commonware-storage",
    "hyper",
    "jsonrpsee",
    "mio",
    "redb",
    "reqwest",
    "rusqlite",
    "smol",
    "socket2",
    "tokio",
];

/// Licences that the binary may be made of.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

fn metadata() -> Value {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Packages by id.
struct Graph {
    names: BTreeMap<String, String>,
    licences: BTreeMap<String, String>,
    /// Normal and build dependencies; those of tests are left out.
    uses: BTreeMap<String, Vec<String>>,
    members: Vec<String>,
}

impl Graph {
    fn load() -> Self {
        let metadata = metadata();
        let by_id = |key: &str| -> BTreeMap<String, String> {
            let packages = list(&metadata, "packages").iter();
            packages.map(|p| (text(p, "id").to_owned(), text(p, key).to_owned())).collect()
        };
        let uses = list(&metadata["resolve"], "nodes").iter().map(|node| {
            let ships =
                |dep: &&Value| list(dep, "dep_kinds").iter().any(|kind| kind["kind"] != "dev");
            let deps =
                list(node, "deps").iter().filter(ships).map(|dep| text(dep, "pkg").to_owned());
            (text(node, "id").to_owned(), deps.collect())
        });
        let members = list(&metadata, "workspace_members").iter();
        Self {
            names: by_id("name"),
            licences: by_id("license"),
            uses: uses.collect(),
            members: members.filter_map(|id| Some(id.as_str()?.to_owned())).collect(),
        }
    }

    fn id(&self, name: &str) -> &str {
        let id = self.members.iter().find(|id| self.names[*id] == name);
        id.unwrap_or_else(|| panic!("no crate {name} in the workspace"))
    }

    fn direct(&self, name: &str) -> BTreeSet<&str> {
        self.uses[self.id(name)].iter().map(|id| self.names[id].as_str()).collect()
    }

    /// Ids of everything that `name` is made of, itself included.
    fn reach(&self, name: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open = vec![self.id(name)];
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(self.uses[id].iter().map(String::as_str));
            }
        }
        seen
    }
}

#[test]
fn dependencies_point_down() {
    let graph = Graph::load();
    let known: BTreeSet<_> = LAYERS.iter().map(|(name, _)| *name).chain([TESTKIT]).collect();
    for id in &graph.members {
        assert!(
            known.contains(graph.names[id].as_str()),
            "{} has no layer; give it one",
            graph.names[id]
        );
    }
    for (name, may_use) in LAYERS {
        let ours = graph.direct(name).into_iter().filter_map(|dep| dep.strip_prefix("cairn-"));
        for dep in ours {
            assert!(may_use.contains(&dep), "{name} must not use cairn-{dep}");
        }
    }
}

#[test]
fn pure_crates_reach_no_runtime_socket_file_or_database() {
    let graph = Graph::load();
    for name in PURE {
        let reach: BTreeSet<_> =
            graph.reach(name).iter().map(|id| graph.names[*id].as_str()).collect();
        for impure in IMPURE {
            assert!(!reach.contains(impure), "{name} reaches {impure}");
        }
    }
}

#[test]
fn only_the_node_knows_the_engines() {
    let graph = Graph::load();
    let engines =
        ["commonware-consensus", "commonware-p2p", "commonware-glue", "commonware-runtime"];
    for (name, _) in LAYERS.iter().filter(|(name, _)| !["cairn-node", "cairn-light"].contains(name))
    {
        for engine in engines {
            assert!(!graph.direct(name).contains(engine), "{name} must not use {engine}");
        }
    }
}

#[test]
fn every_part_of_the_binary_has_a_licence_that_we_accept() {
    let graph = Graph::load();
    for id in graph.reach("cairn") {
        let licence = &graph.licences[id];
        assert!(accepted(licence), "{} has licence `{licence}`", graph.names[id]);
    }
    assert!(accepted("MIT AND (GPL-3.0 OR ISC)") && accepted("Apache-2.0 WITH LLVM-exception"));
    assert!(accepted("MIT/Apache-2.0") && accepted("MIT OR AGPL-3.0"));
    for refused in ["GPL-3.0", "MIT AND GPL-3.0", "AGPL-3.0 OR (MIT AND GPL-2.0)", "", "SSPL-1.0"] {
        assert!(!accepted(refused), "{refused}");
    }
}

#[test]
fn the_documents_name_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/guides/run-a-node.md"] {
        let text = fs::read_to_string(root.join(name)).expect("the document exists");
        let paths = text.split(|c: char| c == '`' || c == '(' || c == ')' || c.is_whitespace());
        let ours = ["bin/", "crates/", "deploy/", "docs/", "tests/"];
        for path in paths.filter(|path| ours.iter().any(|start| path.starts_with(start))) {
            let path = path.trim_end_matches([',', ';', ':', '.']);
            assert!(root.join(path).exists(), "{name} names {path}");
        }
    }
}

/// Whether an SPDX expression can be met with accepted licences alone.
fn accepted(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any_of(&mut words) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>) -> bool {
    let mut holds = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        holds |= all_of(words);
    }
    holds
}

fn all_of(words: &mut Words<'_>) -> bool {
    let mut holds = one(words);
    while words.next_if_eq(&"AND").is_some() {
        holds &= one(words);
    }
    holds
}

fn one(words: &mut Words<'_>) -> bool {
    let Some(word) = words.next() else { return false };
    if word == "(" {
        return any_of(words) & (words.next() == Some(")"));
    }
    // An exception only grants more.
    if words.next_if_eq(&"WITH").is_some() {
        words.next();
    }
    LICENCES.contains(&word)
}
