//! Doors: each turns what arrives into a call by a caller; none of them can act.

mod caller;
mod cookies;
mod doors;
mod house;
mod layers;
mod pages;
mod problem;
mod router;
mod serve;

pub use caller::LetIn;
pub use doors::operations::operations;
pub use house::House;
pub use layers::Hosts;
pub use router::{ROUTES, Route, Who, router};
pub use serve::serve;
