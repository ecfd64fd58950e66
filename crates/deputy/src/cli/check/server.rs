//! Whether an MCP server answers, and what it offers. It is asked for nothing that has an effect.

use super::{Finding, exchange};
use crate::servers::{self, Around, upstream};
use crate::settings::{Credential, Server, Settings};
use crate::vault::vault;
use deputy_egress::upstream::NoCredential;
use deputy_hub::ports::Upstream;
use deputy_hub::ports::upstream::{Ask, ClientSide, Failure, Reply};
use deputy_protocol::relay::Object;
use deputy_store::{Place, VaultDesk};
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// As whom it is asked: nobody's connection is shared with this.
const PRINCIPAL: &str = "deputy check";

pub(super) async fn reach(server: &Server, settings: &Settings, around: &Around) -> Finding {
    match &server.credential {
        Credential::Open => answers(server, &*upstream(server, around, Arc::new(NoCredential))).await,
        Credential::Vault => with_its_secret(server, settings, around).await,
        Credential::Exchange(exchange) => exchange::reach(server, exchange, around).await,
    }
}

/// With what the vault has for it, opened as the hub opens it, beside one that runs too.
async fn with_its_secret(server: &Server, settings: &Settings, around: &Around) -> Finding {
    let name = &server.name;
    let desk = match VaultDesk::open(&Place::new(&settings.hub.data_dir)).await {
        Ok(desk) => desk,
        Err(error) => {
            let mend = format!("`deputy vault put {name}`, then check again");
            return Finding::warning(format!("server `{name}` is not asked: {error}"), mend);
        }
    };
    let vault = Arc::new(vault(settings, Arc::new(desk.reader())));
    let finding = match vault.headers_for(&server.tenant, name).await {
        Err(fault) => {
            let text = fault.to_string();
            let usual = "let the user who runs deputy read the data directory";
            let (what, mend) = text.split_once("\n  mend: ").unwrap_or((&text, usual));
            Finding::bad(format!("server `{name}`: {what}"), mend)
        }
        Ok(_) => match servers::one(server, around, &vault) {
            Ok(opened) => answers(server, &*opened.upstream).await,
            Err(error) => Finding::bad(format!("server `{name}`: {error}"), "write another `url`"),
        },
    };
    if let Err(error) = desk.close().await {
        tracing::debug!(%error, "the vault's table was not closed");
    }
    finding
}

async fn answers(server: &Server, upstream: &dyn Upstream) -> Finding {
    let name = &server.name;
    let found = look(server, upstream).await;
    let revision = upstream.health().revision.unwrap_or_else(|| "an unknown revision".to_owned());
    upstream.close().await;
    match found {
        Ok(tools) => Finding::good(format!("server `{name}` answers in {revision} and lists {tools}")),
        Err(why) => {
            let mend = "docs/how-to/add-an-mcp-server.md; the log of the server itself may say more";
            Finding::bad(format!("server `{name}`: {why}"), mend)
        }
    }
}

/// What its list of tools begins with, in words.
async fn look(server: &Server, upstream: &dyn Upstream) -> Result<String, Failure> {
    let ask = |method: &str| Ask {
        method: method.to_owned(),
        params: None,
        client: ClientSide::default(),
        principal: PRINCIPAL.to_owned(),
        timeout: server.timeout,
        changes_nothing: true,
        trace: None,
    };
    let (told, _) = mpsc::channel(1);
    let never = CancellationToken::new();
    upstream.ask(ask("server/discover"), told.clone(), &never).await?;
    Ok(match upstream.ask(ask("tools/list"), told, &never).await? {
        Reply::Result(result) => count(&result),
        Reply::Fault { .. } => "no tools".to_owned(),
    })
}

fn count(result: &RawValue) -> String {
    let members = Object::parse(result).unwrap_or_default();
    let tools: Vec<&RawValue> =
        members.get("tools").and_then(|tools| serde_json::from_str(tools.get()).ok()).unwrap_or_default();
    let more = if members.get("nextCursor").is_some() { " and more" } else { "" };
    match tools.len() {
        1 => format!("1 tool{more}"),
        many => format!("{many} tools{more}"),
    }
}
