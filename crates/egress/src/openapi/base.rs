//! Where such a server is: only where the operator's config points, whatever the document says (R6).

use deputy_protocol::openapi::{Document, Request};
use url::Url;

/// The address that paths are put after. The document's first server counts if it has the scheme, host and port that the
/// config names by `base_url`, or else by the document's own address. A `base_url` with a path says it all.
pub(super) fn base(
    document: &Document,
    configured: Option<&Url>,
    document_at: Option<&Url>,
) -> Result<Url, String> {
    let Some(named) = configured.or(document_at) else {
        return Err("where the server is stands nowhere in the config: set `base_url`".to_owned());
    };
    if let Some(whole) = configured.filter(|url| url.path() != "/") {
        return Ok(bare(whole));
    }
    // A relative server is relative to the document.
    let server = document.server().unwrap_or("/");
    let said = document_at.unwrap_or(named).join(server).ok();
    let is_there =
        |url: &Url| url.origin() == named.origin() && url.username().is_empty() && url.password().is_none();
    match (said.filter(is_there), configured) {
        (Some(said), _) => Ok(bare(&said)),
        (None, Some(configured)) => Ok(bare(configured)),
        (None, None) => {
            let shown: String = server.chars().take(200).collect();
            Err(format!(
                "the document's server `{shown}` is not where the document is: set `base_url` to where it may be called"
            ))
        }
    }
}

fn bare(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// The address of a request. What the parser makes of it must be what was written: nothing in it may have moved.
pub(super) fn address(base: &Url, request: &Request) -> Result<Url, String> {
    let path = format!("{}{}", base.path().trim_end_matches('/'), request.path);
    let query = request.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    let written = format!("{}{path}{query}", base.origin().ascii_serialization());
    let url = Url::parse(&written).map_err(|error| format!("the address cannot be written: {error}"))?;
    let is_whole = url.as_str() == written && url.path() == path && url.query() == request.query.as_deref();
    if is_whole && url.origin() == base.origin() && request.path.starts_with('/') {
        Ok(url)
    } else {
        Err("the address would not lead where the document says".to_owned())
    }
}

#[cfg(test)]
mod tests;
