//! One endpoint per file.

pub(crate) mod approvals;
pub(crate) mod connect;
pub(crate) mod connections;
pub(crate) mod definitions;
pub(crate) mod grants;
pub(crate) mod health;
pub(crate) mod login;
pub(crate) mod mcp;
pub(crate) mod oauth;
pub(crate) mod operations;
pub(crate) mod sdk;
pub(crate) mod signals;
pub(crate) mod standing;
pub(crate) mod switches;
pub(crate) mod tab;
pub(crate) mod tickets;
pub(crate) mod well_known;
