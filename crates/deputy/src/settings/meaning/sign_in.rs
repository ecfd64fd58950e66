//! `[sign_in]`.

use super::{DAY, MINUTE, Meaning, SECOND};
use crate::settings::located::Located;
use crate::settings::{ApprovedAgent, IdentityProvider, SignIn, raw};
use deputy_core::{Client, Effect, SourceName, TenantId};
use deputy_identity::ProviderName;

/// How long a person stays signed in where nobody says otherwise.
const HALF_A_DAY: std::time::Duration = std::time::Duration::from_secs(12 * 3600);

impl Meaning<'_, '_> {
    /// The outer `None`: something is wrong.
    pub(super) fn sign_in(
        &mut self,
        written: Option<&Located<raw::SignIn>>,
        providers: &[Option<IdentityProvider>],
        sources: &[SourceName],
        tenants: &[TenantId],
    ) -> Option<Option<SignIn>> {
        let Some(written) = written else { return Some(None) };
        let providers = self.through(written, providers);
        let scopes = self.asked_scopes(written.scopes.as_ref());
        let session = self.duration(written.session.as_ref(), HALF_A_DAY, 5 * MINUTE..=7 * DAY, "session");
        let grant = self.duration(written.grant.as_ref(), 30 * MINUTE, MINUTE..=DAY, "grant");
        let token = self.duration(written.token.as_ref(), 5 * MINUTE, 30 * SECOND..=60 * MINUTE, "token");
        let ask_again =
            self.duration(written.ask_again.as_ref(), 5 * MINUTE, 30 * SECOND..=60 * MINUTE, "ask_again");
        let agents: Vec<Option<ApprovedAgent>> =
            written.agent.iter().map(|agent| self.approved(agent, sources, tenants)).collect();
        Some(Some(SignIn {
            providers: providers?,
            scopes: scopes?,
            session: session?,
            grant: grant?,
            token: token?,
            ask_again: ask_again?,
            dynamic_registration: written.dynamic_registration.unwrap_or(false),
            agents: agents.into_iter().collect::<Option<_>>()?,
        }))
    }

    /// The providers that people use: those named, or all that can be used.
    fn through(
        &mut self,
        written: &Located<raw::SignIn>,
        providers: &[Option<IdentityProvider>],
    ) -> Option<Vec<ProviderName>> {
        let known = || providers.iter().flatten();
        let mend = "add `client = { id = \"deputy\", secret = { file = \"idp.secret\" } }` to the `[[identity_provider]]`";
        let Some(names) = &written.identity_providers else {
            let usable: Vec<ProviderName> = known()
                .filter(|entry| entry.client.is_some())
                .map(|entry| entry.provider.name().clone())
                .collect();
            if usable.is_empty() && providers.iter().all(Option::is_some) {
                self.faults.add(
                    written.span(),
                    "nobody can sign in: no identity provider has a `client`",
                    mend,
                );
                return None;
            }
            return Some(usable);
        };
        let mut through = Vec::new();
        let mut right = !names.is_empty();
        if names.is_empty() {
            let mend = "name one, or remove the key";
            self.faults.add(names.span(), "`identity_providers` is empty: nobody could sign in", mend);
        }
        for name in names.iter() {
            let found = known().find(|entry| entry.provider.name().as_str() == name.as_str());
            match found {
                None => {
                    self.unknown_name(
                        name,
                        "identity_provider",
                        known().map(|entry| entry.provider.name().as_str()),
                    );
                    right = false;
                }
                Some(entry) if entry.client.is_none() => {
                    let message = format!("nobody can sign in through `{}`: it has no `client`", **name);
                    self.faults.add(name.span(), message, mend);
                    right = false;
                }
                Some(entry) => through.push(entry.provider.name().clone()),
            }
        }
        right.then_some(through)
    }

    fn asked_scopes(&mut self, written: Option<&Located<Vec<Located<String>>>>) -> Option<Vec<String>> {
        let mut scopes = vec!["openid".to_owned()];
        let Some(written) = written else {
            scopes.push("profile".to_owned());
            return Some(scopes);
        };
        for scope in written.iter() {
            let scope = self.scope(scope)?;
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        Some(scopes)
    }

    pub(super) fn scope(&mut self, scope: &Located<String>) -> Option<String> {
        self.located(scope, |text| {
            // RFC 6749 section 3.3.
            let plain = |b: u8| b == 0x21 || (0x23..=0x5b).contains(&b) || (0x5d..=0x7e).contains(&b);
            if !text.is_empty() && text.len() <= 200 && text.bytes().all(plain) {
                return Ok(text.to_owned());
            }
            let mend = "write each scope as a text of its own, without spaces".to_owned();
            Err((format!("`{text}` is not a scope"), mend))
        })
    }

    fn approved(
        &mut self,
        agent: &raw::ApprovedAgent,
        sources: &[SourceName],
        tenants: &[TenantId],
    ) -> Option<ApprovedAgent> {
        let tenant = self.tenant(agent.tenant.as_ref(), &agent.client, tenants);
        let client = self.text(&agent.client, "client");
        let most = match agent.most.as_ref().map(|word| (word.0.as_str(), word.span())) {
            None | Some(("read", _)) => Some(Effect::Read),
            Some(("write", _)) => Some(Effect::Write),
            Some(("destructive", _)) => Some(Effect::Destructive),
            Some((_, span)) => {
                let mend = "write `read`, `write` or `destructive`; whether a tool sends data out is policy's to say";
                self.faults.add(span, "`most` is how far its calls may go", mend);
                None
            }
        };
        let named = match &agent.sources {
            None => Some(None),
            Some(names) => {
                let found: Vec<Option<SourceName>> = names
                    .iter()
                    .map(|name| {
                        let found = sources.iter().find(|source| source.as_str() == name.as_str()).cloned();
                        if found.is_none() {
                            self.unknown_name(name, "app or server", sources.iter().map(SourceName::as_str));
                        }
                        found
                    })
                    .collect();
                found.into_iter().collect::<Option<Vec<_>>>().map(Some)
            }
        };
        Some(ApprovedAgent { tenant: tenant?, client: Client(client?), most: most?, sources: named? })
    }
}
