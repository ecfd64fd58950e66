//! Plain HTTP/1.1 to one address of the config on this machine. Whoever asks drives the connection itself: there is no task
//! beside it and no channel between two, which together cost more than the request. Where a connection may go is checked by
//! the same rules as everywhere (R6), each time one is made.

mod place;
mod pool;

use super::fresh::Gone;
use super::{EgressError, HttpClient, Outgoing, Undelivered};
use bytes::Bytes;
use deputy_hub::Supervisor;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use place::Place;
use pool::Pool;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;
use url::Url;

type Connection = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// The way to one address.
#[derive(Clone)]
pub(crate) struct Direct(Arc<Way>);

struct Way {
    place: Place,
    pool: Arc<Pool>,
}

/// One connection, and the hand that puts requests into it.
struct Open {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection,
    /// Whether the connection has ended: it makes no further step then.
    is_over: bool,
}

/// What becomes of a request or an answer whose connection does not carry it.
enum Broken {
    Http(hyper::Error),
    /// It ended without a word.
    Ended,
}

/// An answer whose body is still to be read.
pub(crate) struct Answering {
    head: http::response::Parts,
    body: Incoming,
    /// Gone once the body has ended.
    open: Option<Open>,
    /// Whether it carries another request after this.
    is_kept: bool,
    way: Arc<Way>,
}

impl HttpClient {
    /// The way to an address of the config that is called often; `None`: it is not on this machine by plain http, or may not
    /// be called at all.
    pub(crate) fn direct(&self, url: &Url, supervisor: &Supervisor) -> Option<Direct> {
        let place = Place::of(self, url)?;
        Some(Direct(Arc::new(Way { place, pool: Pool::new(supervisor.clone()) })))
    }
}

impl Direct {
    /// Sends a request; resolves when the head of the answer is there. A redirect is an answer.
    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<Answering, Undelivered> {
        let Way { place, pool } = &*self.0;
        let Outgoing { method, headers, body, timeout, afresh } = outgoing;
        let mut request = Request::new(Full::new(body));
        (*request.method_mut(), *request.headers_mut()) = (method, headers);
        place.address(&mut request);
        let asked = async {
            loop {
                let kept = if afresh { None } else { pool.take() };
                let was_kept = kept.is_some();
                let mut open = match kept {
                    Some(open) => open,
                    None => place.connect().await.map_err(Undelivered::Before)?,
                };
                match open.ask(request).await {
                    Ok(response) => {
                        let (head, body) = response.into_parts();
                        let way = Arc::clone(&self.0);
                        return Ok(Answering { head, body, open: Some(open), is_kept: !afresh, way });
                    }
                    // Nothing of it was sent: the connection had ended.
                    Err(Unasked { again: Some(unsent), .. }) if was_kept => request = unsent,
                    Err(Unasked { again: Some(_), why }) => {
                        return Err(Undelivered::Before(place.broken(&why)));
                    }
                    Err(Unasked { again: None, why }) => {
                        let broken = place.broken(&why);
                        return Err(match why.gone() {
                            Gone::BeforeItWasSent => Undelivered::Before(broken),
                            Gone::BeforeTheAnswer => Undelivered::Unanswered(broken),
                            Gone::Otherwise => Undelivered::After(broken),
                        });
                    }
                }
            }
        };
        if timeout >= super::streamed::NEVER {
            return asked.await;
        }
        let late = || Undelivered::After(place.unreachable("out of time".to_owned()));
        tokio::time::timeout(timeout, asked).await.unwrap_or_else(|_| Err(late()))
    }

    /// The address, to be shown.
    pub(super) fn shown(&self) -> String {
        self.0.place.shown()
    }
}

impl Broken {
    fn gone(&self) -> Gone {
        match self {
            Self::Http(error) => super::fresh::ended(error),
            Self::Ended => Gone::BeforeTheAnswer,
        }
    }

    /// The innermost reason.
    fn root_cause(&self) -> String {
        let Self::Http(error) = self else { return "connection closed".to_owned() };
        let mut innermost: &dyn std::error::Error = error;
        while let Some(cause) = innermost.source() {
            innermost = cause;
        }
        innermost.to_string()
    }
}

/// Why a request was not answered, and the request, if nothing of it was sent.
struct Unasked {
    why: Broken,
    again: Option<Request<Full<Bytes>>>,
}

impl Open {
    async fn new(stream: TcpStream) -> Result<Self, Broken> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Broken::Http)?;
        Ok(Self { sender, connection, is_over: false })
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>, Unasked> {
        // Unconstrained: nobody would wake it where it merely wants to let others go first.
        let mut answered = pin!(tokio::task::unconstrained(self.sender.try_send_request(request)));
        let (connection, is_over) = (&mut self.connection, &mut self.is_over);
        let answered = poll_fn(|cx| {
            step(connection, is_over, cx);
            match answered.as_mut().poll(&mut unheard()) {
                Poll::Pending if *is_over => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
                Poll::Ready(answered) => Poll::Ready(Some(answered)),
            }
        });
        match answered.await {
            Some(Ok(response)) => Ok(response),
            Some(Err(mut refused)) => {
                let again = refused.take_message();
                Err(Unasked { again, why: Broken::Http(refused.into_error()) })
            }
            None => Err(Unasked { again: None, why: Broken::Ended }),
        }
    }

    /// Whether it can carry the next request, as far as is known by now.
    fn is_idle(&mut self) -> bool {
        step(&mut self.connection, &mut self.is_over, &mut unheard());
        !self.is_over && self.sender.is_ready()
    }
}

fn step(connection: &mut Connection, is_over: &mut bool, cx: &mut Context<'_>) {
    *is_over = *is_over || Pin::new(connection).poll(cx).is_ready();
}

/// Who listens to what comes by the connection's own steps alone: nobody else need wake this task.
const fn unheard() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

impl Answering {
    pub(super) const fn status(&self) -> StatusCode {
        self.head.status
    }

    pub(super) const fn headers(&self) -> &http::HeaderMap {
        &self.head.headers
    }

    pub(super) fn announced(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next piece; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, EgressError> {
        let Self { body, open: Some(open), .. } = self else { return Ok(None) };
        let piece = poll_fn(|cx| {
            let mut has_stepped = false;
            loop {
                match Pin::new(&mut *body).poll_frame(&mut unheard()) {
                    // Trailers are of no use here.
                    Poll::Ready(Some(Ok(frame))) => {
                        if let Ok(data) = frame.into_data() {
                            return Poll::Ready(Ok(Some(data)));
                        }
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Broken::Http(error))),
                    Poll::Ready(None) => return Poll::Ready(Ok(None)),
                    Poll::Pending if open.is_over => return Poll::Ready(Err(Broken::Ended)),
                    Poll::Pending if has_stepped => return Poll::Pending,
                    Poll::Pending => {
                        step(&mut open.connection, &mut open.is_over, cx);
                        has_stepped = true;
                    }
                }
            }
        });
        match piece.await {
            Ok(Some(piece)) => Ok(Some(piece)),
            Ok(None) => {
                if let Some(open) = self.open.take().filter(|_| self.is_kept) {
                    // Header fields lie in the connection's own buffer, which is free for the next answer without them.
                    self.head.headers.clear();
                    self.way.pool.put(open);
                }
                Ok(None)
            }
            Err(why) => {
                self.open = None;
                Err(self.way.place.broken(&why))
            }
        }
    }
}

#[cfg(test)]
mod tests;
