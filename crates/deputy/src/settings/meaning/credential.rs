//! `credential` of a `[[server]]`: what each kind needs is there, and nothing else (D1: no connection without all pins).

use super::Meaning;
use crate::settings::located::Located;
use crate::settings::network::{self, Wrong};
use crate::settings::{Credential, ExchangeKind, Exchanged, IdentityProvider, Way, raw};
use deputy_core::Issuer;
use deputy_identity::ProviderName;
use std::ops::Range;

/// The identity providers, and whether people sign in at the hub.
pub(super) type Providers<'a> = (&'a [Option<IdentityProvider>], bool);

/// Google's Security Token Service.
const GOOGLE_STS: &str = "https://sts.googleapis.com/v1/token";

impl Meaning<'_, '_> {
    pub(super) fn credential(
        &mut self,
        block: &raw::Server,
        way: Option<&Way>,
        providers: Providers<'_>,
    ) -> Option<Credential> {
        let word = block.credential.as_ref().map_or("open", |said| said.as_str());
        let kind = match word {
            "open" | "vault" => {
                let plain = if word == "vault" { Credential::Vault } else { Credential::Open };
                return self.no_pins(block).then_some(plain);
            }
            "id_jag" => ExchangeKind::IdJag,
            "token_exchange" => ExchangeKind::TokenExchange,
            "entra_obo" => ExchangeKind::EntraObo,
            "google_sts" => ExchangeKind::GoogleSts,
            "client_credentials" => ExchangeKind::ClientCredentials,
            // The shape check has named the word.
            _ => return None,
        };
        let place = block.credential.as_ref().map_or(0..0, Located::span);
        let at_server = matches!(kind, ExchangeKind::IdJag | ExchangeKind::ClientCredentials);
        let for_person = kind != ExchangeKind::ClientCredentials;
        let authorization_server = match &block.authorization_server {
            Some(issuer) => self.located(issuer, |text| server_issuer(text)).map(Some),
            None if at_server => self.lacks(
                &place,
                word,
                "authorization_server",
                "\"https://ledger.acme.example\"`: it is pinned here, never learned from the server",
            ),
            None => Some(None),
        };
        let client = match &block.client {
            Some(client) => self.client(client).map(Some),
            None if at_server => {
                let example = "{ id = \"deputy\", private_key_jwt = { file = \"ledger-key.pem\" } }`";
                self.lacks(&place, word, "client", example)
            }
            None => Some(None),
        };
        if let (Some(Some(client)), Some(written)) = (&client, &block.client)
            && client.secret.is_none()
            && client.private_key.is_none()
        {
            let mend = "add `private_key_jwt = { file = \"ledger-key.pem\" }`, or `secret`";
            self.faults.add(written.id.span(), "`client` shows nothing by which it is known", mend);
            return None;
        }
        let token_endpoint = match &block.token_endpoint {
            Some(url) => self.located(url, network::web_address).map(Some),
            None if kind == ExchangeKind::GoogleSts => network::web_address(GOOGLE_STS).ok().map(Some),
            None => Some(None),
        };
        let audience = match &block.audience {
            Some(audience) => self.text(audience, "audience").map(Some),
            None if matches!(kind, ExchangeKind::TokenExchange | ExchangeKind::GoogleSts) => {
                self.lacks(&place, word, "audience", "\"ledger\"`: the target of the exchange")
            }
            None => Some(None),
        };
        let scopes: Option<Vec<String>> =
            block.scopes.iter().flatten().map(|scope| self.text(scope, "scopes")).collect();
        if kind == ExchangeKind::EntraObo && block.scopes.as_ref().is_none_or(Vec::is_empty) {
            self.lacks::<()>(&place, word, "scopes", "[\"api://ledger/.default\"]`")?;
        }
        let resource = match (&block.resource, way) {
            (Some(resource), _) => self.text(resource, "resource"),
            (None, Some(Way::Address(url))) => Some(url.to_string()),
            (None, Some(Way::OpenApi { base_url: Some(url), .. })) => Some(url.to_string()),
            (None, None) => None,
            (None, Some(_)) => {
                self.lacks::<()>(&place, word, "resource", "\"https://ledger.acme.example\"`");
                None
            }
        };
        let provider =
            if for_person { self.exchanges(block, &place, providers)?.map(Some) } else { Some(None) };
        Some(Credential::Exchanged(Box::new(Exchanged {
            kind,
            provider: provider?,
            authorization_server: authorization_server?,
            token_endpoint: token_endpoint?,
            resource: resource?,
            audience: audience?,
            scopes: scopes?,
            client: client?,
        })))
    }

    /// Which provider exchanges. The outer `None` was told; so was the inner.
    #[expect(
        clippy::option_option,
        reason = "both are faults; the second could not be said before the first"
    )]
    fn exchanges(
        &mut self,
        block: &raw::Server,
        place: &Range<usize>,
        (providers, people_sign_in): Providers<'_>,
    ) -> Option<Option<ProviderName>> {
        if !people_sign_in {
            let mend = "add a block `[sign_in]`: the hub exchanges what the provider gave it for a person who signed in";
            self.faults.add(place.clone(), "nobody signs in at the hub, so nothing can be exchanged", mend);
            return None;
        }
        let usable: Vec<&IdentityProvider> =
            providers.iter().flatten().filter(|entry| entry.client.is_some()).collect();
        let names = || usable.iter().map(|entry| entry.provider.name());
        match (&block.identity_provider, usable.as_slice()) {
            (Some(said), _) => {
                let found = names().find(|name| name.as_str() == said.as_str()).cloned();
                if found.is_none() {
                    self.unknown_name(said, "identity_provider", names().map(ProviderName::as_str));
                }
                Some(found)
            }
            (None, [only]) => Some(Some(only.provider.name().clone())),
            (None, _) => {
                let mend = "add `identity_provider = \"acme\"`, one that has a `client`";
                self.faults.add(place.clone(), "it does not say which identity provider exchanges", mend);
                None
            }
        }
    }

    /// What only an exchange reads would be ignored, and that is never done.
    fn no_pins(&mut self, block: &raw::Server) -> bool {
        let texts = [
            block.authorization_server.as_ref(),
            block.token_endpoint.as_ref(),
            block.resource.as_ref(),
            block.audience.as_ref(),
            block.identity_provider.as_ref(),
        ];
        let scopes = block.scopes.iter().flatten().next();
        let client = block.client.as_ref().map(|client| &client.id);
        let stray = texts.into_iter().flatten().chain(scopes).chain(client).next();
        let Some(stray) = stray else { return true };
        let mend = "add `credential = \"id_jag\"` or another exchange, or remove it";
        self.faults.add(stray.span(), "only a server whose tokens are exchanged has this", mend);
        false
    }

    #[expect(clippy::option_option, reason = "as the callers' own")]
    fn lacks<T>(&mut self, place: &Range<usize>, word: &str, key: &str, example: &str) -> Option<Option<T>> {
        self.faults.add(
            place.clone(),
            format!("`{word}` without `{key}`"),
            format!("add `{key} = {example}"),
        );
        None
    }
}

fn server_issuer(text: &str) -> Result<Issuer, Wrong> {
    let url = network::web_address(text)?;
    if url.query().is_some() {
        return Err((format!("`{text}` has a query (`?`)"), "copy the issuer without it".to_owned()));
    }
    Issuer::new(text).map_err(|error| (error.to_string(), "copy `issuer` from its metadata".to_owned()))
}
