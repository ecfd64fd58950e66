//! A tab without a browser: says what it is told, and keeps what it hears.

use deputy_core::DocumentId;
use deputy_hub::Hub;
use deputy_hub::ports::TabLink;
use deputy_hub::tabs::{Attached, Unwelcome};
use deputy_protocol::tab::{CallFrame, CloseCode, Hello, HubFrame, Page, TabFrame, ToolResult, Welcome};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// What the hub said to a tab.
#[derive(Debug, Clone)]
pub enum Said {
    /// Run this.
    Call(String, Box<CallFrame>),
    /// Stop that.
    Cancel(String),
    /// Are you there?
    Ping(String),
}

struct Link {
    said: mpsc::UnboundedSender<Said>,
    closed: Arc<Mutex<Option<(CloseCode, String)>>>,
}

impl TabLink for Link {
    fn send(&self, id: &str, frame: HubFrame) -> bool {
        let said = match frame {
            HubFrame::Call(call) => Said::Call(id.to_owned(), call),
            HubFrame::Cancel { .. } => Said::Cancel(id.to_owned()),
            HubFrame::Ping => Said::Ping(id.to_owned()),
            HubFrame::Welcome(_) => return true,
        };
        self.said.send(said).is_ok()
    }

    fn close(&self, code: CloseCode, reason: &str) {
        self.closed.lock().unwrap().get_or_insert_with(|| (code, reason.to_owned()));
    }
}

/// A connected tab.
pub struct FakeTab {
    /// The hub's end.
    pub attached: Attached,
    /// What it was welcomed with.
    pub welcome: Welcome,
    said: mpsc::UnboundedReceiver<Said>,
    closed: Arc<Mutex<Option<(CloseCode, String)>>>,
}

impl FakeTab {
    /// Connects as `document`, with a ticket's text.
    ///
    /// # Errors
    /// As the hub says.
    pub async fn connect(
        hub: &Hub,
        ticket: &str,
        document: &DocumentId,
        origin: &str,
    ) -> Result<Self, Unwelcome> {
        let page = Page { url: "https://crm.example/x".to_owned(), title: "CRM".to_owned() };
        Self::connect_saying(hub, ticket, document, origin, page).await
    }

    /// The same, with a page that says this of itself.
    ///
    /// # Errors
    /// As the hub says.
    pub async fn connect_saying(
        hub: &Hub,
        ticket: &str,
        document: &DocumentId,
        origin: &str,
        page: Page,
    ) -> Result<Self, Unwelcome> {
        let (said, heard) = mpsc::unbounded_channel();
        let closed = Arc::new(Mutex::new(None));
        let link = Arc::new(Link { said, closed: Arc::clone(&closed) });
        let hello = Hello {
            versions: vec![1],
            ticket: ticket.to_owned(),
            doc_id: document.clone(),
            tools_hash: None,
            page,
            focused: false,
        };
        let (attached, welcome) = hub.tabs().open(hello, &origin.parse().unwrap(), link).await?;
        Ok(Self { attached, welcome, said: heard, closed })
    }

    /// Offers tools by name, each with a schema that takes any object.
    pub async fn offer(&self, names: &[&str]) {
        let tools = names.iter().map(|name| json!({"name": name, "description": name, "kind": "imperative", "inputSchema": {"type": "object"}}));
        self.offer_definitions(tools.collect()).await;
    }

    /// Offers these definitions.
    pub async fn offer_definitions(&self, tools: Vec<Value>) {
        let tools = tools.into_iter().map(|tool| serde_json::from_value(tool).unwrap()).collect();
        self.say("t", TabFrame::Tools { tools, refused: Vec::new() }).await;
    }

    /// Says something.
    pub async fn say(&self, id: &str, frame: TabFrame) {
        let is_last = matches!(frame, TabFrame::Bye { .. });
        let taken = self.attached.frame(id, frame).await;
        assert!(taken.is_ok() || is_last, "the hub closed the socket: {taken:?}");
    }

    /// The next thing that the hub says.
    pub async fn hear(&mut self) -> Said {
        let heard = tokio::time::timeout(std::time::Duration::from_secs(30), self.said.recv()).await;
        heard.expect("the hub said nothing").expect("the hub let go of the socket")
    }

    /// The next thing that the hub says, however long it takes.
    pub async fn listen(&mut self) -> Said {
        self.said.recv().await.expect("the hub let go of the socket")
    }

    /// The next call, already accepted and started.
    pub async fn start_call(&mut self) -> (String, Box<CallFrame>) {
        loop {
            if let Said::Call(id, call) = self.hear().await {
                self.say(&id, TabFrame::Accepted).await;
                self.say(&id, TabFrame::Started).await;
                return (id, call);
            }
        }
    }

    /// Answers the next call with a text.
    pub async fn answer(&mut self, text: &str) -> Box<CallFrame> {
        let (id, call) = self.start_call().await;
        self.say(&id, TabFrame::Result(ToolResult::Text { text: text.to_owned() })).await;
        call
    }

    /// What the hub has said already, if anything.
    pub fn try_hear(&mut self) -> Option<Said> {
        self.said.try_recv().ok()
    }

    /// Whether the hub has nothing to say.
    pub fn is_quiet(&mut self) -> bool {
        self.said.try_recv().is_err()
    }

    /// How the hub closed the socket.
    #[must_use]
    pub fn closed(&self) -> Option<(CloseCode, String)> {
        self.closed.lock().unwrap().clone()
    }
}
