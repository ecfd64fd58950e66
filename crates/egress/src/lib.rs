//! What talks to strangers, so that no stranger meets a table.
