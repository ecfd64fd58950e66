//! The hub as the program that ships, with everything on, in a directory of its own.

use crate::issuer::{Algorithm, Issuer, now_seconds};
use crate::process::{Process, on_own_core};
use crate::wire::Connection;
use crate::{Result, fail};
use deputy_core::{Class, ToolName};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Where the application's pages are.
pub(crate) const ORIGIN: &str = "http://crm.localhost:8123";
/// The audience of the application's tokens.
const APP_AUDIENCE: &str = "crm-web";
/// How long a hub may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long memory may take to come to rest.
const SETTLE: Duration = Duration::from_secs(20);

/// The tools that calls are made to, with what the operator says of them.
pub(crate) const READ: &str = "find_contact";
pub(crate) const WRITE: &str = "update_contact";

/// The MCP server, where there is one.
pub(crate) const ECHO: &str = "echo";

/// An identity provider, a configuration, and a hub that may be running.
pub(crate) struct World {
    /// What signs its tokens.
    pub(crate) issuer: Arc<Issuer>,
    /// Where the hub listens.
    pub(crate) port: u16,
    program: PathBuf,
    folder: TempDir,
    echo: Option<u16>,
    hub: Option<Process>,
    // Ends the identity provider with the world.
    _provider: JoinSet<()>,
}

impl World {
    /// Everything but the hub, which has an app.
    pub(crate) async fn new(program: &Path, within: &Path) -> Result<Self> {
        Self::with(program, within, None).await
    }

    /// Everything but the hub, which has an app and the MCP server on this port.
    pub(crate) async fn in_front_of(program: &Path, within: &Path, echo: u16) -> Result<Self> {
        Self::with(program, within, Some(echo)).await
    }

    async fn with(program: &Path, within: &Path, echo: Option<u16>) -> Result<Self> {
        fs::create_dir_all(within)?;
        let folder = TempDir::new_in(within)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let issuer = Arc::new(Issuer::new(format!("http://127.0.0.1:{}", listener.local_addr()?.port()))?);
        let mut provider = JoinSet::new();
        provider.spawn(Arc::clone(&issuer).serve(listener));
        let port = free_port().await?;
        let world =
            Self { issuer, port, program: program.to_owned(), folder, echo, hub: None, _provider: provider };
        fs::create_dir(world.path("policy"))?;
        fs::write(world.path("policy/bench.cedar"), POLICY)?;
        fs::write(world.path("deputy.toml"), world.config())?;
        Ok(world)
    }

    /// A file of this world.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the hub and waits until it is ready.
    pub(crate) async fn start(&mut self) -> Result<()> {
        self.start_as(Command::new(&self.program)).await
    }

    /// The same, on a processor of its own.
    pub(crate) async fn start_on_own_core(&mut self) -> Result<()> {
        self.start_as(on_own_core(&self.program)).await
    }

