//! `events.toml`: receivers of events.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::{
    super::{
        Webhook,
        fault::did_you_mean,
        names::Names,
        table::{Document, Entry},
    },
    Context,
    accounts::reachable,
};
use crate::model::{AccountId, BrandPath, EventType, PersonId};

const KEYS: &[&str] = &["id", "url", "private_endpoint", "accounts", "brands", "types", "owner"];
/// The most receivers: each has a task, and a file of its own.
const WEBHOOKS_MAX: usize = 64;

pub(super) fn webhooks(context: &Context<'_>, document: &Document<'_>) -> BTreeMap<String, Webhook> {
    let report = context.report;
    document.only(&["webhook"], report);
    // Only for what is given twice.
    Names::collect(document, "webhook", "id", report);
    let entries = document.entries("webhook", Some(report));
    if let Some(entry) = entries.get(WEBHOOKS_MAX) {
        entry.fault(entry.line, report, format!("there may be {WEBHOOKS_MAX} webhooks"));
    }
    entries.iter().filter_map(|entry| webhook(context, entry)).map(|hook| (hook.id.clone(), hook)).collect()
}

fn webhook(context: &Context<'_>, entry: &Entry<'_>) -> Option<Webhook> {
    let report = context.report;
    entry.only(KEYS, report);
    let id = entry.id("id", report);
    let private = entry.boolean("private_endpoint", report).is_some_and(|private| private.value);
    let url = url(context, entry, private);
    let Heard { accounts, brands, types } = heard(context, entry);
    let owner = entry.required("owner", report).filter(|owner| context.people.resolve(entry, "owner", owner, report));
    let (id, url, owner) = (id?, url?, PersonId::new(owner?.value));
    Some(Webhook { id, url, private_endpoint: private, accounts, brands, types, owner })
}

/// Which events are for a receiver.
pub(super) struct Heard {
    pub(super) accounts: BTreeSet<AccountId>,
    pub(super) brands: Vec<BrandPath>,
    pub(super) types: BTreeSet<EventType>,
}

/// Which events an entry asks for.
pub(super) fn heard(context: &Context<'_>, entry: &Entry<'_>) -> Heard {
    let report = context.report;
    let mut accounts = BTreeSet::new();
    for account in entry.strings("accounts", report).unwrap_or_default() {
        if context.accounts.resolve(entry, "accounts", &account, report) {
            accounts.insert(AccountId::new(account.value));
        }
    }
    let brands = entry.strings("brands", report).unwrap_or_default();
    let brands = brands.iter().filter_map(|path| context.brands.resolve(entry, "brands", path, report)).collect();
    let mut types = BTreeSet::new();
    for name in entry.strings("types", report).unwrap_or_default() {
        match EventType::parse(&name.value) {
            Some(kind) => drop(types.insert(kind)),
            None => {
                let hint = did_you_mean(&name.value, EventType::ALL.map(EventType::as_str));
                entry.fault(name.line, report, format!("`types`: there is no event `{}`{hint}", name.value));
            }
        }
    }
    Heard { accounts, brands, types }
}

/// An address that events may be posted to.
fn url(context: &Context<'_>, entry: &Entry<'_>, private: bool) -> Option<Url> {
    let report = context.report;
    let written = entry.required("url", report)?;
    let fault = |message: &str| {
        entry.fault(written.line, report, format!("`url`: {message}"));
        None
    };
    let Ok(url) = Url::parse(&written.value) else {
        return fault("this is not an address such as https://crm.example/pressgate");
    };
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return fault("an address must hold no user name, password or fragment; deliveries are signed");
    }
    if let Err(message) = reachable(&url, private) {
        return fault(message);
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::super::super::{Files, Governance, PluginInfo};
    use crate::model::PluginName;

    fn check(events: &str) -> Result<Governance, Vec<String>> {
        let catalogue: BTreeMap<PluginName, PluginInfo> = BTreeMap::new();
        let files = Files::from([
            ("brands.toml".to_owned(), "[[brand]]\nid = \"acme\"\nname = \"Acme\"\n".to_owned()),
            ("people.toml".to_owned(), "[[person]]\nid = \"ops-1\"\nroles = [\"operator\"]\n".to_owned()),
            ("events.toml".to_owned(), events.to_owned()),
        ]);
        let told = |fault: super::super::super::Fault| fault.to_string();
        Governance::check(&files, &catalogue, Timestamp::UNIX_EPOCH)
            .map_err(|faults| faults.into_iter().map(told).collect())
    }

    #[test]
    fn a_receiver_is_read_and_faults_have_their_line() {
        let good = "[[webhook]]\nid = \"crm\"\nurl = \"https://crm.example/in?x=1\"\nowner = \"ops-1\"\n";
        let governance = check(&format!("{good}brands = [\"acme\"]\ntypes = [\"post.held\"]\n")).unwrap();
        let hook = &governance.webhooks["crm"];
        assert_eq!((hook.url.as_str(), hook.brands.len(), hook.types.len()), ("https://crm.example/in?x=1", 1, 1));
        for (events, line, told) in [
            (good.replace("https", "http"), 3, "plain http"),
            (good.replace("crm.example", "10.0.0.1"), 3, "not on the public internet"),
            (good.replace("crm.example", "u:p@crm.example"), 3, "no user name"),
            (good.replace("ops-1", "ops-2"), 4, "ops-2"),
            (format!("{good}types = [\"post.hold\"]\n"), 5, "did you mean"),
            (format!("{good}accounts = [\"none\"]\n"), 5, "none"),
            (format!("{good}{good}"), 6, "crm"),
            (format!("{good}secret = \"x\"\n"), 5, "secret"),
        ] {
            let faults = check(&events).unwrap_err();
            let told_so = faults.iter().any(|fault| fault.contains(told) && fault.contains(&format!(":{line}")));
            assert!(told_so, "{events}: {faults:?}");
        }
    }
}
