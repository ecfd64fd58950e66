//! TOML, changed where it must be and nowhere else: one table is put at the end, or taken out again.

use super::jsonc::{Edit, Wrong};
use super::older;
use toml_edit::{Document, DocumentMut, Item, TableLike, TomlError, value};

/// One server: a table with its address.
pub(super) struct Table<'t> {
    pub(super) table: &'t str,
    pub(super) name: &'t str,
    pub(super) url: &'t str,
}

impl Table<'_> {
    /// A file with nothing else in it. Names are such that they need no quotes.
    pub(super) fn alone(&self) -> String {
        format!("[{}.{}]\nurl = {}\n", self.table, self.name, value(self.url).to_string().trim())
    }

    pub(super) fn put(&self, text: &str) -> Result<Edit, Wrong> {
        let document = parsed(text)?;
        if let Some(server) = self.server(&document)? {
            let found = server.get("url").and_then(|url| Some((url.as_str()?, url.span()?)));
            return match found {
                Some((url, _)) if url == self.url => Ok(Edit::Nothing),
                Some((url, at))
                    if server.iter().count() == 1 && older::is_address_of_the_same(url, self.url) =>
                {
                    let mut renewed = text.to_owned();
                    renewed.replace_range(at, value(self.url).to_string().trim());
                    Ok(Edit::Text(renewed))
                }
                _ => Err(Wrong { at: self.place(text), what: older::taken(self.name) }),
            };
        }
        // After a line end this leaves an empty line, else it ends the line: either way it is known later.
        let block = self.alone().replace('\n', line_end(text));
        Ok(Edit::Text(format!("{text}{}{block}", line_end(text))))
    }

    pub(super) fn take_out(&self, text: &str) -> Result<Edit, Wrong> {
        if text == self.alone() {
            return Ok(Edit::NoFile);
        }
        let document = parsed(text)?;
        let Some(server) = self.server(&document)? else { return Ok(Edit::Nothing) };
        if server.get("url").and_then(Item::as_str) != Some(self.url) {
            let what = format!("`{}` says something else than what would be written", self.name);
            return Err(Wrong { at: self.place(text), what });
        }
        let is_as_written = server.iter().count() == 1;
        let block = format!("{}{}", line_end(text), self.alone().replace('\n', line_end(text)));
        if let (true, Some(at)) = (is_as_written, text.find(&block)) {
            let mut text = text.to_owned();
            text.replace_range(at..at + block.len(), "");
            return Ok(Edit::Text(text));
        }
        let mut document: DocumentMut = document.into_mut();
        if let Some(servers) = document.get_mut(self.table).and_then(Item::as_table_like_mut) {
            servers.remove(self.name);
        }
        Ok(Edit::Text(with_line_ends_of(text, document.to_string())))
    }

    /// About where the server's own table begins.
    fn place(&self, text: &str) -> usize {
        text.find(&format!("{}.{}", self.table, self.name)).unwrap_or(0)
    }

    /// The server's own table, if there is one. A list of servers that is no `[table]` cannot be added to.
    fn server<'d>(&self, document: &'d Document<&str>) -> Result<Option<&'d dyn TableLike>, Wrong> {
        let Some(list) = document.get(self.table) else { return Ok(None) };
        let wrong = |what: String| Wrong { at: 0, what };
        if !list.is_table() {
            return Err(wrong(format!("`{}` in it is not a table of its own", self.table)));
        }
        let Some(server) = list.as_table_like().and_then(|list| list.get(self.name)) else {
            return Ok(None);
        };
        let what = format!("`{}.{}` in it is not a table", self.table, self.name);
        server.as_table_like().map(Some).ok_or_else(|| wrong(what))
    }
}

fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The writer ends every line in one way; a file whose lines all end in another keeps it.
fn with_line_ends_of(before: &str, after: String) -> String {
    let windows = before.matches("\r\n").count();
    let is_windows = windows > 0 && before.matches('\n').count() == windows;
    if is_windows { after.replace("\r\n", "\n").replace('\n', "\r\n") } else { after }
}

