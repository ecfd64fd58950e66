//! `subscriptions/listen` (modern), and the change notices of both eras.

use super::meta::{self, Params};
use super::ours;
use crate::jsonrpc::{Fault, Id, asking, code, notification, response};
use crate::relay::{Object, raw};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// What a client wants to hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Tools come and go.
    pub tools_list_changed: bool,
    /// Prompts do.
    pub prompts_list_changed: bool,
    /// Resources and templates do.
    pub resources_list_changed: bool,
    /// These resources change.
    pub resources: Vec<String>,
    /// These tasks do (extension `io.modelcontextprotocol/tasks`).
    pub tasks: Vec<String>,
}

/// Resources that one request may subscribe to.
pub const RESOURCES: usize = 256;
/// Tasks that one request may listen to.
pub const TASKS: usize = 64;

/// Reads what is wanted.
///
/// # Errors
/// -32602: `notifications` is missing or no object, or names too many resources or tasks.
pub fn filter(params: &Params<'_>) -> Result<Filter, Fault> {
    let wanted = params.members().read::<Map<String, Value>>("notifications");
    let wanted =
        wanted.ok_or_else(|| Fault::new(code::INVALID_PARAMS, "`notifications` must be an object"))?;
    let wants = |name: &str| wanted.get(name) == Some(&Value::Bool(true));
    let named = |name: &str, most: usize| -> Result<Vec<String>, Fault> {
        let wrong = |words: &str| Fault::new(code::INVALID_PARAMS, format!("`{name}` {words}"));
        let Some(named) = wanted.get(name) else { return Ok(Vec::new()) };
        let named: Vec<String> =
            serde_json::from_value(named.clone()).map_err(|_| wrong("must be a list of strings"))?;
        if named.len() > most { Err(wrong(&format!("has more than {most} entries"))) } else { Ok(named) }
    };
    let resources = named("resourceSubscriptions", RESOURCES)?;
    let mut tasks = named("taskIds", TASKS)?;
    tasks.sort_unstable();
    tasks.dedup();
    Ok(Filter {
        tools_list_changed: wants("toolsListChanged"),
        prompts_list_changed: wants("promptsListChanged"),
        resources_list_changed: wants("resourcesListChanged"),
        resources,
        tasks,
    })
}

impl Filter {
    /// Of what is wanted, what many sources together offer: changes of tools, tasks, and updates of those resources that can
    /// be subscribed to.
    #[must_use]
    pub fn combined(self, subscribes: impl FnMut(&String) -> bool) -> Self {
        let mut subscribes = subscribes;
        let resources = self.resources.into_iter().filter(|uri| subscribes(uri)).collect();
        Self { tools_list_changed: self.tools_list_changed, resources, tasks: self.tasks, ..Self::default() }
    }

    fn granted(&self) -> Value {
        let mut granted = Map::new();
        let flags = [
            ("toolsListChanged", self.tools_list_changed),
            ("promptsListChanged", self.prompts_list_changed),
            ("resourcesListChanged", self.resources_list_changed),
        ];
        for (name, _) in flags.into_iter().filter(|(_, wanted)| *wanted) {
            granted.insert(name.to_owned(), Value::Bool(true));
        }
        if !self.resources.is_empty() {
            granted.insert("resourceSubscriptions".to_owned(), json!(self.resources));
        }
        if !self.tasks.is_empty() {
            granted.insert("taskIds".to_owned(), json!(self.tasks));
        }
        Value::Object(granted)
    }
}

/// The first message: what of it is granted.
#[must_use]
pub fn acknowledged(subscription: &Id, filter: &Filter) -> Value {
    let params = json!({"notifications": filter.granted(), "_meta": {meta::SUBSCRIPTION_ID: subscription}});
    notification("notifications/subscriptions/acknowledged", params)
}

/// The user's tools may have changed.
#[must_use]
pub fn tools_changed(subscription: &Id) -> Value {
    changed(subscription, "tools")
}

/// The `tools`, `prompts` or `resources` may have changed.
#[must_use]
pub fn changed(subscription: &Id, what: &str) -> Value {
    let method = format!("notifications/{what}/list_changed");
    notification(&method, json!({"_meta": {meta::SUBSCRIPTION_ID: subscription}}))
}

/// The same in a legacy session.
#[must_use]
pub fn legacy_changed(what: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": format!("notifications/{what}/list_changed")})
}

/// A resource changed: the server's own parameters, on this subscription, or in a legacy session.
#[must_use]
pub fn updated(subscription: Option<&Id>, params: &RawValue) -> Box<RawValue> {
    let Ok(mut params) = Object::parse(params) else {
        return asking(None, "notifications/resources/updated", Some(params));
    };
    ours::take_out(&mut params);
    if let Some(subscription) = subscription {
        let mut own = params.get("_meta").and_then(|own| Object::parse(own).ok()).unwrap_or_default();
        own.set(meta::SUBSCRIPTION_ID, raw(subscription));
        params.set("_meta", own.to_raw());
    }
    asking(None, "notifications/resources/updated", Some(&params.to_raw()))
}

/// A task changed: all of it, as `tasks/get` answered, on this subscription.
#[must_use]
pub fn task(subscription: &Id, task: &RawValue) -> Box<RawValue> {
    let mut params = Object::parse(task).unwrap_or_default();
    // It is no result here.
    params.remove("resultType");
    let mut own = params.get("_meta").and_then(|own| Object::parse(own).ok()).unwrap_or_default();
    own.set(meta::SUBSCRIPTION_ID, raw(subscription));
    params.set("_meta", own.to_raw());
    asking(None, "notifications/tasks", Some(&params.to_raw()))
}

/// The same in a legacy session.
#[must_use]
pub fn legacy_tools_changed() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
}

/// The graceful end: the answer to the listen request.
#[must_use]
pub fn ended(subscription: &Id) -> Value {
    response(subscription, json!({"resultType": "complete", "_meta": {meta::SUBSCRIPTION_ID: subscription}}))
}
