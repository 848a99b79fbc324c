//! Beginning and lifting: the log first, then the records, then the memory that every call looks at.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use jiff::Timestamp;
use pressgate_workflow::{
    freeze::{
        EffectKind, Freeze, FreezeEvent, FreezeRefused, Freezes, Release, Scope, Spacing, Statements, release as spread,
    },
    ids::Actor,
};

use super::{
    Place, beside, of,
    view::{FreezeRequest, FreezeView, FreezesView, LiftRequest},
    who::may,
    wish::{invalid, labels, scope, spacing, word},
    written,
};
use crate::{
    audit::{AuditLog, Leaf, leaf},
    config::Governance,
    gateway::Gateway,
    model::{AccountId, PersonId, PostId, hex::hex},
    records::{FreezeRecord, FrozenTarget, LiftedFreeze, Records, RecordsError},
    refusal::{Refusal, Stage, problem},
};

/// How long a freeze waits for what had left before it.
const ENDS_WAIT: Duration = Duration::from_secs(2);
/// Most posts that pass one freeze by name.
const POSTS_MAX: usize = 100;
/// Random bytes of an id.
const ID_BYTES: usize = 16;
/// Random bytes of a salt.
const SALT_BYTES: usize = 32;
/// The word where nobody gave one for the end.
const OVER: &str = "over";

/// Who begins or lifts a freeze.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A person with a key.
    Person(PersonId),
    /// Whoever may write to the data folder of a gateway that does not run.
    Local,
}

impl Who {
    fn actor(&self) -> Actor {
        match self {
            Self::Person(person) => Actor::Person { person: person.as_str().into() },
            Self::Local => Actor::Gate,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Person(person) => person.as_str(),
            Self::Local => "local",
        }
    }
}

/// The two stores, and the time.
#[derive(Clone, Copy)]
pub struct Stores<'a> {
    /// The log.
    pub audit: &'a AuditLog,
    /// The records.
    pub records: &'a dyn Records,
    /// Now.
    pub now: Timestamp,
}

impl<'a> Stores<'a> {
    fn running(gateway: &'a Gateway) -> Self {
        Self { audit: &gateway.audit, records: gateway.records.as_ref(), now: gateway.clock.now() }
    }
}

/// Begins a freeze. When this has answered, no effect of that scope starts; the answer says how many had left before and are not
/// answered yet. It goes on to its end whatever becomes of the caller.
///
/// # Errors
/// A scope or reason that is none, no right, and what the stores say; nothing is frozen then.
pub async fn begin(gateway: &Arc<Gateway>, by: Who, wish: FreezeRequest) -> Result<FreezeView, Refusal> {
    let gateway = Arc::clone(gateway);
    to_the_end(async move {
        let book = &gateway.freezes;
        let governance = gateway.governance.load_full();
        let one = book.changing.lock().await;
        // From here until the guard falls no effect starts.
        let no_starts = gateway.starts.write().await;
        let mut freezes = Freezes::clone(&book.on());
        let Begun { record, event } =
            begin_kept(Stores::running(&gateway), &freezes, &governance, &by, &wish).await?;
        let already = event.is_none().then_some(true);
        let still_frozen_by = beside(&governance, &freezes, &record.freeze);
        if let Some(event) = event {
            freezes.apply(&event);
            book.on.store(Arc::new(freezes));
        }
        let going = book.under_way.of(&record.freeze.scope);
        drop(no_starts);
        // The next freeze need not wait for what this one waits for.
        drop(one);
        let left = book.under_way.over(going, ENDS_WAIT).await;
        let scope = written(&record.freeze.scope);
        tracing::warn!(freeze = %record.freeze.id, %scope, by = by.name(), reason = wish.reason, under_way = left, "frozen");
        Ok(FreezeView { under_way: Some(left), already, still_frozen_by, ..FreezeView::of(&record) })
    })
    .await
}

/// The same on stores that no gateway uses: the next start finds it.
///
/// # Errors
/// As [`begin`].
pub async fn begin_offline(
    stores: Stores<'_>,
    governance: &Governance,
    by: &Who,
    wish: &FreezeRequest,
) -> Result<FreezeView, Refusal> {
    let freezes = of(&stores.records.freezes().await.map_err(|error| kept(&error))?);
    let Begun { record, event } = begin_kept(stores, &freezes, governance, by, wish).await?;
    let still_frozen_by = beside(governance, &freezes, &record.freeze);
    Ok(FreezeView { already: event.is_none().then_some(true), still_frozen_by, ..FreezeView::of(&record) })
}

/// What became of a wish to freeze.
struct Begun {
    record: FreezeRecord,
    /// None where it was frozen already.
    event: Option<FreezeEvent>,
}

