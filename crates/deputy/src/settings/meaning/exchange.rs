//! `credential` of `[[server]]`, where the hub gets tokens: all of its pins, and no word of another kind (D1).

mod parameters;

use super::Meaning;
use crate::settings::located::Located;
use crate::settings::{
    Credential, Exchange, ExchangeWay, IdentityProvider, Pinned, ProviderClient, UserClient, network, raw,
};
use deputy_core::Issuer;
use deputy_hub::exchange::Subject;
use deputy_identity::ProviderName;
use std::ops::Range;
use url::Url;

/// The providers through which people sign in at the hub, as far as that can be said before `[sign_in]` is read.
pub(super) fn signing_in<'p>(
    written: Option<&Located<raw::SignIn>>,
    providers: &'p [Option<IdentityProvider>],
) -> Vec<&'p IdentityProvider> {
    let Some(written) = written else { return Vec::new() };
    let named = |entry: &&IdentityProvider| {
        let names = written.identity_providers.as_ref();
        names.is_none_or(|names| names.iter().any(|name| name.as_str() == entry.provider.name().as_str()))
    };
    providers.iter().flatten().filter(|entry| entry.client.is_some()).filter(named).collect()
}

/// A key, where it stands if it does, and the credentials that read it.
type Key<'a> = (&'a str, Option<Range<usize>>, &'a [&'a str]);

/// The kinds whose tokens come from the server's own authorization server.
const AT_SERVER: &[&str] = &["id_jag", "user_oauth", "client_credentials"];

impl Meaning<'_, '_> {
    pub(super) fn credential(
        &mut self,
        block: &raw::Server,
        signing_in: &[&IdentityProvider],
    ) -> Option<Credential> {
        let word = block.credential.as_ref().map_or("open", |word| word.as_str());
        let whole = self.no_stray_keys(block, word);
        let credential = match word {
            "vault" => Some(Credential::Vault),
            "id_jag" | "token_exchange" | "entra_obo" | "google_sts" | "user_oauth"
            | "client_credentials" => {
                self.exchange(block, word, signing_in).map(|own| Credential::Exchange(Box::new(own)))
            }
            // The shape check has named a word that is not known.
            _ => Some(Credential::Open),
        };
        credential.filter(|_| whole)
    }

    /// A key that this kind does not use is refused, never ignored.
    fn no_stray_keys(&mut self, block: &raw::Server, word: &str) -> bool {
        let span = |text: &Option<Located<String>>| text.as_ref().map(Located::span);
        let list = |list: &Option<Located<Vec<Located<String>>>>| list.as_ref().map(Located::span);
        let client = block.client.as_ref().map(|client| client.id.span());
        let keys: [Key<'_>; 13] = [
            ("authorization_server", span(&block.authorization_server), AT_SERVER),
            (
                "token_endpoint",
                span(&block.token_endpoint),
                &["id_jag", "client_credentials", "token_exchange", "entra_obo", "google_sts", "user_oauth"],
            ),
            ("authorization_endpoint", span(&block.authorization_endpoint), &["user_oauth"]),
            (
                "authorization_parameters",
                block.authorization_parameters.values().next().map(Located::span),
                &["user_oauth"],
            ),
            ("resource", span(&block.resource), AT_SERVER),
            (
                "scopes",
                list(&block.scopes),
                &["id_jag", "client_credentials", "token_exchange", "entra_obo", "google_sts", "user_oauth"],
            ),
            ("unasked_scopes", list(&block.unasked_scopes), &["token_exchange"]),
            ("subject_token_type", span(&block.subject_token_type), &["token_exchange"]),
            (
                "identity_provider",
                span(&block.identity_provider),
                &["id_jag", "token_exchange", "entra_obo", "google_sts"],
            ),
            ("audience", span(&block.audience), &["token_exchange", "google_sts"]),
            ("user_project", span(&block.user_project), &["google_sts"]),
            ("client", client, AT_SERVER),
            ("register", block.register.as_ref().map(Located::span), &["user_oauth"]),
        ];
        let mut whole = true;
        for (key, place, kinds) in keys {
            let Some(place) = place.filter(|_| !kinds.contains(&word)) else { continue };
            let message = format!("`{key}` means nothing with `credential = \"{word}\"`");
            let mend = format!("remove it, or write `credential = \"{}\"`", kinds.join("\"` or `\""));
            self.faults.add(place, message, mend);
            whole = false;
        }
        whole
    }

