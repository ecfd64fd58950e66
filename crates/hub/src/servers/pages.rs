//! Lists that come in pages: followed to their end, and given out in pages of our own (gateway rule 1).

use super::{Server, Servers};
use crate::events::Refused;
use crate::intent::Reach;
use crate::ports::upstream::Reply;
use deputy_core::{Digest, Reason};
use deputy_protocol::mcp::ours;
use deputy_protocol::relay::{Object, raw};
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

/// Pages of one list that are followed.
const PAGES: usize = 1000;
/// Items of one list.
const ITEMS: usize = 20_000;
/// Items of one page that we give out.
pub(crate) const PAGE: usize = 1000;

/// A whole list.
#[derive(Clone, Default)]
pub struct Listed {
    /// Its items, in the server's order, as they were sent.
    pub items: Vec<Arc<RawValue>>,
    /// The other members of its first page.
    pub rest: Object,
    /// Where the page of all of them is kept, if many are given the same.
    pub(crate) whole: Option<Arc<OnceLock<Arc<RawValue>>>>,
}

/// One page of a list, of our own making.
pub struct Page<'a, T = Arc<RawValue>> {
    /// Its items.
    pub items: &'a [T],
    /// Where the next one begins; `None`: this is the last.
    pub next: Option<usize>,
}

/// The place to begin at is none of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list has changed since this cursor was given; begin again without one")]
pub struct PageError;

impl Listed {
    /// What a cursor is bound to: the list as it was.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let parts: Vec<&[u8]> = self.items.iter().map(|item| item.get().as_bytes()).collect();
        Digest::of_parts(&parts)
    }

    /// The one page of the whole list as a door writes it: written anew only where it is not kept. INVARIANT: `write` makes
    /// the same of the same list for everybody.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn whole<E>(&self, write: impl FnOnce() -> Result<Box<RawValue>, E>) -> Result<Arc<RawValue>, E> {
        match self.whole.as_ref().map(|kept| (kept, kept.get())) {
            Some((_, Some(written))) => Ok(Arc::clone(written)),
            Some((kept, None)) => {
                let written = Arc::from(write()?);
                Ok(Arc::clone(kept.get_or_init(|| written)))
            }
            None => write().map(Arc::from),
        }
    }

    /// The page that begins there.
    ///
    /// # Errors
    /// There is no such place.
    pub fn page(&self, begin: usize) -> Result<Page<'_>, PageError> {
        Page::of(&self.items, begin)
    }
}

impl<'a, T> Page<'a, T> {
    /// The page of these items that begins there.
    ///
    /// # Errors
    /// There is no such place.
    pub fn of(items: &'a [T], begin: usize) -> Result<Self, PageError> {
        let left = items.get(begin..).filter(|left| begin == 0 || !left.is_empty()).ok_or(PageError)?;
        let (items, more) = left.split_at(left.len().min(PAGE));
        Ok(Self { items, next: (!more.is_empty()).then_some(begin + PAGE) })
    }
}

/// What a list's items are called.
#[must_use]
pub fn items_of(method: &str) -> Option<&'static str> {
    match method {
        "tools/list" => Some("tools"),
        "prompts/list" => Some("prompts"),
        "resources/list" => Some("resources"),
        "resources/templates/list" => Some("resourceTemplates"),
        _ => None,
    }
}

impl Servers {
    /// The whole list behind a list method.
    ///
    /// # Errors
    /// The server does not answer, or its list has no end.
    pub async fn list(
        &self,
        reach: &Reach,
        server: &Server,
        method: &str,
    ) -> Result<Result<Listed, Reply>, Refused> {
        match self.page(reach, server, method, None).await? {
            Reply::Result(first) => {
                self.followed(reach, server, method, first).await.map(|(listed, _)| Ok(listed))
            }
            fault @ Reply::Fault { .. } => Ok(Err(fault.in_its_own_voice())),
        }
    }

    /// One page, as the server says it.
    pub(super) async fn page(
        &self,
        reach: &Reach,
        server: &Server,
        method: &str,
        cursor: Option<&str>,
    ) -> Result<Reply, Refused> {
        let params = cursor.map(|cursor| raw(&json!({"cursor": cursor})));
        self.said(reach, server, method, params, reach.caller().client_side()).await
    }

    /// The whole list that begins with this page, and how many pages it has.
    pub(super) async fn followed(
        &self,
        reach: &Reach,
        server: &Server,
        method: &str,
        first: Box<RawValue>,
    ) -> Result<(Listed, usize), Refused> {
        let member = items_of(method).unwrap_or("items");
        let unusable = |why: &str| {
            Refused::because(Reason::UpstreamUnavailable, format!("the server `{}`: {why}", server.name))
        };
        let (mut listed, mut seen) = (Listed::default(), HashSet::new());
        let mut reply = Reply::Result(first);
        for page in 0..PAGES {
            let result = match reply.in_its_own_voice() {
                Reply::Result(result) => result,
                // Of a later page: the list would be cut without a word.
                Reply::Fault { message, .. } => return Err(unusable(&message)),
            };
            let mut members = Object::parse(&result).map_err(|error| unusable(&error.to_string()))?;
            let items =
                members.remove(member).ok_or_else(|| unusable(&format!("its list has no `{member}`")))?;
            let items: Vec<Box<RawValue>> = serde_json::from_str(items.get())
                .map_err(|_| unusable(&format!("its `{member}` is no list")))?;
            let own = |item: Box<RawValue>| Arc::from(ours::taken_out(&item).unwrap_or(item));
            listed.items.extend(items.into_iter().map(own));
            let next = members.remove("nextCursor");
            if page == 0 {
                listed.rest = members;
            }
            if listed.items.len() > ITEMS {
                return Err(unusable(&format!("its list has more than {ITEMS} items")));
            }
            let next =
                next.and_then(|next| serde_json::from_str::<Option<String>>(next.get()).ok().flatten());
            // One that does not advance: what there is, is all that there will be.
            let Some(next) = next.filter(|next| seen.insert(next.clone())) else {
                return Ok((listed, page + 1));
            };
            if page + 1 == PAGES {
                break;
            }
            reply = self.page(reach, server, method, Some(&next)).await?;
        }
        Err(unusable(&format!("its list has more than {PAGES} pages")))
    }
}
