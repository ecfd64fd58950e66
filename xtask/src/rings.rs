//! Arrows point down only; neighbours in rings 1 and 3 never see each other (invariant 1).

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

/// The ring of each crate that ships. Who is not here stands beside the house.
const RINGS: &[(&str, u8)] = &[
    ("deputy-core", 0),
    ("deputy-identity", 1),
    ("deputy-policy", 1),
    ("deputy-audit", 1),
    ("deputy-vault", 1),
    ("deputy-protocol", 1),
    ("deputy-hub", 2),
    ("deputy-store", 3),
    ("deputy-egress", 3),
    ("deputy-server", 3),
    ("deputy-guard", 3),
    ("deputy", 4),
];

/// Beside the house: for tests, demos and checks. Nothing that ships may depend on them.
const BESIDE: &[&str] = &["deputy-testkit", "deputy-demo", "deputy-bench", "deputy-fuzz-targets", "xtask"];

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Compares what is with `deps.txt` and with the rings.
pub(crate) fn check() -> Result<String, String> {
    let graph = graph()?;
    let wrong = against_rings(&graph);
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let committed =
        std::fs::read_to_string(file()?).map_err(|error| format!("deps.txt cannot be read: {error}"))?;
    let now = text(&graph);
    if committed != now {
        return Err(format!(
            "the crates' dependencies are not those of deps.txt. If you mean it: cargo run -p xtask -- rings --write\n\
             --- deps.txt\n{committed}--- now\n{now}"
        ));
    }
    Ok(format!("{} crates, every arrow points down", graph.len()))
}

/// Writes `deps.txt`.
pub(crate) fn write() -> Result<String, String> {
    let path = file()?;
    std::fs::write(&path, text(&graph()?)).map_err(|error| format!("deps.txt cannot be written: {error}"))?;
    Ok(format!("wrote {}", path.display()))
}

fn against_rings(graph: &Graph) -> Vec<String> {
    let ring = |name: &str| RINGS.iter().find(|(known, _)| *known == name).map(|(_, ring)| *ring);
    let mut wrong = Vec::new();
    for (from, tos) in graph {
        match ring(from) {
            None if BESIDE.contains(&from.as_str()) => {}
            None => wrong.push(format!("`{from}` has no ring: give it one in xtask/src/rings.rs")),
            Some(own) => {
                for to in tos {
                    match ring(to) {
                        Some(other) if other < own => {}
                        Some(_) => {
                            wrong.push(format!("`{from}` must not see `{to}`: arrows point down only"))
                        }
                        None => wrong.push(format!("`{from}` ships and must not see `{to}`, which does not")),
                    }
                }
            }
        }
    }
    wrong
}

fn text(graph: &Graph) -> String {
    let mut text = String::new();
    for (from, tos) in graph {
        let tos: Vec<&str> = tos.iter().map(String::as_str).collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{from} -> {}", tos.join(" "));
    }
    text
}

/// Normal and build dependencies of the workspace's own crates on each other.
fn graph() -> Result<Graph, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo tells its helpers by this variable which cargo it is"
    )]
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .map_err(|error| format!("cargo metadata cannot be run: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata cannot be read: {error}"))?;
    let packages =
        metadata.get("packages").and_then(Value::as_array).ok_or("cargo metadata has no packages")?;
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package.get("name")?.as_str()).collect();
    let mut graph = Graph::new();
    for package in packages {
        let Some(name) = package.get("name").and_then(Value::as_str) else { continue };
        let dependencies =
            package.get("dependencies").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let shipped =
            dependencies.iter().filter(|one| one.get("kind").and_then(Value::as_str) != Some("dev"));
        let own = shipped.filter_map(|one| one.get("name")?.as_str()).filter(|name| names.contains(name));
        graph.insert(name.to_owned(), own.map(ToOwned::to_owned).collect());
    }
    Ok(graph)
}

fn file() -> Result<PathBuf, String> {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().map(|root| root.join("deps.txt")).ok_or_else(|| "xtask has no parent directory".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(from: &str, to: &str) -> Graph {
        Graph::from([(from.to_owned(), BTreeSet::from([to.to_owned()]))])
    }

    #[test]
    fn invariant_1_arrows_point_down_and_neighbours_never_see_each_other() {
        assert!(against_rings(&one("deputy-hub", "deputy-policy")).is_empty());
        for (from, to) in [
            ("deputy-policy", "deputy-hub"),
            ("deputy-policy", "deputy-identity"),
            ("deputy-server", "deputy-store"),
            ("deputy-guard", "deputy-egress"),
            ("deputy-hub", "deputy-testkit"),
        ] {
            assert_eq!(against_rings(&one(from, to)).len(), 1, "{from} -> {to}");
        }
    }
}
