//! Files of other programs, written and left alone.

use super::*;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;

fn entry(path: PathBuf) -> Entry {
    let server = json!({ "url": "https://hub.acme.example/mcp" });
    Entry { path, format: Format::Json { list: "mcpServers", name: "deputy".to_owned(), server } }
}

fn whole(path: PathBuf) -> Entry {
    Entry { path, format: Format::Whole("name: deputy\n".to_owned()) }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("reads");
    entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_file_that_was_made_for_the_entry_goes_with_it() {
    let folder = tempfile::tempdir().expect("folder");
    for entry in [entry(folder.path().join(".cursor/mcp.json")), whole(folder.path().join(".cursor/d.yaml"))]
    {
        assert_eq!(take_out(&entry).expect("nothing there"), Done::AsItWas);
        assert_eq!(put(&entry).expect("made"), Done::Changed);
        assert_eq!(put(&entry).expect("there"), Done::AsItWas);
        assert_eq!(take_out(&entry).expect("gone"), Done::Changed);
        assert!(!entry.path.exists());
    }
    assert!(files(&folder.path().join(".cursor")).is_empty(), "nothing is left beside it");
}

#[test]
fn a_file_keeps_its_mode_and_stays_the_link_that_it_is() {
    let folder = tempfile::tempdir().expect("folder");
    let (real, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
    std::fs::write(&real, "{ \"a\": 1 } // mine\n").expect("written");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o600)).expect("changed");
    std::os::unix::fs::symlink("real.json", &link).expect("linked");
    put(&entry(link.clone())).expect("written");
    assert!(link.symlink_metadata().expect("there").is_symlink());
    assert_eq!(std::fs::metadata(&real).expect("there").permissions().mode() & 0o777, 0o600);
    take_out(&entry(link)).expect("taken out");
    assert_eq!(std::fs::read_to_string(&real).expect("read"), "{ \"a\": 1 } // mine\n");
}

#[test]
fn a_broken_file_is_refused_with_its_place_and_left_untouched() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("mcp.json");
    for (bytes, place) in [
        (&b"[]"[..], "mcp.json:1:1`"),
        (b"{\"mcpServers\":[]}", "mcp.json:1:15`"),
        ("{\n  \"ä\": 1 \"b\"".as_bytes(), "mcp.json:2:10`"),
        (b"{\n\xff}", "mcp.json:2:1`"),
    ] {
        std::fs::write(&path, bytes).expect("written");
        for done in [put(&entry(path.clone())), take_out(&entry(path.clone()))] {
            let said = done.expect_err("refused").to_string();
            assert!(said.contains(place) && said.contains("mend:"), "{said}");
        }
        assert_eq!(std::fs::read(&path).expect("read"), bytes);
    }
    assert_eq!(files(folder.path()), ["mcp.json"], "nothing is left beside it");
}

#[test]
fn a_file_of_somebody_else_with_our_name_is_left_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("deputy.yaml");
    std::fs::write(&path, "name: mine\n").expect("written");
    assert!(put(&whole(path.clone())).is_err());
    assert!(take_out(&whole(path.clone())).is_err());
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "name: mine\n");
}

#[test]
fn a_folder_that_cannot_be_written_leaves_the_file_as_it_is() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("mcp.json");
    std::fs::create_dir(&path).expect("a folder where a file should be");
    assert!(matches!(put(&entry(path)), Err(FileError::Io { .. })));
}
