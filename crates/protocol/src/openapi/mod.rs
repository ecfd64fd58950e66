//! OpenAPI 3.0 and 3.1: from a document to tools, from a call to an HTTP request, from an HTTP answer to a tool's.
//!
//! The document is somebody else's: it is bounded, references lead nowhere but into itself, and what cannot be told or
//! sent safely is left out with a reason ([`LeftOut`]). The arguments are a model's: each stays in its place, whatever is
//! in it (R7).

mod answer;
mod body;
mod document;
mod encode;
mod exchange;
mod name;
mod operation;
mod parameter;
mod path;
mod reading;
mod reference;
mod request;
mod schema;
mod select;
mod tool;

pub use answer::{Answered, answer, refused};
pub use document::{Document, LeftOut};
pub use exchange::{Method, Request};
pub use operation::Operation;
pub use request::ArgumentError;
pub use select::{Options, Outputs};

/// The longest document.
pub const MAXIMUM_BYTES: usize = 16 * 1024 * 1024;
/// The most tools of one document.
pub const MAXIMUM_TOOLS: usize = 2000;
/// The longest path and query together.
pub const MAXIMUM_TARGET_BYTES: usize = 16 * 1024;
/// The longest value of one header field.
pub const MAXIMUM_HEADER_BYTES: usize = 8 * 1024;
/// The longest request body.
pub const MAXIMUM_BODY_BYTES: usize = 4 * 1024 * 1024;

/// Why a document is not used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenApiError {
    /// Longer than [`MAXIMUM_BYTES`].
    #[error("a document of {bytes} bytes is longer than {MAXIMUM_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Neither JSON nor YAML, or beyond the bounds of both.
    #[error("it is neither JSON nor YAML that is accepted here: {0}")]
    Unreadable(String),
    /// Another version, or another kind of document.
    #[error("`{0}` is not supported; use OpenAPI 3.0 or 3.1")]
    Version(String),
    /// A part that everything depends on is not what it must be.
    #[error("`{place}` {why}")]
    Malformed {
        /// Where.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The configuration names an operation that is not in the document. It may have another name now: to go on would
    /// offer what should be left out.
    #[error(
        "no operation is named `{0}`; use an operationId, or a method and a path such as `GET /users/{{id}}`"
    )]
    NoSuchOperation(String),
    /// More than [`MAXIMUM_TOOLS`].
    #[error("{tools} operations are more than {MAXIMUM_TOOLS}; name those to offer in `include`")]
    TooMany {
        /// How many.
        tools: usize,
    },
    /// Nothing is left.
    #[error("no operation of it can be offered: {0}")]
    NoTools(String),
}

#[cfg(test)]
mod tests;
