//! The Model Context Protocol, one file per era rule.
