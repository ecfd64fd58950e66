//! `[[server]]`.

use super::{MINUTE, Meaning, SECOND};
use crate::settings::located::Located;
use crate::settings::network;
use crate::settings::raw;
use crate::settings::{App, Credential, Document, IdentityProvider, Server, Way};
use deputy_core::{SourceName, TenantId};
use deputy_hub::Trust;
use std::collections::{BTreeMap, HashSet};
use url::Url;

/// Bytes of one answer, where the file does not say.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// No answer may have more.
const MOST_ANSWER_BYTES: usize = 256 * 1024 * 1024;

impl Meaning<'_, '_> {
    pub(super) fn servers(
        &mut self,
        blocks: &[raw::Server],
        apps: &[App],
        tenants: &[TenantId],
        signing_in: &[&IdentityProvider],
    ) -> Vec<Server> {
        let mut names: HashSet<&str> = apps.iter().map(|app| app.name.as_str()).collect();
        for block in blocks {
            if !names.insert(block.name.as_str()) {
                let mend = "give each server its own name, that no application has: tools are named by it";
                self.twice(&block.name, "server", mend);
            }
        }
        blocks.iter().filter_map(|block| self.server(block, tenants, signing_in)).collect()
    }

    fn server(
        &mut self,
        block: &raw::Server,
        tenants: &[TenantId],
        signing_in: &[&IdentityProvider],
    ) -> Option<Server> {
        let name = self.name(&block.name, SourceName::new);
        if block.name.as_str() == deputy_hub::answers::SOURCE {
            let mend = "give the server another name; tools named `deputy__…` are the hub's own";
            self.faults.add(block.name.span(), "`deputy` is the hub's own name".to_owned(), mend);
        }
        let tenant = self.tenant(block.tenant.as_ref(), &block.name, tenants);
        let way = self.way(block);
        let timeout = self.duration(block.timeout.as_ref(), 30 * SECOND, SECOND..=10 * MINUTE, "timeout");
        let call_deadline = block
            .call_deadline
            .as_ref()
            .map(|said| self.duration(Some(said), MINUTE, SECOND..=10 * MINUTE, "call_deadline"));
        let answer_bytes = self.answer_bytes(block.answer_bytes.as_ref());
        let classes = self.classes(&block.class);
        let says =
            |said: Option<&Located<String>>, word: &str| said.is_some_and(|said| said.as_str() == word);
        let credential = self.credential(block, signing_in);
        let trust = if says(block.trust.as_ref(), "review") { Trust::Review } else { Trust::FirstUse };
        let sends = !matches!(credential, Some(Credential::Open) | None);
        if let (true, Some(Way::Command { .. }), Some(said)) = (sends, &way, &block.credential) {
            let mend = "remove `credential`; give the program what it needs in `[server.env]`";
            self.faults.add(said.span(), "a program is sent no headers".to_owned(), mend);
            return None;
        }
        Some(Server {
            name: name?,
            tenant: tenant?,
            way: way?,
            credential: credential?,
            trust,
            timeout: timeout?,
            call_deadline: match call_deadline {
                Some(span) => Some(span?),
                None => None,
            },
            answer_bytes: answer_bytes?,
            classes: classes?,
        })
    }

