//! `[[identity_provider]]`.

use super::{DAY, MINUTE, Meaning};
use crate::settings::located::Located;
use crate::settings::network::{self, Wrong};
use crate::settings::raw;
use crate::settings::{Events, IdentityProvider, Introspection, ProviderClient, SecretSource};
use deputy_core::{Issuer, TenantId};
use deputy_identity::claims::ClaimPath;
use deputy_identity::provider::{AccessTokenType, KeysAt, Preset, ProviderError, Settings};
use deputy_identity::{Algorithm, Provider, ProviderName, TokenKind};
use std::collections::{BTreeMap, BTreeSet};

impl Meaning<'_, '_> {
    /// One entry per block, so that an application which names a faulty block is not told that there is none.
    pub(super) fn identity_providers(
        &mut self,
        blocks: &Located<Vec<raw::IdentityProvider>>,
        apps: &[raw::App],
        tenants: &[TenantId],
    ) -> Vec<Option<IdentityProvider>> {
        if blocks.is_empty() {
            self.faults.add(
                blocks.span(),
                "`identity_provider` is empty: nobody could sign in",
                "add a block `[[identity_provider]]`, see docs/reference/config.md",
            );
        }
        for (index, block) in blocks.iter().enumerate() {
            let earlier = blocks.iter().take(index);
            if earlier.clone().any(|other| *other.name == *block.name) {
                self.twice(&block.name, "identity provider", "give each its own name");
            }
            if earlier.clone().any(|other| *other.issuer == *block.issuer) {
                let mend = "keep one of the two blocks: an issuer leads to one tenant";
                self.twice(&block.issuer, "issuer", mend);
            }
        }
        let providers: Vec<_> =
            blocks.iter().map(|block| self.identity_provider(block, apps, tenants)).collect();
        self.no_issuer_of_two(blocks, &providers);
        providers
    }

    /// Issuers that are written differently may still be one: a directory of Entra ID, and all of them.
    fn no_issuer_of_two(&mut self, blocks: &[raw::IdentityProvider], providers: &[Option<IdentityProvider>]) {
        let mut taken: BTreeMap<&Issuer, &str> = BTreeMap::new();
        for (block, provider) in blocks.iter().zip(providers) {
            for issuer in provider.iter().flat_map(|entry| entry.provider.issuers()) {
                let other = taken.insert(issuer, block.issuer.as_str());
                if other.is_some_and(|other| other != block.issuer.as_str()) {
                    let message = format!("tokens of `{issuer}` would belong to two identity providers");
                    let mend = "keep one of the two blocks: an issuer leads to one tenant";
                    self.faults.add(block.issuer.span(), message, mend);
                }
            }
        }
    }

    fn identity_provider(
        &mut self,
        block: &raw::IdentityProvider,
        apps: &[raw::App],
        tenants: &[TenantId],
    ) -> Option<IdentityProvider> {
        let name = self.located(&block.name, |text| ProviderName::new(text).map_err(provider_name));
        let tenant = self.tenant(block.tenant.as_ref(), &block.name, tenants);
        let issuer = self.located(&block.issuer, issuer);
        let keys_at = self.keys_at(block);
        let algorithms = self.algorithms(block.algorithms.as_ref());
        let groups = block.groups_claim.as_ref().map(|claim| self.text(claim, "groups_claim"));
        let client = block.client.as_ref().map(|client| self.client(client));
        let max_lifetime =
            self.duration(block.max_token_lifetime.as_ref(), DAY, MINUTE..=DAY, "max_token_lifetime");
        let tenant_claim = block.tenant_claim.as_ref().map(|claim| self.text(claim, "tenant_claim"));
        // The shape check has named a preset that is not known.
        let preset = Preset::named(block.preset.as_ref().map_or("oidc", |preset| preset.as_str()))?;
        let settings = preset.settings_at(name?, tenant?, issuer?, keys_at?);
        let mut settings = settings.map_err(|error| self.refused(&block.issuer, &error)).ok()?;
        if let Some(algorithms) = algorithms? {
            settings.algorithms = algorithms;
        }
        if let Some(groups) = flat(groups)? {
            settings.groups = ClaimPath::parse(&groups);
        }
        match block.access_token_type.as_ref().map(|kind| kind.as_str()) {
            Some("allow_untyped") => settings.access_token_type = AccessTokenType::Untyped,
            Some(_) => settings.access_token_type = AccessTokenType::Declared,
            None => {}
        }
        settings.provider_tenants = block
            .provider_tenants
            .as_ref()
            .map(|tenants| tenants.iter().map(|tenant| tenant.as_str().to_owned()).collect());
        settings.tenant_claim = flat(tenant_claim)?.map(|claim| ClaimPath::parse(&claim));
        settings.kinds = kinds(preset, block, apps);
        settings.max_lifetime = max_lifetime?;
        let provider = self.provider(block, settings)?;
        let client = flat(client)?;
        if let (Some(written), false) = (&block.client, preset.signs_people_in()) {
            let message = format!(
                "nobody can sign in through `{}`: `{}` is no OpenID provider, and has no use for a `client`",
                *block.name,
                preset.name()
            );
            let mend = "remove the `client`; let people sign in through another `[[identity_provider]]`, such as the one that it gets its own people from (docs/guide/providers/firebase.md)";
            self.faults.add(written.id.span(), message, mend);
            return None;
        }
        let introspection = self.introspection(block, client.as_ref())?;
        let events = flat(block.events.as_ref().map(|events| self.events(events)))?;
        Some(IdentityProvider { provider, client, introspection, events })
    }