    fn exchange(
        &mut self,
        block: &raw::Server,
        word: &str,
        signing_in: &[&IdentityProvider],
    ) -> Option<Exchange> {
        let scopes = self.some_scopes(block.scopes.as_ref());
        let token_endpoint = match &block.token_endpoint {
            Some(url) => self.located(url, network::web_address).map(Some),
            None => Some(None),
        };
        let resource = self.resource(block, word);
        let way = match word {
            "id_jag" => self.id_jag(block, signing_in),
            "token_exchange" => self.token_exchange(block, signing_in),
            "entra_obo" => self.entra_obo(block, signing_in),
            "google_sts" => self.google_sts(block, signing_in),
            "user_oauth" => self.user_oauth(block, signing_in),
            _ => self.client_credentials(block),
        };
        Some(Exchange { resource: resource?, scopes: scopes?, token_endpoint: token_endpoint?, way: way? })
    }

    fn id_jag(&mut self, block: &raw::Server, signing_in: &[&IdentityProvider]) -> Option<ExchangeWay> {
        let provider = self.vouching(block, signing_in);
        let authorization_server = self.authorization_server(block);
        let client = match &block.client {
            Some(client) => self.client(client).map(Some),
            None => Some(None),
        };
        let (provider, authorization_server) = (provider?, authorization_server?);
        if *provider.provider.issuer() == authorization_server {
            let place = block.authorization_server.as_ref().map_or(0..0, Located::span);
            let message = format!("`{authorization_server}` is the identity provider itself");
            let mend = "write the issuer of the server's own authorization server; where the provider itself gives its tokens, use `credential = \"token_exchange\"`";
            self.faults.add(place, message, mend);
            return None;
        }
        let provider = provider.provider.name().clone();
        Some(ExchangeWay::IdJag { provider, authorization_server, client: client? })
    }

    fn token_exchange(
        &mut self,
        block: &raw::Server,
        signing_in: &[&IdentityProvider],
    ) -> Option<ExchangeWay> {
        let provider = self.vouching(block, signing_in).map(name);
        let audience = self.pin(block, block.audience.as_ref(), "audience", "ledger");
        let unasked_scopes = self.some_scopes(block.unasked_scopes.as_ref());
        let subject = match &block.subject_token_type {
            Some(own) => self.located(own, own_type).map(Subject::IdTokenAs),
            None => Some(Subject::AccessToken),
        };
        Some(ExchangeWay::TokenExchange {
            provider: provider?,
            audience: audience?,
            unasked_scopes: unasked_scopes?,
            subject: subject?,
        })
    }

    fn entra_obo(&mut self, block: &raw::Server, signing_in: &[&IdentityProvider]) -> Option<ExchangeWay> {
        let provider = self.vouching(block, signing_in).map(name);
        let is_named = block.scopes.as_ref().is_some_and(|scopes| !scopes.is_empty());
        if !is_named {
            self.missing(block, "scopes", "[\"api://ledger/.default\"]");
        }
        let offline = block.scopes.iter().flat_map(|scopes| scopes.iter());
        let offline = offline.filter(|scope| scope.as_str() == "offline_access").map(Located::span).next();
        if let Some(place) = offline {
            self.faults.add(place, "`offline_access` is never asked for here", "remove it");
            return None;
        }
        is_named.then_some(ExchangeWay::EntraObo { provider: provider? })
    }

    fn google_sts(&mut self, block: &raw::Server, signing_in: &[&IdentityProvider]) -> Option<ExchangeWay> {
        let provider = self.vouching(block, signing_in).map(name);
        let example = "//iam.googleapis.com/locations/global/workforcePools/acme/providers/idp";
        let audience = self.pin(block, block.audience.as_ref(), "audience", example);
        let user_project = match &block.user_project {
            Some(project) => self.text(project, "user_project").map(Some),
            None => Some(None),
        };
        Some(ExchangeWay::GoogleSts { provider: provider?, audience: audience?, user_project: user_project? })
    }

