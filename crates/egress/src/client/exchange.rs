//! Requests that carry something: a form, JSON, a bearer token. The same rules of where we may go hold as for a GET.

use super::{Ask, EgressError, HttpClient, failed, whole};
use bytes::Bytes;
use deputy_core::Secret;
use http::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use url::Url;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub enum Exchange<'a> {
    /// `GET`.
    Get,
    /// `POST` of `application/x-www-form-urlencoded`.
    PostForm(&'a [(&'a str, &'a str)]),
    /// `POST` of `application/json`.
    PostJson(&'a serde_json::Value),
}

/// A whole answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, at most as long as asked for.
    pub body: Bytes,
}

impl HttpClient {
    /// Sends a request and reads an answer of at most `limit_bytes`. A redirect is an answer and is not followed, so that
    /// a token goes nowhere but to `url`.
    ///
    /// # Errors
    /// No whole answer; a token that cannot stand in a header.
    pub async fn exchange(
        &self,
        url: &Url,
        ask: Ask<'_>,
        exchange: Exchange<'_>,
        bearer: Option<&Secret<String>>,
        limit_bytes: usize,
    ) -> Result<Reply, EgressError> {
        let header = bearer.map(authorization).transpose()?.map(|value| (AUTHORIZATION, value));
        self.exchange_with(url, ask, exchange, header, limit_bytes).await
    }

    /// The same with whatever header opens the door.
    ///
    /// # Errors
    /// No whole answer.
    pub(crate) async fn exchange_with(
        &self,
        url: &Url,
        ask: Ask<'_>,
        exchange: Exchange<'_>,
        header: Option<(HeaderName, HeaderValue)>,
        limit_bytes: usize,
    ) -> Result<Reply, EgressError> {
        let client = self.client_for(url, ask)?;
        let mut request = match exchange {
            Exchange::Get => client.get(url.clone()),
            Exchange::PostForm(form) => client.post(url.clone()).form(form),
            Exchange::PostJson(body) => client.post(url.clone()).json(body),
        };
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request.header(ACCEPT, "application/json");
        let response = request.send().await.map_err(|error| failed(url, error))?;
        let status = response.status().as_u16();
        let answer = whole(url, response, limit_bytes).await?;
        Ok(Reply { status, body: answer.body })
    }
}

/// Marked sensitive, so that no layer below writes it into a log.
fn authorization(token: &Secret<String>) -> Result<HeaderValue, EgressError> {
    let text = Secret::new(format!("Bearer {}", token.expose()));
    let mut value = HeaderValue::from_str(text.expose())
        .map_err(|_| EgressError::Client("the token cannot stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stranger::{Script, Stranger, client, send};

    #[tokio::test]
    async fn a_form_and_a_token_go_where_they_were_sent_and_a_refusal_is_an_answer() {
        let stranger = Stranger::new(|_, stream| {
            let body = r#"{"error":"slow_down"}"#;
            let head = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n";
            send(stream, &format!("{head}content-length: {}\r\n\r\n{body}", body.len()));
        });
        let client = client(&["idp.test"], Script::new(&[&["127.0.0.1"]]));
        let url = stranger.url("http", "idp.test", "/token");
        let form = Exchange::PostForm(&[("a", "1&2")]);
        let token = Secret::new("t0ken".to_owned());
        let reply = client.exchange(&url, Ask::Configured, form, Some(&token), 1024).await.unwrap();
        assert_eq!((reply.status, &reply.body[..]), (400, &br#"{"error":"slow_down"}"#[..]));
        let request = stranger.requests()[0].to_ascii_lowercase();
        assert!(request.starts_with("post /token http/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: bearer t0ken\r\n"), "{request}");
        assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
    }

    #[tokio::test]
    async fn r6_a_token_does_not_follow_a_redirect_and_is_not_sent_where_we_may_not_go() {
        let inside = Stranger::saying("", "{}");
        let to = inside.url("http", "idp.test", "/");
        let answer = format!("HTTP/1.1 307 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        let stranger = Stranger::new(move |_, stream| send(stream, &answer));
        let client = client(&["idp.test"], Script::new(&[&["127.0.0.1"]]));
        let token = Secret::new("t0ken".to_owned());
        let url = stranger.url("http", "idp.test", "/");
        let reply = client.exchange(&url, Ask::Configured, Exchange::Get, Some(&token), 64).await.unwrap();
        assert_eq!(reply.status, 307);
        let elsewhere = inside.url("http", "other.test", "/");
        let refused = client.exchange(&elsewhere, Ask::Configured, Exchange::Get, Some(&token), 64).await;
        assert!(matches!(refused, Err(EgressError::NotAllowed { .. })));
        assert_eq!(inside.requests(), Vec::<String>::new());
    }
}
