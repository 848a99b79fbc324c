//! Duties: has the person who acts passed the courses, and acknowledged the guidelines, that the deciding grant and their roles ask for?
//! Only actions with effects are asked; who lapsed reads on, and takes back what they said.

use std::sync::Arc;

use jiff::Timestamp;

use super::Caller;
use crate::{
    config::{Decision, Governance, GuidelineVersion, decide_among},
    gateway::Gateway,
    model::{Account, AccountId, Action, BrandPath, Grant, GrantId, PersonId, Principal},
    people::Standing,
    refusal::{Refusal, Stage, problem},
};

/// What is missing, and who asks for it.
struct Lacking {
    what: Duty,
    asked_by: String,
}

enum Duty {
    Course { course: String, standing: Standing },
    Guidelines(Arc<GuidelineVersion>),
}

/// Who is asked, where and when.
struct Asked<'a> {
    gateway: &'a Gateway,
    deed: &'static str,
    governance: &'a Governance,
    person: Option<&'a PersonId>,
    now: Timestamp,
}

/// Checks the duties of a call that grants allow. Where the deciding grant asks for one that the person lacks, another grant may do.
///
/// # Errors
/// `training-required` with everything that is missing, or `guidelines-required` where only guidelines are.
pub(super) fn check(
    gateway: &Gateway,
    governance: &Governance,
    caller: &Caller,
    (account, action): (&Account, Action),
    decided: [Option<&Grant>; 2],
) -> Result<Option<GrantId>, Refusal> {
    // Taking a post back says nothing new, and must work above all when what was said is wrong: as at `review`.
    if action.is_read() || action == Action::POST_DELETE {
        return Ok(None);
    }
    let asked = Asked { gateway, deed: "publish on", governance, person: acting(caller), now: gateway.clock.now() };
    let mut lacking = asked.by_roles(account);
    let of_decided: Vec<Lacking> = decided.into_iter().flatten().flat_map(|grant| asked.by_grant(grant)).collect();
    if of_decided.is_empty() && lacking.is_empty() {
        return Ok(None);
    }
    if lacking.is_empty() {
        let fit = |grant: &Grant| asked.by_grant(grant).is_empty();
        let (principal, behalf) = (caller.principal(), caller.on_behalf_of());
        let other = decide_among(governance, principal, behalf, (account, action), asked.now, &fit);
        if let Decision::Granted { grant, .. } = other {
            return Ok(Some(grant.id.clone()));
        }
    }
    lacking.extend(of_decided);
    Err(refusal(&asked, account, &lacking))
}

/// Checks what a person's roles ask for before they agree to a post for these accounts. A vote that was given before something lapsed stays.
///
/// # Errors
/// As for a call, for the first account whose brand asks for what they lack.
pub fn of_voter<'a>(
    gateway: &Gateway,
    person: &PersonId,
    accounts: impl IntoIterator<Item = &'a AccountId>,
) -> Result<(), Refusal> {
    let governance = gateway.governance.load();
    let (person, now) = (Some(person), gateway.clock.now());
    let asked = Asked { gateway, deed: "agree to a post for", governance: &governance, person, now };
    for account in accounts.into_iter().filter_map(|account| governance.accounts.get(account)) {
        let lacking = asked.by_roles(account);
        if !lacking.is_empty() {
            return Err(Refusal { stage: Stage::Approve, ..refusal(&asked, account, &lacking) });
        }
    }
    Ok(())
}

/// The person whose duties count: who calls, or for whom an app does.
fn acting(caller: &Caller) -> Option<&PersonId> {
    match caller.principal() {
        Principal::Person(person) => Some(person),
        Principal::App(_) => caller.on_behalf_of(),
    }
}

