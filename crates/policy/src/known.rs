//! Answers that were given before. Where no policy that can speak of a tool reads an argument or the time, the same facts
//! get the same answer by the same set, so Cedar is asked once for them. A set keeps its own: another set has none of them.
//!
//! What is kept says nothing of who may ask: a caller was verified before policy is asked, each time anew (A14).

use crate::answer::Answer;
use crate::set::Parsed;
use crate::slices::Slice;
use crate::world::{Given, World};
use deputy_core::{
    Agent, Call, Class, Client, Digest, Facts, Origin, SourceKind, SourceName, Timestamp, Tool, ToolName,
    User,
};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ptr;
use std::sync::{PoisonError, RwLock};

/// Answers that a set keeps at most; one more, and it begins anew. Some 700 bytes each.
const MOST: usize = 2048;

/// One call, asked about with and without an approval.
pub(crate) struct Asking<'a, C> {
    set: &'a Parsed,
    caller: &'a C,
    call: &'a Call,
    now: Timestamp,
    world: Option<Result<World, String>>,
}

impl<'a, C: Facts> Asking<'a, C> {
    pub(crate) const fn about(set: &'a Parsed, caller: &'a C, call: &'a Call, now: Timestamp) -> Self {
        Self { set, caller, call, now, world: None }
    }

    /// What Cedar says, or said to the very same facts.
    pub(crate) fn answer(&mut self, approved: bool) -> Answer {
        let Some(seen) = Seen::of(self.set, self.caller, &self.call.tool, self.now, approved) else {
            return self.ask(approved);
        };
        if let Some(answer) = self.set.known.answer(&seen) {
            return answer;
        }
        let answer = self.ask(approved);
        // What went wrong is asked anew: it may be said in other words, and it is to be seen each time.
        if answer.errors.is_empty() {
            self.set.known.keep(&seen, &answer);
        }
        answer
    }

    fn ask(&mut self, approved: bool) -> Answer {
        let Self { set, caller, call, now, world } = self;
        let given = Given::Arguments(call.arguments.value());
        match world.get_or_insert_with(|| World::new(set, *caller, &call.tool, &given, *now)) {
            Ok(world) => Answer::to(set, world, approved),
            Err(error) => Answer::error(error.clone()),
        }
    }
}

/// All that policies can see that read no argument and not the time. INVARIANT: whatever else [`World`] tells them belongs
/// here.
#[derive(PartialEq, Eq, Hash)]
struct Seen<'a> {
    /// Where it lies: the set keeps it there.
    slice: usize,
    user: &'a User,
    /// Those that the policies name.
    groups: Vec<&'a str>,
    agent: &'a Agent,
    client: &'a Client,
    impersonated: bool,
    standing: bool,
    untrusted: bool,
    approved: bool,
    source: &'a SourceName,
    kind: SourceKind,
    origin: &'a Origin,
    class: Class,
    owner: Option<&'a User>,
    /// What is the tool's own, where it matters.
    own: Option<(&'a ToolName, &'a Digest)>,
}

impl<'a> Seen<'a> {
    /// `None`: there is more to see than this.
    fn of<C: Facts>(
        set: &Parsed,
        caller: &'a C,
        tool: &'a Tool,
        now: Timestamp,
        approved: bool,
    ) -> Option<Self> {
        let slice = set.slices.about(tool.definition.name.as_str());
        let sees_more = set.reads.every || !slice.reads.is_none() || slice.reads_time;
        if sees_more || i64::try_from(now.seconds()).is_err() {
            return None;
        }
        let groups = caller.groups().iter().map(String::as_str);
        Some(Self {
            slice: address(slice),
            user: caller.user(),
            groups: groups.filter(|group| slice.names_group(group)).collect(),
            agent: caller.agent(),
            client: caller.client(),
            impersonated: caller.impersonated(),
            standing: caller.standing(),
            untrusted: caller.untrusted(),
            approved,
            source: &tool.source,
            kind: tool.source_kind,
            origin: &tool.origin,
            class: tool.class,
            owner: tool.owner.as_ref(),
            own: (!slice.takes_tools_alike).then_some((&tool.definition.name, &tool.hash)),
        })
    }
}

fn address(slice: &Slice) -> usize {
    ptr::from_ref(slice).addr()
}

/// The same, kept.
struct Kept {
    slice: usize,
    user: User,
    groups: Vec<String>,
    agent: Agent,
    client: Client,
    impersonated: bool,
    standing: bool,
    untrusted: bool,
    approved: bool,
    source: SourceName,
    kind: SourceKind,
    origin: Origin,
    class: Class,
    owner: Option<User>,
    own: Option<(ToolName, Digest)>,
    answer: Answer,
}

impl Kept {
    fn new(seen: &Seen<'_>, answer: &Answer) -> Self {
        Self {
            slice: seen.slice,
            user: seen.user.clone(),
            groups: seen.groups.iter().map(|group| (*group).to_owned()).collect(),
            agent: seen.agent.clone(),
            client: seen.client.clone(),
            impersonated: seen.impersonated,
            standing: seen.standing,
            untrusted: seen.untrusted,
            approved: seen.approved,
            source: seen.source.clone(),
            kind: seen.kind,
            origin: seen.origin.clone(),
            class: seen.class,
            owner: seen.owner.cloned(),
            own: seen.own.map(|(name, hash)| (name.clone(), *hash)),
            answer: answer.clone(),
        }
    }

    fn seen(&self) -> Seen<'_> {
        Seen {
            slice: self.slice,
            user: &self.user,
            groups: self.groups.iter().map(String::as_str).collect(),
            agent: &self.agent,
            client: &self.client,
            impersonated: self.impersonated,
            standing: self.standing,
            untrusted: self.untrusted,
            approved: self.approved,
            source: &self.source,
            kind: self.kind,
            origin: &self.origin,
            class: self.class,
            owner: self.owner.as_ref(),
            own: self.own.as_ref().map(|(name, hash)| (name, hash)),
        }
    }
}

/// What one set of policies answered. Two facts with one hash: the later stays.
#[derive(Default)]
pub(crate) struct Known {
    hashes: RandomState,
    answers: RwLock<HashMap<u64, Kept>>,
}

impl Known {
    fn answer(&self, seen: &Seen<'_>) -> Option<Answer> {
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        let kept = answers.get(&self.hashes.hash_one(seen))?;
        (kept.seen() == *seen).then(|| kept.answer.clone())
    }

    fn keep(&self, seen: &Seen<'_>, answer: &Answer) {
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.insert(self.hashes.hash_one(seen), Kept::new(seen, answer));
    }
}

#[cfg(test)]
mod tests;
