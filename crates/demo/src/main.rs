//! A small world to try Deputy in: a CRM with its own users, sessions and permissions.
fn main() {}