    /// One of the three ways, and no word of another.
    fn way(&mut self, block: &raw::Server) -> Option<Way> {
        let of_commands =
            [block.folder.as_ref().map(Located::span), block.shared.as_ref().map(Located::span)]
                .into_iter()
                .flatten()
                .chain(block.env.values().map(Located::span))
                .next();
        let of_interfaces = block.base_url.as_ref().map(Located::span);
        let mut stray = |span: Option<std::ops::Range<usize>>, message: &str, mend: &str| match span {
            Some(span) => {
                self.faults.add(span, message.to_owned(), mend);
                false
            }
            None => true,
        };
        let only_command = "`env`, `folder` and `shared` are for servers with a `command`";
        let only_interface = "`base_url` is for servers with `openapi`";
        match (&block.url, &block.command, &block.openapi) {
            (Some(url), None, None) => {
                let whole = stray(of_commands, only_command, "remove it")
                    & stray(of_interfaces, only_interface, "remove it");
                let url = self.located(url, network::web_address);
                whole.then_some(Way::Address(url?))
            }
            (None, Some(command), None) => {
                stray(of_interfaces, only_interface, "remove it").then_some(())?;
                self.command(block, command)
            }
            (None, None, Some(openapi)) => {
                stray(of_commands, only_command, "remove it").then_some(())?;
                self.interface(block, openapi)
            }
            _ => {
                let message = format!("`{}` has not one of `url`, `command` and `openapi`", *block.name);
                let mend = "write exactly one, for example `url = \"https://ledger.acme.example/mcp\"`";
                self.faults.add(block.name.span(), message, mend);
                None
            }
        }
    }

    fn command(&mut self, block: &raw::Server, command: &Located<Vec<Located<String>>>) -> Option<Way> {
        if command.is_empty() {
            let mend = "write the program and its arguments, as in `command = [\"mcp-server-filesystem\", \"./docs\"]`";
            self.faults.add(command.span(), "`command` is empty", mend);
            return None;
        }
        let words: Vec<Option<String>> = command.iter().map(|word| self.word(word, "command")).collect();
        let mut environment: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &block.env {
            environment.insert(name.clone(), self.variable(name, value)?);
        }
        Some(Way::Command {
            words: words.into_iter().collect::<Option<Vec<String>>>()?,
            environment,
            folder: block
                .folder
                .as_ref()
                .map_or_else(|| self.folder.to_path_buf(), |folder| self.path(folder)),
            shared: block.shared.as_ref().is_some_and(|shared| **shared),
        })
    }

    /// The value of a variable of a program's environment.
    pub(super) fn variable(&mut self, name: &str, value: &Located<String>) -> Option<String> {
        if name.is_empty() || name.contains(['=', '\0']) {
            let mend = "write `NAME = \"value\"`";
            self.faults.add(value.span(), format!("`{name}` cannot be the name of a variable"), mend);
        }
        self.word(value, "env")
    }

    pub(super) fn word(&mut self, word: &Located<String>, key: &str) -> Option<String> {
        self.located(word, |text| {
            if text.contains('\0') {
                return Err((format!("`{key}` has a NUL in it"), "remove it".to_owned()));
            }
            Ok(text.to_owned())
        })
    }

    fn interface(&mut self, block: &raw::Server, openapi: &Located<String>) -> Option<Way> {
        let document = if openapi.contains("://") {
            self.located(openapi, network::web_address).map(Document::Address)
        } else {
            Some(Document::File(self.path(openapi)))
        };
        if let (Some(Document::File(_)), None) = (&document, &block.base_url) {
            let mend =
                "add `base_url = \"https://ledger.acme.example/v1\"`: a file may not decide where calls go";
            self.faults.add(
                openapi.span(),
                format!("`{}` does not say where the interface is", **openapi),
                mend,
            );
            return None;
        }
        let base_url: Option<Option<Url>> = match &block.base_url {
            Some(base) => self.located(base, network::web_address).map(Some),
            None => Some(None),
        };
        let texts = |words: &[Located<String>]| words.iter().map(|word| word.as_str().to_owned()).collect();
        Some(Way::OpenApi {
            document: document?,
            base_url: base_url?,
            include: block.include.as_deref().map(texts),
            exclude: texts(&block.exclude),
        })
    }

    fn answer_bytes(&mut self, written: Option<&Located<i64>>) -> Option<usize> {
        let Some(written) = written else { return Some(ANSWER_BYTES) };
        let bytes =
            usize::try_from(**written).ok().filter(|bytes| (1024..=MOST_ANSWER_BYTES).contains(bytes));
        if bytes.is_none() {
            let mend = format!("write 1024 to {MOST_ANSWER_BYTES}");
            self.faults.add(written.span(), format!("`answer_bytes` cannot be {}", **written), mend);
        }
        bytes
    }
}
