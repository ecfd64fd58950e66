//! Asking the client something: in the modern era the answer to its request says what, in the legacy era a request does.

use rmcp::model::{InputRequest, InputRequiredResult, InputResponses, ProtocolVersion, RequestStateCodec};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, Peer, RoleServer, ServiceError};
use serde_json::{Map, Value, json};

/// Why there is no answer yet.
pub(crate) enum Unanswered {
    /// The client has to come back.
    Asks(InputRequiredResult),
    Fault(ErrorData),
}

impl From<ErrorData> for Unanswered {
    fn from(fault: ErrorData) -> Self {
        Self::Fault(fault)
    }
}

/// What a request brought with it.
pub(crate) struct Client {
    pub(crate) context: RequestContext<RoleServer>,
    /// Whose request it is: a state of one is none of another.
    name: String,
    given: InputResponses,
    /// What the client answered before, from the state that it brought back.
    known: Map<String, Value>,
    codec: RequestStateCodec,
}

type Question = (&'static str, Value);

impl Client {
    /// # Errors
    /// It brings a state that was not made here.
    pub(crate) fn new(
        context: RequestContext<RoleServer>,
        name: &str,
        given: Option<InputResponses>,
        state: Option<&str>,
        codec: &RequestStateCodec,
    ) -> Result<Self, ErrorData> {
        let known = match state {
            Some(state) => {
                let opened = codec.open_json::<(String, Map<String, Value>)>(state).ok();
                let known = opened.filter(|(told, _)| told == name).map(|(_, known)| known);
                known.ok_or_else(|| {
                    ErrorData::invalid_params("this requestState is not of this server's making", None)
                })?
            }
            None => Map::new(),
        };
        Ok(Self {
            context,
            name: name.to_owned(),
            given: given.unwrap_or_default(),
            known,
            codec: codec.clone(),
        })
    }

    pub(crate) fn is_modern(&self) -> bool {
        self.context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
    }

    /// What it can do, as an object.
    pub(crate) fn capabilities(&self) -> Value {
        let capabilities = self.context.client_capabilities().unwrap_or_default();
        serde_json::to_value(capabilities).unwrap_or_default()
    }

    /// The answers to these questions, under their keys.
    pub(crate) async fn ask(
        &mut self,
        questions: &[Question],
        has_state: bool,
    ) -> Result<Map<String, Value>, Unanswered> {
        for (_, question) in questions {
            let needed = needed(question);
            if self.capabilities().get(needed).is_none() {
                return Err(missing(needed).into());
            }
        }
        if self.is_modern() { self.answered(questions, has_state) } else { self.asked(questions).await }
    }

    fn answered(
        &mut self,
        questions: &[Question],
        has_state: bool,
    ) -> Result<Map<String, Value>, Unanswered> {
        let mut left = Vec::new();
        for (key, question) in questions {
            if let Some(answer) = self.given.get(*key).filter(|answer| answer.is_object()) {
                self.known.insert((*key).to_owned(), answer.clone());
            } else if !self.known.contains_key(*key) {
                left.push(((*key).to_owned(), request(question)?));
            }
        }
        if left.is_empty() {
            return Ok(self.known.clone());
        }
        let state = if has_state || !self.known.is_empty() {
            let sealed = self.codec.seal_json(&(&self.name, &self.known));
            Some(sealed.map_err(|error| ErrorData::internal_error(error.to_string(), None))?)
        } else {
            None
        };
        Err(Unanswered::Asks(InputRequiredResult::new(Some(left.into_iter().collect()), state)))
    }

    /// All at once, as a server does that has several questions.
    async fn asked(&self, questions: &[Question]) -> Result<Map<String, Value>, Unanswered> {
        let mut asking = Vec::new();
        for (key, question) in questions {
            let (peer, request) = (self.context.peer.clone(), request(question)?);
            asking.push((*key, tokio::spawn(async move { one(&peer, request).await })));
        }
        let mut answers = Map::new();
        for (key, answer) in asking {
            let wrong = |error: &dyn std::fmt::Display| ErrorData::internal_error(error.to_string(), None);
            let answer = answer.await.map_err(|error| wrong(&error))?.map_err(|error| wrong(&error))?;
            answers.insert(key.to_owned(), answer);
        }
        Ok(answers)
    }
}

async fn one(peer: &Peer<RoleServer>, request: InputRequest) -> Result<Value, ServiceError> {
    Ok(match request {
        InputRequest::CreateMessage(asked) => json!(peer.create_message(asked.params).await?),
        InputRequest::Elicitation(asked) => json!(peer.create_elicitation(asked.params).await?),
        _ => json!(peer.list_roots().await?),
    })
}

fn request(question: &Value) -> Result<InputRequest, ErrorData> {
    serde_json::from_value(question.clone())
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn needed(question: &Value) -> &'static str {
    match question["method"].as_str() {
        Some("sampling/createMessage") => "sampling",
        Some("roots/list") => "roots",
        _ => "elicitation",
    }
}

/// -32021: this client cannot be asked.
pub(crate) fn missing(capability: &str) -> ErrorData {
    let data = json!({"requiredCapabilities": {capability: {}}});
    let mut fault = ErrorData::invalid_params(format!("this needs a client with `{capability}`"), Some(data));
    fault.code = rmcp::model::ErrorCode(-32021);
    fault
}

pub(crate) fn form(message: &str, properties: Value, required: &[&str]) -> Value {
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    json!({"method": "elicitation/create", "params": params})
}

pub(crate) fn sampling(words: &str, tokens: u32) -> Value {
    let message = json!({"role": "user", "content": {"type": "text", "text": words}});
    json!({"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": tokens}})
}

pub(crate) fn roots() -> Value {
    json!({"method": "roots/list"})
}

/// The words in a sampling response.
pub(crate) fn spoken(response: &Value) -> String {
    let content = &response["content"];
    let content = content.get(0).unwrap_or(content);
    content["text"].as_str().unwrap_or_default().to_owned()
}
