//! `guard.toml`.

use super::provider::issuer;
use super::{DAY, MINUTE, Meaning, SECOND};
use crate::settings::guard::{GuardClient, GuardClientKeys, GuardSettings};
use crate::settings::located::Located;
use crate::settings::network::{self, PublicUrl};
use crate::settings::raw::guard as raw;
use deputy_core::Client;
use deputy_guard::settings::{Handover, Program, ServerSettings, TrustedIssuer, Users, Way};
use deputy_guard::{Scope, Scopes};
use deputy_identity::Algorithm;
use deputy_identity::provider::KeysAt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use url::Url;

impl Meaning<'_, '_> {
    pub(super) fn guard(&mut self, file: &raw::GuardFile) -> Option<GuardSettings> {
        let listen = self.listen(&file.listen, "listen", "127.0.0.1:7171");
        let public_url = self.located(&file.public_url, network::public_url);
        let data_dir = self.path(&file.data_dir);
        let shared_dir = self.shared_dir(file, &data_dir);
        let users = self.users(file);
        let kept_in = shared_dir.as_ref().and_then(Option::as_ref).unwrap_or(&data_dir);
        let denied = file.denied_file.as_ref().map_or_else(|| kept_in.join("denied"), |path| self.path(path));
        let lifetime = file.token_lifetime.as_ref();
        let token_lifetime = self.duration(lifetime, 5 * MINUTE, 10 * SECOND..=10 * MINUTE, "token_lifetime");
        let issuers = self.trusted_issuers(&file.trusted_issuer, public_url.as_ref());
        let clients = self.guard_clients(&file.client);
        let scopes = self.scopes(file);
        let server = self.guarded_server(&file.server);
        Some(GuardSettings {
            listen: listen?,
            public_url: public_url?,
            data_dir,
            shared_dir: shared_dir?,
            issuers: issuers?,
            clients: clients?,
            users: users?,
            denied,
            scopes: scopes?,
            token_lifetime: token_lifetime?,
            server: server?,
        })
    }

    /// Not within a folder that is one guard's alone.
    fn shared_dir(&mut self, file: &raw::GuardFile, data_dir: &Path) -> Option<Option<PathBuf>> {
        let Some(written) = &file.shared_dir else { return Some(None) };
        let shared = self.path(written);
        if shared.starts_with(data_dir) || data_dir.starts_with(&shared) {
            let mend =
                "write a folder that all guards reach, and give each guard a `data_dir` of its own elsewhere";
            self.faults.add(written.span(), "`shared_dir` and `data_dir` are one within the other", mend);
            return None;
        }
        Some(Some(shared))
    }

    fn users(&mut self, file: &raw::GuardFile) -> Option<Users> {
        match (&file.users, &file.users_file) {
            (Some(_), None) => Some(Users::AnyFromIssuer),
            (None, Some(path)) => Some(Users::Listed(self.path(path))),
            (users, path) => {
                let place = path.as_ref().or(users.as_ref()).map_or(0..0, Located::span);
                let mend = "write `users = \"any_from_issuer\"`, or `users_file = \"users.txt\"` with `ISSUER SUBJECT` in each line";
                self.faults.add(place, "the file has not one of `users` and `users_file`", mend);
                None
            }
        }
    }

    fn trusted_issuers(
        &mut self,
        blocks: &Located<Vec<raw::TrustedIssuer>>,
        own: Option<&PublicUrl>,
    ) -> Option<Vec<TrustedIssuer>> {
        if blocks.is_empty() {
            let mend = "add a block `[[trusted_issuer]]`, see docs/guide/guard.md";
            self.faults.add(blocks.span(), "`trusted_issuer` is empty: nobody could get in", mend);
            return None;
        }
        for (index, block) in blocks.iter().enumerate() {
            if blocks.iter().take(index).any(|other| *other.issuer == *block.issuer) {
                self.twice(&block.issuer, "issuer", "keep one of the two blocks");
            }
            if own.is_some_and(|own| own.as_str() == block.issuer.as_str()) {
                let message = format!("`{}` is the guard's own `public_url`", *block.issuer);
                let mend = "name the identity provider: a guard does not trust its own word";
                self.faults.add(block.issuer.span(), message, mend);
            }
        }
        let issuers: Vec<_> = blocks.iter().map(|block| self.trusted_issuer(block)).collect();
        issuers.into_iter().collect()
    }

