//! What the consent page shows, and what a person says there.

use super::clients::Vouched;
use crate::ports::Sources;
use deputy_core::{Effect, SourceName};
use deputy_identity::form::Parameters;
use std::time::Duration;

/// An agent that wants to act for a person.
#[derive(Debug, Clone)]
pub struct Consent {
    /// How it calls itself.
    pub name: String,
    /// Its client id.
    pub client: String,
    /// Who vouches for it, if anybody does.
    pub vouched: Vouched,
    /// To which host, or on which machine, its answer goes.
    pub answers_to: String,
    /// The same for a browser that sends the form: where it may be sent on to (CSP `form-action`).
    pub sent_on_to: String,
    /// Who is asked.
    pub person: String,
    /// Through which provider they are signed in.
    pub provider: String,
    /// The sources that there are to choose from; one alone is no choice.
    pub sources: Vec<SourceName>,
    /// How far it wants to go.
    pub wanted: Effect,
    /// How long its permission lasts unless it is renewed.
    pub lasts: Duration,
    /// What the form brings back: good for this person in this browser alone.
    pub form: String,
}

/// What a person said on the consent page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What the form brought back.
    pub(crate) form: String,
    /// How far, and which sources; `None`: no.
    pub(crate) allowed: Option<(Effect, Sources)>,
}

impl Decision {
    /// Reads the form: `form`, `decision` (`allow` or `refuse`), `most`, and a `source.{name}` for each chosen source, or
    /// `all_sources`.
    #[must_use]
    pub fn read(body: &[u8], sources: &[SourceName]) -> Option<Self> {
        let form = Parameters::parse(body).ok()?;
        let token = form.one("form")?.to_owned();
        let allowed = match form.one("decision")? {
            "refuse" => None,
            "allow" => {
                let most = match form.one("most")? {
                    "read" => Effect::Read,
                    "write" => Effect::Write,
                    "destructive" => Effect::Destructive,
                    _ => return None,
                };
                let chosen = sources.iter().filter(|name| form.one(&format!("source.{name}")).is_some());
                let sources = match form.one("all_sources") {
                    Some(_) => Sources::All,
                    None => Sources::Only(chosen.cloned().collect()),
                };
                Some((most, sources))
            }
            _ => return None,
        };
        Some(Self { form: token, allowed })
    }
}
