//! An append-only log that can be checked without us, so that a log can be verified without the hub.