    fn user_oauth(&mut self, block: &raw::Server, signing_in: &[&IdentityProvider]) -> Option<ExchangeWay> {
        let authorization_server = self.authorization_server(block);
        let authorization_endpoint = match &block.authorization_endpoint {
            Some(url) => self.located(url, network::web_address).map(Some),
            None => Some(None),
        };
        let authorization_parameters = self.authorization_parameters(block);
        let registers = block.register.as_ref().filter(|register| ***register);
        let client = match (&block.client, registers) {
            (Some(client), None) => self.client(client).map(UserClient::Registered),
            (None, Some(_)) => Some(UserClient::SelfRegistered),
            (None, None) => Some(UserClient::OwnDocument),
            (Some(_), Some(register)) => {
                let mend =
                    "keep one of the two: a client that is registered already need not register itself";
                self.faults.add(register.span(), "there is both `client` and `register`", mend);
                None
            }
        };
        let place = || block.credential.as_ref().map_or(block.name.span(), Located::span);
        let is_reserved = block.name.as_str() == "callback";
        if is_reserved {
            let mend = "give it another name: `/connect/callback` is where people come back to";
            self.faults.add(
                block.name.span(),
                "a server whose users consent cannot be named `callback`",
                mend,
            );
        }
        if block.url.is_none() {
            let mend = "write `url`: it is the server that says how it wants to be opened";
            self.faults.add(place(), "`user_oauth` is for MCP servers at an address", mend);
        }
        if signing_in.is_empty() {
            let mend = "add `[sign_in]`, and a `client` to an `[[identity_provider]]`";
            self.faults.add(place(), "nobody signs in at the hub, so nobody can consent", mend);
        }
        if !self.has_vault {
            let mend =
                "run `deputy vault key FILE`, and write `master_key = { file = \"FILE\" }` under `[vault]`";
            self.faults.add(place(), "what users consent to is kept sealed, and there is no `[vault]`", mend);
        }
        if is_reserved || block.url.is_none() || signing_in.is_empty() || !self.has_vault {
            return None;
        }
        Some(ExchangeWay::UserOauth {
            authorization_server: authorization_server?,
            authorization_endpoint: authorization_endpoint?,
            authorization_parameters: authorization_parameters?,
            client: client?,
            pinned: Pinned { resource: block.resource.is_some(), scopes: block.scopes.is_some() },
        })
    }

    fn client_credentials(&mut self, block: &raw::Server) -> Option<ExchangeWay> {
        let authorization_server = self.authorization_server(block);
        let client: Option<ProviderClient> = match &block.client {
            None => {
                let example = "{ id = \"deputy\", private_key_jwt = { file = \"ledger-key.pem\" } }";
                self.missing(block, "client", example);
                None
            }
            Some(client) if client.secret.is_none() && client.private_key_jwt.is_none() => {
                let mend = "add `private_key_jwt = { file = \"ledger-key.pem\" }` or `secret = { file = \"ledger.secret\" }`";
                self.faults.add(client.id.span(), "a client that proves nothing is no service account", mend);
                None
            }
            Some(client) => self.client(client),
        };
        Some(ExchangeWay::ClientCredentials { authorization_server: authorization_server?, client: client? })
    }

