//! A server's list of tools, told again word for word but for the id of the request: it is not looked through again.

use deputy_protocol::asking::answer;
use deputy_protocol::asking::param_headers::{ParamHeaders, sifted};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Shorter ones are looked through as quickly as they are compared.
const LEAST_BYTES: usize = 16 * 1024;
/// Longer ones are not kept.
const MOST_BYTES: usize = 1024 * 1024;

/// The last long list that a server told, whoever asked.
#[derive(Default)]
pub(super) struct Repeated(Mutex<Option<Arc<Told>>>);

/// A body around the id that it answers, and the result in it.
struct Told {
    before: Vec<u8>,
    after: Vec<u8>,
    result: Box<RawValue>,
    /// What of it goes on to the hub, where the server is of the modern era; `None`: it is of no use.
    finished: OnceLock<Option<Arc<Finished>>>,
}

/// A list of tools of the modern era, as the hub is given it.
pub(super) struct Finished {
    /// In the words of the modern era, without the tools that must be dropped.
    pub(super) result: Box<RawValue>,
    /// The tools that repeat arguments in headers.
    pub(super) marked: Vec<(String, ParamHeaders)>,
}

impl Finished {
    fn of(told: &RawValue) -> Option<Self> {
        let Ok(result) = answer::modern("tools/list", told, false) else { return None };
        let sifted = sifted(&result);
        let marked = sifted.marked;
        let kept = match sifted.result {
            Cow::Owned(kept) => Some(kept),
            Cow::Borrowed(_) => None,
        };
        let result = kept.unwrap_or_else(|| result.into_owned());
        Some(Self { result, marked })
    }
}

impl Repeated {
    /// The result in this body, if it is the one that was kept but for the id, and the id is this one.
    pub(super) fn result(&self, id: u64, body: &[u8]) -> Option<Box<RawValue>> {
        self.told(id, body).map(|told| told.result.clone())
    }

    /// The same, as the hub is given it.
    pub(super) fn finished(&self, id: u64, body: &[u8]) -> Option<Box<RawValue>> {
        let told = self.told(id, body)?;
        let finished = told.finished.get_or_init(|| Finished::of(&told.result).map(Arc::new));
        finished.as_ref().map(|finished| finished.result.clone())
    }

    /// What was finished, if this is it.
    pub(super) fn known(&self, result: &RawValue) -> Option<Arc<Finished>> {
        let told = self.last()?;
        let finished = told.finished.get()?.as_ref()?;
        (finished.result.get() == result.get()).then(|| Arc::clone(finished))
    }

    fn told(&self, id: u64, body: &[u8]) -> Option<Arc<Told>> {
        let told = self.last()?;
        let after = body.strip_prefix(told.before.as_slice())?.strip_prefix(id.to_string().as_bytes())?;
        (after == told.after).then_some(told)
    }

    fn last(&self) -> Option<Arc<Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a body that was read as one answer to this id.
    pub(super) fn keep(&self, id: u64, body: &[u8], result: &RawValue) {
        if !(LEAST_BYTES..=MOST_BYTES).contains(&body.len()) {
            return;
        }
        let Some((before, after)) = around_id(id, body, result) else { return };
        let (before, after, result) = (before.to_owned(), after.to_owned(), result.to_owned());
        let told = Told { before, after, result, finished: OnceLock::new() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(told));
    }
}

/// What stands before and after the id in a body that was read as one answer with this result. `None`: it cannot be told
/// without looking closely.
fn around_id<'a>(id: u64, body: &'a [u8], result: &RawValue) -> Option<(&'a [u8], &'a [u8])> {
    const NAME: &[u8] = b"\"id\"";
    let begin = body.windows(RESULT.len()).position(|part| part == RESULT)? + RESULT.len();
    let rest = body.get(begin..)?;
    let tail = rest.strip_prefix(result.get().as_bytes())?;
    let head = body.get(..begin)?;
    let envelope = [head, tail].concat();
    // INVARIANT: there is one member of that name, in plain letters and nowhere deeper, so it is the answer's own.
    let is_plain = envelope.len() <= 256
        && head.first() == Some(&b'{')
        && !envelope.contains(&b'\\')
        && envelope.windows(NAME.len()).filter(|part| *part == NAME).count() == 1;
    if !is_plain {
        return None;
    }
    let name = body.windows(NAME.len()).position(|part| part == NAME).filter(|place| *place < begin);
    let name = name.or_else(|| {
        let place = tail.windows(NAME.len()).position(|part| part == NAME)?;
        Some(body.len() - tail.len() + place)
    })?;
    let colon = name + NAME.len();
    let after = body.get(colon..)?.strip_prefix(b":")?.strip_prefix(id.to_string().as_bytes())?;
    let is_whole = matches!(after.first(), Some(b',' | b'}'));
    let before = body.get(..colon + 1)?;
    is_whole.then_some((before, after))
}

/// How the result is written by whoever writes it plainly.
const RESULT: &[u8] = b"\"result\":";

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: usize) -> String {
        let tools: Vec<String> =
            (0..count).map(|n| format!(r#"{{"name":"t{n}","description":"\"id\":1"}}"#)).collect();
        format!(r#"{{"tools":[{}]}}"#, tools.join(","))
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("json")
    }

    #[test]
    fn the_same_list_under_another_id_is_known_and_nothing_else_is() {
        let list = list(1000);
        for body in [
            |id: &str, list: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{list}}}"#),
            |id: &str, list: &str| format!(r#"{{"result":{list},"id":{id},"jsonrpc":"2.0"}}"#),
        ] {
            let repeated = Repeated::default();
            repeated.keep(7, body("7", &list).as_bytes(), &raw(&list));
            let known = |id, text: String| repeated.result(id, text.as_bytes());
            assert_eq!(known(123, body("123", &list)).expect("known").get(), list);
            assert!(known(8, body("7", &list)).is_none(), "the id of another request");
            assert!(known(1, body("12", &list)).is_none(), "an id that only begins so");
            assert!(known(8, body("8", &list.replace("t999", "t998"))).is_none(), "another list");
            assert!(known(8, body("\"8\"", &list)).is_none(), "a text");
            assert!(known(8, body("8", &list) + " ").is_none());
        }
    }

    #[test]
    fn what_could_have_two_ids_and_what_is_short_is_not_kept() {
        let (long, short) = (list(1000), list(1));
        for (body, list) in [
            (format!(r#"{{"id":7,"x":{{"id":7}},"result":{long}}}"#), &long),
            (format!(r#"{{"id" : 7,"x":{{"id":7}},"result":{long}}}"#), &long),
            (format!(r#"{{"\u0069d":7,"x":{{"id":7}},"result":{long}}}"#), &long),
            (format!(r#"{{"id":7.0,"result":{long}}}"#), &long),
            (format!(r#"[{{"id":7,"result":{long}}}]"#), &long),
            (format!(r#"{{"id":7,"result":{short}}}"#), &short),
        ] {
            let repeated = Repeated::default();
            repeated.keep(7, body.as_bytes(), &raw(list));
            assert!(repeated.result(7, body.as_bytes()).is_none(), "{}", body.get(..60).unwrap_or_default());
        }
    }
}
