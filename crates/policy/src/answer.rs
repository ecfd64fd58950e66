//! One question to Cedar, and what its answer is worth: an allow with an error in it is a deny (R14).

use crate::set::Parsed;
use crate::world::World;
use cedar_policy::{AuthorizationError, Authorizer, Decision, EvaluationError, Response};
use deputy_core::PolicyId;

/// What Cedar said to one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    /// The policies that decided; those that errored, if any did.
    pub(crate) policies: Vec<PolicyId>,
    /// In our words: Cedar's may hold argument values.
    pub(crate) errors: Vec<String>,
}

impl Answer {
    /// Asks with the arguments known.
    pub(crate) fn to(set: &Parsed, world: &World, approved: bool) -> Self {
        let request = match world.request(approved) {
            Ok(request) => request,
            Err(error) => return Self::error(error),
        };
        let response = Authorizer::new().is_authorized(
            &request,
            &set.slices.about(&world.tool).policies,
            &world.entities,
        );
        let faults = errors_of(&response);
        if !faults.is_empty() {
            let words = |(id, words): (PolicyId, &str)| {
                let error = format!("policy `{}` failed: {words}", id.0);
                (id, error)
            };
            let (policies, errors) = faults.into_iter().map(words).unzip();
            return Self { allowed: false, policies, errors };
        }
        let mut policies: Vec<_> =
            response.diagnostics().reason().map(|id| PolicyId(id.to_string())).collect();
        policies.sort();
        Self { allowed: response.decision() == Decision::Allow, policies, errors: Vec::new() }
    }

    /// A decision that could not be asked for.
    pub(crate) fn error(error: String) -> Self {
        Self { allowed: false, policies: Vec::new(), errors: vec![error] }
    }
}

/// What could come of one request whose arguments are unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Some arguments may be allowed.
    Possible,
    /// None are.
    Denied,
    /// Some policy errors whatever the arguments.
    Errors,
}

impl Outlook {
    /// Asks with the arguments unknown. Never `Denied` or `Errors` where some arguments would be allowed: a policy that
    /// stays undecided counts as satisfied if it permits and as not satisfied if it forbids.
    ///
    /// This is Cedar's untyped partial evaluation, the same evaluator that decides calls. The typed one (`tpe`) would
    /// type-check every policy anew for every tool of every list.
    pub(crate) fn of(set: &Parsed, world: &World, approved: bool) -> Self {
        let Ok(request) = world.request(approved) else { return Self::Errors };
        let response = Authorizer::new().is_authorized_partial(
            &request,
            &set.slices.about(&world.tool).policies,
            &world.entities,
        );
        if response.definitely_errored().next().is_some() {
            return Self::Errors;
        }
        match response.decision() {
            Some(Decision::Deny) => Self::Denied,
            Some(Decision::Allow) | None => Self::Possible,
        }
    }
}

/// Which policies errored, and how, in our words.
pub(crate) fn errors_of(response: &Response) -> Vec<(PolicyId, &'static str)> {
    let mut faults: Vec<_> = response.diagnostics().errors().map(fault).collect();
    faults.sort();
    faults
}

fn fault(error: &AuthorizationError) -> (PolicyId, &'static str) {
    let AuthorizationError::PolicyEvaluationError(error) = error;
    let words = match error.inner() {
        EvaluationError::NonValue(_) => "it reads an argument as a type that the argument does not have",
        EvaluationError::IntegerOverflow(_) => "a number overflows",
        EvaluationError::EntityDoesNotExist(_)
        | EvaluationError::EntityAttrDoesNotExist(_)
        | EvaluationError::RecordAttrDoesNotExist(_) => "it reads something that is not there",
        EvaluationError::TypeError(_) => "a value has the wrong type",
        EvaluationError::FailedExtensionFunctionExecution(_) => {
            "a text cannot be read as the value it should be"
        }
        EvaluationError::RecursionLimit(_) => "it nests too deeply",
        _ => "it cannot be evaluated",
    };
    (PolicyId(error.policy_id().to_string()), words)
}