    /// The provider that vouches for people, among those through which they sign in.
    fn vouching<'p>(
        &mut self,
        block: &raw::Server,
        signing_in: &[&'p IdentityProvider],
    ) -> Option<&'p IdentityProvider> {
        let known = || signing_in.iter().map(|entry| entry.provider.name().as_str());
        match (&block.identity_provider, signing_in) {
            (None, [only]) => Some(only),
            (None, []) => {
                let place = block.credential.as_ref().map_or(block.name.span(), Located::span);
                let message = "nobody signs in at the hub, so it has nothing to exchange";
                self.faults.add(
                    place,
                    message,
                    "add `[sign_in]`, and a `client` to an `[[identity_provider]]`",
                );
                None
            }
            (None, _) => {
                let first = known().next().unwrap_or("acme").to_owned();
                self.missing(block, "identity_provider", &format!("\"{first}\""));
                None
            }
            (Some(said), _) => {
                let found = signing_in.iter().find(|entry| entry.provider.name().as_str() == said.as_str());
                if found.is_none() {
                    let names: Vec<String> = known().map(ToOwned::to_owned).collect();
                    let message = format!("nobody signs in at the hub through `{}`", **said);
                    let mend = if names.is_empty() {
                        "add `[sign_in]`, and a `client` to the `[[identity_provider]]`".to_owned()
                    } else {
                        format!("use one of `{}`", names.join("`, `"))
                    };
                    self.faults.add(said.span(), message, mend);
                }
                found.copied()
            }
        }
    }

    fn authorization_server(&mut self, block: &raw::Server) -> Option<Issuer> {
        let Some(written) = &block.authorization_server else {
            self.missing(block, "authorization_server", "\"https://ledger.acme.example\"");
            return None;
        };
        self.located(written, |text| {
            let url: Url = network::web_address(text)?;
            let mend = "write the issuer exactly as its metadata has it".to_owned();
            if url.query().is_some() || url.fragment().is_some() {
                return Err((format!("`{text}` has a query or fragment"), mend));
            }
            Issuer::new(text.to_owned()).map_err(|error| (error.to_string(), mend))
        })
    }

    /// As it is written: it is compared byte for byte (D16).
    fn resource(&mut self, block: &raw::Server, word: &str) -> Option<String> {
        match (&block.resource, &block.url) {
            (Some(resource), _) => {
                self.located(resource, |text| network::web_address(text).map(|_| text.to_owned()))
            }
            (None, Some(url)) => Some(url.as_str().to_owned()),
            (None, None) if AT_SERVER.contains(&word) => {
                self.missing(block, "resource", "\"https://ledger.acme.example\"");
                None
            }
            (None, None) => {
                Some(block.base_url.as_ref().map_or(block.name.as_str(), |url| url.as_str()).to_owned())
            }
        }
    }

    fn pin(
        &mut self,
        block: &raw::Server,
        written: Option<&Located<String>>,
        key: &str,
        example: &str,
    ) -> Option<String> {
        match written {
            Some(written) => self.text(written, key),
            None => {
                self.missing(block, key, &format!("\"{example}\""));
                None
            }
        }
    }

    fn missing(&mut self, block: &raw::Server, key: &str, example: &str) {
        let message = format!("`{}` does not say its `{key}`", *block.name);
        let mend = format!("add `{key} = {example}`: it is pinned here, never learned from the server");
        self.faults.add(block.name.span(), message, mend);
    }

    fn some_scopes(&mut self, written: Option<&Located<Vec<Located<String>>>>) -> Option<Vec<String>> {
        let Some(written) = written else { return Some(Vec::new()) };
        let scopes: Vec<Option<String>> = written.iter().map(|scope| self.scope(scope)).collect();
        scopes.into_iter().collect()
    }
}

/// A type that is the provider's administrators' own. A registered one would send an ID token under the name of something
/// else.
fn own_type(text: &str) -> Result<String, network::Wrong> {
    let mend =
        "write the type of your own profile at the provider, such as `urn:acme:deputy-sign-in`".to_owned();
    let is_uri = Url::parse(text).is_ok() && text.len() <= 200;
    if !is_uri {
        return Err((format!("`{text}` is not a URI"), mend));
    }
    const RESERVED: [&str; 7] = [
        "urn:ietf",
        "urn:auth0",
        "urn:okta",
        "http://auth0.com",
        "https://auth0.com",
        "http://okta.com",
        "https://okta.com",
    ];
    if RESERVED.iter().any(|reserved| text.starts_with(reserved)) {
        return Err((format!("`{text}` is reserved, and no type of your own"), mend));
    }
    Ok(text.to_owned())
}

fn name(entry: &IdentityProvider) -> ProviderName {
    entry.provider.name().clone()
}
