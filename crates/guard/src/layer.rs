//! The guard as a tower layer, for a server that is written in Rust and needs no process in front.

use crate::guard::Guard;
use axum::body::Body;
use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Lets requests through that carry a good access token of this guard, with a [`crate::GuardedUser`] among their extensions;
/// answers all others itself. The token itself is taken off the request: it is for the guard.
#[must_use]
pub fn layer(guard: &Arc<Guard>) -> GuardLayer {
    GuardLayer(Arc::clone(guard))
}

/// See [`layer`].
#[derive(Clone)]
pub struct GuardLayer(Arc<Guard>);

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;
    fn layer(&self, inner: S) -> Self::Service {
        GuardService { guard: Arc::clone(&self.0), inner }
    }
}

/// A service behind a guard.
#[derive(Clone)]
pub struct GuardService<S> {
    guard: Arc<Guard>,
    inner: S,
}

impl<S, B> Service<Request<B>> for GuardService<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<Body>, S::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.guard.admit(request.headers()) {
            Ok(user) => {
                request.headers_mut().remove(http::header::AUTHORIZATION);
                request.extensions_mut().insert(user);
                Either::Right(self.inner.call(request))
            }
            Err(answer) => Either::Left(ready(Ok(*answer))),
        }
    }
}
