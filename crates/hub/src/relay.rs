//! Requests that go on to a server as they came: what is decided on, and what travels beside it.

use crate::ports::upstream::ClientSide;
use deputy_core::{Arguments, JsonError};
use deputy_protocol::mcp::{connect, ours};
use deputy_protocol::relay::{NotAnObject, Object, raw};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Members of `params` that no decision is about: what the protocol itself adds.
const BESIDE: [&str; 3] = ["_meta", "inputResponses", "requestState"];

/// A client's request for a server. Made from the client's own text alone, so that what is decided on
/// ([`Relay::decided`]) and what is sent ([`Relay::params`]) cannot differ.
#[derive(Debug, Clone)]
pub struct Relay {
    method: Arc<str>,
    params: Arc<Object>,
    /// The client's own text, as long as `params` are what it says.
    text: Option<Arc<RawValue>>,
    client: ClientSide,
    /// What the person said where the hub asked them to connect the server.
    connects: Option<bool>,
    /// Whether nobody waits for its answer.
    is_unattended: bool,
}

/// Why a request cannot be passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// `params` is no object.
    #[error("`params`: {0}")]
    Params(#[from] NotAnObject),
    /// What is decided on cannot be read.
    #[error("`{member}`: {why}")]
    Arguments {
        /// Where.
        member: &'static str,
        /// What is wrong.
        why: JsonError,
    },
}

impl Relay {
    /// Reads a request.
    ///
    /// # Errors
    /// `params` is no object.
    pub fn new(
        method: impl Into<Arc<str>>,
        params: Option<&RawValue>,
        client: ClientSide,
    ) -> Result<Self, RelayError> {
        let sent = params;
        let mut params = sent.map(Object::parse).transpose()?.unwrap_or_default();
        // What the client told the hub is none of the server's business.
        let is_changed = ours::take_out(&mut params) || params.get("inputResponses").is_some();
        let connects = connect::take_answer(&mut params);
        let text = sent.filter(|_| !is_changed).map(|sent| sent.to_owned().into());
        Ok(Self {
            method: method.into(),
            params: Arc::new(params),
            text,
            client,
            connects,
            is_unattended: false,
        })
    }

    /// The method, in the words of the modern era.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Whether it calls a tool.
    #[must_use]
    pub fn is_tool_call(&self) -> bool {
        &*self.method == "tools/call"
    }

    /// What policy, approval and log are about: a tool's `arguments`, or of another method all parameters but those that
    /// the protocol adds.
    ///
    /// # Errors
    /// They are no object, or have a member twice.
    pub fn decided(&self) -> Result<Arguments, RelayError> {
        let (member, arguments) = if self.is_tool_call() {
            let given = self.params.get("arguments").filter(|raw| raw.get() != "null");
            ("arguments", given.map_or_else(Arguments::none, Arguments::parse))
        } else {
            let mut named = Object::clone(&self.params);
            named.retain(|name| !BESIDE.contains(&name));
            ("params", Arguments::parse(&named.to_raw()))
        };
        arguments.map_err(|why| RelayError::Arguments { member, why })
    }

    /// The name that it has, if it is a text.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.params.read("name")
    }

    /// The state that an earlier answer gave, if the client brings one.
    #[must_use]
    pub fn state(&self) -> Option<String> {
        self.params.read("requestState")
    }

    /// The same without a state: it was the hub's own, and has been read.
    #[must_use]
    pub fn without_state(mut self) -> Self {
        self.text = None;
        Arc::make_mut(&mut self.params).remove("requestState");
        self
    }

    /// The same, of the hub's own accord: nobody waits for its answer, so where a person would have to say yes first nobody is
    /// asked, and it is refused.
    #[must_use]
    pub fn unattended(mut self) -> Self {
        self.is_unattended = true;
        self
    }

    /// Whether nobody waits for its answer.
    #[must_use]
    pub const fn is_unattended(&self) -> bool {
        self.is_unattended
    }

    /// Whether the person was shown the hub's page for the server and did not decline, if the client says that it asked them.
    #[must_use]
    pub const fn connects(&self) -> Option<bool> {
        self.connects
    }

    /// The client's answers to what the server asked, if it brings any.
    #[must_use]
    pub fn answers(&self) -> Option<&RawValue> {
        self.params.get("inputResponses")
    }

    /// The same with other answers and another state: a client of the legacy era has them in its session.
    #[must_use]
    pub fn answering(mut self, state: Option<&str>, answers: &RawValue) -> Self {
        self.text = None;
        let params = Arc::make_mut(&mut self.params);
        params.remove("requestState");
        if let Some(state) = state {
            params.set("requestState", raw(state));
        }
        params.set("inputResponses", answers.to_owned());
        self
    }

    /// What is sent: the client's text, with the server's own name for what it names, and its own state.
    pub(crate) fn params(&self, own_name: Option<(&str, &str)>, state: Option<&str>) -> Box<RawValue> {
        let own_name = own_name.map(|(member, name)| (member, raw(name)));
        let is_named = own_name.as_ref().is_none_or(|(member, name)| {
            self.params.get(member).is_some_and(|sent| sent.get() == name.get())
        });
        if let Some(text) = &self.text
            && is_named
            && state.is_none()
            && self.params.get("requestState").is_none()
        {
            return RawValue::to_owned(text);
        }
        let mut params = Object::clone(&self.params);
        if let Some((member, name)) = own_name {
            params.set(member, name);
        }
        match state {
            Some(state) => params.set("requestState", raw(state)),
            None => {
                params.remove("requestState");
            }
        }
        params.to_raw()
    }

    /// Who asks, and what it can do.
    #[must_use]
    pub const fn client(&self) -> &ClientSide {
        &self.client
    }
}

#[cfg(test)]
mod tests;
