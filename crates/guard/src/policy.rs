//! What each scope opens: tools, and methods beside them.

/// Methods that every client of a session needs, whatever it may do: they reach no tool, no prompt and no resource.
const FREE: &[&str] = &["initialize", "ping", "server/discover", "tools/list", "logging/setLevel"];

/// One scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Its name.
    pub name: String,
    /// The tools it opens; `*` is every tool.
    pub tools: Vec<String>,
    /// The methods it opens beside `tools/call`: `resources/read`, or `resources/*`; `*` is every method.
    pub methods: Vec<String>,
}

/// What each scope opens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<Scope>);

/// Whether something may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// Yes.
    Open,
    /// With this scope it might be.
    Needs(String),
    /// No scope opens it.
    Closed,
}

impl Scopes {
    /// These, in the operator's order.
    ///
    /// # Errors
    /// There is none, one is there twice, or one has a name that cannot be (RFC 6749 section 3.3).
    pub fn new(scopes: Vec<Scope>) -> Result<Self, String> {
        if scopes.is_empty() {
            return Err("no scope is configured: nobody could use a tool".to_owned());
        }
        let token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        for (index, scope) in scopes.iter().enumerate() {
            let name = &scope.name;
            if name.is_empty() || name.len() > 128 || !name.bytes().all(token) {
                return Err(format!(
                    "`{name}` is not a scope: use 1 to 128 visible characters, no quotes and no `\\`"
                ));
            }
            if scopes.iter().take(index).any(|other| other.name == *name) {
                return Err(format!("the scope `{name}` is there twice"));
            }
        }
        Ok(Self(scopes))
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|scope| scope.name.as_str())
    }

    /// Whether a tool may be called, or shown.
    pub(crate) fn tool(&self, granted: &[String], tool: &str) -> Ruling {
        self.rule(granted, |scope| matches_any(&scope.tools, tool))
    }

    /// Whether a request or notification with this method may be sent. `tools/call` is decided by its tool as well.
    pub(crate) fn method(&self, granted: &[String], method: &str) -> Ruling {
        // What a client tells is no question: the server decides what to make of it.
        if FREE.contains(&method) || method == "tools/call" || method.starts_with("notifications/") {
            return Ruling::Open;
        }
        self.rule(granted, |scope| matches_any(&scope.methods, method))
    }

    fn rule(&self, granted: &[String], opens: impl Fn(&Scope) -> bool) -> Ruling {
        let mut openers = self.0.iter().filter(|scope| opens(scope)).peekable();
        let Some(first) = openers.peek().map(|scope| scope.name.clone()) else { return Ruling::Closed };
        let open = openers.any(|scope| granted.contains(&scope.name));
        if open { Ruling::Open } else { Ruling::Needs(first) }
    }
}

fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) if start.is_empty() || start.ends_with('/') => name.starts_with(start),
        _ => pattern == name,
    })
}

#[cfg(test)]
mod tests;
