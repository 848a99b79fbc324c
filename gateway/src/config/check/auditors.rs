//! `[[auditor]]` of `grants.toml`: rights on the audit log.

use std::collections::BTreeSet;

use super::{
    super::{
        fault::did_you_mean,
        table::{Document, Entry},
    },
    Context,
    grants::{end, holder},
};
use crate::model::{AuditRight, Auditor, BrandPath, GrantId, Grantee, PersonId};

const KEYS: &[&str] = &["id", "app", "person", "rights", "brand", "owner", "expires"];

pub(super) fn auditors(context: &Context<'_>, document: &Document<'_>) -> Vec<Auditor> {
    let entries = document.entries("auditor", Some(context.report));
    entries.iter().filter_map(|entry| auditor(context, entry)).collect()
}

fn auditor(context: &Context<'_>, entry: &Entry<'_>) -> Option<Auditor> {
    let report = context.report;
    entry.only(KEYS, report);
    let id = entry.id("id", report);
    let holder = holder(context, entry, &["app", "person"]);
    let rights = rights(context, entry);
    let brand = brand(context, entry);
    let owner = entry.required("owner", report).filter(|owner| context.people.resolve(entry, "owner", owner, report));
    // One that has ended gives no right, and nobody loses anything by it: `check` and `apply` say so and go on.
    let expires = end(context, entry).map(|end| end.value);
    let (Some(Grantee::One(holder)), Some(owner)) = (holder, owner) else { return None };
    Some(Auditor {
        id: GrantId::new(id?),
        holder,
        rights: rights?,
        brand: brand?,
        owner: PersonId::new(owner.value),
        expires: expires?,
    })
}

/// The brand, where one is given. The outer none is a fault: a brand that can't be read must not become the whole log.
fn brand(context: &Context<'_>, entry: &Entry<'_>) -> Option<Option<BrandPath>> {
    if !entry.has("brand") {
        return Some(None);
    }
    let path = entry.string("brand", context.report)?;
    context.brands.resolve(entry, "brand", &path, context.report).map(Some)
}

/// The rights, each from the list. None where one is faulty.
fn rights(context: &Context<'_>, entry: &Entry<'_>) -> Option<BTreeSet<AuditRight>> {
    let report = context.report;
    if !entry.has("rights") {
        entry.missing(report, "`rights`");
    }
    let names = entry.strings("rights", report)?;
    if names.is_empty() {
        entry.fault(entry.line_of("rights"), report, "`rights` must name at least one right");
        return None;
    }
    let parsed: Vec<Option<AuditRight>> = names
        .iter()
        .map(|name| {
            let right = AuditRight::parse(&name.value);
            if right.is_none() {
                let why = if name.value.contains('*') {
                    "; wildcards are not allowed, list each right".to_owned()
                } else {
                    did_you_mean(&name.value, AuditRight::ALL.map(AuditRight::as_str))
                };
                entry.fault(name.line, report, format!("`rights`: there is no right `{}`{why}", name.value));
            }
            right
        })
        .collect();
    parsed.into_iter().collect()
}