    #[expect(clippy::option_option, reason = "written wrong, not written and written right are three cases")]
    fn introspection(
        &mut self,
        block: &raw::IdentityProvider,
        client: Option<&ProviderClient>,
    ) -> Option<Option<Introspection>> {
        let url = flat(block.introspection_url.as_ref().map(|url| self.located(url, network::web_address)))?;
        let wanted = block.introspection.unwrap_or(url.is_some());
        if wanted && client.is_none() {
            let mend =
                "add `client = { id = \"deputy\", secret = { file = \"idp.secret\" } }`: it is what asks";
            let message = format!("`{}` cannot be asked about tokens: it has no `client`", *block.name);
            self.faults.add(block.name.span(), message, mend);
            return None;
        }
        Some(wanted.then_some(Introspection { url }))
    }

    fn events(&mut self, events: &raw::Events) -> Option<Events> {
        let audience = self.text(&events.audience, "events.audience");
        let push_token = flat(events.push_token.as_ref().map(|secret| self.secret(secret)));
        let poll = flat(events.poll.as_ref().map(|url| self.located(url, network::web_address)));
        let token = flat(events.token.as_ref().map(|secret| self.secret(secret)));
        match (&events.poll, &events.push_token, &events.token) {
            (Some(_), Some(push), _) => {
                let mend = "keep one of the two: events are fetched, or they are pushed";
                self.faults.add(push.span(), "`push_token` stands beside `poll`", mend);
                return None;
            }
            (None, _, Some(token)) => {
                let mend = "write `push_token` for what a push brings, or add `poll`";
                self.faults.add(token.span(), "`token` is for fetching events, and there is no `poll`", mend);
                return None;
            }
            _ => {}
        }
        let token = token?;
        Some(Events { audience: audience?, push_token: push_token?, poll: poll?.map(|url| (url, token)) })
    }

    /// What remains for `deputy-identity` to refuse.
    fn provider(&mut self, block: &raw::IdentityProvider, settings: Settings) -> Option<Provider> {
        let place = match &block.provider_tenants {
            Some(tenants) => tenants.span(),
            None => block.name.span(),
        };
        Provider::new(settings).map_err(|error| self.faults.add(place, error.to_string(), mend(&error))).ok()
    }

    fn refused(&mut self, issuer: &Located<String>, error: &ProviderError) {
        self.faults.add(issuer.span(), error.to_string(), mend(error));
    }

    #[expect(clippy::option_option, reason = "written wrong, not written and written right are three cases")]
    fn keys_at(&mut self, block: &raw::IdentityProvider) -> Option<Option<KeysAt>> {
        let set = block.jwks_uri.as_ref().map(|uri| self.located(uri, network::web_address));
        let discovery = block.discovery_url.as_ref().map(|url| self.located(url, network::web_address));
        if let (Some(_), Some(url)) = (&set, &block.discovery_url) {
            let mend = "remove one of the two: with `jwks_uri` nothing is learned from discovery";
            self.faults.add(url.span(), "`discovery_url` stands beside `jwks_uri`", mend);
        }
        let (set, discovery) = (flat(set)?, flat(discovery)?);
        Some(set.map(KeysAt::Set).or(discovery.map(KeysAt::Discovery)))
    }

    #[expect(clippy::option_option, reason = "written wrong, not written and written right are three cases")]
    pub(super) fn algorithms(
        &mut self,
        written: Option<&Located<Vec<raw::Algorithm>>>,
    ) -> Option<Option<BTreeSet<Algorithm>>> {
        let Some(written) = written else { return Some(None) };
        if written.is_empty() {
            let mend = "write `algorithms = [\"RS256\"]`, or remove the key";
            self.faults.add(written.span(), "`algorithms` is empty: no token could be accepted", mend);
            return None;
        }
        // The shape check has named every word that is not known.
        let algorithms: Option<BTreeSet<_>> = written.iter().map(|word| Algorithm::named(&word.0)).collect();
        algorithms.map(Some)
    }

