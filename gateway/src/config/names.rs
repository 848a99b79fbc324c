//! References from entry to entry: which ids there are, and what a name that is not there may have meant.

use std::collections::BTreeSet;

use super::{
    fault::did_you_mean,
    table::{At, Document, Entry, Report},
};

/// The ids of one kind, for references.
pub(super) struct Names {
    kind: &'static str,
    file: &'static str,
    ids: BTreeSet<String>,
    complete: bool,
}

impl Names {
    /// Takes the ids of all entries, faulty ones too: a reference to a faulty account is not a second fault. Reports those
    /// that stand twice.
    pub(super) fn collect(document: &Document<'_>, kind: &'static str, key: &str, report: &Report) -> Self {
        let mut names = Self { kind, file: file_of(kind), ids: BTreeSet::new(), complete: true };
        names.add(document, kind, key, report);
        names
    }

    /// Takes more, of another kind, that share the names of the first.
    pub(super) fn add(&mut self, document: &Document<'_>, kind: &'static str, key: &str, report: &Report) {
        self.complete &= document.complete(kind);
        for entry in document.entries(kind, None) {
            let Some(id) = entry.value(key).and_then(|value| value.get_ref().as_str()) else { continue };
            if !self.ids.insert(id.to_owned()) {
                let line = entry.line_of(key);
                entry.fault(line, report, format!("there is another `{id}` above; each `{key}` is given once"));
            }
        }
    }

    /// The names of all tables `[kind.name]`.
    pub(super) fn of_tables(document: &Document<'_>, kind: &'static str) -> Self {
        let tables = document.named_tables(kind, &Report::default());
        let ids = tables.into_iter().map(|(name, _)| name.value).collect();
        Self { kind, file: file_of(kind), ids, complete: document.complete_tables(kind) }
    }

    /// What the entries of a kind have under a key of that name: the networks of accounts.
    pub(super) fn of_values(document: &Document<'_>, entries: &'static str, key: &'static str) -> Self {
        let all = document.entries(entries, None);
        let value = |entry: &Entry<'_>| Some(entry.value(key)?.get_ref().as_str()?.to_owned());
        Self {
            kind: key,
            file: file_of(key),
            ids: all.iter().filter_map(value).collect(),
            complete: document.complete(entries),
        }
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// True where the reference resolves; else it is reported.
    pub(super) fn resolve(&self, entry: &Entry<'_>, key: &str, reference: &At<String>, report: &Report) -> bool {
        let id = &reference.value;
        if self.contains(id) {
            return true;
        }
        if self.complete {
            let hint = did_you_mean(id, self.ids.iter().map(String::as_str));
            let Self { kind, file, .. } = self;
            entry.fault(reference.line, report, format!("`{key}`: there is no {kind} `{id}` in {file}{hint}"));
        }
        false
    }
}

fn file_of(kind: &str) -> &'static str {
    match kind {
        "person" => "people.toml",
        "app" => "apps.toml",
        "account" | "network" => "accounts.toml",
        "rotation" | "external" => "approvals.toml",
        "policy" => "policies.toml",
        _ => "grants.toml",
    }
}