    fn trusted_issuer(&mut self, block: &raw::TrustedIssuer) -> Option<TrustedIssuer> {
        let name = self.located(&block.issuer, issuer);
        let set = block.jwks_uri.as_ref().map(|uri| self.located(uri, network::web_address));
        let discovery = block.discovery_url.as_ref().map(|url| self.located(url, network::web_address));
        if let (Some(_), Some(url)) = (&set, &block.discovery_url) {
            let mend = "remove one of the two: with `jwks_uri` nothing is learned from discovery";
            self.faults.add(url.span(), "`jwks_uri` and `discovery_url` are both there", mend);
            return None;
        }
        let algorithms = match self.algorithms(block.algorithms.as_ref())? {
            Some(algorithms) => algorithms,
            None => Algorithm::ALL.into_iter().collect(),
        };
        let usual = || {
            let address = format!("{}/.well-known/openid-configuration", block.issuer.trim_end_matches('/'));
            Url::parse(&address).ok()
        };
        let keys_at = match (set, discovery) {
            (Some(set), _) => KeysAt::Set(set?),
            (None, Some(url)) => KeysAt::Discovery(url?),
            (None, None) => KeysAt::Discovery(usual()?),
        };
        Some(TrustedIssuer { issuer: name?, keys_at, algorithms })
    }

    fn guard_clients(&mut self, blocks: &Located<Vec<raw::GuardClient>>) -> Option<Vec<GuardClient>> {
        if blocks.is_empty() {
            let mend = "add a block `[[client]]`, see docs/guide/guard.md";
            self.faults.add(blocks.span(), "`client` is empty: nobody could get in", mend);
            return None;
        }
        for (index, block) in blocks.iter().enumerate() {
            if blocks.iter().take(index).any(|other| *other.client_id == *block.client_id) {
                self.twice(&block.client_id, "client", "keep one of the two blocks");
            }
        }
        let clients: Vec<_> = blocks.iter().map(|block| self.guard_client(block)).collect();
        clients.into_iter().collect()
    }

    fn guard_client(&mut self, block: &raw::GuardClient) -> Option<GuardClient> {
        let id = Client(self.text(&block.client_id, "client_id")?);
        let keys = match (&block.jwks_file, &block.jwks_uri) {
            (Some(path), None) => GuardClientKeys::File(self.path(path)),
            (None, Some(uri)) => GuardClientKeys::Address(self.located(uri, network::web_address)?),
            (None, None) => GuardClientKeys::Document(self.located(&block.client_id, |text| {
                network::web_address(text).map_err(|_| {
                    let mend = "add `jwks_file = \"hub.jwks.json\"` or `jwks_uri`, or write the https address of its document";
                    (format!("`{text}` has no keys and is not the address of a document"), mend.to_owned())
                })
            })?),
            (Some(_), Some(uri)) => {
                let mend = "remove one of the two";
                self.faults.add(uri.span(), "`jwks_file` and `jwks_uri` are both there", mend);
                return None;
            }
        };
        Some(GuardClient { id, keys })
    }

    fn scopes(&mut self, file: &raw::GuardFile) -> Option<Scopes> {
        for (name, methods) in &file.methods {
            if !file.scopes.contains_key(name) {
                let mend = format!("add `\"{name}\" = []` under `[scopes]`, or correct the name");
                self.faults.add(methods.span(), format!("there is no scope `{name}`"), mend);
            }
        }
        let words = |list: &[Located<String>]| list.iter().map(|word| word.as_str().to_owned()).collect();
        let scope = |(name, tools): (&String, &Located<Vec<Located<String>>>)| Scope {
            name: name.clone(),
            tools: words(tools),
            methods: file.methods.get(name).map(|methods| words(methods)).unwrap_or_default(),
        };
        let place = file.scopes.values().next().map_or(0..0, Located::span);
        let mend = "write `\"files.read\" = [\"read_file\"]` under `[scopes]`";
        Scopes::new(file.scopes.iter().map(scope).collect())
            .map_err(|message| self.faults.add(place, message, mend))
            .ok()
    }

