//! Forms (`application/x-www-form-urlencoded`): those that Deputy sends, and those that strangers send to it, where a
//! parameter that comes twice is refused (RFC 6749 section 3.1 and 3.2).

use deputy_core::Secret;
use url::form_urlencoded;

/// Longest query or form that is read at all.
pub const MAX_FORM_BYTES: usize = 64 * 1024;
/// Most parameters in a query or form that is read at all.
pub const MAX_PARAMETERS: usize = 64;

/// A form that Deputy sends. Values are secret by type, for most of them are.
#[derive(Default)]
pub struct Form(Vec<(&'static str, Secret<String>)>);

impl Form {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// With one more parameter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.push((name, Secret::new(value.into())));
        self
    }

    /// With one more parameter, if there is a value and it is not empty (D4).
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<&str>) -> Self {
        match value.filter(|value| !value.is_empty()) {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With all parameters of another.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Secret<String>)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// The body to send.
    #[must_use]
    pub fn encode(&self) -> Secret<String> {
        let mut body = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.0 {
            body.append_pair(name, value.expose());
        }
        Secret::new(body.finish())
    }
}

/// Why a query or form was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Longer than [`MAX_FORM_BYTES`], or more parameters than [`MAX_PARAMETERS`].
    #[error("the form is too long")]
    TooLong,
    /// Not UTF-8 once decoded.
    #[error("the form is not UTF-8")]
    NotText,
    /// A parameter came twice.
    #[error("a parameter of the form comes twice")]
    Twice,
}

impl FormError {
    /// The stable word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "form_too_long",
            Self::NotText => "form_not_text",
            Self::Twice => "form_parameter_twice",
        }
    }
}

/// What a stranger sent as a query or form. It is not printed: there may be secrets in it.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query or form. Only `resource` may come more than once (RFC 8707 section 2); a parameter without a value
    /// is as one that did not come (RFC 6749 section 3.1).
    ///
    /// # Errors
    /// Too long, not UTF-8, or a parameter that comes twice.
    pub fn parse(text: &[u8]) -> Result<Self, FormError> {
        if text.len() > MAX_FORM_BYTES {
            return Err(FormError::TooLong);
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if parameters.len() >= MAX_PARAMETERS {
                return Err(FormError::TooLong);
            }
            // What is not UTF-8 decodes to this character; nothing that we take contains it.
            if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
                return Err(FormError::NotText);
            }
            if name != "resource" && parameters.iter().any(|(own, _)| *own == name) {
                return Err(FormError::Twice);
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter that came with one.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter.
    pub fn all<'s, 'n>(&'s self, name: &'n str) -> impl Iterator<Item = &'s str> + use<'s, 'n> {
        let named = self.0.iter().filter(move |(own, value)| own == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests;
