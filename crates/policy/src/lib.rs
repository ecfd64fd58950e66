//! May this caller make this call? The only crate that knows Cedar, so that policy cannot see the vault, the network or a table.
