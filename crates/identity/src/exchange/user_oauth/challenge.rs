//! What a server says of how it wants to be opened: the `Bearer` challenge of `WWW-Authenticate` (RFC 6750 section 3,
//! RFC 9728 section 5.1).

/// Longest header that is read.
const MAX_BYTES: usize = 8 * 1024;

/// The parameters of a challenge that mean something here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `error`.
    pub error: Option<String>,
    /// `scope`.
    pub scopes: Option<Vec<String>>,
    /// `resource_metadata`.
    pub resource_metadata: Option<String>,
}

impl Challenge {
    /// Reads a header. What is no parameter is passed over; of two of one name the first counts.
    #[must_use]
    pub fn read(header: &str) -> Self {
        let mut challenge = Self::default();
        if header.len() > MAX_BYTES {
            return challenge;
        }
        let mut rest = header;
        while let Some((name, value, after)) = next(rest) {
            rest = after;
            match name.to_ascii_lowercase().as_str() {
                "error" => challenge.error = challenge.error.or(Some(value)),
                "scope" => {
                    let scopes: Vec<String> = value.split_ascii_whitespace().map(str::to_owned).collect();
                    challenge.scopes = challenge.scopes.or(Some(scopes)).filter(|scopes| !scopes.is_empty());
                }
                "resource_metadata" => {
                    challenge.resource_metadata = challenge.resource_metadata.or(Some(value));
                }
                _ => {}
            }
        }
        challenge
    }
}

/// The next `name=value`, and what follows it.
fn next(text: &str) -> Option<(&str, String, &str)> {
    let equals = text.find('=')?;
    let (before, after) = (text.get(..equals)?, text.get(equals + 1..)?);
    let name = before.rsplit([' ', ',', '\t']).next().unwrap_or_default();
    let Some(quoted) = after.strip_prefix('"') else {
        let end = after.find([',', ' ', '\t']).unwrap_or(after.len());
        return Some((name, after.get(..end)?.to_owned(), after.get(end..)?));
    };
    let (mut value, mut is_escaped) = (String::new(), false);
    for (at, letter) in quoted.char_indices() {
        match letter {
            _ if is_escaped => {
                value.push(letter);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '"' => return Some((name, value, quoted.get(at + 1..)?)),
            letter => value.push(letter),
        }
    }
    None
}
