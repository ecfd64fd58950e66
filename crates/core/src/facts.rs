//! What policy may ask of a caller. Policy sees this trait, never the caller's type.

use crate::{Agent, Client, Digest, User};

/// Facts about who asks, through whom, by which right.
pub trait Facts {
    /// The person.
    fn user(&self) -> &User;
    /// The agent.
    fn agent(&self) -> &Agent;
    /// The client.
    fn client(&self) -> &Client;
    /// Groups that the identity provider put into the token.
    fn groups(&self) -> &[String];
    /// Whether somebody else acts in the user's place: an `act` or `impersonator` claim (A16).
    fn impersonated(&self) -> bool {
        false
    }
    /// Whether the approval is a standing grant: a person said yes to calls of this kind, not to this very one.
    fn standing(&self) -> bool {
        false
    }
    /// Whether the agent may have read what nobody vouches for, in the last half hour. Who cannot tell says yes.
    fn untrusted(&self) -> bool {
        true
    }
    /// Whether a person approved exactly the call with this [`crate::Call::digest`], and the approval was spent for it.
    fn approved(&self, call: &Digest) -> bool;
}
