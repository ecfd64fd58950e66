//! Manifests that a test hands out.

use async_trait::async_trait;
use deputy_core::{Definition, Origin};
use deputy_hub::ports::{FetchError, ManifestSource};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One address, and what stands there now.
#[derive(Default)]
pub struct FakeManifests {
    answer: Mutex<Option<Vec<u8>>>,
    fetches: AtomicUsize,
}

impl FakeManifests {
    /// From now on the address answers with this; with `None` it cannot be reached.
    pub fn set(&self, answer: Option<Vec<u8>>) {
        *self.answer.lock().unwrap() = answer;
    }

    /// From now on the manifest of `origin` has these definitions, with their right hashes.
    pub fn set_tools(&self, origin: &str, tools: &[Value]) {
        let at: Origin = origin.parse().unwrap();
        let with_hash = |tool: &Value| {
            let definition: Definition = serde_json::from_value(tool.clone()).unwrap();
            let mut tool = tool.clone();
            tool["hash"] = json!(definition.hash(&at).unwrap());
            tool
        };
        let tools: Vec<Value> = tools.iter().map(with_hash).collect();
        self.set(Some(json!({ "v": 1, "origin": origin, "tools": tools }).to_string().into_bytes()));
    }

    /// How often it was fetched.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl ManifestSource for FakeManifests {
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().unwrap().clone();
        let why = "connection refused".to_owned();
        answer.ok_or_else(|| FetchError::Unreachable { url: url.to_owned(), why })
    }
}
