//! What is asked for, checked: a scope that there is, a word, labels, a space between posts.

use std::collections::BTreeSet;

use pressgate_workflow::freeze::Scope;

use super::read;
use crate::{
    config::{Governance, did_you_mean},
    refusal::{Refusal, Stage, problem},
};

/// Longest word of a reason, in bytes.
const REASON_BYTES_MAX: usize = 64;
/// Most labels whose posts pass.
const LABELS_MAX: usize = 16;
/// Longest name in a scope, and longest label, in characters: as for posts.
const NAME_CHARS_MAX: usize = 200;
/// Longest space between two posts that go on, in seconds.
const EVERY_S_MAX: u32 = 24 * 60 * 60;

pub(super) fn scope(governance: &Governance, text: &str) -> Result<Scope, Refusal> {
    let form = "`scope` is `org`, `brand:…`, `account:…` or `campaign:…`.";
    let scope = read(text).ok_or_else(|| invalid(form.to_owned()))?;
    let unknown = |kind: &str, id: &str, known: Vec<&str>| {
        let hint = did_you_mean(id, known);
        Err(invalid(format!("There is no {kind} of that name{}.", hint.trim_end_matches('?'))))
    };
    match &scope {
        Scope::Brand(brand) if !governance.brands.keys().any(|known| known.as_str() == brand.as_str()) => {
            unknown("brand", brand.as_str(), governance.brands.keys().map(|known| known.as_str()).collect())
        }
        Scope::Account(account) if !governance.accounts.contains_key(account.as_str()) => {
            unknown("account", account.as_str(), governance.accounts.keys().map(|known| known.as_str()).collect())
        }
        Scope::Campaign(campaign) if !is_name(campaign.as_str()) => {
            Err(invalid(format!("A campaign's name is one line of 1 to {NAME_CHARS_MAX} characters.")))
        }
        _ => Ok(scope),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= NAME_CHARS_MAX && !text.chars().any(char::is_control)
}

/// The log keeps the word for good, so that it can't be a sentence of somebody.
pub(super) fn word(reason: &str) -> Result<(), Refusal> {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !reason.is_empty() && reason.len() <= REASON_BYTES_MAX && reason.bytes().all(fine) {
        return Ok(());
    }
    Err(invalid(format!(
        "`reason` is one word of 1 to {REASON_BYTES_MAX} lower-case letters, digits and `-`: `data-leak`."
    )))
}

pub(super) fn labels(labels: &[String]) -> Result<BTreeSet<pressgate_workflow::ids::Label>, Refusal> {
    if labels.len() > LABELS_MAX || !labels.iter().all(|label| is_name(label)) {
        return Err(invalid(format!(
            "`permit_labels` has at most {LABELS_MAX} labels, each one line of 1 to {NAME_CHARS_MAX} characters."
        )));
    }
    Ok(labels.iter().map(|label| label.as_str().into()).collect())
}

pub(super) fn spacing(every_s: Option<u32>) -> Result<Option<u32>, Refusal> {
    if every_s.is_some_and(|every_s| !(1..=EVERY_S_MAX).contains(&every_s)) {
        return Err(invalid(format!("`release_every_s` is 1 to {EVERY_S_MAX} seconds.")));
    }
    Ok(every_s)
}

pub(super) fn invalid(detail: String) -> Refusal {
    Refusal::new(problem::INVALID, Stage::Door, detail)
}
