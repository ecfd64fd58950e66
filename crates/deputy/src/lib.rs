//! The program `deputy`: command line, settings, wiring; sees everything.

pub mod cli;
pub mod keys;
pub mod policy_files;
pub mod publish;
pub mod servers;
pub mod settings;
pub mod shutdown;
pub mod sign_in;
pub mod telemetry;
pub mod vault;
pub mod wire;
