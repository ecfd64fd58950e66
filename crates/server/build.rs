//! Lists the SDK's modules, so that the program embeds each of them and forgets none.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells build scripts where they are through the environment"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../../web/sdk");
    let root = root.canonicalize()?;
    let mut modules = Vec::new();
    for folder in [root.clone(), root.join("src")] {
        println!("cargo::rerun-if-changed={}", folder.display());
        modules_in(&folder, &mut modules)?;
    }
    modules.sort();
    let mut table = String::from("&[\n");
    for module in &modules {
        let name = module.strip_prefix(&root).map_err(io::Error::other)?.display().to_string();
        writeln!(table, "    ({name:?}, include_str!({:?})),", module.display().to_string())
            .map_err(io::Error::other)?;
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("sdk_modules.rs"), table)
}

fn modules_in(folder: &Path, modules: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "js") {
            modules.push(path);
        } else if path.is_dir() && folder.ends_with("src") {
            modules_in(&path, modules)?;
        }
    }
    Ok(())
}
