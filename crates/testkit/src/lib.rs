//! Fakes, models and contract suites; for tests only, so that nothing of it can ship.
//!
//! [`World`] is a whole hub in memory, wired through the same corridor as the program's, with a clock that stands still.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod browser;
mod clock;
mod collector;
mod endpoints;
mod issuer;
mod manifests;
mod pins;
mod providers;
mod spans;
mod stops;
mod tables;
mod upstream;
mod vault;
mod wishes;
mod world;

pub use browser::{FakeTab, Said};
pub use clock::StillClock;
pub use collector::{Export, FakeCollector, attribute};
pub use endpoints::{Answering, Asked, FakeEndpoints};
pub use issuer::TestIssuer;
pub use manifests::FakeManifests;
pub use providers::{Auth0, Entra, Okta, OktaResource, WorkforcePool, wanted_by};
pub use spans::HeldSpans;
pub use tables::{Memory, NullLog};
pub use upstream::{FakeUpstream, result};
pub use vault::HeldMasterKeys;
pub use wishes::{permit_all, relayed, wish};
pub use world::{APP, OPERATORS, ORIGIN, OTHER_ORIGIN, PUBLIC_URL, World};
