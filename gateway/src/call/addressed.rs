//! Variants and options are addressed to accounts and networks of the call, and options fit their network. Nothing is guessed:
//! a name that means nobody here would otherwise drop what the author wanted, and a post meant for few would go to all.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::Submission;
use crate::{
    host::Release,
    model::{Account, Draft},
    refusal::{Fault, Refusal, Stage, problem},
};

/// The most faults that are listed.
const FAULTS_MAX: usize = 50;
/// A name of the caller's is repeated up to this length.
const NAME_CHARS_MAX: usize = 64;
/// The most names that a sentence offers.
const OFFERED_MAX: usize = 10;

/// Refuses what is addressed to nobody of the call and options that their adapter does not know, all at once.
pub(super) fn addressed(submission: &Submission, found: &[(Arc<Account>, Arc<Release>)]) -> Result<(), Refusal> {
    let mut faults = unknown_names(submission, found);
    let mut seen = BTreeSet::new();
    for (account, adapter) in found {
        // Accounts of one network usually share the adapter, and one fault is told once.
        if seen.insert((account.network.as_str(), adapter.digest())) {
            faults.extend(option_faults(submission, account, adapter));
        }
    }
    faults.truncate(FAULTS_MAX);
    let Some(first) = faults.first() else { return Ok(()) };
    let detail = match faults.len() {
        1 => first.message.clone(),
        count => format!("{} There are {count} faults; `errors` lists them.", first.message),
    };
    Err(Refusal::new(problem::INVALID, Stage::Classify, detail).with_faults(faults))
}

/// The same for a kept draft under the adapter of this moment.
pub(super) fn still_fits(account: &Account, adapter: &Release, draft: &Draft) -> Result<(), Refusal> {
    let faults = adapter.description().map(|known| known.option_schema.faults(&Value::Object(draft.options.clone())));
    let Some(fault) = faults.unwrap_or_default().into_iter().next() else { return Ok(()) };
    let detail = format!(
        "The options for `{}` do not fit its adapter any more: `{}`: {}. Submit the post again.",
        account.id, fault.pointer, fault.message
    );
    Err(Refusal::new(problem::INVALID, Stage::Classify, detail))
}

fn unknown_names(submission: &Submission, found: &[(Arc<Account>, Arc<Release>)]) -> Vec<Fault> {
    let network_of = |name: &str| found.iter().find(|(account, _)| account.id.as_str() == name);
    let is_network = |name: &str| found.iter().any(|(account, _)| account.network == name);
    let networks: BTreeSet<&str> = found.iter().map(|(account, _)| account.network.as_str()).collect();
    let accounts: BTreeSet<&str> = found.iter().map(|(account, _)| account.id.as_str()).collect();
    let mut faults = Vec::new();
    for name in submission.options.keys().filter(|name| !is_network(name)) {
        let shown = shown(name);
        let message = match network_of(name) {
            Some((account, _)) => {
                format!("Options are given by network, not by account: for `{shown}` write `{}`.", account.network)
            }
            None => format!("No account of this post is on a network `{shown}`. Its networks are {}.", list(&networks)),
        };
        faults.push(fault(format!("/options/{}", escaped(name)), "not-addressed", message));
    }
    for name in submission.variants.keys().filter(|name| !is_network(name) && network_of(name).is_none()) {
        let message = format!(
            "`{}` is no account of this post and none of its networks. Its accounts are {}, its networks {}.",
            shown(name),
            list(&accounts),
            list(&networks)
        );
        faults.push(fault(format!("/variants/{}", escaped(name)), "not-addressed", message));
    }
    faults
}

fn option_faults(submission: &Submission, account: &Account, adapter: &Release) -> Vec<Fault> {
    // Left out is as good as empty: an adapter may ask for options.
    let options = submission.options.get(&account.network).cloned().unwrap_or_default();
    let faults = adapter.description().map(|known| known.option_schema.faults(&Value::Object(options)));
    let network = escaped(&account.network);
    let named = faults.unwrap_or_default().into_iter();
    named
        .map(|found| {
            let message = match found.pointer.as_str() {
                "" => format!("The options for `{}`: {}.", account.network, found.message),
                at => format!("The options for `{}`, `{}`: {}.", account.network, shown(at), found.message),
            };
            fault(format!("/options/{network}{}", found.pointer), "option-invalid", message)
        })
        .collect()
}

/// Names in a sentence.
fn list(names: &BTreeSet<&str>) -> String {
    let mut all: Vec<String> = names.iter().take(OFFERED_MAX).map(|name| format!("`{name}`")).collect();
    if names.len() > OFFERED_MAX {
        all.push(format!("{} more", names.len() - OFFERED_MAX));
    }
    all.join(", ")
}

fn shown(name: &str) -> String {
    name.chars().take(NAME_CHARS_MAX).flat_map(char::escape_debug).collect()
}

/// A key as a part of a JSON pointer (RFC 6901).
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn fault(pointer: String, code: &str, message: String) -> Fault {
    Fault { pointer: Some(pointer), account: None, code: code.into(), message, measured: None, allowed: None }
}
