//! Erasures: one operator asks, another confirms, then everything that a subject left is gone.
//!
//! The order makes a crash harmless: both requests are in the log before they count; the confirmed erasure is in the records before
//! anything is taken away, and a start carries on what it finds there; the leaf that says what is gone comes last.

mod carry;

use std::sync::Arc;

use jiff::SignedDuration;

pub use carry::{Carrier, resume};

use super::{
    By, Ops, OpsError,
    ops::leaf_of,
    wire::{ErasureRequest, ErasureView},
};
use crate::{
    audit::leaf::Changed,
    config::did_you_mean,
    gateway::Gateway,
    model::{PersonId, hex::hex},
    records::{ErasedCounts, ErasureRecord, OpenPosts},
};

/// A request that nobody confirms ends after this.
pub const WAIT: SignedDuration = SignedDuration::from_hours(24);
/// Erasures that a list shows.
const LISTED_MAX: u32 = 200;
/// What subjects look like.
const SUBJECTS: &str =
    "A subject is a person's id (`editor-7`, or `person:editor-7`), or `app:` and an app's (`app:newsroom`)";
/// Longest id or basis, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Random bytes of an erasure's id.
const ID_BYTES: usize = 16;

/// Asks for everything of a subject to be erased. Nothing is erased until somebody else confirms it.
///
/// # Errors
/// [`OpsError::Invalid`] for a subject or basis that is none, while posts of the subject are open, and from the subject itself;
/// the stores.
pub async fn ask(gateway: &Arc<Gateway>, by: &By, wish: ErasureRequest) -> Result<ErasureView, OpsError> {
    let person = operator(by)?;
    let (subject, basis) = checked(&wish)?;
    not_oneself(&person, &subject)?;
    known(gateway, &subject).await?;
    none_open(gateway, &subject).await?;
    let mut bytes = [0; ID_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| OpsError::Internal("the machine gives no random bytes".into()))?;
    let erasure = ErasureRecord {
        id: format!("erasure_{}", hex(&bytes)),
        subject,
        basis,
        asked_by: person,
        asked_at: gateway.clock.now(),
        confirmed: None,
        log_from: 0,
        erased: ErasedCounts::default(),
        leaf: None,
    };
    let leaf = leaf_of(Changed::Log, "erasure-ask", named(&erasure), None, by);
    Ops::running(gateway).change(leaf, gateway.records.ask_erasure(erasure.clone())).await?;
    view(&Ops::running(gateway), erasure).await
}

/// Erasures that were asked for, the newest first: what waits for a second operator, and what is done.
///
/// # Errors
/// The stores.
pub async fn list(ops: &Ops<'_>) -> Result<Vec<ErasureView>, OpsError> {
    let mut views = Vec::new();
    for erasure in ops.records.erasures(LISTED_MAX).await? {
        views.push(view(ops, erasure).await?);
    }
    Ok(views)
}

/// One erasure as it stands.
///
/// # Errors
/// [`OpsError::Missing`]; the stores.
pub async fn show(ops: &Ops<'_>, id: &str) -> Result<ErasureView, OpsError> {
    let erasure = find(ops, id).await?;
    view(ops, erasure).await
}

/// Confirms an erasure and carries it out. `wish` must name what was asked for. Confirming again goes on where a failure of a disk
/// broke it off.
///
/// # Errors
/// [`OpsError::Invalid`] from whoever asked, or the subject itself, after the time or while posts are open; the stores.
pub async fn confirm(gateway: &Arc<Gateway>, by: &By, id: &str, wish: ErasureRequest) -> Result<ErasureView, OpsError> {
    let person = operator(by)?;
    let (subject, basis) = checked(&wish)?;
    let _one = gateway.erasing.lock().await;
    let ops = Ops::running(gateway);
    let mut erasure = find(&ops, id).await?;
    if (&erasure.subject, &erasure.basis) != (&subject, &basis) {
        let detail =
            format!("`{id}` is for another subject or basis; `pressgate audit erasures` shows what was asked for");
        return Err(OpsError::Invalid(detail));
    }
    if erasure.leaf.is_some() {
        return view(&ops, erasure).await;
    }
    if erasure.confirmed.is_none() {
        if erasure.asked_by == person {
            return Err(OpsError::Invalid("you asked for this erasure; another operator must confirm it".into()));
        }
        not_oneself(&person, &subject)?;
        let now = gateway.clock.now();
        if now.duration_since(erasure.asked_at) > WAIT {
            let detail = format!("`{id}` waited longer than {} hours; ask for it again", WAIT.as_hours());
            return Err(OpsError::Invalid(detail));
        }
        none_open(gateway, &subject).await?;
        let leaf = leaf_of(Changed::Log, "erasure-confirm", named(&erasure), None, by);
        let confirm = async {
            let log_from = gateway.audit.next_index();
            gateway.records.confirm_erasure(id.to_owned(), person.clone(), now, log_from).await
        };
        ops.change(leaf, confirm).await?;
        erasure = find(&ops, id).await?;
    }
    Carrier::running(gateway).carry(&erasure).await?;
    show(&ops, id).await
}

/// Two people are needed, so each must be somebody.
fn operator(by: &By) -> Result<PersonId, OpsError> {
    match by {
        By::Person(person) => Ok(person.clone()),
        By::Local | By::LocalSignal | By::Gate => Err(OpsError::Invalid(
            "an erasure needs two operators with keys of their own, and a running gateway".into(),
        )),
    }
}

