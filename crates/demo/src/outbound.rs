//! The CRM's own way to the identity provider and to the hub.

use openidconnect::{HttpRequest, HttpResponse};
use std::net::SocketAddr;
use std::time::Duration;

/// A client that follows no redirect and reaches `*.localhost` names at 127.0.0.1, as browsers do.
///
/// # Errors
/// The TLS backend cannot be set up.
pub(crate) fn client(urls: [&str; 2]) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none());
    for url in urls.into_iter().filter_map(|url| url.parse::<reqwest::Url>().ok()) {
        if let Some(host) = url.host_str().filter(|host| host.ends_with(".localhost")) {
            builder = builder.resolve(host, SocketAddr::from(([127, 0, 0, 1], 0)));
        }
    }
    builder.build()
}

/// Carries one request of the `openidconnect` crate.
///
/// # Errors
/// The other side cannot be reached.
pub(crate) async fn carry(
    client: reqwest::Client,
    request: HttpRequest,
) -> Result<HttpResponse, reqwest::Error> {
    let answer = client.execute(request.try_into()?).await?;
    let mut response = HttpResponse::default();
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await?.into();
    Ok(response)
}
