//! x
pub struct StdioUpstream;