fn not_oneself(person: &PersonId, subject: &str) -> Result<(), OpsError> {
    if subject.strip_prefix("person:") == Some(person.as_str()) {
        return Err(OpsError::Invalid("nobody erases their own traces; two other operators must".into()));
    }
    Ok(())
}

async fn none_open(gateway: &Gateway, subject: &str) -> Result<(), OpsError> {
    let OpenPosts { posts, count } = gateway.records.open_posts_of(subject.to_owned()).await?;
    if count == 0 {
        return Ok(());
    }
    let named = posts.iter().map(|post| post.as_str()).collect::<Vec<_>>().join(", ");
    Err(OpsError::Invalid(format!(
        "{count} posts of {subject} are not over, and their content is still needed: {named}{}. Withdraw those that are held (`pressgate post withdraw ID`), \
         let the others end, and ask again; nothing was erased",
        if count > posts.len() as u64 { ", …" } else { "" }
    )))
}

/// Refuses a subject that there is nothing of and that nobody is: most likely a slip, and the second operator would confirm that
/// nothing is erased. Who left the governance is known by what is kept.
async fn known(gateway: &Gateway, subject: &str) -> Result<(), OpsError> {
    let governance = gateway.governance.load_full();
    let people = governance.people.keys().map(|id| format!("person:{id}"));
    let subjects: Vec<String> = people.chain(governance.apps.keys().map(|id| format!("app:{id}"))).collect();
    if subjects.iter().any(|known| known == subject) || gateway.records.knows_subject(subject.to_owned()).await? {
        return Ok(());
    }
    let id = subject.split_once(':').map_or(subject, |(_, id)| id);
    // The kind is what is mistaken most easily: an id alone means a person.
    let mut other = None;
    for kind in ["app", "person"] {
        let twin = format!("{kind}:{id}");
        if subjects.contains(&twin) || gateway.records.knows_subject(twin.clone()).await? {
            other = Some(format!("; did you mean `{twin}`?"));
        }
    }
    let other = other.unwrap_or_else(|| did_you_mean(subject, subjects.iter().map(String::as_str)));
    let other = if other.is_empty() { ".".to_owned() } else { other };
    Err(OpsError::Missing(format!("nothing was asked for: nothing is known of `{subject}`{other} {SUBJECTS}")))
}

async fn find(ops: &Ops<'_>, id: &str) -> Result<ErasureRecord, OpsError> {
    let found = ops.records.erasure(id.to_owned()).await?;
    found.ok_or_else(|| OpsError::Missing(format!("there is no erasure `{}`", id.escape_debug())))
}

/// How leaves name it.
fn named(erasure: &ErasureRecord) -> String {
    format!("{} {}", erasure.id, erasure.subject)
}

/// A subject in full (`person:` is meant where nothing stands before it), and a basis.
fn checked(wish: &ErasureRequest) -> Result<(String, String), OpsError> {
    let is_name = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@');
        !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(plain)
    };
    let (kind, id) = wish.subject.split_once(':').unwrap_or(("person", &wish.subject));
    if !["person", "app"].contains(&kind) || !is_name(id) {
        return Err(OpsError::Invalid(format!("`subject` is none. {SUBJECTS}")));
    }
    if !is_name(&wish.basis) {
        let detail = "`basis` is the legal basis as one word of letters, digits and hyphens: `gdpr-art-17`";
        return Err(OpsError::Invalid(detail.into()));
    }
    Ok((format!("{kind}:{id}"), wish.basis.clone()))
}

async fn view(ops: &Ops<'_>, erasure: ErasureRecord) -> Result<ErasureView, OpsError> {
    let left = ops.records.values_of(erasure.subject.clone()).await?;
    let expires_at = erasure.asked_at.checked_add(WAIT).unwrap_or(jiff::Timestamp::MAX);
    let state = match (&erasure.confirmed, erasure.leaf) {
        (_, Some(_)) => "done",
        (Some(_), None) => "under-way",
        (None, None) if ops.clock.now() > expires_at => "expired",
        (None, None) => "waits",
    };
    Ok(ErasureView {
        id: erasure.id,
        subject: erasure.subject,
        basis: erasure.basis,
        state: state.to_owned(),
        asked_by: erasure.asked_by.to_string(),
        asked_at: erasure.asked_at,
        expires_at,
        confirmed_by: erasure.confirmed.as_ref().map(|(by, _)| by.to_string()),
        values: erasure.erased.values,
        posts: erasure.erased.posts,
        media: erasure.erased.media,
        leaf: erasure.leaf,
        values_left: left.values,
        posts_left: left.posts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_and_bases_are_names() {
        let of = |subject: &str, basis: &str| {
            checked(&ErasureRequest { subject: subject.into(), basis: basis.into() }).map(|(subject, _)| subject)
        };
        assert_eq!(of("editor-7", "gdpr-art-17").unwrap(), "person:editor-7");
        assert_eq!(of("app:newsroom", "b").unwrap(), "app:newsroom");
        for (subject, basis) in
            [("", "b"), ("person:", "b"), ("brand:acme", "b"), ("a b", "b"), ("a", ""), ("a", "b c")]
        {
            assert!(of(subject, basis).is_err(), "{subject} {basis}");
        }
        assert!(not_oneself(&PersonId::new("ops-1"), "person:ops-1").is_err());
        assert!(not_oneself(&PersonId::new("ops-1"), "app:ops-1").is_ok());
    }
}
