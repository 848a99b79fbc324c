//! Reveals: what a leaf commits to is shown to two people who gave a reason, for a while.
//!
//! One person with the right `audit:reveal` asks, another one confirms, then both may look until the time is over. Apps are no people,
//! and no role gives the right. Asking, confirming and each look are leaves, durable before the answer. Requests are held in memory:
//! a restart ends them.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

pub use crate::openings::Opened;
use crate::{
    audit::{Event, Leaf, leaf},
    call::{Caller, journey::Journey, record},
    config::AuditScope,
    gateway::Gateway,
    model::{AuditRight, BrandPath, PersonId, Principal, hex::hex},
    records::Commitment,
    refusal::{Fault, Refusal, Stage, problem},
};

/// A request, confirmed or not, ends after this.
pub const WAIT: SignedDuration = SignedDuration::from_mins(15);
/// Longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// Requests that are open at once.
const OPEN_MAX: usize = 1_000;
/// Requests of one person that are open at once.
const OPEN_OF_ONE_MAX: usize = 20;
/// Random bytes of a request's id.
const ID_BYTES: usize = 16;

/// What somebody wants to see.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Index of the leaf.
    pub leaf: u64,
    /// Which values; all where there are none.
    pub fields: Vec<String>,
    /// Why. It is written to the log.
    pub reason: String,
}

/// A request to reveal.
#[derive(Debug, Clone)]
pub struct Reveal {
    /// Its id.
    pub id: String,
    /// Index of the leaf.
    pub leaf: u64,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub asked_by: PersonId,
    /// Who confirmed.
    pub confirmed_by: Option<PersonId>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The call of the commitments: the post's id, or empty.
    pub call: String,
    /// What is to be opened.
    pub commitments: Vec<Commitment>,
    brand: Option<BrandPath>,
}

/// A request as somebody sees it. No `Debug`: it may hold values.
pub struct Seen {
    /// The request.
    pub reveal: Reveal,
    /// The values, for the two people, once there are two.
    pub values: Option<Vec<Opened>>,
}

/// Requests that are open.
#[derive(Default)]
pub struct Reveals(Mutex<BTreeMap<String, Reveal>>);

impl Reveals {
    fn open(&self, now: Timestamp) -> MutexGuard<'_, BTreeMap<String, Reveal>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, reveal| now < reveal.expires_at);
        open
    }
}

/// Asks for values of a leaf. A refusal is in the log when this returns.
pub async fn ask(gateway: &Arc<Gateway>, caller: &Caller, wish: Wish) -> Result<Reveal, Refusal> {
    close(gateway, caller, try_ask(gateway, caller, wish).await).await
}

/// Confirms another person's request. A refusal is in the log when this returns.
pub async fn confirm(gateway: &Arc<Gateway>, caller: &Caller, id: &str) -> Result<Reveal, Refusal> {
    close(gateway, caller, try_confirm(gateway, caller, id).await).await
}

/// A request, with its values for the two people of it. A refusal is in the log when this returns.
pub async fn look(gateway: &Arc<Gateway>, caller: &Caller, id: &str) -> Result<Seen, Refusal> {
    close(gateway, caller, try_look(gateway, caller, id).await).await
}

async fn close<T>(gateway: &Gateway, caller: &Caller, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
    match outcome {
        Ok(done) => Ok(done),
        Err(refusal) => Err(Journey::begin(caller).refuse(gateway, refusal).await),
    }
}

