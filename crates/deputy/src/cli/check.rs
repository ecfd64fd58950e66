//! `deputy check`: reads the configuration, reaches each identity provider, and says what is wrong and how to mend it.

mod exchange;
mod manifest;
mod mistake;
mod place;
mod provider;
mod server;
mod sign_in;
mod telemetry;
#[cfg(test)]
mod tests;
mod token;

use super::progress::visible;
use super::terminal::{Mark, Terminal};
use super::web::{Egress, Request, Web};
use super::{Config, Failure};
use crate::policy_files;
use crate::servers::Around;
use crate::settings::{Hub, IdentityProvider, PolicySource, PublicUrl, SecretSource, Settings};
use crate::vault::MasterKeyFile;
use crate::wire::SystemClock;
use clap::Args;
use deputy_egress::{HttpClient, NamedHosts};
use deputy_hub::ports::KeySource;
use deputy_hub::{MasterKeys as _, Supervisor};
use serde_json::Value;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use url::Url;

/// Say what is wrong with an installation, and how to mend it
///
/// Reads the configuration, reaches each identity provider, each application's manifest, each server and the collector of traces, and looks at the data directory, the policies, the secrets and
/// the address to listen on. Knows the usual mistakes with each identity provider. Changes nothing.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: Config,
    /// Only say, door by door, whether the token in this file would be let in, or why not; `-` is standard input. The token
    /// is not printed
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    mark: Mark,
    text: String,
    mend: Option<String>,
}

impl Finding {
    fn good(text: impl Into<String>) -> Self {
        Self { mark: Mark::Good, text: text.into(), mend: None }
    }

    fn warning(text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { mark: Mark::Warning, text: text.into(), mend: Some(mend.into()) }
    }

    fn bad(text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { mark: Mark::Bad, text: text.into(), mend: Some(mend.into()) }
    }
}

pub(super) async fn run(arguments: Arguments, terminal: Terminal) -> Result<(), Failure> {
    let settings = arguments.config.load()?;
    let web = Egress::naming(&settings.named_addresses())?;
    let keys = web.key_source();
    if let Some(file) = &arguments.token {
        return token::run(file, &settings, &keys as &dyn KeySource, terminal).await;
    }
    let mut tally = Tally { terminal, warnings: 0, faults: 0 };
    tally.tell(&configuration(&arguments, &settings))?;
    for (place, mistake) in mistake::config::find(&settings) {
        tally.tell(&mistake.finding(&place))?;
    }
    tally.tell(&place::data_dir(&settings.hub.data_dir))?;
    tally.tell(&policies(&settings.policy))?;
    if let Some(finding) = vault(&settings) {
        tally.tell(&finding)?;
    }
    tally.tell(&listen(&settings.hub, &web).await)?;
    for entry in &settings.identity_providers {
        if let Some(finding) = secret(entry) {
            tally.tell(&finding)?;
        }
        let what = format!("identity provider `{}`", entry.provider.name());
        let finding =
            visible(terminal, &what, provider::reach(&keys as &dyn KeySource, &entry.provider)).await;
        tally.tell(&finding)?;
        if sign_in::is_asked(entry, &settings) {
            let what = format!("the discovery document of `{}`", entry.provider.name());
            match visible(terminal, &what, sign_in::reach(entry, &settings, &web)).await {
                Ok(findings) => findings.iter().try_for_each(|finding| tally.tell(finding))?,
                // Who cannot be reached is told once.
                Err(unread) if finding.mark == Mark::Good => tally.tell(&unread)?,
                Err(_) => {}
            }
        }
    }
    let manifests = web.manifest_source();
    for app in &settings.apps {
        if let Some(at) = &app.manifest {
            let what = format!("manifest of `{}`", app.name);
            tally.tell(&visible(terminal, &what, manifest::reach(&manifests, &app.name, at)).await)?;
        }
    }
    if !settings.servers.is_empty() {
        let around = around(&settings)?;
        for server in &settings.servers {
            let what = format!("server `{}`", server.name);
            tally.tell(&visible(terminal, &what, server::reach(server, &settings, &around)).await)?;
        }
        around.supervisor.shut_down().await;
    }
    if let Some(telemetry) = &settings.telemetry {
        tally.tell(&visible(terminal, "the collector of traces", telemetry::reach(telemetry)).await)?;
    }
    tally.finish()
}

fn around(settings: &Settings) -> Result<Around, Failure> {
    let named = NamedHosts::of(&settings.named_addresses());
    let client = HttpClient::new(deputy_egress::Settings::new(named));
    Ok(Around {
        client: client.map_err(|error| Failure::Fault(error.to_string()))?,
        clock: Arc::new(SystemClock),
        supervisor: Supervisor::default(),
        exchange: Arc::default(),
    })
}

