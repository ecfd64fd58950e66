//! From the words of the file to settings: names that exist, addresses that are exact, lengths within bounds.

mod app;
mod audit;
mod exchange;
mod guard;
mod limit;
mod provider;
mod server;
mod sign_in;
mod telemetry;
mod vault;

use super::fault::{Collector, Faults};
use super::guard::GuardSettings;
use super::located::Located;
use super::network::{self, Wrong};
use super::raw::guard::GuardFile;
use super::raw::{self, File};
use super::{Hub, IdentityProvider, PolicySource, Settings, schema, shape, span};
use deputy_core::{IdError, SourceName, TenantId};
use deputy_hub::finding::Listing;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// All checks, from the text to the settings.
pub(super) fn parse(text: &str, path: &Path) -> Result<Settings, Faults> {
    read(text, path, &schema::schema(), |mut meaning, file: &File| meaning.settings(file))
}

/// The same for a guard's file.
pub(super) fn parse_guard(text: &str, path: &Path) -> Result<GuardSettings, Faults> {
    read(text, path, &schema::guard_schema(), |mut meaning, file: &GuardFile| meaning.guard(file))
}

fn read<F: DeserializeOwned, S>(
    text: &str,
    path: &Path,
    schema: &Value,
    mean: impl FnOnce(Meaning<'_, '_>, &F) -> Option<S>,
) -> Result<S, Faults> {
    let mut faults = Collector::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let mend = "write TOML: `key = \"value\"` lines under `[table]` headings";
        faults.add(error.span().unwrap_or(0..0), format!("this is not TOML: {}", error.message()), mend);
    }
    if errors.is_empty() {
        shape::check(&table, schema, &mut faults);
        match toml::from_str::<F>(text) {
            Ok(file) => {
                let folder = path.parent().unwrap_or_else(|| Path::new(""));
                let settings = mean(Meaning { folder, has_vault: false, faults: &mut faults }, &file);
                if let (true, Some(settings)) = (faults.is_empty(), settings) {
                    return Ok(settings);
                }
            }
            // The shape check has said it better. What serde says is not repeated, for it quotes values.
            Err(error) if faults.is_empty() => {
                let mend = "see docs/reference/config.md";
                faults.add(error.span().unwrap_or(0..0), "this cannot be understood here", mend);
            }
            Err(_) => {}
        }
    }
    Err(faults.finish(path))
}

struct Meaning<'m, 't> {
    folder: &'m Path,
    /// Whether the file says where the vault's master key is.
    has_vault: bool,
    faults: &'m mut Collector<'t>,
}

/// Each method notes what is wrong and answers `None` where there is nothing to go on with.
impl Meaning<'_, '_> {
    fn settings(&mut self, file: &File) -> Option<Settings> {
        self.has_vault = file.vault.is_some();
        let hub = self.hub(&file.hub);
        let tenants = self.tenants(&file.tenant);
        let identity_providers = self.identity_providers(&file.identity_provider, &file.app, &tenants);
        let apps = self.apps(&file.app, &tenants, &identity_providers, hub.as_ref());
        let policy = match file.policy.as_ref().and_then(|policy| policy.dir.as_ref()) {
            Some(dir) => PolicySource::Directory(self.path(dir)),
            None => PolicySource::Shipped,
        };
        let audit = self.audit(file.audit.as_ref(), &tenants);
        let usable = exchange::signing_in(file.sign_in.as_ref(), &identity_providers);
        let servers = self.servers(&file.server, &apps, &tenants, &usable);
        let sources: Vec<SourceName> = apps
            .iter()
            .map(|app| app.name.clone())
            .chain(servers.iter().map(|server| server.name.clone()))
            .collect();
        let limits = self.limits(&file.limit, &sources);
        let sign_in = self.sign_in(file.sign_in.as_ref(), &identity_providers, &sources, &tenants);
        let vault = self.vault(file.vault.as_ref(), hub.as_ref());
        let telemetry = self.telemetry(file.telemetry.as_ref());
        let identity_providers: Vec<IdentityProvider> = identity_providers.into_iter().flatten().collect();
        // INVARIANT: no block of the file is dropped on the way.
        let complete = apps.len() == file.app.len()
            && servers.len() == file.server.len()
            && identity_providers.len() == file.identity_provider.len()
            && limits.len() == file.limit.len();
        complete.then_some(())?;
        Some(Settings {
            hub: hub?,
            tenants,
            identity_providers,
            apps,
            servers,
            policy,
            limits,
            audit: audit?,
            vault: vault?,
            telemetry: telemetry?,
            sign_in: sign_in?,
        })
    }

