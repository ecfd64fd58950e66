//! JSON with comments and trailing commas, changed where it must be and nowhere else.
//!
//! Each change is a few cuts and insertions in the text, so that what is put in and taken out again leaves the same bytes.

mod edit;
mod parse;

pub(super) use edit::{Edit, Entry};
pub(super) use parse::Wrong;

#[cfg(test)]
mod tests;
