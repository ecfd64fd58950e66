//! A server that was started anew: what it was asked over connections that it left behind.

use super::fixture::{Conn, Fixture, Request, SOON, call, read, reply, result};
use deputy_hub::ports::Upstream as _;
use deputy_hub::ports::upstream::Failure;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use tokio::sync::Barrier;

/// A modern server that answers calls so; the number is how many came before.
async fn but<A>(answer: A) -> Fixture
where
    A: Fn(usize, Request, Conn) -> BoxFuture<'static, Option<Conn>> + Send + Sync + 'static,
{
    let (answer, calls) = (Arc::new(answer), Arc::new(Mutex::new(0)));
    Fixture::new(move |request, mut conn| {
        let (answer, calls) = (Arc::clone(&answer), Arc::clone(&calls));
        async move {
            if request.what() == "tools/call" {
                let before = std::mem::replace(&mut *calls.lock().unwrap(), 1);
                return answer(before, request, conn).await;
            }
            conn.result(&request, r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#).await;
            Some(conn)
        }
        .boxed()
    })
    .await
}

async fn answered(request: Request, mut conn: Conn) -> Option<Conn> {
    conn.result(&request, r#"{"content":[]}"#).await;
    Some(conn)
}

fn calls(fixture: &Fixture) -> usize {
    fixture.whats().iter().filter(|what| *what == "tools/call").count()
}

#[tokio::test]
async fn a_read_whose_connection_ended_before_the_answer_is_sent_once_more() {
    let fixture = but(|before, request, conn| {
        async move { if before == 0 { None } else { answered(request, conn).await } }.boxed()
    })
    .await;
    let upstream = fixture.upstream();
    assert!(result(&upstream, read(call("t"))).await.contains("complete"));
    assert_eq!((calls(&fixture), upstream.health().is_up), (2, Some(true)));
}

#[tokio::test]
async fn what_is_no_plain_read_is_never_sent_twice() {
    let fixture = but(|_, _, _| async { None }.boxed()).await;
    let lost = reply(&fixture.upstream(), call("t")).await;
    assert!(matches!(lost, Err(Failure::Lost(_))), "{lost:?}");
    assert_eq!(calls(&fixture), 1);
}

#[tokio::test]
async fn a_read_is_not_sent_a_third_time() {
    let fixture = but(|_, _, _| async { None }.boxed()).await;
    let lost = reply(&fixture.upstream(), read(call("t"))).await;
    assert!(matches!(lost, Err(Failure::Lost(_))), "{lost:?}");
    assert_eq!(calls(&fixture), 2);
}

#[tokio::test]
async fn a_read_whose_answer_had_begun_is_not_sent_again() {
    let fixture = but(|_, _, mut conn| {
        async move {
            conn.stream().await;
            None
        }
        .boxed()
    })
    .await;
    let lost = reply(&fixture.upstream(), read(call("t"))).await;
    assert!(matches!(lost, Err(Failure::Lost(_))), "{lost:?}");
    assert_eq!(calls(&fixture), 1);
}

#[tokio::test]
async fn a_read_goes_over_no_second_connection_that_was_left_behind() {
    // Each connection serves one call and then, as if its server were gone, none.
    let (both, served) = (Arc::new(Barrier::new(2)), Arc::new(Mutex::new(HashSet::new())));
    let fixture = but(move |_, request, conn| {
        let (both, is_new) = (Arc::clone(&both), served.lock().unwrap().insert(conn.number()));
        async move {
            if request.body["params"]["name"] == "both" {
                both.wait().await;
            }
            if is_new { answered(request, conn).await } else { None }
        }
        .boxed()
    })
    .await;
    let upstream = fixture.upstream();
    let two = async { tokio::join!(reply(&upstream, call("both")), reply(&upstream, call("both"))) };
    let (one, other) = tokio::time::timeout(SOON, two).await.expect("both over connections of their own");
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert!(result(&upstream, read(call("t"))).await.contains("complete"));
}