async fn begin_kept(
    stores: Stores<'_>,
    freezes: &Freezes,
    governance: &Governance,
    by: &Who,
    wish: &FreezeRequest,
) -> Result<Begun, Refusal> {
    let scope = scope(governance, &wish.scope)?;
    allowed(governance, by, &scope)?;
    word(&wish.reason)?;
    let labels = labels(&wish.permit_labels)?;
    // One that lets more pass than is wished for now does not do what is asked.
    let same = |freeze: &&Freeze| freeze.scope == scope && freeze.statements.labels.is_subset(&labels);
    if let Some(freeze) = freezes.on().iter().find(same) {
        let record = again(stores, freeze, by, &wish.reason).await?;
        return Ok(Begun { record, event: None });
    }
    let statements = Statements { labels, posts: BTreeMap::new() };
    let id = format!("freeze_{}", random::<ID_BYTES>()?);
    let about = (&by.actor(), stores.now, wish.reason.as_str());
    let event = freezes.begin(id.into(), scope, statements, about).map_err(|refused| no(&refused))?;
    let FreezeEvent::Began { freeze } = &event else {
        return Err(Refusal::new(problem::INTERNAL, Stage::Door, "A freeze began and is not there."));
    };
    let record = FreezeRecord { freeze: freeze.clone(), salt: random::<SALT_BYTES>()?, lifted: None };
    keep(stores, "freeze", by, &record).await?;
    Ok(Begun { record, event: Some(event) })
}

/// It is frozen already: the log keeps who wanted it too, and why.
async fn again(stores: Stores<'_>, freeze: &Freeze, by: &Who, reason: &str) -> Result<FreezeRecord, Refusal> {
    let records = stores.records.freezes().await.map_err(|error| kept(&error))?;
    let record = records.into_iter().find(|record| record.freeze.id == freeze.id);
    let record = record.ok_or_else(|| missing(freeze.id.as_str()))?;
    let subject = format!("{} {} {reason}", freeze.id, unnamed(&freeze.scope));
    note(stores.audit, stores.now, change("freeze-again", subject, None, by)).await?;
    Ok(record)
}

/// Lets one version of one post pass a freeze, once it is approved.
///
/// # Errors
/// No such freeze, no right, and what the stores say; nothing more passes then.
pub async fn permit(
    gateway: &Arc<Gateway>,
    by: &Who,
    id: &str,
    (post, version): (&PostId, u32),
) -> Result<FreezeView, Refusal> {
    let book = &gateway.freezes;
    let governance = gateway.governance.load_full();
    let _one = book.changing.lock().await;
    let stores = Stores::running(gateway);
    let mut freezes = Freezes::clone(&book.on());
    let freeze = on(&freezes, id)?;
    allowed(&governance, by, &freeze.scope)?;
    if freeze.statements.posts.len() >= POSTS_MAX {
        return Err(invalid(format!("{POSTS_MAX} posts pass this freeze already; lift it, or freeze less.")));
    }
    let of = (post.as_str().into(), version);
    let event = freezes.permit(&freeze.id, of, (&by.actor(), stores.now)).map_err(|refused| no(&refused))?;
    let records = stores.records.freezes().await.map_err(|error| kept(&error))?;
    let record = records.into_iter().find(|record| record.freeze.id == freeze.id);
    let mut record = record.ok_or_else(|| missing(id))?;
    record.freeze.statements.posts.insert(post.as_str().into(), version);
    let subject = format!("{id} {} {post} {version}", unnamed(&freeze.scope));
    keep_told(stores, ("permit", subject), by, &record).await?;
    freezes.apply(&event);
    book.on.store(Arc::new(freezes));
    tracing::warn!(freeze = id, %post, version, by = by.name(), "a post may pass a freeze");
    Ok(FreezeView::of(&record))
}

/// A freeze that is on.
///
/// # Errors
/// There is none of that id.
pub fn on(freezes: &Freezes, id: &str) -> Result<Freeze, Refusal> {
    freezes.on().iter().find(|freeze| freeze.id.as_str() == id).cloned().ok_or_else(|| missing(id))
}

fn missing(id: &str) -> Refusal {
    Refusal::new(problem::NOT_FOUND, Stage::Door, format!("There is no freeze `{id}` that is on."))
}

