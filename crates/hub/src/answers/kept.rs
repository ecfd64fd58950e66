//! The rest of answers that were cut: kept in memory for a while, for whom they were made, and for nobody else (R3).

use deputy_core::{Client, User};
use deputy_protocol::mcp::labels::Labels;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the rest of an answer is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(600);
/// Answers of one user of which the rest is kept; the oldest goes first.
pub const KEPT_ANSWERS: usize = 16;
/// Bytes that are kept for one user; the oldest answer goes first.
pub const KEPT_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that are kept for everybody together; the oldest answer goes first, whoever's it is.
pub const KEPT_BYTES_IN_ALL: usize = 256 * 1024 * 1024;

/// A page of an answer, and how much comes after it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    pub(crate) blocks: Vec<Value>,
    pub(crate) labels: Box<Labels>,
    pub(crate) next: Option<(String, usize)>,
}

struct Answer {
    id: String,
    client: Client,
    pages: Vec<Vec<Value>>,
    labels: Box<Labels>,
    bytes: usize,
    at: Duration,
}

#[derive(Default)]
struct Shelves {
    users: HashMap<User, Vec<Answer>>,
    bytes: usize,
}

/// What is kept. Times are those of a clock that nobody sets.
pub(super) struct Kept {
    shelves: Mutex<Shelves>,
    most_bytes: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self { shelves: Mutex::default(), most_bytes: KEPT_BYTES_IN_ALL }
    }
}

impl Kept {
    /// Keeps pages for one user and client; the handle of the first. `None`: there is no randomness, or it is too much.
    pub(super) fn keep(
        &self,
        user: &User,
        client: &Client,
        pages: Vec<Vec<Value>>,
        labels: Box<Labels>,
        at: Duration,
    ) -> Option<String> {
        let bytes = pages.iter().flatten().map(|block| block.to_string().len()).sum();
        if bytes > KEPT_BYTES {
            return None;
        }
        let id = deputy_core::id::random_hex().ok()?;
        let handle = handle(&id, 0);
        let mut shelves = self.shelves();
        shelves.forget_old(at);
        let own = shelves.users.entry(user.clone()).or_default();
        own.push(Answer { id, client: client.clone(), pages, labels, bytes, at });
        shelves.bytes += bytes;
        shelves.shrink(user, self.most_bytes);
        Some(handle)
    }

    /// The page that a handle stands for. Anybody else's is as unknown as none, and so is one that is over.
    pub(super) fn page(&self, user: &User, client: &Client, wanted: &str, at: Duration) -> Option<Page> {
        let (id, number) = wanted.strip_prefix("more_")?.split_once('-')?;
        let number: usize = number.parse().ok()?;
        let shelves = self.shelves();
        let answer = shelves.of(user, client, at).find(|answer| answer.id == id)?;
        let blocks = answer.pages.get(number)?.clone();
        let after = answer.pages.get(number + 1..).unwrap_or_default();
        let left = after.iter().map(|page| super::cut::text_bytes(page)).sum();
        let next = (!after.is_empty()).then(|| (handle(id, number + 1), left));
        Some(Page { blocks, labels: answer.labels.clone(), next })
    }

