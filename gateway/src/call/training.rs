//! Training: has the person who acts passed the courses that the deciding grant, and their roles, ask for? Only actions with effects
//! are asked; who lapsed reads on.

use jiff::Timestamp;

use super::Caller;
use crate::{
    config::{Decision, Governance, decide_among},
    gateway::Gateway,
    model::{Account, Action, Grant, GrantId, PersonId, Principal},
    people::Standing,
    refusal::{Refusal, Stage, problem},
};

/// A course that is missing, and who asks for it.
struct Lacking {
    course: String,
    asked_by: String,
    standing: Standing,
}

/// Checks the courses of a call that grants allow. Where the deciding grant asks for one that the person lacks, another grant may do.
///
/// # Errors
/// `training-required`, with every course that is missing.
pub(super) fn check(
    gateway: &Gateway,
    governance: &Governance,
    caller: &Caller,
    (account, action): (&Account, Action),
    decided: [Option<&Grant>; 2],
) -> Result<Option<GrantId>, Refusal> {
    if action.is_read() {
        return Ok(None);
    }
    let (person, now) = (acting(caller), gateway.clock.now());
    let mut lacking = Vec::new();
    if let Some(person) = person {
        for course in governance.training_of_roles(person, &account.brand) {
            lacking.extend(lack(gateway, Some(person), course, "their role", now));
        }
    }
    let of_grants = |grant: &Grant| -> Vec<Lacking> {
        let asked_by = format!("the grant `{}`", grant.id);
        grant.training.iter().filter_map(|course| lack(gateway, person, course, &asked_by, now)).collect()
    };
    let of_decided: Vec<Lacking> = decided.into_iter().flatten().flat_map(of_grants).collect();
    if of_decided.is_empty() && lacking.is_empty() {
        return Ok(None);
    }
    if lacking.is_empty() {
        let fit = |grant: &Grant| of_grants(grant).is_empty();
        let (principal, behalf) = (caller.principal(), caller.on_behalf_of());
        let other = decide_among(governance, principal, behalf, (account, action), now, &fit);
        if let Decision::Granted { grant, .. } = other {
            return Ok(Some(grant.id.clone()));
        }
    }
    lacking.extend(of_decided);
    Err(refusal(person, account, &lacking))
}

/// The person whose courses count: who calls, or for whom an app does.
fn acting(caller: &Caller) -> Option<&PersonId> {
    match caller.principal() {
        Principal::Person(person) => Some(person),
        Principal::App(_) => caller.on_behalf_of(),
    }
}

fn lack(gateway: &Gateway, person: Option<&PersonId>, course: &str, asked_by: &str, now: Timestamp) -> Option<Lacking> {
    let standing = person.map_or(Standing::Missing, |person| gateway.people.training.standing(person, course, now));
    let lacking = Lacking { course: course.to_owned(), asked_by: asked_by.to_owned(), standing };
    (standing != Standing::Holds).then_some(lacking)
}

fn refusal(person: Option<&PersonId>, account: &Account, lacking: &[Lacking]) -> Refusal {
    let told = |one: &Lacking| {
        let since = match one.standing {
            Standing::Lapsed(end) => format!(", lapsed at {end}"),
            Standing::Missing | Standing::Holds => String::new(),
        };
        format!("`{}` ({}{since})", one.course, one.asked_by)
    };
    let courses = lacking.iter().map(told).collect::<Vec<_>>().join(", ");
    let detail = match person {
        Some(person) => format!(
            "`{person}` may not publish on `{}` without the course {courses}. Pass it, and have an operator record it: `pressgate \
             training import`.",
            account.id
        ),
        None => format!(
            "Publishing on `{}` needs the course {courses}, which only a person passes: name the person with `on_behalf_of`.",
            account.id
        ),
    };
    Refusal::new(problem::TRAINING_REQUIRED, Stage::Authorise, detail)
}
