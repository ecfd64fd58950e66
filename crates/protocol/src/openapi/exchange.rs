//! What goes to the server, as parts that only need a base address.

use std::fmt;

/// HTTP methods that become tools. `OPTIONS` and `TRACE` are about the server, not about its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads without a body.
    Head,
    /// Does something.
    Post,
    /// Puts something in its place.
    Put,
    /// Changes a part.
    Patch,
    /// Takes away.
    Delete,
}

impl Method {
    /// All of them, in the order in which a path's operations are listed.
    pub(super) const ALL: [Self; 6] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// As HTTP has it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// As OpenAPI has it.
    pub(super) fn member(self) -> String {
        self.text().to_ascii_lowercase()
    }

    /// Whether it only reads (RFC 9110 section 9.2.1).
    #[must_use]
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A request without the address of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Encoded, beginning with `/`: to be put after the base address, as it is.
    pub path: String,
    /// Encoded, without `?`.
    pub query: Option<String>,
    /// Header fields; the values are visible ASCII, spaces and tabs.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<Vec<u8>>,
}