/// Asks for the end of a freeze; the second person's word ends it. What it stopped waits for a person's word each, or goes out by the rule
/// of whoever ends it.
///
/// # Errors
/// No such freeze, no right, the same person again, and what the stores say; it stays on then.
pub async fn lift(gateway: &Arc<Gateway>, by: Who, id: String, wish: LiftRequest) -> Result<Thawed, Refusal> {
    let gateway = Arc::clone(gateway);
    to_the_end(async move {
        let book = &gateway.freezes;
        let governance = gateway.governance.load_full();
        let _one = book.changing.lock().await;
        let stores = Stores::running(&gateway);
        let mut freezes = Freezes::clone(&book.on());
        let freeze = on(&freezes, &id)?;
        allowed(&governance, &by, &freeze.scope)?;
        let reason = wish.reason.as_deref().unwrap_or(OVER);
        word(reason)?;
        let every_s = spacing(wish.release_every_s)?;
        let event = freezes.lift(&freeze.id, &by.actor(), stores.now, reason).map_err(|refused| no(&refused))?;
        let records = stores.records.freezes().await.map_err(|error| kept(&error))?;
        let record = records.into_iter().find(|record| record.freeze.id == freeze.id);
        let mut record = record.ok_or_else(|| missing(&id))?;
        let lifted = end(&mut record, &event);
        keep(stores, if lifted { "thaw" } else { "thaw-ask" }, &by, &record).await?;
        freezes.apply(&event);
        let still_frozen_by = beside(&governance, &freezes, &record.freeze);
        book.on.store(Arc::new(freezes));
        tracing::warn!(freeze = %record.freeze.id, by = by.name(), lifted, "a freeze is to end");
        let view = FreezeView { still_frozen_by, ..FreezeView::of(&record) };
        Ok(Thawed { view, freeze: lifted.then_some(record.freeze), every_s })
    })
    .await
}

/// What became of a wish to end a freeze.
#[derive(Debug)]
pub struct Thawed {
    /// As its people see it.
    pub view: FreezeView,
    /// The freeze, where it is over.
    pub freeze: Option<Freeze>,
    /// What it stopped goes on by itself, so many seconds apart.
    pub every_s: Option<u32>,
}

/// Takes the event over into the record; true where it is the end.
fn end(record: &mut FreezeRecord, event: &FreezeEvent) -> bool {
    match event {
        FreezeEvent::LiftAsked { by, .. } => {
            record.freeze.lifting.insert(by.clone());
            false
        }
        FreezeEvent::Lifted { by, at, .. } => {
            record.freeze.lifting.insert(by.clone());
            record.lifted = Some(LiftedFreeze { by: PersonId::new(by.as_str()), at: *at });
            true
        }
        FreezeEvent::Began { .. } | FreezeEvent::Permitted { .. } => false,
    }
}

/// Freezes that somebody may have a say in.
///
/// # Errors
/// The records'.
pub async fn list(gateway: &Gateway, by: &Who) -> Result<FreezesView, Refusal> {
    let governance = gateway.governance.load_full();
    let records = gateway.records.freezes().await.map_err(|error| kept(&error))?;
    let mine = |record: &&FreezeRecord| allowed(&governance, by, &record.freeze.scope).is_ok();
    Ok(FreezesView { freezes: records.iter().filter(mine).map(FreezeView::of).collect() })
}

/// All of them, from records that no gateway uses.
///
/// # Errors
/// The records'.
pub async fn list_offline(records: &dyn Records) -> Result<FreezesView, RecordsError> {
    Ok(FreezesView { freezes: records.freezes().await?.iter().map(FreezeView::of).collect() })
}

/// What a freeze stopped and nothing else stops: for each post since when, and which of its targets.
///
/// # Errors
/// The records'.
pub async fn freed(
    gateway: &Gateway,
    freeze: &Freeze,
) -> Result<BTreeMap<PostId, (Timestamp, Vec<AccountId>)>, Refusal> {
    let governance = gateway.governance.load_full();
    let mut waiting: BTreeMap<PostId, (Timestamp, Vec<AccountId>)> = BTreeMap::new();
    for target in gateway.records.frozen_targets().await.map_err(|error| kept(&error))? {
        if is_freed(gateway, &governance, freeze, &target).await? {
            waiting.entry(target.post).or_insert_with(|| (target.since, Vec::new())).1.push(target.account);
        }
    }
    Ok(waiting)
}

/// When each post goes on: the first at once, the others with space between them.
pub fn spread_out(
    waiting: &BTreeMap<PostId, (Timestamp, Vec<AccountId>)>,
    every_s: u32,
    now: Timestamp,
) -> Vec<(PostId, Timestamp)> {
    let posts: Vec<_> = waiting.iter().map(|(post, (since, _))| (post.as_str().into(), *since)).collect();
    let spread = spread(&posts, Some(Spacing { every_s, late_max_s: u32::MAX }), now);
    let at = |(post, release): (pressgate_workflow::ids::PostId, Release)| match release {
        Release::At(at) => Some((PostId::new(post.as_str()), at)),
        Release::Confirm => None,
    };
    spread.into_iter().filter_map(at).collect()
}

/// The log says that a post goes on by the rule of whoever ended the freeze.
///
/// # Errors
/// The log can't be written.
pub async fn tell_release(gateway: &Gateway, by: &Who, freeze: &Freeze, post: &PostId) -> Result<(), Refusal> {
    let subject = format!("{} {post}", freeze.id);
    note(&gateway.audit, gateway.clock.now(), change("release", subject, None, by)).await
}