struct Tally {
    terminal: Terminal,
    warnings: u32,
    faults: u32,
}

impl Tally {
    fn tell(&mut self, finding: &Finding) -> Result<(), Failure> {
        match finding.mark {
            Mark::Good => {}
            Mark::Warning => self.warnings += 1,
            Mark::Bad => self.faults += 1,
        }
        self.terminal.marked(finding.mark, &finding.text, finding.mend.as_deref())
    }

    fn finish(self) -> Result<(), Failure> {
        let warnings = match self.warnings {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            many => format!(", {many} warnings"),
        };
        match self.faults {
            0 => self.terminal.line(&format!("nothing is wrong{warnings}")),
            faults => {
                let are = if faults == 1 { "1 thing is".to_owned() } else { format!("{faults} things are") };
                self.terminal.line(&format!("{are} wrong{warnings}"))?;
                Err(Failure::told())
            }
        }
    }
}

fn configuration(arguments: &Arguments, settings: &Settings) -> Finding {
    let (path, providers, apps) =
        (arguments.config.config.display(), settings.identity_providers.len(), settings.apps.len());
    let servers = settings.servers.len();
    let mut text = format!("configuration `{path}`: {providers} identity provider(s), {apps} app(s)");
    if servers > 0 {
        text.push_str(&format!(", {servers} server(s)"));
    }
    if apps + servers == 0 {
        return Finding::warning(text, "without an [[app]] or a [[server]] there are no tools: add one");
    }
    Finding::good(text)
}

fn policies(source: &PolicySource) -> Finding {
    let place = match source {
        PolicySource::Shipped => "the shipped policies".to_owned(),
        PolicySource::Directory(directory) => format!("policies in `{}`", directory.display()),
    };
    match policy_files::load(source) {
        Ok(set) => Finding::good(format!("{place}: {} policies, version {}", set.ids().len(), set.version())),
        Err(error) => {
            let mend =
                "`deputy policy check DIR` tells more; docs/reference/policy.md says what can be written";
            Finding::bad(format!("{place}: {error}"), mend)
        }
    }
}

fn vault(settings: &Settings) -> Option<Finding> {
    settings.vault.as_ref()?;
    Some(match MasterKeyFile::of(settings).current() {
        Ok(key) => Finding::good(format!("the vault's master key `{}` is there", key.id())),
        Err(fault) => {
            let text = fault.to_string();
            let (what, mend) =
                text.split_once("\n  mend: ").unwrap_or((&text, "let the user who runs deputy read it"));
            Finding::bad(what, mend)
        }
    })
}

async fn listen(hub: &Hub, web: &impl Web) -> Finding {
    let address = hub.listen;
    let error = match TcpListener::bind(address) {
        Ok(_) => return Finding::good(format!("address {address} is free")),
        Err(error) => error,
    };
    if error.kind() == ErrorKind::AddrInUse && answers(&hub.public_url, web).await {
        return Finding::good(format!(
            "address {address} is taken by this hub, which answers as {}",
            hub.public_url
        ));
    }
    let mend = match error.kind() {
        ErrorKind::AddrInUse => {
            "stop what listens there (it is not this hub), or change `listen` under [hub]"
        }
        ErrorKind::PermissionDenied => "choose a port from 1024 on, or let a proxy listen on the low one",
        _ => "write an address of this machine as `listen` under [hub], for example 127.0.0.1:7070",
    };
    Finding::bad(format!("address {address} cannot be listened on: {error}"), mend)
}

/// Whether a hub with this configuration runs already: only such a one describes itself so (RFC 9728).
async fn answers(public_url: &PublicUrl, web: &impl Web) -> bool {
    let Ok(url) = Url::parse(&public_url.join("/.well-known/oauth-protected-resource/mcp")) else {
        return false;
    };
    let Ok(answer) = web.send(&url, None, Request::Get, None).await else { return false };
    let described: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let resource = described.get("resource").and_then(Value::as_str);
    answer.is_success() && resource == Some(public_url.join("/mcp").as_str())
}

fn secret(entry: &IdentityProvider) -> Option<Finding> {
    let source = entry.client.as_ref()?.secret.as_ref()?;
    let name = entry.provider.name();
    if let Err(error) = source.read() {
        let mend = match source {
            SecretSource::File(_) => {
                "put the client's secret into the file, readable by the user who runs deputy"
            }
            SecretSource::Environment(_) => "set the variable where deputy is started",
        };
        return Some(Finding::bad(format!("the secret for `{name}`: {error}"), mend));
    }
    if let SecretSource::File(path) = source
        && place::others_can_read(path)
    {
        let path = path.display();
        let text = format!("the secret for `{name}`: every user of this machine can read `{path}`");
        return Some(Finding::warning(text, format!("chmod 600 {path}")));
    }
    Some(Finding::good(format!("the secret for `{name}` is there")))
}
