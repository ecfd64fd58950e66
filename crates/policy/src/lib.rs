//! May this caller make this call? The only crate that knows Cedar, so that policy cannot see the vault, the network or a table.
//!
//! [`PolicySet::parse`] → [`Engine::decide`] → [`Authorized`]. No other road leads to an `Authorized`, and an error
//! anywhere on it is a deny: Cedar skips a policy that errors, this crate never does (R14, invariant 14).

mod answer;
mod arguments;
mod asking;
mod engine;
mod error;
pub mod explain;
#[cfg(test)]
mod fixture;
mod known;
mod proof;
mod reads;
mod set;
mod sight;
mod slices;
pub mod test;
mod world;

pub use engine::Engine;
pub use error::{PolicyError, Position};
pub use proof::{Authorized, Refusal, Visibility};
pub use set::PolicySet;
pub use sight::Sight;