    pub(super) fn client(&mut self, client: &raw::Client) -> Option<ProviderClient> {
        let id = self.text(&client.id, "client.id");
        let secret = client.secret.as_ref().map(|secret| self.secret(secret));
        let key = client.private_key_jwt.as_ref().map(|key| self.secret(key));
        if let (Some(_), Some(key)) = (&client.secret, &client.private_key_jwt) {
            let mend = "keep one of the two; a private key is the stronger";
            self.faults.add(key.span(), "`client` has both `secret` and `private_key_jwt`", mend);
            return None;
        }
        if let (Some(said), None) = (&client.secret_in_form, &client.secret) {
            let mend = "remove it, or add `secret = { file = \"idp.secret\" }`";
            self.faults.add(said.span(), "`secret_in_form` stands without a `secret`", mend);
            return None;
        }
        if let (Some(said), None) = (&client.assertion_audience, &client.private_key_jwt) {
            let mend = "remove it, or add `private_key_jwt = { file = \"idp-key.pem\" }`";
            self.faults.add(said.span(), "`assertion_audience` stands without a `private_key_jwt`", mend);
            return None;
        }
        let audience = client.assertion_audience.as_ref();
        let audience = flat(audience.map(|text| self.text(text, "client.assertion_audience")))?;
        Some(ProviderClient {
            id: id?,
            secret: flat(secret)?,
            private_key: flat(key)?,
            secret_in_form: client.secret_in_form.as_ref().is_some_and(|said| **said),
            assertion_audience: audience,
        })
    }

    pub(super) fn secret(&mut self, secret: &Located<raw::SecretSource>) -> Option<SecretSource> {
        match (&secret.file, &secret.env) {
            (Some(file), None) => Some(SecretSource::File(self.path(file))),
            (None, Some(name)) => self.text(name, "secret.env").map(SecretSource::Environment),
            (file, _) => {
                let said = if file.is_some() { "both `file` and `env`" } else { "neither `file` nor `env`" };
                self.faults.add(
                    secret.span(),
                    format!("`secret` has {said}"),
                    "write `secret = { file = \"idp.secret\" }` or `secret = { env = \"DEPUTY_IDP_SECRET\" }`",
                );
                None
            }
        }
    }
}

fn provider_name(error: ProviderError) -> Wrong {
    match error {
        ProviderError::Name(name) => {
            (format!("`{name}` is not a provider name"), "use 1 to 32 of a-z, 0-9 and -".to_owned())
        }
        other => (other.to_string(), "see docs/reference/config.md".to_owned()),
    }
}

/// OpenID Connect Discovery 1.0 section 4: no query, no fragment; a slash at the end is part of it.
pub(super) fn issuer(text: &str) -> Result<Issuer, Wrong> {
    let url = network::web_address(text)?;
    if url.query().is_some() {
        return Err((format!("`{text}` has a query (`?`)"), "copy the issuer without it".to_owned()));
    }
    Issuer::new(text)
        .map_err(|error| (error.to_string(), "copy `issuer` from its discovery document".to_owned()))
}

/// ID tokens are taken from a provider only where an application brings them (A10), where people sign in with the hub's own
/// client, or where there is nothing else.
fn kinds(preset: Preset, block: &raw::IdentityProvider, apps: &[raw::App]) -> Vec<TokenKind> {
    let brings = |app: &raw::App| {
        app.identity_provider.as_str() == block.name.as_str()
            && app.token.as_ref().is_some_and(|kind| kind.as_str() == "id_token")
    };
    if !preset.issues(TokenKind::AccessToken) {
        return vec![TokenKind::IdToken];
    }
    let mut kinds = vec![TokenKind::AccessToken];
    if block.client.is_some() || apps.iter().any(brings) {
        kinds.push(TokenKind::IdToken);
    }
    kinds
}

fn mend(error: &ProviderError) -> String {
    error.mend().unwrap_or_else(|| "see docs/reference/config.md".to_owned())
}

/// What was written wrong ends here; what was not written does not.
#[expect(clippy::option_option, reason = "written wrong, not written and written right are three cases")]
fn flat<T>(written: Option<Option<T>>) -> Option<Option<T>> {
    match written {
        Some(value) => value.map(Some),
        None => Some(None),
    }
}
