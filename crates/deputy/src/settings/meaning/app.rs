//! `[[app]]`.

use super::Meaning;
use crate::settings::located::Located;
use crate::settings::network;
use crate::settings::raw::{self, ClassWord};
use crate::settings::{App, Hub, IdentityProvider, Manifest};
use deputy_core::{Class, Origin, SourceName, TenantId, ToolName};
use deputy_identity::{Audiences, ProviderName, TokenKind};
use std::collections::{BTreeMap, HashSet};

impl Meaning<'_, '_> {
    pub(super) fn apps(
        &mut self,
        blocks: &[raw::App],
        tenants: &[TenantId],
        providers: &[Option<IdentityProvider>],
        hub: Option<&Hub>,
    ) -> Vec<App> {
        self.no_two_alike(blocks);
        blocks.iter().filter_map(|block| self.app(block, tenants, providers, hub)).collect()
    }

    /// A ticket or a tab must lead to one application: by its name, its origin, the audience of its tokens.
    fn no_two_alike(&mut self, blocks: &[raw::App]) {
        let (mut names, mut origins, mut audiences) = (HashSet::new(), HashSet::new(), HashSet::new());
        for block in blocks {
            if !names.insert(block.name.as_str()) {
                self.twice(&block.name, "app", "give each application its own name");
            }
            for origin in block.origins.iter() {
                if !origins.insert(origin.as_str()) {
                    self.twice(
                        origin,
                        "origin",
                        "an origin belongs to one application; remove one of the two",
                    );
                }
            }
            for audience in block.audiences.iter() {
                if !audiences.insert((block.identity_provider.as_str(), audience.as_str())) {
                    let mend =
                        "give each application its own audience, so that a token for one opens no other";
                    self.twice(audience, "audience", mend);
                }
            }
        }
    }

    fn app(
        &mut self,
        block: &raw::App,
        tenants: &[TenantId],
        providers: &[Option<IdentityProvider>],
        hub: Option<&Hub>,
    ) -> Option<App> {
        let name = self.name(&block.name, SourceName::new);
        if block.name.as_str() == deputy_hub::answers::SOURCE {
            let mend = "give the application another name; tools named `deputy__…` are the hub's own";
            self.faults.add(block.name.span(), "`deputy` is the hub's own name".to_owned(), mend);
        }
        let tenant = self.tenant(block.tenant.as_ref(), &block.name, tenants);
        let origins = self.origins(&block.origins);
        let audiences = self.audiences(&block.audiences, hub);
        let identity_provider = self.provider_of(&block.identity_provider, tenant.as_ref(), providers);
        let classes = self.classes(&block.class);
        let manifest = self.manifest(block.manifest.as_ref(), origins.as_deref());
        let id_token = block.token.as_ref().is_some_and(|kind| kind.as_str() == "id_token");
        let token = if id_token { TokenKind::IdToken } else { TokenKind::AccessToken };
        let issued = self.issued(block, token, identity_provider.as_ref(), providers);
        Some(App {
            name: name?,
            tenant: tenant?,
            origins: origins?,
            audiences: audiences?,
            identity_provider: identity_provider?,
            token: issued?,
            classes: classes?,
            manifest: manifest?,
        })
    }

    /// The app's own word about its tools must come from the app: from one of its origins, exactly.
    fn manifest(
        &mut self,
        written: Option<&Located<String>>,
        origins: Option<&[Origin]>,
    ) -> Option<Option<Manifest>> {
        let Some(written) = written else { return Some(None) };
        let url = self.located(written, network::web_address)?;
        let origins = origins?;
        let own = url.origin().ascii_serialization();
        if let Some(origin) = origins.iter().find(|origin| origin.as_str() == own) {
            return Some(Some(Manifest { url, origin: origin.clone() }));
        }
        let at = origins.first().map_or("https://crm.acme.example", Origin::as_str);
        let mend = format!("write `manifest = \"{at}/.well-known/deputy-tools.json\"`");
        let message = format!("`{}` is at none of the app's own origins", **written);
        self.faults.add(written.span(), message, mend);
        None
    }

