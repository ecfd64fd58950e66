//! One look at many tools: a list asks about each, and most differ in nothing that a policy reads.

use crate::answer::Outlook;
use crate::engine::Engine;
use crate::proof::Visibility;
use crate::set::PolicySet;
use crate::slices::Slice;
use crate::world::{Given, World};
use deputy_core::{Class, Facts, Origin, SourceKind, SourceName, Timestamp, Tool, User};
use std::ptr;

/// What one caller may see at one moment, by one set of policies.
pub struct Sight<'c, C> {
    set: PolicySet,
    caller: &'c C,
    now: Timestamp,
    seen: Vec<(Alike, Visibility)>,
}

/// All that policies read of a tool, where they do not read what is its own alone.
struct Alike {
    /// Where it lies: the set keeps it there.
    slice: usize,
    source: SourceName,
    kind: SourceKind,
    origin: Origin,
    class: Class,
    owner: Option<User>,
}

impl Alike {
    fn is(&self, slice: &Slice, tool: &Tool) -> bool {
        self.slice == ptr::from_ref(slice).addr()
            && self.source == tool.source
            && self.kind == tool.source_kind
            && self.class == tool.class
            && self.origin == tool.origin
            && self.owner == tool.owner
    }

    fn of(slice: &Slice, tool: &Tool) -> Self {
        Self {
            slice: ptr::from_ref(slice).addr(),
            source: tool.source.clone(),
            kind: tool.source_kind,
            origin: tool.origin.clone(),
            class: tool.class,
            owner: tool.owner.clone(),
        }
    }
}

impl Engine {
    /// Looks at tools for one caller, by the set in force now.
    #[must_use]
    pub fn sight<'c, C: Facts>(&self, caller: &'c C, now: Timestamp) -> Sight<'c, C> {
        Sight { set: self.set(), caller, now, seen: Vec::new() }
    }

    /// Could some arguments be allowed to this caller, at once or after a person approved? May show a tool that every
    /// argument is refused for, never hides one that some argument is allowed for. An error hides.
    #[must_use]
    pub fn visible<C: Facts>(&self, caller: &C, tool: &Tool, now: Timestamp) -> Visibility {
        self.sight(caller, now).of(tool)
    }
}

impl<C: Facts> Sight<'_, C> {
    /// The same as [`Engine::visible`], asked once for all tools that no policy can tell apart.
    pub fn of(&mut self, tool: &Tool) -> Visibility {
        let slice = self.set.parsed().slices.about(tool.definition.name.as_str());
        if !slice.takes_tools_alike {
            return self.ask(tool);
        }
        if let Some((_, known)) = self.seen.iter().find(|(alike, _)| alike.is(slice, tool)) {
            return *known;
        }
        let alike = Alike::of(slice, tool);
        let visibility = self.ask(tool);
        self.seen.push((alike, visibility));
        visibility
    }

    fn ask(&self, tool: &Tool) -> Visibility {
        let set = self.set.parsed();
        let Ok(mut world) = World::new(set, self.caller, tool, &Given::Nothing, self.now) else {
            return Visibility::Hidden;
        };
        // What the caller has read changes by the minute, and a list should not: a tool is shown if it could be called
        // either way.
        for untrusted in [false, true] {
            world.untrusted = untrusted;
            let outlook = match Outlook::of(set, &world, false) {
                Outlook::Denied => Outlook::of(set, &world, true),
                outlook => outlook,
            };
            if outlook == Outlook::Possible {
                return Visibility::Visible;
            }
        }
        Visibility::Hidden
    }
}
