//! Puts one entry into a JSON file that belongs to another program, and leaves the rest of it alone.

use serde_json::{Map, Value};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Why a client's file was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It cannot be read or written.
    #[error("`{}`: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It holds something that we would destroy.
    #[error("`{}` is not a JSON object without comments: {why}\n  mend: leave out --write and put the text in by hand", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// In which way.
        why: String,
    },
}

/// Merges `entry` into the file, making it if need be. It is replaced in one step, so that no reader sees half of it.
pub(super) fn merge(path: &Path, entry: &Value) -> Result<(), FileError> {
    let io = |error| FileError::Io { path: path.to_owned(), error };
    let foreign = |why: String| FileError::Foreign { path: path.to_owned(), why };
    let mut whole = match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Value::Object(Map::new()),
        Ok(text) => serde_json::from_str(&text).map_err(|error| foreign(error.to_string()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Value::Object(Map::new()),
        Err(error) => return Err(io(error)),
    };
    insert(&mut whole, entry).map_err(foreign)?;
    let text = serde_json::to_string_pretty(&whole).map_err(|error| foreign(error.to_string()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io)?;
    let beside = path.with_extension("json.deputy-new");
    let written = std::fs::File::create(&beside)
        .and_then(|mut file| writeln!(file, "{text}").and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    written.map_err(io)
}

/// Objects are merged member by member down to the server's own entry, which is replaced.
fn insert(whole: &mut Value, entry: &Value) -> Result<(), String> {
    let members = whole.as_object_mut().ok_or_else(|| "it is not an object".to_owned())?;
    for (list, servers) in entry.as_object().into_iter().flatten() {
        let own = members.entry(list).or_insert_with(|| Value::Object(Map::new()));
        let own = own.as_object_mut().ok_or_else(|| format!("`{list}` in it is not an object"))?;
        for (name, server) in servers.as_object().into_iter().flatten() {
            own.insert(name.clone(), server.clone());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_else_stands_in_the_file_stays_and_stays_in_order() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(".cursor/mcp.json");
        let entry = json!({ "mcpServers": { "deputy": { "url": "https://hub.acme.example/mcp" } } });
        merge(&path, &entry).expect("a new file");
        std::fs::write(&path, r#"{"z":1,"mcpServers":{"other":{"url":"x"},"deputy":{"url":"old"}},"a":2}"#)
            .expect("written");
        merge(&path, &entry).expect("merged");
        let text = std::fs::read_to_string(&path).expect("read");
        let compact: String = text.split_whitespace().collect();
        assert_eq!(
            compact,
            r#"{"z":1,"mcpServers":{"other":{"url":"x"},"deputy":{"url":"https://hub.acme.example/mcp"}},"a":2}"#
        );
    }

    #[test]
    fn a_file_that_is_not_plain_json_is_left_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("mcp.json");
        for text in ["// mine\n{}", "[]", r#"{"mcpServers":[]}"#] {
            std::fs::write(&path, text).expect("written");
            assert!(merge(&path, &json!({ "mcpServers": { "deputy": {} } })).is_err(), "{text}");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
        }
    }
}
