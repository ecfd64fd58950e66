//! TOML, changed where it must be and nowhere else: one table is put at the end, or taken out again.

use super::jsonc::{Edit, Wrong};
use toml_edit::{DocumentMut, Item, TableLike, TomlError, value};

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
        let mut document = parsed(text)?;
        if let Some(server) = self.server(&mut document)? {
            if server.get("url").and_then(Item::as_str) == Some(self.url) {
                return Ok(Edit::Nothing);
            }
            server.clear();
            server.insert("url", value(self.url));
            return Ok(Edit::Text(document.to_string()));
        }
        // After a line end this leaves an empty line, else it ends the line: either way it is known later.
        let block = self.alone().replace('\n', line_end(text));
        Ok(Edit::Text(format!("{text}{}{block}", line_end(text))))
    }

    pub(super) fn take_out(&self, text: &str) -> Result<Edit, Wrong> {
        if text == self.alone() {
            return Ok(Edit::NoFile);
        }
        let mut document = parsed(text)?;
        let Some(server) = self.server(&mut document)? else { return Ok(Edit::Nothing) };
        if server.get("url").and_then(Item::as_str) != Some(self.url) {
            let what = format!("`{}` says something else than what would be written", self.name);
            let at = text.find(&format!("{}.{}", self.table, self.name)).unwrap_or(0);
            return Err(Wrong { at, what });
        }
        let is_as_written = server.iter().count() == 1;
        let block = format!("{}{}", line_end(text), self.alone().replace('\n', line_end(text)));
        if let (true, Some(at)) = (is_as_written, text.find(&block)) {
            let mut text = text.to_owned();
            text.replace_range(at..at + block.len(), "");
            return Ok(Edit::Text(text));
        }
        if let Some(servers) = document.get_mut(self.table).and_then(Item::as_table_like_mut) {
            servers.remove(self.name);
        }
        Ok(Edit::Text(document.to_string()))
    }

    /// The server's own table, if there is one. A list of servers that is no `[table]` cannot be added to.
    fn server<'d>(&self, document: &'d mut DocumentMut) -> Result<Option<&'d mut dyn TableLike>, Wrong> {
        let Some(list) = document.get_mut(self.table) else { return Ok(None) };
        let wrong = |what: String| Wrong { at: 0, what };
        if !list.is_table() {
            return Err(wrong(format!("`{}` in it is not a table of its own", self.table)));
        }
        let Some(server) = list.as_table_like_mut().and_then(|list| list.get_mut(self.name)) else {
            return Ok(None);
        };
        let what = format!("`{}.{}` in it is not a table", self.table, self.name);
        server.as_table_like_mut().map(Some).ok_or_else(|| wrong(what))
    }
}

fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn parsed(text: &str) -> Result<DocumentMut, Wrong> {
    text.parse().map_err(|error: TomlError| Wrong {
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
    fn a_broken_text_is_refused_with_its_place() {
        assert_eq!(TABLE.put("a = 1\nb = \n").expect_err("broken").at / 6, 1);
        for text in ["mcp_servers = 1\n", "mcp_servers = { x = {} }\n", "[mcp_servers]\ndeputy = 1\n"] {
            assert!(TABLE.put(text).is_err(), "{text}");
        }
    }
}
