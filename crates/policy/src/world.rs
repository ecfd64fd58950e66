//! One decision's world: the entities and the context that policies see, built once.

use crate::arguments::Tagged;
use crate::error::PolicyError;
use crate::reads::Reads;
use crate::set::Parsed;
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use deputy_core::{Agent, Facts, SourceKind, Timestamp, Tool, User};
use serde_json::Value;

/// The schema's names, parsed once per set.
pub(crate) struct Vocabulary {
    user: EntityTypeName,
    group: EntityTypeName,
    app: EntityTypeName,
    server: EntityTypeName,
    tool: EntityTypeName,
    call: EntityUid,
    text: EntityUid,
    number: EntityUid,
    decimal: EntityUid,
    flag: EntityUid,
    kind: EntityUid,
}

impl Vocabulary {
    pub(crate) fn new() -> Result<Self, PolicyError> {
        let name = |text: &str| -> Result<EntityTypeName, PolicyError> {
            format!("Deputy::{text}").parse().map_err(|error| PolicyError::Schema(format!("{error}")))
        };
        let one =
            |text: &str| name(text).map(|name| EntityUid::from_type_name_and_id(name, EntityId::new("call")));
        Ok(Self {
            user: name("User")?,
            group: name("Group")?,
            app: name("App")?,
            server: name("Server")?,
            tool: name("Tool")?,
            call: one("Action")?,
            text: one("Texts")?,
            number: one("Numbers")?,
            decimal: one("Decimals")?,
            flag: one("Flags")?,
            kind: one("Kinds")?,
        })
    }
}

/// What the arguments are, as far as anybody knows.
pub(crate) enum Given<'a> {
    /// A call's.
    Arguments(&'a Value),
    /// A list's: any could follow.
    Nothing,
}

/// Entities and requests of one decision.
pub(crate) struct World {
    pub(crate) entities: Entities,
    /// The tool's own name.
    pub(crate) tool: String,
    principal: EntityUid,
    action: EntityUid,
    resource: EntityUid,
    context: Vec<(String, RestrictedExpression)>,
    /// Whether the caller may have read what nobody vouches for.
    pub(crate) untrusted: bool,
}

impl World {
    /// What the policies see that can speak of this tool.
    ///
    /// # Errors
    /// A fact that does not fit; the caller denies.
    pub(crate) fn new<C: Facts>(
        set: &Parsed,
        caller: &C,
        tool: &Tool,
        given: &Given<'_>,
        now: Timestamp,
    ) -> Result<Self, String> {
        let slice = set.slices.about(tool.definition.name.as_str());
        // Arguments that a computed path cannot look through are refused to every tool alike.
        let reads = if set.reads.every { &set.reads } else { &slice.reads };
        Self::seen_by(set, (reads, &|group| slice.names_group(group)), caller, tool, given, now)
    }

    /// What any policy of the set could see.
    ///
    /// # Errors
    /// A fact that does not fit.
    pub(crate) fn whole<C: Facts>(
        set: &Parsed,
        caller: &C,
        tool: &Tool,
        given: &Given<'_>,
        now: Timestamp,
    ) -> Result<Self, String> {
        Self::seen_by(set, (&set.reads, &|_| true), caller, tool, given, now)
    }

    fn seen_by<C: Facts>(
        set: &Parsed,
        (reads, names_group): (&Reads, &dyn Fn(&str) -> bool),
        caller: &C,
        tool: &Tool,
        given: &Given<'_>,
        now: Timestamp,
    ) -> Result<Self, String> {
        let words = &set.vocabulary;
        let principal = words.uid_of_user(caller.user());
        let resource = uid(&words.tool, &format!("{}__{}", tool.source, tool.definition.name));
        // Groups and sources have no attributes, so that they are somebody's parents says all about them.
        let groups = caller.groups().iter().filter(|group| names_group(group));
        let groups: Vec<EntityUid> = groups.map(|group| uid(&words.group, group)).collect();
        let mut entities = words.tool_entities(tool, &resource, caller.user(), &principal)?;
        entities.push(words.user(caller.user(), principal.clone(), groups)?);
        let unread = reads.is_none();
        if let (Given::Arguments(arguments), false) = (given, unread) {
            entities.extend(words.argument_entities(Tagged::new(arguments, reads)?)?);
        }
        // Without a schema: the words above are its own, and a test compares them.
        let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        let entities = match given {
            // The argument entities are missing, so whatever reads them stays undecided.
            Given::Nothing if !unread => entities.partial(),
            Given::Nothing | Given::Arguments(_) => entities,
        };
        let context = words.context(caller, now)?;
        let (action, untrusted) = (words.call.clone(), caller.untrusted());
        let tool = tool.definition.name.as_str().to_owned();
        Ok(Self { entities, tool, principal, action, resource, context, untrusted })
    }

