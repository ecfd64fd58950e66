//! Which operations are offered.

use super::exchange::Method;

/// What the operator says of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Only these operations; all if there is none. An operation is named by its `operationId`, or by method and path
    /// (`GET /users/{id}`); a `*` stands for any text.
    pub include: Vec<String>,
    /// Never these. It beats `include`.
    pub exclude: Vec<String>,
    /// Header fields that are not arguments whatever the document says, because the hub fills them: that of a credential.
    pub withheld: Vec<String>,
    /// Whether tools have output schemas.
    pub outputs: Outputs,
}

/// Whether tools say what they answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outputs {
    /// As the document describes it. An answer that does not fit is told as an error, with the answer.
    #[default]
    Described,
    /// Not at all, for servers whose answers do not fit their own document.
    Undescribed,
}

/// What an operation can be named by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) id: Option<&'a str>,
}

impl Named<'_> {
    /// Whether this entry of a list means it.
    pub(super) fn is_meant_by(&self, entry: &str) -> bool {
        let by_path = format!("{} {}", self.method, self.path);
        self.id.is_some_and(|id| fits(entry, id)) || fits(entry, &by_path)
    }
}

impl Options {
    /// Whether an operation is offered.
    pub(super) fn offers(&self, named: &Named<'_>) -> bool {
        let among = |list: &[String]| list.iter().any(|entry| named.is_meant_by(entry));
        (self.include.is_empty() || among(&self.include)) && !among(&self.exclude)
    }

    /// Whether the hub fills this header field.
    pub(super) fn withholds(&self, header: &str) -> bool {
        self.withheld.iter().any(|name| name.eq_ignore_ascii_case(header))
    }

    /// Every entry of both lists.
    pub(super) fn entries(&self) -> impl Iterator<Item = &str> {
        self.include.iter().chain(&self.exclude).map(String::as_str)
    }
}

/// Whether a text is what a pattern with `*` means.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        // The first place is as good as any: what follows has only more room.
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (pattern, text) in
            [("a", "a"), ("*", ""), ("*", "x"), ("a*", "abc"), ("*c", "abc"), ("a*b*c", "aXbXbXc")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("", "a"), ("a*c", "ab"), ("a*bb", "ab"), ("A*", "abc")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
