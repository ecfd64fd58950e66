//! Local references (`$ref`): into the document itself and nowhere else, a bounded number of steps.

use serde_json::Value;

/// References that lead to references, before one gives up.
const STEPS: usize = 16;

/// The whole document, to look things up in.
#[derive(Clone, Copy)]
pub(super) struct Root<'d>(pub(super) &'d Value);

impl<'d> Root<'d> {
    /// What stands at a reference.
    pub(super) fn at(self, reference: &str) -> Result<&'d Value, String> {
        let shown = || reference.chars().take(100).collect::<String>();
        let fragment =
            reference.strip_prefix('#').filter(|fragment| fragment.starts_with('/')).ok_or_else(|| {
                format!("`{}` does not lead into this document; only `#/…` is followed", shown())
            })?;
        let pointer = unescaped(fragment).ok_or_else(|| format!("`{}` is not a reference", shown()))?;
        self.0.pointer(&pointer).ok_or_else(|| format!("`{}` leads to nothing", shown()))
    }

    /// A value, or what its `$ref` leads to in the end.
    pub(super) fn follow(self, mut value: &'d Value) -> Result<&'d Value, String> {
        for _ in 0..STEPS {
            match value.get("$ref").and_then(Value::as_str) {
                Some(reference) => value = self.at(reference)?,
                None => return Ok(value),
            }
        }
        Err("references lead on and on".to_owned())
    }
}

/// Percent-decoded (RFC 3986 section 2.1); `None` if that is no text.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
