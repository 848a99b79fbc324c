//! Checks the governance files: all faults, each with file and line. One file of code for each file of rules.

mod accounts;
mod approvals;
mod auditors;
mod brands;
mod calendars;
mod connectors;
mod events;
mod grants;
mod guidelines;
mod limits;
mod people;
mod policies;
mod roles;
mod workflow;

use std::{collections::BTreeSet, sync::Arc};

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::{
    Catalogue, Fault, Files, Governance,
    fault::did_you_mean,
    names::Names,
    rights::Index,
    table::{Document, Report},
};
use crate::model::hex::hex;
use brands::Brands;
pub use guidelines::is_guideline;

/// The files that the folder may hold at its top, besides those that a policy names.
pub const KNOWN: [&str; 11] = [
    "accounts.toml",
    "approvals.toml",
    "apps.toml",
    "brands.toml",
    "calendars.toml",
    "connectors.toml",
    "events.toml",
    "grants.toml",
    "limits.toml",
    "people.toml",
    "policies.toml",
];

/// What the checks of one file need of the others.
struct Context<'a> {
    report: &'a Report,
    files: &'a Files,
    unread: &'a BTreeSet<String>,
    catalogue: &'a dyn Catalogue,
    now: Timestamp,
    brands: Brands,
    guidelines: guidelines::Found,
    people: Names,
    roles: roles::Roles,
    apps: Names,
    accounts: Names,
    networks: Names,
    policies: Names,
}

/// Checks everything. `unread` names files that are in the folder but can't be read: nothing is blamed for pointing there.
pub(super) fn check(
    files: &Files,
    unread: &BTreeSet<String>,
    catalogue: &dyn Catalogue,
    now: Timestamp,
) -> Result<Governance, Vec<Fault>> {
    let report = Report::default();
    let open = |name| open(name, files, unread, &report);
    let [people, apps, accounts, policies] = ["people.toml", "apps.toml", "accounts.toml", "policies.toml"].map(open);
    let brands = Brands::check(&open("brands.toml"), &report);
    let context = Context {
        report: &report,
        files,
        unread,
        catalogue,
        now,
        guidelines: guidelines::guidelines(files, unread, &brands, &report),
        brands,
        people: Names::collect(&people, "person", "id", &report),
        roles: roles::Roles::collect(&people),
        apps: Names::collect(&apps, "app", "id", &report),
        accounts: Names::collect(&accounts, "account", "id", &report),
        networks: Names::of_values(&accounts, "account", "network"),
        policies: Names::collect(&policies, "policy", "name", &report),
    };
    let (people, asked) = people::people(&context, &people);
    let (apps, accounts) = (people::apps(&context, &apps), accounts::accounts(&context, &accounts));
    let grants = open("grants.toml");
    let auditors = auditors::auditors(&context, &grants);
    let (grants, denies) = grants::grants(&context, &grants);
    let (policies, mut referenced) = policies::policies(&context, &policies);
    let limits = limits::limits(&context, &open("limits.toml"));
    let webhooks = events::webhooks(&context, &open("events.toml"));
    let connectors = connectors::connectors(&context, &open("connectors.toml"), &mut referenced);
    let approvals = approvals::approvals(&context, &open("approvals.toml"));
    let calendars = calendars::calendars(&context, &open("calendars.toml"));
    strangers(files, &referenced, &report);
    let (grants, auditors) = (shared(grants), shared(auditors));
    let house = workflow::House { apps: &apps, people: &people, accounts: &accounts, grants: &grants };
    let workflow = workflow::workflow(approvals.rules, &approvals.lines, &house, context.brands.tree(), &report);
    let (brands, guidelines) = (context.brands.into_tree(), context.guidelines.guidelines);
    let faults = report.into_faults();
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Governance {
        brands,
        accounts,
        apps,
        people,
        role_training: asked.training,
        role_guidelines: asked.guidelines,
        own_roles: asked.own,
        guidelines,
        index: Index::new(&grants, &denies),
        grants,
        denies,
        auditor_index: super::auditors::Index::new(&auditors),
        auditors,
        policies,
        limits,
        webhooks,
        connectors,
        workflow: Arc::new(workflow),
        externals: approvals.externals,
        calendars,
        digest: digest_of(files),
        files: files.clone(),
    })
}

fn shared<T>(all: Vec<T>) -> Vec<Arc<T>> {
    all.into_iter().map(Arc::new).collect()
}

/// A file of the folder; one that is not there is empty.
fn open<'f>(name: &'static str, files: &'f Files, unread: &BTreeSet<String>, report: &Report) -> Document<'f> {
    match files.get(name) {
        Some(text) => Document::parse(name, text, report),
        None if unread.contains(name) => Document::unread(name),
        None => Document::parse(name, "", report),
    }
}

/// A misspelt file name would silently take its rules away.
fn strangers(files: &Files, referenced: &BTreeSet<String>, report: &Report) {
    for name in files.keys() {
        if name.contains('/') || KNOWN.contains(&name.as_str()) || referenced.contains(name) {
            continue;
        }
        let hint = did_you_mean(name, KNOWN);
        if name.ends_with(".toml") || !hint.is_empty() {
            report.fault(name, 0, format!("this file has no meaning here{hint}"));
        }
    }
}

/// SHA-256 over each file's name and bytes, each preceded by its length, so that no two folders give the same input.
pub fn digest_of(files: &Files) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in files.iter().flat_map(|(name, text)| [name, text]) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    hex(context.finish().as_ref())
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