    fn hub(&mut self, hub: &raw::Hub) -> Option<Hub> {
        let listen = self.listen(&hub.listen, "listen", "127.0.0.1:7070");
        let operations_listen = match &hub.operations_listen {
            Some(listen) => self.listen(listen, "operations_listen", "127.0.0.1:9464").map(Some),
            None => Some(None),
        };
        let public_url = self.located(&hub.public_url, network::public_url);
        let data_dir = self.path(&hub.data_dir);
        let approval_wait =
            self.duration(hub.approval_wait.as_ref(), 10 * MINUTE, 10 * SECOND..=DAY, "approval_wait");
        let approval_execution = self.duration(
            hub.approval_execution.as_ref(),
            2 * MINUTE,
            SECOND..=10 * MINUTE,
            "approval_execution",
        );
        let call_deadline =
            self.duration(hub.call_deadline.as_ref(), MINUTE, SECOND..=10 * MINUTE, "call_deadline");
        let cli_client_id = hub.cli_client_id.as_ref().map(|id| self.text(id, "cli_client_id"));
        let groups: Vec<Option<String>> =
            hub.operator_groups.iter().map(|group| self.text(group, "operator_groups")).collect();
        let operator_groups: Option<Vec<String>> = groups.into_iter().collect();
        Some(Hub {
            listen: listen?,
            operations_listen: operations_listen?,
            public_url: public_url?,
            data_dir,
            approval_wait: approval_wait?,
            approval_execution: approval_execution?,
            call_deadline: call_deadline?,
            operator_groups: operator_groups?,
            listing: match hub.tools.as_ref().map(|word| word.as_str()) {
                Some("search") => Listing::Short,
                _ => Listing::Whole,
            },
            cli_client_id: match cli_client_id {
                Some(id) => Some(id?),
                None => None,
            },
        })
    }

    fn listen(&mut self, listen: &Located<String>, key: &str, usual: &str) -> Option<SocketAddr> {
        self.located(listen, |text| {
            text.parse().map_err(|_| {
                let local = text.replacen("localhost", "127.0.0.1", 1);
                let mend = if local.parse::<SocketAddr>().is_ok() { local } else { usual.to_owned() };
                (format!("`{text}` is not an IP address with a port"), format!("write `{key} = \"{mend}\"`"))
            })
        })
    }

    fn tenants(&mut self, blocks: &[raw::Tenant]) -> Vec<TenantId> {
        let mut tenants: Vec<TenantId> = Vec::new();
        for block in blocks {
            let Some(name) = self.name(&block.name, TenantId::new) else { continue };
            if tenants.contains(&name) {
                self.twice(&block.name, "tenant", "give each organisation its own name");
            } else {
                tenants.push(name);
            }
        }
        if blocks.is_empty() {
            tenants.push(TenantId::single());
        }
        tenants
    }

    /// The tenant that a block belongs to: said where there are several, else the only one.
    fn tenant(
        &mut self,
        said: Option<&Located<String>>,
        block: &Located<String>,
        tenants: &[TenantId],
    ) -> Option<TenantId> {
        match (said, tenants) {
            (None, [only]) => Some(only.clone()),
            (None, _) => {
                self.faults.add(
                    block.span(),
                    format!("`{}` does not say which tenant it belongs to", **block),
                    format!("add `tenant = \"{}\"`", tenants.first().map_or("acme", TenantId::as_str)),
                );
                None
            }
            (Some(said), _) => {
                let found = tenants.iter().find(|tenant| tenant.as_str() == said.as_str()).cloned();
                if found.is_none() {
                    let known = tenants.iter().map(TenantId::as_str);
                    self.unknown_name(said, "tenant", known);
                }
                found
            }
        }
    }

    fn path(&self, path: &Located<String>) -> PathBuf {
        self.folder.join(path.as_str())
    }

    fn duration(
        &mut self,
        written: Option<&Located<String>>,
        default: Duration,
        bounds: RangeInclusive<Duration>,
        key: &str,
    ) -> Option<Duration> {
        let Some(written) = written else { return Some(default) };
        let mend = format!(
            "write a length from {} to {}, for example `{key} = \"{}\"`",
            span::text(*bounds.start()),
            span::text(*bounds.end()),
            span::text(default)
        );
        self.located(written, |text| span::parse(text, bounds).map_err(|message| (message, mend)))
    }

    /// Text that may be anything but empty or full of control characters.
    fn text(&mut self, text: &Located<String>, key: &str) -> Option<String> {
        self.located(text, |text| {
            if text.trim().is_empty() || text.chars().any(char::is_control) {
                let mend = "write it out, or remove the key".to_owned();
                return Err((format!("`{key}` is empty or has control characters"), mend));
            }
            Ok(text.to_owned())
        })
    }

    fn name<T>(&mut self, name: &Located<String>, new: fn(String) -> Result<T, IdError>) -> Option<T> {
        self.located(name, |text| {
            new(text.to_owned()).map_err(|error| {
                (format!("`{}` is not a {}", error.value, error.what), error.rule.to_owned())
            })
        })
    }

    fn located<T>(
        &mut self,
        value: &Located<String>,
        check: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        match check(value.as_str()) {
            Ok(value) => Some(value),
            Err((message, mend)) => {
                self.faults.add(value.span(), message, mend);
                None
            }
        }
    }

    fn twice(&mut self, value: &Located<String>, what: &str, mend: &str) {
        self.faults.add(value.span(), format!("the {what} `{}` is there twice", **value), mend);
    }

    fn unknown_name<'k>(&mut self, said: &Located<String>, what: &str, known: impl Iterator<Item = &'k str>) {
        let known: Vec<&str> = known.collect();
        let block = what.split(" or ").map(|what| format!("`[[{what}]]`")).collect::<Vec<_>>().join(" or ");
        let mend = match super::fault::nearest(said, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("add a block {block} with `name = \"{}\"`", **said),
            None => format!("use one of `{}`, or add a block {block}", known.join("`, `")),
        };
        self.faults.add(said.span(), format!("there is no {what} `{}`", **said), mend);
    }
}
