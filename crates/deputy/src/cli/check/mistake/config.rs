//! What the configuration shows by itself.

use super::Mistake;
use crate::settings::{App, Credential, Exchange, ExchangeWay, IdentityProvider, Server, Settings, SignIn};
use deputy_hub::exchange::Subject;
use deputy_identity::{ProviderName, TokenKind};

const OFFLINE: &str = "offline_access";
const POOL: &str = "//iam.googleapis.com/locations/global/workforcePools/";
const CONSENT: &str = "use `credential = \"user_oauth\"`, where each person says yes once, or `vault`";

/// Every mistake, and where it is.
pub(in crate::cli::check) fn find(settings: &Settings) -> Vec<(String, Mistake)> {
    let mut found = Vec::new();
    for entry in &settings.identity_providers {
        let place = format!("identity provider `{}`", entry.provider.name());
        found.extend(
            of_provider(entry, settings.sign_in.as_ref()).into_iter().map(|one| (place.clone(), one)),
        );
    }
    for app in &settings.apps {
        let place = format!("app `{}`", app.name);
        found.extend(of_app(app, settings).into_iter().map(|one| (place.clone(), one)));
    }
    for server in &settings.servers {
        let place = format!("server `{}`", server.name);
        found.extend(of_server(server, settings).into_iter().map(|one| (place.clone(), one)));
    }
    found
}

fn preset(entry: &IdentityProvider) -> &'static str {
    entry.provider.settings().preset.name()
}

fn named<'s>(settings: &'s Settings, name: &ProviderName) -> Option<&'s IdentityProvider> {
    settings.identity_providers.iter().find(|entry| entry.provider.name() == name)
}

/// Where people sign in through it.
fn of_provider(entry: &IdentityProvider, sign_in: Option<&SignIn>) -> Vec<Mistake> {
    let Some(sign_in) = sign_in.filter(|own| own.providers.contains(entry.provider.name())) else {
        return Vec::new();
    };
    let asks_offline = sign_in.scopes.iter().any(|scope| scope == OFFLINE);
    let tenants = entry.provider.settings().provider_tenants.as_deref().unwrap_or_default();
    let has_key = entry.client.as_ref().is_some_and(|client| client.private_key.is_some());
    let mut found = Vec::new();
    match (preset(entry), asks_offline) {
        (preset @ ("google" | "cognito"), true) => found.push(Mistake::OfflineUnknown { preset }),
        ("keycloak", true) => found.push(Mistake::OfflineOutlives),
        ("okta" | "auth0" | "entra" | "workos" | "scalekit" | "better-auth" | "logto", false) => {
            found.push(Mistake::NoOffline);
        }
        _ => {}
    }
    if let (preset @ ("workos" | "clerk" | "logto"), false) = (preset(entry), tenants.is_empty()) {
        found.push(Mistake::NoOrganisation { preset });
    }
    if preset(entry) == "entra" && has_key {
        found.push(Mistake::Certificate);
    }
    found
}