    async fn start_as(&mut self, mut command: Command) -> Result<()> {
        raise_open_files()?;
        let log = File::options().create(true).append(true).open(self.path("hub.log"))?;
        let hub = command
            .args(["serve", "--config"])
            .arg(self.path("deputy.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.hub = Some(Process::of(hub));
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready().await {
            if self.hub.as_mut().is_some_and(|hub| !hub.runs()) {
                return fail(format!("the hub ended:\n{}", self.last_words()));
            }
            if Instant::now() > deadline {
                return fail(format!("the hub is not ready after {PATIENCE:?}:\n{}", self.last_words()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn is_ready(&self) -> bool {
        let Ok(mut connection) = Connection::open(self.port).await else { return false };
        let request = format!("GET /readyz HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", self.port);
        connection.ask(request.as_bytes()).await.is_ok_and(|answer| answer.status == 200)
    }

    /// The end of the hub's log.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.path("hub.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.hub.take().map_or(Ok(()), |mut hub| hub.kill())
    }

    /// `kill -9`, by somebody who shares this world.
    pub(crate) fn kill_now(&self) -> Result<()> {
        Ok(kill_process(self.pid()?, Signal::KILL)?)
    }

    /// Asks the hub to stop, and waits.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if self.hub.is_some() {
            kill_process(self.pid()?, Signal::TERM)?;
        }
        self.hub.take().map_or(Ok(()), |mut hub| hub.wait())
    }

    /// Runs a command of the program against this world's configuration.
    pub(crate) fn deputy(&self, arguments: &[&str]) -> Result<String> {
        let done = Command::new(&self.program)
            .args(arguments)
            .arg("--config")
            .arg(self.path("deputy.toml"))
            .output()?;
        if done.status.success() {
            return Ok(String::from_utf8(done.stdout)?);
        }
        let said = [done.stdout, done.stderr].concat();
        fail(format!(
            "`deputy {}` ended with {}:\n{}",
            arguments.join(" "),
            done.status,
            String::from_utf8_lossy(&said)
        ))
    }

    /// The hub.
    pub(crate) fn process(&self) -> Result<&Process> {
        self.hub.as_ref().ok_or_else(|| "the hub does not run".into())
    }

    /// The hub's processor time since it started.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.process()?.cpu()
    }

    /// The hub's resident memory in KiB.
    pub(crate) fn rss_kb(&self) -> Result<u64> {
        self.process()?.rss_kb()
    }

    /// The resident memory once it has not grown for three seconds.
    pub(crate) async fn settled(&self) -> Result<u64> {
        let deadline = Instant::now() + SETTLE;
        let (mut last, mut since) = (self.rss_kb()?, Instant::now());
        while since.elapsed() < Duration::from_secs(3) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let now = self.rss_kb()?;
            if now.abs_diff(last) > 256 {
                (last, since) = (now, Instant::now());
            }
        }
        self.rss_kb()
    }

    fn pid(&self) -> Result<Pid> {
        let pid = i32::try_from(self.process()?.id())?;
        Pid::from_raw(pid).ok_or_else(|| "the hub does not run".into())
    }

    /// A token for the MCP server behind the hub on this port.
    pub(crate) fn server_token(&self, algorithm: Algorithm, subject: &str, port: u16) -> Result<String> {
        self.issuer.access_token(algorithm, subject, &format!("http://127.0.0.1:{port}/s/{ECHO}/mcp"))
    }

    /// A token for `/mcp`.
    pub(crate) fn agent_token(&self, algorithm: Algorithm, subject: &str) -> Result<String> {
        self.issuer.access_token(algorithm, subject, &format!("http://127.0.0.1:{}/mcp", self.port))
    }

    /// A ticket for one tab of `subject`.
    pub(crate) async fn ticket(&self, connection: &mut Connection, subject: &str) -> Result<String> {
        let token = self.issuer.access_token(Algorithm::Es256, subject, APP_AUDIENCE)?;
        let body = json!({ "app": "crm", "origin": ORIGIN, "session_expires_at": now_seconds() + 6 * 3600 });
        let request = post(self.port, "/api/tickets", &token, "", &body.to_string());
        let answer = connection.ask(&request).await?;
        let body: Value = serde_json::from_str(&answer.body)?;
        match body.get("ticket").and_then(Value::as_str) {
            Some(ticket) => Ok(ticket.to_owned()),
            None => fail(format!("no ticket: {} {}", answer.status, answer.body)),
        }
    }

    fn config(&self) -> String {
        let (port, issuer) = (self.port, &self.issuer.url);
        let server = self.echo.map(server).unwrap_or_default();
        format!(
            r#"[hub]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
data_dir = "./data"

[[identity_provider]]
name = "idp"
issuer = "{issuer}"

[[app]]
name = "crm"
origins = ["{ORIGIN}"]
audiences = ["{APP_AUDIENCE}"]
identity_provider = "idp"

[app.class]
{READ} = ["read"]
{WRITE} = ["write"]
{server}
[policy]
dir = "./policy"
"#
        )
    }
}

fn server(port: u16) -> String {
    format!(
        r#"
[[server]]
name = "{ECHO}"
url = "http://127.0.0.1:{port}/mcp"

[server.class]
{READ} = ["read"]
{WRITE} = ["write"]
"#
    )
}

/// The same for a hub that has no configuration.
pub(crate) fn classes() -> Result<HashMap<ToolName, Class>> {
    Ok(HashMap::from([
        (READ.parse()?, Class::from_words(["read"])?),
        (WRITE.parse()?, Class::from_words(["write"])?),
    ]))
}

/// The shipped policy's rules, but this tool may write without asking.
const POLICY: &str = r#"@id("own-tools-only")
forbid (principal, action == Deputy::Action::"call", resource)
when { resource has owner && resource.owner != principal };

@id("read")
permit (principal, action == Deputy::Action::"call", resource)
when { resource.effect == "read" && !resource.egress };

@id("sales-may-update-contacts")
permit (principal in Deputy::Group::"Sales Region 3", action == Deputy::Action::"call", resource)
when { resource.name == "update_contact" && resource.effect == "write" };

@id("approved")
permit (principal, action == Deputy::Action::"call", resource)
when { context.approved };
"#;

/// A request with a bearer token and a JSON body.
pub(crate) fn post(port: u16, path: &str, token: &str, more: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\naccept: application/json, text/event-stream\r\n{more}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?.port())
}

/// As many open files as the system gives; the hub inherits them.
pub(crate) fn raise_open_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}
