//! The documentation leads where it says.

#[cfg(test)]
mod documentation {
    use std::path::{Path, PathBuf};

    fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.ends_with("node_modules") {
                continue;
            }
            if path.is_dir() {
                pages(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }

    /// Where a page's links lead, as far as that is a file.
    fn links(page: &str) -> impl Iterator<Item = &str> {
        let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let files = targets.map(|target| target.split('#').next().unwrap_or_default());
        files.filter(|file| !file.is_empty() && !file.contains("://") && !file.contains(char::is_whitespace))
    }

    #[test]
    fn every_link_of_the_documentation_leads_to_a_page() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut all: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"]
            .map(|name| root.join(name))
            .into();
        pages(&root.join("docs"), &mut all);
        pages(&root.join("examples"), &mut all);
        for page in all {
            let text = std::fs::read_to_string(&page).expect("a page");
            let folder = page.parent().expect("a folder");
            for link in links(&text) {
                assert!(folder.join(link).exists(), "{} leads to {link}", page.display());
            }
        }
    }
}
