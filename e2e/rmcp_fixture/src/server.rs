//! The server, as the SDK wants it.

use crate::asking::{Client, Unanswered, form};
use crate::{contents, tools};
use rmcp::model::*;
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    Tools,
    Prompts,
    Resource(&'static str),
}

/// One for all connections.
#[derive(Clone)]
pub(crate) struct Fixture {
    versions: &'static [ProtocolVersion],
    codec: RequestStateCodec,
    changes: broadcast::Sender<Change>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    toggled: HashSet<Change>,
    level: Option<LoggingLevel>,
}

type Context = RequestContext<RoleServer>;

impl Fixture {
    pub(crate) fn new(versions: &'static [ProtocolVersion]) -> Self {
        let codec = RequestStateCodec::new(b"the key of a fixture, which keeps no secret".to_vec());
        Self { versions, codec, changes: broadcast::channel(64).0, known: Arc::default() }
    }

    /// Those who listen are told.
    pub(crate) fn change(&self, change: Change) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.toggled.remove(&change) {
            known.toggled.insert(change);
        }
        let _ = self.changes.send(change);
    }

    /// From which level on a client of the legacy era wants to hear.
    pub(crate) fn level(&self) -> Option<LoggingLevel> {
        Some(self.known.lock().unwrap_or_else(PoisonError::into_inner).level.unwrap_or(LoggingLevel::Info))
    }

    fn is_toggled(&self, what: Change) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).toggled.contains(&what)
    }
}

/// A result in the SDK's types; what they do not know is lost here. For the legacy era the SDK takes `resultType` out.
fn typed<T: serde::de::DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    value["resultType"] = json!("complete");
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn arguments(arguments: Option<JsonObject>) -> Value {
    Value::Object(arguments.unwrap_or_default())
}

impl ServerHandler for Fixture {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(self.versions)
    }

    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("rmcp-fixture", "1.0.0"))
            .with_instructions("Only for the conformance suite.")
    }

    async fn on_initialized(&self, context: rmcp::service::NotificationContext<RoleServer>) {
        let (mut changes, peer) = (self.changes.subscribe(), context.peer);
        tokio::spawn(async move {
            while let Ok(change) = changes.recv().await {
                let told = match change {
                    Change::Tools => peer.notify_tool_list_changed().await,
                    Change::Prompts => peer.notify_prompt_list_changed().await,
                    Change::Resource(uri) => {
                        peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await
                    }
                };
                if told.is_err() {
                    return;
                }
            }
        });
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.subscribe();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = changes.recv() => {
                    let Ok(change) = change else { continue };
                    // What was not asked for is refused there.
                    let _ = match change {
                        Change::Tools => context.sink().notify_tool_list_changed().await,
                        Change::Prompts => context.sink().notify_prompt_list_changed().await,
                        Change::Resource(uri) => context.sink().notify_resource_updated(uri).await,
                    };
                }
            }
        }
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        typed(contents::tools(self.is_toggled(Change::Tools)))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let listed: ListToolsResult = typed(contents::tools(true)).ok()?;
        listed.tools.into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let (given, state) = (request.input_responses, request.request_state);
        let mut client = Client::new(context, &request.name, given, state.as_deref(), &self.codec)?;
        match tools::call(self, &mut client, &request.name, &arguments(request.arguments)).await {
            Ok(result) => Ok(typed::<CallToolResult>(result)?.into()),
            Err(Unanswered::Asks(asks)) => Ok(asks.into()),
            Err(Unanswered::Fault(fault)) => Err(fault),
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        typed(contents::prompts(self.is_toggled(Change::Prompts)))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name != "test_input_required_result_prompt" {
            let prompt = contents::prompt(&request.name, &arguments(request.arguments));
            let unknown =
                || ErrorData::invalid_params(format!("there is no prompt `{}`", request.name), None);
            return Ok(typed::<GetPromptResult>(prompt.ok_or_else(unknown)?)?.into());
        }
        let (given, state) = (request.input_responses, request.request_state);
        let mut client = Client::new(context, &request.name, given, state.as_deref(), &self.codec)?;
        let wanted =
            form("What context should the prompt use?", json!({"context": {"type": "string"}}), &["context"]);
        match client.ask(&[("user_context", wanted)], false).await {
            Ok(answers) => {
                let words = format!("Use this context: {}", answers["user_context"]["content"]["context"]);
                Ok(typed::<GetPromptResult>(json!({"messages": [contents::said(words)]}))?.into())
            }
            Err(Unanswered::Asks(asks)) => Ok(asks.into()),
            Err(Unanswered::Fault(fault)) => Err(fault),
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        typed(contents::resources())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        typed(contents::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let unknown =
            || ErrorData::resource_not_found("there is no such resource", Some(json!({"uri": request.uri})));
        let read = contents::read(&request.uri).ok_or_else(unknown)?;
        Ok(typed::<ReadResourceResult>(read)?.into())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        typed(contents::completion(&request.argument.value))
    }

    async fn set_level(&self, request: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).level = Some(request.level);
        Ok(())
    }
}
