//! `policies.toml`: which plugins judge, in order, with which configuration.

use std::collections::BTreeSet;

use super::{
    super::{
        OnFailure, PluginInfo, PluginKind, PolicyRule,
        fault::did_you_mean,
        json::{Located, from_json, from_toml, from_toml_document},
        schema,
        table::{At, Document, Entry},
    },
    Context,
};
use crate::model::PluginName;

const KEYS: &[&str] = &["name", "plugin", "brands", "config", "config_file", "on_failure"];

/// The rules, and the files that they refer to.
pub(super) fn policies(context: &Context<'_>, document: &Document<'_>) -> (Vec<PolicyRule>, BTreeSet<String>) {
    let report = context.report;
    document.only(&["policy"], report);
    let mut referenced = BTreeSet::new();
    let mut rules = Vec::new();
    for entry in document.entries("policy", Some(report)) {
        rules.extend(policy(context, &entry, &mut referenced));
    }
    (rules, referenced)
}

fn policy(context: &Context<'_>, entry: &Entry<'_>, referenced: &mut BTreeSet<String>) -> Option<PolicyRule> {
    let report = context.report;
    entry.only(KEYS, report);
    let name = entry.id("name", report);
    let plugin = plugin(context, entry);
    let brands = context.brands.resolve_all(entry, "brands", report);
    let on_failure = on_failure(context, entry);
    let config = config(context, entry, referenced);
    if entry.value("brands").is_some_and(|value| value.get_ref().as_array().is_some_and(|array| array.is_empty())) {
        entry.fault(entry.line_of("brands"), report, "`brands` must name a brand; leave it out to mean all");
    }
    let (plugin, info) = plugin?;
    let config = config?;
    if let Some(schema) = &info.config_schema {
        schema::validate(schema, &config, &plugin, entry, report);
    }
    Some(PolicyRule { name: name?, plugin, brands, config: config.value, on_failure: on_failure? })
}

fn plugin(context: &Context<'_>, entry: &Entry<'_>) -> Option<(PluginName, PluginInfo)> {
    let report = context.report;
    let written = entry.required("plugin", report)?;
    let name = PluginName::new(written.value);
    let Some(plugin) = context.catalogue.plugin(&name) else {
        let names = context.catalogue.names();
        let hint = did_you_mean(name.as_str(), names.iter().map(PluginName::as_str));
        let why = context.catalogue.absence(&name);
        entry.fault(written.line, report, format!("`plugin`: no plugin is called `{name}`{hint}{why}"));
        return None;
    };
    if plugin.kind != PluginKind::Policy {
        entry.fault(written.line, report, format!("`plugin`: `{name}` is {}, not a policy", plugin.kind.described()));
        return None;
    }
    Some((name, plugin))
}

fn on_failure(context: &Context<'_>, entry: &Entry<'_>) -> Option<OnFailure> {
    if !entry.has("on_failure") {
        return Some(OnFailure::Deny);
    }
    let written = entry.string("on_failure", context.report)?;
    if written.value == "deny" {
        return Some(OnFailure::Deny);
    }
    entry.fault(
        written.line,
        context.report,
        "`on_failure` can only be \"deny\": what can't be judged does not go out",
    );
    None
}

/// The configuration with the line of each of its parts; without one it is an empty object.
pub(super) fn config(context: &Context<'_>, entry: &Entry<'_>, referenced: &mut BTreeSet<String>) -> Option<Located> {
    let report = context.report;
    if entry.has("config") && entry.has("config_file") {
        entry.fault(entry.line_of("config_file"), report, "give only one of `config` and `config_file`");
        return None;
    }
    if let Some(file) = entry.string("config_file", report) {
        return config_file(context, entry, &file, referenced);
    }
    match entry.value("config") {
        Some(value) if value.get_ref().is_table() => Some(from_toml(entry.document(), value, report)),
        Some(value) => {
            let found = value.get_ref().type_str();
            entry.fault(entry.line_of("config"), report, format!("`config` must be a table, not {found}"));
            None
        }
        None if entry.has("config_file") => None,
        None => Some(Located::empty(entry.file(), entry.line)),
    }
}

fn config_file(
    context: &Context<'_>,
    entry: &Entry<'_>,
    written: &At<String>,
    referenced: &mut BTreeSet<String>,
) -> Option<Located> {
    let report = context.report;
    let name = &written.value;
    referenced.insert(name.clone());
    let Some((name, text)) = context.files.get_key_value(name) else {
        if !context.unread.contains(name) {
            let known = context.files.keys().map(String::as_str);
            let hint = did_you_mean(name, known.filter(|known| known.contains('/')));
            let rule = "paths are relative to the governance folder";
            entry.fault(written.line, report, format!("`config_file`: there is no file `{name}`, {rule}{hint}"));
        }
        return None;
    };
    if name.ends_with(".toml") {
        let document = Document::parse(name, text, report);
        let config = from_toml_document(&document, report);
        (!document.damaged).then_some(config)
    } else if name.ends_with(".json") {
        from_json(name, text, report)
    } else {
        entry.fault(written.line, report, "`config_file` must end in .toml or .json");
        None
    }
}
