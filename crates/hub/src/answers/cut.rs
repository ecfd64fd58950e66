//! Cuts the texts of an answer into pages (P29): at a character's boundary, in order, and nothing gets lost.

use deputy_core::text::hidden_in;
use serde_json::Value;

/// What comes now, and what is left.
pub(super) struct Cut {
    pub(super) first: Vec<Value>,
    pub(super) rest: Vec<Value>,
}

/// As much as holds at most `room` bytes of text (at least one character, so that it moves on), and the rest. What stands
/// behind the cut stays behind it.
pub(super) fn cut(blocks: Vec<Value>, room: usize) -> Cut {
    let (mut first, mut rest, mut left) = (Vec::new(), Vec::new(), room);
    for mut block in blocks {
        let length = text_of(&block).map_or(0, str::len);
        if !rest.is_empty() {
            rest.push(block);
        } else if length <= left {
            left -= length;
            first.push(block);
        } else {
            if let Some(head) = split(&mut block, left, first.is_empty()) {
                first.push(head);
            }
            rest.push(block);
        }
    }
    Cut { first, rest }
}

/// All of it, page by page.
pub(super) fn pages(mut blocks: Vec<Value>, room: usize) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    while !blocks.is_empty() {
        let Cut { first, rest } = cut(blocks, room);
        pages.push(first);
        blocks = rest;
    }
    pages
}

/// Bytes of text.
pub(super) fn text_bytes(blocks: &[Value]) -> usize {
    blocks.iter().filter_map(text_of).map(str::len).sum()
}

/// What a model reads of a block: of a text, and of a resource that brings its text along.
pub(super) fn text_of(block: &Value) -> Option<&str> {
    match block.get("type").and_then(Value::as_str)? {
        "text" => block.get("text").and_then(Value::as_str),
        "resource" => block.pointer("/resource/text").and_then(Value::as_str),
        _ => None,
    }
}

fn set_text(block: &mut Value, text: String) {
    let pointer = if block.get("resource").is_some() { "/resource/text" } else { "/text" };
    if let Some(place) = block.pointer_mut(pointer) {
        *place = Value::String(text);
    }
}

/// Takes the head off a block; `None` if nothing of it fits.
fn split(block: &mut Value, room: usize, is_first: bool) -> Option<Value> {
    let text = text_of(block)?;
    let mut at = boundary(text, room);
    if at == 0 && is_first {
        at = text.chars().next().map_or(0, char::len_utf8);
    }
    if at == 0 {
        return None;
    }
    let (head, tail) = text.split_at_checked(at)?;
    let (head, tail) = (head.to_owned(), tail.to_owned());
    let mut begun = block.clone();
    set_text(&mut begun, head);
    set_text(block, tail);
    Some(begun)
}

/// The last place up to `room` where a text may be cut: between two characters, and not before one that belongs to what
/// stands before it (a joiner, a variation selector), as long as those are few.
fn boundary(text: &str, room: usize) -> usize {
    let mut at = room.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let latest = at;
    for _ in 0..8 {
        let next = text.get(at..).and_then(|tail| tail.chars().next());
        if next.is_none_or(|c| hidden_in(c.encode_utf8(&mut [0; 4])).is_none()) {
            return at;
        }
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        at -= before.map_or(0, char::len_utf8);
    }
    latest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn whole(pages: &[Vec<Value>]) -> String {
        pages.iter().flatten().filter_map(text_of).collect()
    }

    #[test]
    fn p29_a_cut_keeps_a_character_and_what_joins_it_whole() {
        let family = "👨\u{200d}👩\u{200d}👧";
        let pages = pages(vec![json!({"type": "text", "text": family})], 8);
        assert!(pages.len() > 1 && whole(&pages) == family);
        for text in pages.iter().flatten().filter_map(text_of) {
            assert_eq!(hidden_in(text), None, "{text:?}");
        }
    }

    #[test]
    fn p29_what_stands_behind_the_cut_stays_behind_it() {
        let text = |text: &str| json!({"type": "text", "text": text});
        let image = json!({"type": "image", "data": "AAAA", "mimeType": "image/png"});
        let resource =
            json!({"type": "resource", "resource": {"uri": "https://a.example/x", "text": "defg"}});
        let Cut { first, rest } = cut(vec![text("abc"), image.clone(), resource, image.clone()], 5);
        let half = |text: &str| json!({"type": "resource", "resource": {"uri": "https://a.example/x", "text": text}});
        assert_eq!(first, [text("abc"), image.clone(), half("de")]);
        assert_eq!(rest, [half("fg"), image]);
    }

    proptest! {
        #[test]
        fn p29_the_pages_are_the_whole_text_and_each_is_small(
            texts in prop::collection::vec("\\PC{0,40}", 0..6), room in 1_usize..32,
        ) {
            let blocks: Vec<Value> = texts.iter().map(|text| json!({"type": "text", "text": text})).collect();
            let pages = pages(blocks, room);
            prop_assert_eq!(whole(&pages), texts.concat());
            for page in &pages {
                prop_assert!(!page.is_empty());
                prop_assert!(text_bytes(page) <= room.max(4));
            }
        }
    }
}