async fn is_freed(
    gateway: &Gateway,
    governance: &Governance,
    freeze: &Freeze,
    target: &FrozenTarget,
) -> Result<bool, Refusal> {
    let Some(account) = governance.accounts.get(&target.account) else { return Ok(false) };
    let post = gateway.records.post(target.post.clone()).await.map_err(|error| kept(&error))?;
    let draft = post.and_then(|post| post.targets.into_iter().find(|known| known.account == target.account));
    let campaign = draft.and_then(|target| target.draft.campaign);
    let place = Place::new(&account.id, &account.brand, campaign.as_deref());
    let freezes = gateway.freezes.on();
    Ok(place.is_in(&freeze.scope) && freezes.stops(&place.effect(EffectKind::Change, None)).is_none())
}

/// The leaf, then the record. A record that fails after its leaf gets a second leaf that says so.
async fn keep(stores: Stores<'_>, action: &str, by: &Who, record: &FreezeRecord) -> Result<(), Refusal> {
    let Freeze { id, scope, why, .. } = &record.freeze;
    keep_told(stores, (action, format!("{id} {} {why}", unnamed(scope))), by, record).await
}

/// A campaign's name is somebody's words: it is in the digest only.
fn unnamed(scope: &Scope) -> String {
    if matches!(scope, Scope::Campaign(_)) { "campaign".to_owned() } else { written(scope) }
}

async fn keep_told(
    stores: Stores<'_>,
    (action, subject): (&str, String),
    by: &Who,
    record: &FreezeRecord,
) -> Result<(), Refusal> {
    let whole = serde_json::to_vec(&record.freeze).unwrap_or_default();
    let digest = hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, record.salt.as_bytes()), &whole).as_ref());
    let change = |action: &str| change(action, subject.clone(), Some(digest.clone()), by);
    note(stores.audit, stores.now, change(action)).await?;
    let Err(error) = stores.records.put_freeze(record.clone()).await else { return Ok(()) };
    if let Err(error) = note(stores.audit, stores.now, change(&format!("{action}-failed"))).await {
        tracing::error!(%error, "a freeze was logged and not kept, and the log can't say so");
    }
    Err(kept(&error))
}

fn change(action: &str, subject: String, digest: Option<String>, by: &Who) -> leaf::Change {
    leaf::Change { what: leaf::Changed::Freeze, action: action.to_owned(), subject, digest, by: by.name().to_owned() }
}

async fn note(audit: &AuditLog, now: Timestamp, change: leaf::Change) -> Result<(), Refusal> {
    audit.append(Leaf::new(now.as_millisecond(), change)).await.map(drop).map_err(|error| {
        let detail =
            "The audit log can't be written. Nothing is changed unrecorded; and nothing is sent unrecorded either.";
        Refusal::new(problem::AUDIT_UNAVAILABLE, Stage::Record, detail).because(error).retry_after(1)
    })
}

/// Whether somebody may begin and lift a freeze of that scope.
///
/// # Errors
/// They may not.
pub fn allowed(governance: &Governance, by: &Who, scope: &Scope) -> Result<(), Refusal> {
    let may = match by {
        Who::Person(person) => may(governance, person, scope),
        Who::Local => true,
    };
    if may {
        return Ok(());
    }
    let detail = "Only operators, and people who respond or approve for all that the scope covers, freeze and thaw. Roles stand in people.toml.";
    Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail))
}

fn no(refused: &FreezeRefused) -> Refusal {
    let kind = match refused {
        FreezeRefused::Unknown(_) => problem::NOT_FOUND,
        FreezeRefused::NotAPerson => problem::NO_GRANT,
        FreezeRefused::Exists(_)
        | FreezeRefused::AskedBefore
        | FreezeRefused::ReasonNeeded
        | FreezeRefused::TooMany => problem::INVALID,
    };
    Refusal::new(kind, Stage::Door, refused.to_string())
}

fn kept(error: &RecordsError) -> Refusal {
    Refusal::new(problem::STATE_UNAVAILABLE, Stage::Door, "The record store can't be used.")
        .because(error)
        .retry_after(1)
}

fn random<const BYTES: usize>() -> Result<String, Refusal> {
    let mut bytes = [0u8; BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Refusal::new(problem::INTERNAL, Stage::Door, "The system gives no random numbers."))?;
    Ok(hex(&bytes))
}

/// Runs a change to its end even when the caller goes away between its leaf and its effect.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::spawn(change).await.unwrap_or_else(|error| {
        Err(Refusal::new(problem::INTERNAL, Stage::Door, "The change broke off; see the gateway's log.").because(error))
    })
}