async fn try_ask(gateway: &Arc<Gateway>, caller: &Caller, wish: Wish) -> Result<Reveal, Refusal> {
    let person = person(caller)?;
    // Who has the right nowhere learns nothing of the log.
    let scope = right(gateway, caller)?;
    let reason = wish.reason.trim().to_owned();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        let message = format!("`reason` says in 1 to {REASON_CHARS_MAX} characters why the values are needed.");
        return Err(invalid("/reason", message));
    }
    let event = read_leaf(gateway, wish.leaf).await?.map(|leaf| leaf.event);
    let brand = event.as_ref().and_then(brand_of);
    let Some(event) = event.filter(|_| scope.reach.covers(brand.as_ref())) else {
        return Err(not_found(format!("There is no leaf {} that you may open.", wish.leaf)));
    };
    let commitments = chosen(&event, &wish.fields)?;
    let now = gateway.clock.now();
    let mut bytes = [0; ID_BYTES];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Refusal::new(problem::INTERNAL, Stage::Door, "The system gives no random numbers."))?;
    let reveal = Reveal {
        id: format!("reveal_{}", hex(&bytes)),
        leaf: wish.leaf,
        reason,
        asked_by: person,
        confirmed_by: None,
        expires_at: now.checked_add(WAIT).unwrap_or(Timestamp::MAX),
        call: event.call().to_owned(),
        commitments,
        brand,
    };
    note(gateway, caller, "audit.reveal.ask", &reveal, &scope.grant(), None).await?;
    let mut open = gateway.reveals.open(now);
    let own = open.values().filter(|other| other.asked_by == reveal.asked_by).count();
    if open.len() >= OPEN_MAX || own >= OPEN_OF_ONE_MAX {
        let detail = "Too many requests to reveal are open; each ends after 15 minutes.";
        return Err(
            Refusal::new(problem::RATE_LIMITED, Stage::Admit, detail).retry_after(WAIT.as_secs().unsigned_abs())
        );
    }
    open.insert(reveal.id.clone(), reveal.clone());
    Ok(reveal)
}

async fn try_confirm(gateway: &Arc<Gateway>, caller: &Caller, id: &str) -> Result<Reveal, Refusal> {
    let person = person(caller)?;
    let (reveal, grant) = find(gateway, caller, id)?;
    if reveal.asked_by == person {
        let detail = "You asked for this yourself. Another person with the right `audit:reveal` must confirm it.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Approve, detail));
    }
    if let Some(by) = &reveal.confirmed_by {
        return if *by == person { Ok(reveal) } else { Err(taken()) };
    }
    note(gateway, caller, "audit.reveal.confirm", &reveal, &grant, Some(&reveal.asked_by)).await?;
    let mut open = gateway.reveals.open(gateway.clock.now());
    let reveal = open.get_mut(id).ok_or_else(|| no_such(id))?;
    match &reveal.confirmed_by {
        Some(by) if *by != person => return Err(taken()),
        _ => reveal.confirmed_by = Some(person),
    }
    Ok(reveal.clone())
}

async fn try_look(gateway: &Arc<Gateway>, caller: &Caller, id: &str) -> Result<Seen, Refusal> {
    let person = person(caller)?;
    let (reveal, grant) = find(gateway, caller, id)?;
    let second = match &reveal.confirmed_by {
        Some(by) if reveal.asked_by == person => by.clone(),
        Some(by) if *by == person => reveal.asked_by.clone(),
        // Whoever could confirm it may see what is asked for.
        None => return Ok(Seen { reveal, values: None }),
        Some(_) => return Err(taken()),
    };
    note(gateway, caller, "audit.reveal", &reveal, &grant, Some(&second)).await?;
    let opened = gateway.openings.open(&reveal.call, &reveal.commitments).await;
    let values = opened.map_err(|error| {
        Refusal::new(problem::STATE_UNAVAILABLE, Stage::Door, "The values can't be opened.")
            .because(error)
            .retry_after(1)
    })?;
    Ok(Seen { reveal, values: Some(values) })
}

/// An app's key is in too many hands.
fn person(caller: &Caller) -> Result<PersonId, Refusal> {
    match caller.principal() {
        Principal::Person(person) => Ok(person.clone()),
        Principal::App(_) => {
            let detail = "Values are revealed to people. Use a person's key; an app's key is in too many hands.";
            Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail))
        }
    }
}

/// The right of this moment.
fn right(gateway: &Gateway, caller: &Caller) -> Result<AuditScope, Refusal> {
    let scope = gateway.governance.load().audit_right(caller.principal(), AuditRight::Reveal, gateway.clock.now());
    scope.map_err(|why| Refusal::new(problem::NO_GRANT, Stage::Authorise, format!("{}: {why}.", caller.principal())))
}

