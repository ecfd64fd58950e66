//! What servers of the legacy era ask the client, and how it looks in the modern era: an input that is required.

use super::answer::{MISSING_CAPABILITY, may_ask_back};
use crate::jsonrpc::{Fault, code};
use crate::relay::{Object, raw};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// What the client of one request declared that it can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Declared {
    /// `elicitation`, by form.
    pub form: bool,
    /// `elicitation`, by opening an address.
    pub url: bool,
    /// `sampling`.
    pub sampling: bool,
    /// `sampling` with tools.
    pub sampling_tools: bool,
    /// `roots`.
    pub roots: bool,
    /// Some extension.
    pub extensions: bool,
}

impl Declared {
    /// From `clientCapabilities`.
    #[must_use]
    pub fn of(capabilities: &RawValue) -> Self {
        let Ok(all) = serde_json::from_str::<Map<String, Value>>(capabilities.get()) else {
            return Self::default();
        };
        let elicitation = all.get("elicitation").and_then(Value::as_object);
        let sampling = all.get("sampling").and_then(Value::as_object);
        let has = |of: Option<&Map<String, Value>>, name: &str| of.is_some_and(|of| of.contains_key(name));
        let url = has(elicitation, "url");
        Self {
            // `elicitation: {}` means form only.
            form: elicitation.is_some() && (has(elicitation, "form") || !url),
            url,
            sampling: sampling.is_some(),
            sampling_tools: has(sampling, "tools"),
            roots: all.get("roots").is_some_and(Value::is_object),
            extensions: all.get("extensions").and_then(Value::as_object).is_some_and(|of| !of.is_empty()),
        }
    }

    /// Whether it can be asked anything.
    #[must_use]
    pub const fn anything(self) -> bool {
        self.form || self.url || self.sampling || self.roots
    }

    /// Whether the client can be asked this.
    ///
    /// # Errors
    /// What the server is told.
    pub fn permits(self, method: &str, params: Option<&RawValue>) -> Result<(), Fault> {
        let absent =
            || Err(Fault::new(code::METHOD_NOT_FOUND, "the client did not declare that it can do this"));
        let params = || params.and_then(|params| Object::parse(params).ok()).unwrap_or_default();
        match method {
            "elicitation/create" if self.form || self.url => {
                let wants_url = params().read::<String>("mode").as_deref() == Some("url");
                if if wants_url { self.url } else { self.form } {
                    return Ok(());
                }
                Err(Fault::new(code::INVALID_PARAMS, "the client did not declare this `mode` of elicitation"))
            }
            "sampling/createMessage" if self.sampling => {
                if self.sampling_tools || params().get("tools").is_none() {
                    return Ok(());
                }
                Err(Fault::new(code::INVALID_PARAMS, "the client did not declare `sampling.tools`"))
            }
            "roots/list" if self.roots => Ok(()),
            _ => absent(),
        }
    }
}

/// The `inputRequests` member and the rest of a result that asks back.
#[must_use]
pub fn input_required<'a>(
    requests: impl IntoIterator<Item = (&'a str, &'a str, Option<&'a RawValue>)>,
    state: &str,
) -> Box<RawValue> {
    let mut all = Object::default();
    for (key, method, params) in requests {
        let mut request = Object::default();
        request.set("method", raw(method));
        if let Some(params) = params {
            request.set("params", params.to_owned());
        }
        all.set(key, request.to_raw());
    }
    let mut result = Object::default();
    result.set("resultType", raw("input_required"));
    result.set("inputRequests", all.to_raw());
    result.set("requestState", raw(state));
    result.to_raw()
}

/// The addresses that an error -32042 wants opened, each the parameters of an `elicitation/create`.
///
/// # Errors
/// What the client is told: it cannot open addresses, or the error names none.
pub fn elicitations(
    method: &str,
    data: Option<&RawValue>,
    declared: Declared,
) -> Result<Vec<Box<RawValue>>, Fault> {
    if !declared.url || !may_ask_back(method) {
        let words = "the server wants the user to open an address first, and the client cannot do that";
        let needed = json!({"requiredCapabilities": {"elicitation": {"url": {}}}});
        return Err(Fault::new(MISSING_CAPABILITY, words).with_data(needed));
    }
    let data = data.and_then(|data| Object::parse(data).ok()).unwrap_or_default();
    let wanted = data.read::<Vec<Box<RawValue>>>("elicitations").unwrap_or_default();
    let wanted: Vec<_> = wanted.into_iter().take(16).filter(|one| Object::parse(one).is_ok()).collect();
    if wanted.is_empty() {
        let words = "the server wants the user to open an address first, and does not say which";
        return Err(Fault::new(code::INTERNAL, words));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests;