    fn guarded_server(&mut self, block: &raw::GuardedServer) -> Option<ServerSettings> {
        let way = self.guarded_way(block);
        let on_stdin = matches!(way, Some(Way::Stdio(_)));
        let handover = match block.user.as_ref().map(|user| user.as_str()) {
            Some("meta") => Handover::Meta,
            None if on_stdin => Handover::Meta,
            _ => Handover::Header,
        };
        if let (true, Handover::Header, Some(user)) = (on_stdin, handover, &block.user) {
            let mend = "write `user = \"meta\"`";
            self.faults.add(user.span(), "a program on standard input has no headers", mend);
        }
        let sessions = self.count(block.sessions.as_ref(), 64, "sessions");
        let sessions_each = self.count(block.sessions_each.as_ref(), 8, "sessions_each");
        let idle = self.duration(block.idle.as_ref(), 10 * MINUTE, 10 * SECOND..=DAY, "idle");
        let timeout = self.duration(block.timeout.as_ref(), 5 * MINUTE, SECOND..=10 * MINUTE, "timeout");
        Some(ServerSettings {
            way: way?,
            handover,
            sessions: sessions?,
            sessions_each: sessions_each?,
            idle: idle?,
            timeout: timeout?,
        })
    }

    /// One of the three ways, and no word of another.
    fn guarded_way(&mut self, block: &raw::GuardedServer) -> Option<Way> {
        let place = [&block.url, &block.unix_socket].into_iter().flatten().map(Located::span).next();
        let place = place.or_else(|| block.command.as_ref().map(Located::span)).unwrap_or(0..0);
        let path_is_stray = block.path.as_ref().filter(|_| block.unix_socket.is_none());
        if let Some(path) = path_is_stray {
            self.faults.add(path.span(), "`path` is for servers on a `unix_socket`", "remove it");
            return None;
        }
        let of_programs = block.folder.as_ref().map(Located::span);
        let of_programs = of_programs.or_else(|| block.env.values().map(Located::span).next());
        if let (None, Some(stray)) = (&block.command, of_programs) {
            self.faults.add(stray, "`env` and `folder` are for servers with a `command`", "remove it");
            return None;
        }
        match (&block.command, &block.unix_socket, &block.url) {
            (Some(command), None, None) => self.program(block, command).map(Way::Stdio),
            (command, Some(socket), None) => {
                let program = match command {
                    Some(command) => Some(self.program(block, command)?),
                    None => None,
                };
                Some(Way::Socket {
                    name: self.socket(socket)?,
                    path: self.socket_path(block.path.as_ref())?,
                    program,
                })
            }
            (None, None, Some(url)) => self.located(url, network::inside_address).map(Way::Address),
            _ => {
                let mend =
                    "write exactly one of `command`, `unix_socket` (with or without `command`) and `url`";
                self.faults.add(place, "`[server]` does not say in one way how the server is reached", mend);
                None
            }
        }
    }

    fn socket(&mut self, name: &Located<String>) -> Option<String> {
        self.located(name, |text| {
            let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            if (1..=40).contains(&text.len()) && text.bytes().all(letter) && !text.starts_with('.') {
                return Ok(text.to_owned());
            }
            let mend = "write `unix_socket = \"server.sock\"`: the folder is the guard's own";
            Err((format!("`{text}` is not the name of a socket"), mend.to_owned()))
        })
    }

    fn socket_path(&mut self, path: Option<&Located<String>>) -> Option<String> {
        let Some(path) = path else { return Some("/mcp".to_owned()) };
        self.located(path, |text| {
            let plain = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic());
            if plain {
                Ok(text.to_owned())
            } else {
                Err((format!("`{text}` is not a path"), "write `path = \"/mcp\"`".to_owned()))
            }
        })
    }

    fn program(
        &mut self,
        block: &raw::GuardedServer,
        command: &Located<Vec<Located<String>>>,
    ) -> Option<Program> {
        if command.first().is_none_or(|program| program.is_empty()) {
            let mend = "write `command = [\"/usr/bin/node\", \"dist/index.js\"]`";
            self.faults.add(command.span(), "`command` names no program", mend);
            return None;
        }
        let words: Vec<_> = command.iter().map(|word| self.word(word, "command")).collect();
        let mut environment = BTreeMap::new();
        for (name, value) in &block.env {
            environment.insert(name.clone(), self.variable(name, value)?);
        }
        let folder = block.folder.as_ref();
        Some(Program {
            words: words.into_iter().collect::<Option<Vec<String>>>()?,
            environment,
            folder: folder.map_or_else(|| self.folder.to_path_buf(), |folder| self.path(folder)),
        })
    }

    fn count(&mut self, written: Option<&Located<i64>>, usual: usize, key: &str) -> Option<usize> {
        let Some(written) = written else { return Some(usual) };
        let count = usize::try_from(**written).ok().filter(|count| (1..=10_000).contains(count));
        if count.is_none() {
            self.faults.add(written.span(), format!("`{key}` cannot be {}", **written), "write 1 to 10000");
        }
        count
    }
}