    /// Whether anything is kept for them.
    pub(super) fn has(&self, user: &User, client: &Client, at: Duration) -> bool {
        self.shelves().of(user, client, at).next().is_some()
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn of(&self, user: &User, client: &Client, at: Duration) -> impl Iterator<Item = &Answer> {
        let own = self.users.get(user).into_iter().flatten();
        own.filter(move |answer| answer.client == *client && !is_over(answer, at))
    }

    fn forget_old(&mut self, at: Duration) {
        let mut freed = 0;
        self.users.retain(|_, own| {
            own.retain(|answer| {
                let over = is_over(answer, at);
                freed += if over { answer.bytes } else { 0 };
                !over
            });
            !own.is_empty()
        });
        self.bytes -= freed;
    }

    /// Lets the oldest go until this user has no more than is theirs, and everybody no more than there is.
    fn shrink(&mut self, user: &User, most_bytes: usize) {
        while self.users.get(user).is_some_and(|own| {
            own.len() > KEPT_ANSWERS || own.iter().map(|answer| answer.bytes).sum::<usize>() > KEPT_BYTES
        }) {
            self.drop_oldest_of(&user.clone());
        }
        while self.bytes > most_bytes {
            let oldest = self.users.iter().filter_map(|(user, own)| Some((own.first()?.at, user)));
            let Some(user) = oldest.min_by_key(|(at, _)| *at).map(|(_, user)| user.clone()) else { return };
            self.drop_oldest_of(&user);
        }
    }

    fn drop_oldest_of(&mut self, user: &User) {
        let Some(own) = self.users.get_mut(user).filter(|own| !own.is_empty()) else { return };
        self.bytes -= own.remove(0).bytes;
        if own.is_empty() {
            self.users.remove(user);
        }
    }
}

fn is_over(answer: &Answer, at: Duration) -> bool {
    at.saturating_sub(answer.at) >= KEPT_FOR
}

fn handle(id: &str, number: usize) -> String {
    format!("more_{id}-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use deputy_core::Digest;
    use deputy_protocol::mcp::labels::Trust;
    use serde_json::json;

    const NOW: Duration = Duration::from_secs(1000);

    fn user(name: &str) -> User {
        User {
            tenant: deputy_core::TenantId::single(),
            issuer: "https://idp.example".parse().expect("issuer"),
            subject: name.parse().expect("subject"),
        }
    }

    fn client(name: &str) -> Client {
        Client(name.to_owned())
    }

    fn labels() -> Box<Labels> {
        Box::new(Labels {
            source: "crm".parse().expect("source"),
            origin: "https://crm.example".parse().expect("origin"),
            tool: "read".parse().expect("tool"),
            definition: Digest::of_bytes(b"x"),
            trust: Trust::Untrusted,
            removed: 0,
            more: None,
        })
    }

    fn pages(text: &str) -> Vec<Vec<Value>> {
        vec![vec![json!({"type": "text", "text": text})], vec![json!({"type": "text", "text": "end"})]]
    }

    #[test]
    fn r3_a_page_is_read_by_its_own_user_and_client_alone_again_and_again() {
        let kept = Kept::default();
        let (alice, one) = (user("alice"), client("one"));
        let handle = kept.keep(&alice, &one, pages("a"), labels(), NOW).expect("kept");
        for _ in 0..2 {
            let page = kept.page(&alice, &one, &handle, NOW).expect("a page");
            let (next, left) = page.next.expect("more");
            assert_eq!((page.blocks[0]["text"].as_str(), left), (Some("a"), 3));
            assert_eq!(kept.page(&alice, &one, &next, NOW).expect("a page").next, None);
        }
        assert!(kept.page(&user("bob"), &one, &handle, NOW).is_none());
        assert!(kept.page(&alice, &client("two"), &handle, NOW).is_none());
        for wrong in [
            "",
            "more_",
            "more_x-0",
            &handle.replace("-0", "-9"),
            &handle.replace("-0", "-18446744073709551615"),
        ] {
            assert!(kept.page(&alice, &one, wrong, NOW).is_none(), "{wrong}");
        }
        assert!(kept.has(&alice, &one, NOW) && !kept.has(&alice, &client("two"), NOW));
        assert!(kept.page(&alice, &one, &handle, NOW + KEPT_FOR).is_none());
        assert!(!kept.has(&alice, &one, NOW + KEPT_FOR));
    }

    #[test]
    fn p29_what_is_kept_is_bounded_for_each_and_for_all() {
        let kept = Kept::default();
        let one = client("one");
        let first = kept.keep(&user("alice"), &one, pages("a"), labels(), NOW).expect("kept");
        for _ in 0..KEPT_ANSWERS {
            kept.keep(&user("alice"), &one, pages("a"), labels(), NOW).expect("kept");
        }
        assert!(kept.page(&user("alice"), &one, &first, NOW).is_none(), "the oldest goes first");
        assert!(kept.keep(&user("alice"), &one, pages(&"x".repeat(KEPT_BYTES)), labels(), NOW).is_none());
        let kept = Kept { most_bytes: 10_000, ..Kept::default() };
        for number in 0..20_u64 {
            let (name, at) = (format!("user-{number}"), NOW + Duration::from_secs(number));
            kept.keep(&user(&name), &one, pages(&"x".repeat(1000)), labels(), at).expect("kept");
        }
        assert!(kept.shelves().bytes <= 10_000);
        let now = NOW + Duration::from_secs(20);
        assert!(!kept.has(&user("user-0"), &one, now) && kept.has(&user("user-19"), &one, now));
        kept.keep(&user("carol"), &one, pages("a"), labels(), now + KEPT_FOR).expect("kept");
        assert_eq!(kept.shelves().users.len(), 1, "nothing is kept of what is over");
        let sum: usize = kept.shelves().users.values().flatten().map(|answer| answer.bytes).sum();
        assert_eq!(kept.shelves().bytes, sum);
    }
}
