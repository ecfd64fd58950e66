//! Offered tools, once for all tabs that offer the same: an idle tab is a few kilobytes.

use crate::catalog::App;
use deputy_core::{
    Class, Definition, DefinitionHash, Origin, PublicName, SourceKind, SourceName, Tool, User,
};
use deputy_protocol::schema::Schema;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A tool as an app's pages offer it, with its schemas compiled. Whose it is, each tab says: [`Offered::of`].
pub struct Offered {
    /// The app.
    pub source: SourceName,
    /// The page's.
    pub origin: Origin,
    /// What it is.
    pub definition: Arc<Definition>,
    /// The pin.
    pub hash: DefinitionHash,
    /// What it does to the world.
    pub class: Class,
    /// What agents call it.
    pub name: PublicName,
    /// What its arguments must fit.
    pub input: Arc<Schema>,
    /// What its structured result must fit.
    pub output: Option<Arc<Schema>>,
}

/// A tool that a tab offers.
pub type Offer = Arc<Offered>;

impl Offered {
    fn compile(
        app: &App,
        origin: &Origin,
        hash: DefinitionHash,
        definition: Definition,
    ) -> Result<Self, String> {
        let words = serde_json::to_value(&definition).map_err(|error| error.to_string())?;
        if let Some(hidden) = deputy_core::text::hidden(&words) {
            // Whoever reviews a tool must see what the model sees (P27).
            return Err(format!("it holds the invisible character U+{:04X}", u32::from(hidden)));
        }
        let compile = |schema| Schema::compile(schema).map_err(|error| error.to_string());
        let input = definition.input_schema.as_ref().map_or_else(|| Ok(Schema::anything()), compile)?;
        let output = definition.output_schema.as_ref().map(compile).transpose()?;
        Ok(Self {
            source: app.name.clone(),
            origin: origin.clone(),
            hash,
            class: definition.class(app.classes.get(&definition.name).copied()),
            name: PublicName::of(&app.name, &definition.name),
            definition: Arc::new(definition),
            input: Arc::new(input),
            output: output.map(Arc::new),
        })
    }

    /// The tool in a tab of this user.
    #[must_use]
    pub fn of(&self, owner: &User) -> Tool {
        Tool {
            source: self.source.clone(),
            source_kind: SourceKind::App,
            origin: self.origin.clone(),
            definition: Arc::clone(&self.definition),
            hash: self.hash,
            class: self.class,
            owner: Some(owner.clone()),
        }
    }
}

/// Everything that any tab offers now, by app and hash. The hash covers all of a definition and its origin, and the class is
/// the app's, so what is equal in both is the same.
#[derive(Default)]
pub(crate) struct Interned(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    entries: HashMap<(SourceName, DefinitionHash), Weak<Offered>>,
    sweep_at: usize,
}

impl Interned {
    /// The one that is there, or a new one.
    ///
    /// # Errors
    /// Why nobody can be offered this.
    pub(crate) fn share(&self, app: &App, origin: &Origin, definition: Definition) -> Result<Offer, String> {
        let hash = definition.hash(origin).map_err(|error| error.to_string())?;
        let key = (app.name.clone(), hash);
        if let Some(known) = self.shelf().entries.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let offer = Arc::new(Offered::compile(app, origin, hash, definition)?);
        let mut shelf = self.shelf();
        shelf.entries.insert(key, Arc::downgrade(&offer));
        if shelf.entries.len() >= shelf.sweep_at {
            shelf.entries.retain(|_, offer| offer.strong_count() > 0);
            shelf.sweep_at = (shelf.entries.len() * 2).max(64);
        }
        Ok(offer)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deputy_core::TenantId;

    fn app(name: &str, class: Class) -> App {
        App {
            name: name.parse().expect("name"),
            tenant: TenantId::single(),
            origins: Vec::new(),
            classes: HashMap::from([("x".parse().expect("name"), class)]),
            manifest: None,
        }
    }

    fn definition(text: &str) -> Definition {
        let value = serde_json::json!({"name": "x", "description": text, "kind": "imperative", "inputSchema": {"type": "object"}});
        serde_json::from_value(value).expect("definition")
    }

    #[test]
    fn equal_definitions_are_one_and_what_nobody_offers_is_forgotten() {
        let (interned, app) = (Interned::default(), app("a", Class::READ));
        let origin = Origin::new("https://a.example").expect("origin");
        let share = |text: &str| interned.share(&app, &origin, definition(text)).expect("offer");
        let (one, two) = (share("a"), share("a"));
        assert!(Arc::ptr_eq(&one, &two));
        for number in 0..1000 {
            share(&number.to_string());
        }
        assert!(interned.0.lock().expect("shelf").entries.len() <= 128);
        assert!(Arc::ptr_eq(&one, &share("a")));
    }

    #[test]
    fn the_same_definition_at_another_origin_or_of_another_app_is_another_tool() {
        let interned = Interned::default();
        let at = |origin: &str| Origin::new(origin).expect("origin");
        let share =
            |app: &App, origin: &str| interned.share(app, &at(origin), definition("a")).expect("offer");
        let (a, b) = (app("a", Class::READ), app("b", Class::UNKNOWN));
        let (one, elsewhere) = (share(&a, "https://a.example"), share(&a, "https://b.example"));
        assert_ne!(one.hash, elsewhere.hash);
        let others = share(&b, "https://a.example");
        assert_eq!(one.hash, others.hash);
        assert_eq!((one.source.as_str(), one.class), ("a", Class::READ));
        assert_eq!((others.source.as_str(), others.class), ("b", Class::UNKNOWN));
    }
}