/// The request, for somebody whose right of this moment reaches its leaf; and what gives the right.
fn find(gateway: &Gateway, caller: &Caller, id: &str) -> Result<(Reveal, String), Refusal> {
    let scope = right(gateway, caller)?;
    let open = gateway.reveals.open(gateway.clock.now());
    let reveal = open.get(id).filter(|reveal| scope.reach.covers(reveal.brand.as_ref()));
    reveal.map(|reveal| (reveal.clone(), scope.grant())).ok_or_else(|| no_such(id))
}

/// The leaf of that index; none where there is none.
async fn read_leaf(gateway: &Gateway, index: u64) -> Result<Option<Leaf>, Refusal> {
    if index >= gateway.audit.next_index() {
        return Ok(None);
    }
    let audit = gateway.audit.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut found = None;
        let read = audit.replay(index, &mut |at, leaf| {
            found = (at == index).then_some(leaf);
            ControlFlow::Break(())
        });
        read.map(|()| found).map_err(|error| error.to_string())
    });
    let failed = |error: String| {
        Refusal::new(problem::STATE_UNAVAILABLE, Stage::Door, "The log can't be read.").because(error).retry_after(1)
    };
    read.await.map_err(|error| failed(error.to_string()))?.map_err(failed)
}

fn brand_of(event: &Event) -> Option<BrandPath> {
    let brand = match event {
        Event::Intent(intent) => intent.brand.as_deref(),
        Event::Refused(refused) => refused.brand.as_deref(),
        _ => None,
    };
    brand.map(BrandPath::new)
}

/// The commitments of those fields.
fn chosen(event: &Event, fields: &[String]) -> Result<Vec<Commitment>, Refusal> {
    let all = event.commitments();
    if all.is_empty() {
        return Err(invalid("/leaf", "The leaf commits to no values; there is nothing to open.".into()));
    }
    if let Some((position, field)) =
        fields.iter().enumerate().find(|(_, field)| !all.iter().any(|it| it.field == **field))
    {
        let known = all.iter().map(|commitment| commitment.field.as_str()).collect::<Vec<_>>().join("`, `");
        let shown: String = field.chars().take(64).flat_map(char::escape_debug).collect();
        return Err(invalid(&format!("/fields/{position}"), format!("The leaf has no `{shown}`; it has `{known}`.")));
    }
    let wanted = |commitment: &&Commitment| fields.is_empty() || fields.contains(&commitment.field);
    Ok(all.iter().filter(wanted).cloned().collect())
}

/// Durable before the answer.
async fn note(
    gateway: &Gateway,
    caller: &Caller,
    what: &str,
    reveal: &Reveal,
    grant: &str,
    second: Option<&PersonId>,
) -> Result<(), Refusal> {
    let fields: Vec<&str> = reveal.commitments.iter().map(|commitment| commitment.field.as_str()).collect();
    let event = leaf::Read {
        what: what.to_owned(),
        person: Some(person(caller)?.to_string()),
        key: Some(caller.key().to_string()),
        grant: Some(grant.to_owned()),
        filter: Some(format!("reveal={} fields={}", reveal.id, fields.join(","))),
        leaf: Some(reveal.leaf),
        count: (what == "audit.reveal").then_some(fields.len() as u64),
        reason: Some(reveal.reason.clone()),
        second: second.map(ToString::to_string),
        ..leaf::Read::default()
    };
    let leaf = Leaf::new(gateway.clock.now().as_millisecond(), event);
    gateway.audit.append(leaf).await.map(drop).map_err(|error| record::unavailable(&error))
}

fn invalid(pointer: &str, message: String) -> Refusal {
    let fault = Fault {
        pointer: Some(pointer.to_owned()),
        account: None,
        code: "reveal".into(),
        message: message.clone(),
        measured: None,
        allowed: None,
    };
    Refusal::new(problem::INVALID, Stage::Door, message).with_faults(vec![fault])
}

fn taken() -> Refusal {
    let detail = "Two other people share this reveal. Ask for one of your own.";
    Refusal::new(problem::NO_GRANT, Stage::Approve, detail)
}

fn no_such(id: &str) -> Refusal {
    let shown: String = id.chars().take(64).flat_map(char::escape_debug).collect();
    not_found(format!(
        "There is no open request `{shown}` to reveal something that you may open. Each ends after 15 minutes."
    ))
}

fn not_found(detail: String) -> Refusal {
    Refusal::new(problem::NOT_FOUND, Stage::Door, detail)
}