fn parsed(text: &str) -> Result<Document<&str>, Wrong> {
    Document::parse(text).map_err(|error: TomlError| Wrong {
        at: error.span().map_or(0, |span| span.start),
        what: error.message().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table<'static> =
        Table { table: "mcp_servers", name: "deputy", url: "https://hub.acme.example/mcp" };

    #[test]
    fn what_is_put_in_and_taken_out_again_leaves_the_same_bytes() {
        for before in [
            "",
            "\n",
            "model = \"x\" # mine\n",
            "model = \"x\" # no line end",
            "model = \"x\"\r\n\r\n[mcp_servers.other]\r\ncommand = \"y\"\r\n",
            "# top\n[mcp_servers.other]\nurl = \"https://hub.acme.example/mcp\"\n\n\n[tui]\nx = [1,\n 2]\n",
            "[mcp_servers]\n",
        ] {
            let Ok(Edit::Text(written)) = TABLE.put(before) else { panic!("{before:?}") };
            assert!(written.starts_with(before) && written.contains("[mcp_servers.deputy]"), "{written}");
            assert_eq!(TABLE.put(&written), Ok(Edit::Nothing), "twice is once");
            assert_eq!(TABLE.take_out(&written), Ok(Edit::Text(before.to_owned())), "{written}");
            assert_eq!(TABLE.take_out(before), Ok(Edit::Nothing));
        }
        assert_eq!(TABLE.take_out(&TABLE.alone()), Ok(Edit::NoFile));
    }

    #[test]
    fn what_was_added_to_the_table_goes_with_it_and_nothing_else_does() {
        let text = "a = 1\n\n[mcp_servers.deputy]\nurl = \"https://hub.acme.example/mcp\"\nenabled = true\n\n[b] # mine\nc = 2\n";
        let Ok(Edit::Text(after)) = TABLE.take_out(text) else { panic!("text") };
        assert_eq!(after, "a = 1\n\n[b] # mine\nc = 2\n");
    }

    #[test]
    fn an_older_address_is_replaced_and_what_says_something_else_is_not_taken_out() {
        let text =
            "# mine\n[mcp_servers.deputy]\nurl = \"https://old.example/mcp\"\n# also mine\n[b]\nc = 2\n";
        let Ok(Edit::Text(after)) = TABLE.put(text) else { panic!("text") };
        assert_eq!(after, text.replace("https://old.example/mcp", TABLE.url));
        assert!(TABLE.take_out(text).expect_err("another").what.contains("says something else"));
    }

    #[test]
    fn an_older_address_is_replaced_and_every_other_byte_stays() {
        let text = "a = 1 # x\r\n[mcp_servers.deputy] # ours\r\nurl = \"https://old.example/mcp\" # moves\r\n\r\n[b]\r\nc = 2\r\n";
        let after = text.replace("https://old.example/mcp", TABLE.url);
        assert_eq!(TABLE.put(text), Ok(Edit::Text(after)));
    }

    #[test]
    fn a_server_of_the_same_name_that_is_not_this_hub_is_never_written_over() {
        for other in [
            "command = \"gh\" # keep\n[mcp_servers.deputy.env]\nTOKEN = \"only here\"\n",
            "url = \"https://old.example/mcp\"\nbearer_token_env_var = \"TOKEN\"\n",
            "url = \"https://api.example/mcp/\"\n",
            "url = \"https://hub.acme.example/s/ledger/mcp\"\n",
            "url = 1\n",
        ] {
            let wrong = TABLE.put(&format!("[mcp_servers.deputy]\n{other}")).expect_err(other);
            assert!(wrong.what.contains("`deputy`"), "{}", wrong.what);
        }
    }

    #[test]
    fn lines_that_end_as_on_windows_still_do_when_the_table_is_taken_out() {
        let text = "a = 1\r\n\r\n[mcp_servers.deputy]\r\nurl = \"https://hub.acme.example/mcp\"\r\nenabled = true\r\n\r\n[b] # mine\r\nc = \"\"\"x\r\ny\"\"\"\r\n";
        let Ok(Edit::Text(after)) = TABLE.take_out(text) else { panic!("text") };
        assert_eq!(after, "a = 1\r\n\r\n[b] # mine\r\nc = \"\"\"x\r\ny\"\"\"\r\n");
    }

    #[test]
    fn a_text_without_a_line_end_gets_none_of_windows() {
        let text = "mcp_servers = { deputy = 1 }";
        assert_eq!(with_line_ends_of(text, "a = 1\n".to_owned()), "a = 1\n");
    }

    #[test]
    fn a_broken_text_is_refused_with_its_place() {
        assert_eq!(TABLE.put("a = 1\nb = \n").expect_err("broken").at / 6, 1);
        for text in ["mcp_servers = 1\n", "mcp_servers = { x = {} }\n", "[mcp_servers]\ndeputy = 1\n"] {
            assert!(TABLE.put(text).is_err(), "{text}");
        }
    }
}
