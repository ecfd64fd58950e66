//! Against servers on this machine, well-behaved and not.

mod channel;
mod fixture;
mod legacy;
mod listening;
mod misbehaving;
mod modern;
mod restarted;
mod secrets;
mod server;
mod stdio;
