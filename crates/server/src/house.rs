//! The whole house: its entrance, then its doors.

use crate::doors::mcp::{self, McpDoor};
use crate::layers::{Entrance, seal};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Method;
use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::Service;

/// All doors of a hub, behind one entrance. Made by [`crate::router`].
///
/// What agents post is most of what comes, so its way is looked for by hand, before the table of routes: that costs as much as
/// reading the request. The table has these ways too, and what is not written plainly goes by it.
#[derive(Clone)]
pub struct House(Arc<Inside>);

struct Inside {
    entrance: Entrance,
    agents: mcp::Doors,
    servers: mcp::Doors,
    all: Router,
}

impl House {
    pub(crate) fn new(entrance: Entrance, door: McpDoor, all: Router) -> Self {
        let (agents, servers) = (mcp::Doors::Mcp(door.clone()), mcp::Doors::Servers(door));
        Self(Arc::new(Inside { entrance, agents, servers, all }))
    }
}

impl Inside {
    /// The door to which agents post, if the address is written as plainly as they write it.
    fn posted_to<B>(&self, request: &http::Request<B>) -> Option<&mcp::Doors> {
        if request.method() != Method::POST {
            return None;
        }
        match request.uri().path() {
            "/mcp" => Some(&self.agents),
            path => {
                let server = path.strip_prefix("/s/")?.strip_suffix("/mcp")?;
                (!server.is_empty() && !server.contains(['/', '%'])).then_some(&self.servers)
            }
        }
    }
}

impl<B> Service<http::Request<B>> for House
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let place = match self.0.entrance.admit(&request) {
            Ok(place) => place,
            Err(problem) => {
                let mut answer = problem.into_response();
                seal(&mut answer);
                return Box::pin(ready(Ok(answer)));
            }
        };
        let is_posted = self.0.posted_to(&request).is_some();
        let inside = Arc::clone(&self.0);
        let request: Request = request.map(Body::new);
        if is_posted {
            return Box::pin(async move {
                let mut answer = match inside.posted_to(&request) {
                    Some(doors) => mcp::posted(doors, request).await,
                    // It was one a moment ago.
                    None => crate::problem::Problem::not_found().into_response(),
                };
                drop(place);
                seal(&mut answer);
                Ok(answer)
            });
        }
        let mut all = inside.all.clone();
        Box::pin(async move {
            let mut answer = all.call(request).await?;
            drop(place);
            seal(&mut answer);
            Ok(answer)
        })
    }
}