    /// Google and Firebase issue no access token that anybody but they could check.
    fn issued(
        &mut self,
        block: &raw::App,
        token: TokenKind,
        provider: Option<&ProviderName>,
        providers: &[Option<IdentityProvider>],
    ) -> Option<TokenKind> {
        let mut known = providers.iter().flatten();
        let provider = known.find(|entry| Some(entry.provider.name()) == provider)?;
        let preset = provider.provider.settings().preset;
        if preset.issues(token) {
            return Some(token);
        }
        let span = block.token.as_ref().map_or_else(|| block.identity_provider.span(), Located::span);
        let message = format!("`{}` issues no access token that can be checked", preset.name());
        self.faults.add(span, message, "write `token = \"id_token\"` in this [[app]]");
        None
    }

    fn origins(&mut self, written: &Located<Vec<Located<String>>>) -> Option<Vec<Origin>> {
        if written.is_empty() {
            let mend = "write `origins = [\"https://crm.acme.example\"]`";
            self.faults.add(written.span(), "`origins` is empty: no tab could connect", mend);
            return None;
        }
        let origins: Vec<Option<Origin>> =
            written.iter().map(|origin| self.located(origin, network::origin)).collect();
        origins.into_iter().collect()
    }

    /// One audience per door: what opens the tab door opens no other (A9).
    fn audiences(&mut self, written: &Located<Vec<Located<String>>>, hub: Option<&Hub>) -> Option<Audiences> {
        if written.is_empty() {
            let mend = "write what this application's user tokens are for, as in `audiences = [\"crm-web\"]`";
            self.faults.add(written.span(), "`audiences` is empty: any token would do, so none does", mend);
            return None;
        }
        let audiences: Vec<Option<String>> = written
            .iter()
            .map(|audience| {
                let text = self.text(audience, "audiences")?;
                let of_hub = hub.is_some_and(|hub| {
                    let rest = text.strip_prefix(hub.public_url.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                });
                if of_hub {
                    let mend = "give the application its own audience; the hub's opens other doors";
                    self.faults.add(
                        audience.span(),
                        format!("`{text}` is an audience of the hub itself"),
                        mend,
                    );
                    return None;
                }
                Some(text)
            })
            .collect();
        Audiences::new(audiences.into_iter().collect::<Option<Vec<String>>>()?).ok()
    }

    fn provider_of(
        &mut self,
        said: &Located<String>,
        tenant: Option<&TenantId>,
        providers: &[Option<IdentityProvider>],
    ) -> Option<ProviderName> {
        let known = || providers.iter().flatten();
        let Some(provider) = known().find(|provider| provider.provider.name().as_str() == said.as_str())
        else {
            // A faulty block has its own fault already, and may be the one that is meant.
            if providers.iter().all(Option::is_some) {
                self.unknown_name(
                    said,
                    "identity_provider",
                    known().map(|provider| provider.provider.name().as_str()),
                );
            }
            return None;
        };
        if tenant.is_some_and(|tenant| tenant != provider.provider.tenant()) {
            let message = format!("`{}` is the identity provider of another tenant", **said);
            let mend =
                format!("name one of this tenant; `{}` belongs to `{}`", **said, provider.provider.tenant());
            self.faults.add(said.span(), message, mend);
            return None;
        }
        Some(provider.provider.name().clone())
    }

    pub(super) fn classes(
        &mut self,
        written: &BTreeMap<String, Located<Vec<ClassWord>>>,
    ) -> Option<BTreeMap<ToolName, Class>> {
        let mut classes = BTreeMap::new();
        let mut whole = true;
        for (tool, words) in written {
            match (ToolName::new(tool.as_str()), Class::from_words(words.iter().map(|word| word.0.as_str())))
            {
                (Ok(tool), Ok(class)) => {
                    classes.insert(tool, class);
                    continue;
                }
                (Err(error), _) => {
                    let message = format!("`{}` is not a {}", error.value, error.what);
                    self.faults.add(words.span(), message, error.rule);
                }
                (_, Err(_)) if words.is_empty() => {
                    let mend = format!("write `{tool} = [\"write\"]`, or remove the line");
                    self.faults.add(words.span(), format!("`{tool}` has no class"), mend);
                }
                // The shape check has named the word.
                (_, Err(_)) => {}
            }
            whole = false;
        }
        whole.then_some(classes)
    }
}
