//! Pages for people: rendered here, without script, under a strict policy; every text that came from somewhere is escaped by
//! its type.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use std::fmt::{self, Display, Formatter, Write as _};

/// The one style sheet.
pub(crate) const STYLE: &str = include_str!("pages/style.css");

/// A piece of a page that is HTML already.
#[derive(Debug, Default)]
pub(crate) struct Html(String);

/// Text that is shown as it is, whatever is in it.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // What turns the direction of text, or is not seen, could make a name look like another.
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {}
                letter if letter.is_control() => f.write_str(" ")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

impl Html {
    /// Adds what was formatted; values in it must be [`Text`].
    pub(crate) fn push(&mut self, piece: fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.0.write_fmt(piece);
    }
}

impl Display for Html {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole page. `sent_on_to` is where its forms may lead beside the hub itself.
pub(crate) fn page(status: StatusCode, title: &str, body: &Html, sent_on_to: &str) -> Response {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{} · Deputy</title>\n<link rel=\"stylesheet\" href=\"/login/style.css\">\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        Text(title)
    );
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {sent_on_to}; base-uri 'none'; frame-ancestors 'none'"
    );
    let mut answer = (status, text).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Forms say from which page they come; nothing else is told to anybody.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    let fallback = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).unwrap_or(fallback));
    answer
}

/// A page with a heading and a sentence.
pub(crate) fn words(status: StatusCode, title: &str, sentence: &str) -> Response {
    let mut body = Html::default();
    body.push(format_args!("<h1>{}</h1>\n<p>{}</p>", Text(title), Text(sentence)));
    page(status, title, &body, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_came_from_somewhere_is_never_markup() {
        let hostile = "<script>alert(1)</script>\" onload='x' & \u{202e}evil\u{0}";
        let shown = Text(hostile).to_string();
        assert!(!shown.contains(['<', '>', '"', '\'', '\u{202e}', '\u{0}']), "{shown}");
        assert!(shown.contains("&lt;script&gt;") && shown.contains("&amp;"));
    }
}