    /// The request, with or without an approval.
    pub(crate) fn request(&self, approved: bool) -> Result<Request, String> {
        let mut pairs = self.context.clone();
        pairs.push(("approved".to_owned(), RestrictedExpression::new_bool(approved)));
        pairs.push(("untrusted".to_owned(), RestrictedExpression::new_bool(self.untrusted)));
        let context = Context::from_pairs(pairs).map_err(|error| error.to_string())?;
        let (principal, action) = (self.principal.clone(), self.action.clone());
        Request::new(principal, action, self.resource.clone(), context, None)
            .map_err(|error| error.to_string())
    }
}

impl Vocabulary {
    fn uid_of_user(&self, user: &User) -> EntityUid {
        uid(&self.user, &user.key())
    }

    fn tool_entities(
        &self,
        tool: &Tool,
        resource: &EntityUid,
        caller: &User,
        principal: &EntityUid,
    ) -> Result<Vec<Entity>, String> {
        let (source_type, source_kind) = match tool.source_kind {
            SourceKind::App => (&self.app, "app"),
            SourceKind::Server => (&self.server, "server"),
        };
        let source = uid(source_type, tool.source.as_str());
        let mut attributes = vec![
            ("source".to_owned(), text(tool.source.as_str())),
            ("source_kind".to_owned(), text(source_kind)),
            ("name".to_owned(), text(tool.definition.name.as_str())),
            ("origin".to_owned(), text(tool.origin.as_str())),
            ("effect".to_owned(), text(tool.class.effect.code())),
            ("egress".to_owned(), RestrictedExpression::new_bool(tool.class.egress)),
            ("definition".to_owned(), text(&tool.hash.to_string())),
        ];
        let mut entities = Vec::new();
        if let Some(owner) = &tool.owner {
            let own = owner == caller;
            let owner_uid = if own { principal.clone() } else { self.uid_of_user(owner) };
            attributes.push(("owner".to_owned(), RestrictedExpression::new_entity_uid(owner_uid.clone())));
            if !own {
                // Nobody's groups are known but the caller's own.
                entities.push(self.user(owner, owner_uid, Vec::new())?);
            }
        }
        entities.push(
            Entity::new_with_tags(resource.clone(), attributes, [source], [])
                .map_err(|error| error.to_string())?,
        );
        Ok(entities)
    }

    fn user(&self, user: &User, uid: EntityUid, groups: Vec<EntityUid>) -> Result<Entity, String> {
        let attributes = [
            ("tenant".to_owned(), text(user.tenant.as_str())),
            ("issuer".to_owned(), text(user.issuer.as_str())),
            ("subject".to_owned(), text(user.subject.as_str())),
        ];
        Entity::new_with_tags(uid, attributes, groups, []).map_err(|error| error.to_string())
    }

    fn argument_entities(&self, tagged: Tagged) -> Result<Vec<Entity>, String> {
        let stores = [
            (&self.text, tagged.text),
            (&self.number, tagged.number),
            (&self.decimal, tagged.decimal),
            (&self.flag, tagged.flag),
            (&self.kind, tagged.kind),
        ];
        stores
            .into_iter()
            .map(|(uid, tags)| {
                Entity::new_with_tags(uid.clone(), [], [], tags).map_err(|error| error.to_string())
            })
            .collect()
    }

    fn context<C: Facts>(
        &self,
        caller: &C,
        now: Timestamp,
    ) -> Result<Vec<(String, RestrictedExpression)>, String> {
        let seconds = i64::try_from(now.seconds()).map_err(|_| "the time does not fit".to_owned())?;
        let entity = |uid: &EntityUid| RestrictedExpression::new_entity_uid(uid.clone());
        let arguments = RestrictedExpression::new_record([
            ("text".to_owned(), entity(&self.text)),
            ("number".to_owned(), entity(&self.number)),
            ("decimal".to_owned(), entity(&self.decimal)),
            ("flag".to_owned(), entity(&self.flag)),
            ("kind".to_owned(), entity(&self.kind)),
        ])
        .map_err(|error| error.to_string())?;
        Ok(vec![
            ("agent".to_owned(), agent(caller.agent())?),
            ("client".to_owned(), text(&caller.client().0)),
            ("impersonated".to_owned(), RestrictedExpression::new_bool(caller.impersonated())),
            ("standing".to_owned(), RestrictedExpression::new_bool(caller.standing())),
            ("now".to_owned(), RestrictedExpression::new_long(seconds)),
            ("arguments".to_owned(), arguments),
        ])
    }
}

fn agent(agent: &Agent) -> Result<RestrictedExpression, String> {
    let mut fields = vec![
        ("type".to_owned(), text(agent.agent_type.code())),
        ("verification".to_owned(), text(agent.verification.code())),
    ];
    let optional = [("name", &agent.name), ("origin", &agent.origin)];
    for (name, value) in optional {
        if let Some(value) = value {
            fields.push((name.to_owned(), text(value)));
        }
    }
    RestrictedExpression::new_record(fields).map_err(|error| error.to_string())
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn uid(name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}

#[cfg(test)]
mod tests;