impl Asked<'_> {
    fn by_roles(&self, account: &Account) -> Vec<Lacking> {
        let Some(person) = self.person else { return Vec::new() };
        let courses = self.governance.training_of_roles(person, &account.brand);
        let courses = courses.into_iter().filter_map(|course| self.course(course, "their role"));
        let brands = self.governance.guidelines_of_roles(person, &account.brand);
        courses.chain(brands.into_iter().filter_map(|brand| self.guidelines(brand, "their role"))).collect()
    }

    fn by_grant(&self, grant: &Grant) -> Vec<Lacking> {
        let asked_by = format!("the grant `{}`", grant.id);
        let courses = grant.training.iter().filter_map(|course| self.course(course, &asked_by));
        courses.chain(grant.guidelines.iter().filter_map(|brand| self.guidelines(brand, &asked_by))).collect()
    }

    fn course(&self, course: &str, asked_by: &str) -> Option<Lacking> {
        let of = |person| self.gateway.people.training.standing(person, course, self.now);
        let standing = self.person.map_or(Standing::Missing, of);
        let what = Duty::Course { course: course.to_owned(), standing };
        (standing != Standing::Holds).then(|| Lacking { what, asked_by: asked_by.to_owned() })
    }

    fn guidelines(&self, brand: &BrandPath, asked_by: &str) -> Option<Lacking> {
        let version = match self.person {
            Some(person) => self.gateway.people.acknowledgements.outstanding(self.governance, person, brand, self.now),
            None => self.governance.guidelines.in_effect(brand, self.now).cloned(),
        };
        version.map(|version| Lacking { what: Duty::Guidelines(version), asked_by: asked_by.to_owned() })
    }

    /// Where a person reads them.
    fn address(&self, version: &GuidelineVersion) -> String {
        let path = version.path();
        self.gateway.config.sign_in.as_ref().map_or_else(|| path.clone(), |config| config.address(&path))
    }
}

fn refusal(asked: &Asked<'_>, account: &Account, lacking: &[Lacking]) -> Refusal {
    let courses: Vec<String> = lacking.iter().filter_map(course).collect();
    let guidelines: Vec<String> = lacking.iter().filter_map(|one| guidelines(asked, one)).collect();
    let mut parts = Vec::new();
    match asked.person {
        Some(person) if !courses.is_empty() => parts.push(format!(
            "`{person}` may not {} `{}` without the course {}. Pass it, and have an operator record it: `pressgate \
             training import`.",
            asked.deed,
            account.id,
            courses.join(", ")
        )),
        None if !courses.is_empty() => parts.push(format!(
            "Publishing on `{}` needs the course {}, which only a person passes: name the person with `on_behalf_of`.",
            account.id,
            courses.join(", ")
        )),
        _ => {}
    }
    match asked.person {
        Some(person) if !guidelines.is_empty() => parts.push(format!(
            "`{person}` may not {} `{}` before they have acknowledged {}. Read and acknowledge them there, or with \
             POST /v1/guidelines/{{brand}}/acknowledgements.",
            asked.deed,
            account.id,
            guidelines.join(", ")
        )),
        None if !guidelines.is_empty() => parts.push(format!(
            "Publishing on `{}` needs somebody who has acknowledged {}: name the person with `on_behalf_of`.",
            account.id,
            guidelines.join(", ")
        )),
        _ => {}
    }
    let kind = if courses.is_empty() { problem::GUIDELINES_REQUIRED } else { problem::TRAINING_REQUIRED };
    Refusal::new(kind, Stage::Authorise, parts.join(" "))
}

fn course(one: &Lacking) -> Option<String> {
    let Duty::Course { course, standing } = &one.what else { return None };
    let since = match standing {
        Standing::Lapsed(end) => format!(", lapsed at {end}"),
        Standing::Missing | Standing::Holds => String::new(),
    };
    Some(format!("`{course}` ({}{since})", one.asked_by))
}

fn guidelines(asked: &Asked<'_>, one: &Lacking) -> Option<String> {
    let Duty::Guidelines(version) = &one.what else { return None };
    let (brand, name, address) = (&version.brand, &version.version, asked.address(version));
    Some(format!("version {name} of the guidelines of `{brand}` ({}): {address}", one.asked_by))
}