fn of_app(app: &App, settings: &Settings) -> Vec<Mistake> {
    let Some(entry) = named(settings, &app.identity_provider) else { return Vec::new() };
    if app.token != TokenKind::AccessToken {
        return Vec::new();
    }
    let audiences: Vec<&str> = app.audiences.iter().collect();
    let is_client = |audience: &&str| entry.client.as_ref().is_some_and(|client| client.id == *audience);
    match preset(entry) {
        "entra" if entry.provider.issuer().as_str().ends_with("/v2.0") => {
            let other = audiences.iter().find(|audience| !is_guid(audience));
            other
                .map(|audience| Mistake::AudienceNoGuid { audience: (*audience).to_owned() })
                .into_iter()
                .collect()
        }
        "auth0" | "okta" | "logto" if audiences.iter().any(is_client) => vec![Mistake::AudienceIsClient],
        "cognito" => {
            let address = audiences.iter().find(|audience| audience.contains("://"));
            address
                .map(|audience| Mistake::AudienceIsAddress { audience: (*audience).to_owned() })
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

fn of_server(server: &Server, settings: &Settings) -> Vec<Mistake> {
    let Credential::Exchange(exchange) = &server.credential else { return Vec::new() };
    let Some((name, credential)) = provider(&exchange.way) else { return Vec::new() };
    let Some(entry) = named(settings, name) else { return Vec::new() };
    if let Some(mistake) = other_lane(preset(entry), credential) {
        return vec![mistake];
    }
    of_exchange(exchange, entry, settings.sign_in.as_ref())
}

fn provider(way: &ExchangeWay) -> Option<(&ProviderName, &'static str)> {
    match way {
        ExchangeWay::IdJag { provider, .. } => Some((provider, "id_jag")),
        ExchangeWay::TokenExchange { provider, .. } => Some((provider, "token_exchange")),
        ExchangeWay::EntraObo { provider } => Some((provider, "entra_obo")),
        ExchangeWay::GoogleSts { provider, .. } => Some((provider, "google_sts")),
        ExchangeWay::UserOauth { .. } | ExchangeWay::ClientCredentials { .. } => None,
    }
}

/// What each product gives tokens by (identity reference section 2).
fn other_lane(preset: &'static str, credential: &'static str) -> Option<Mistake> {
    let (own, instead) = match preset {
        "oidc" => return None,
        "okta" => ("id_jag", "write `credential = \"id_jag\"`"),
        "auth0" => (
            "token_exchange",
            "write `credential = \"token_exchange\"` with a `subject_token_type` of your own (docs/guide/providers/auth0.md)",
        ),
        "entra" => ("entra_obo", "write `credential = \"entra_obo\"`"),
        "keycloak" => ("token_exchange", "write `credential = \"token_exchange\"`"),
        "google" => {
            let instead = "Google Cloud's exchange is for people of other providers: use `user_oauth`, where each person says yes once, or `vault`";
            return Some(Mistake::OtherLane { preset, credential, instead });
        }
        _ => ("", CONSENT),
    };
    let fits = credential == own || credential == "google_sts";
    (!fits).then_some(Mistake::OtherLane { preset, credential, instead })
}

fn of_exchange(exchange: &Exchange, entry: &IdentityProvider, sign_in: Option<&SignIn>) -> Vec<Mistake> {
    let mut found = Vec::new();
    let (preset, issuer) = (preset(entry), entry.provider.issuer().as_str());
    match &exchange.way {
        ExchangeWay::IdJag { .. } if preset == "okta" => {
            if let Some((organisation, _)) = issuer.split_once("/oauth2/") {
                found.push(Mistake::CustomServer { organisation: organisation.to_owned() });
            }
            if exchange.scopes.is_empty() {
                found.push(Mistake::NoScopes { product: "Okta", example: "ledger.read" });
            }
        }
        ExchangeWay::TokenExchange { subject, .. } => match (preset, subject) {
            ("auth0", Subject::AccessToken) => found.push(Mistake::NoOwnType),
            (preset @ "keycloak", Subject::IdTokenAs(_)) => found.push(Mistake::StrayOwnType { preset }),
            _ => {}
        },
        ExchangeWay::EntraObo { .. } => {
            let client = entry.client.as_ref().map(|client| client.id.clone()).unwrap_or_default();
            let own = |scope: &String| {
                let of_client = !client.is_empty() && scope.contains(&client);
                of_client || scope.starts_with("api://") || scope.ends_with("/.default")
            };
            if !sign_in.is_some_and(|own_sign_in| own_sign_in.scopes.iter().any(own)) {
                found.push(Mistake::NoOwnScope { client });
            }
        }
        ExchangeWay::GoogleSts { audience, user_project, .. } => {
            let rest = audience.strip_prefix(POOL).and_then(|rest| rest.split_once("/providers/"));
            if !rest.is_some_and(|(pool, provider)| !pool.is_empty() && !provider.is_empty()) {
                found.push(Mistake::MachinePool);
            }
            if exchange.scopes.is_empty() {
                let example = "https://www.googleapis.com/auth/cloud-platform";
                found.push(Mistake::NoScopes { product: "Google Cloud", example });
            }
            if user_project.is_none() {
                found.push(Mistake::NoProject);
            }
        }
        _ => {}
    }
    found
}
