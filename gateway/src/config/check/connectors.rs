//! `connectors.toml`: other systems that events are handed to by plugins.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    super::{
        Connector, PluginInfo, PluginKind,
        fault::did_you_mean,
        names::Names,
        schema,
        table::{Document, Entry},
    },
    Context,
    accounts::origin,
    events, policies,
};
use crate::model::{Account, AccountId, BrandPath, NativeHold, PersonId, PluginName};

const KEYS: &[&str] =
    &["id", "plugin", "endpoint", "private_endpoint", "accounts", "brands", "types", "config", "config_file", "owner"];
/// The most connectors: each has a task, and a file of its own.
const CONNECTORS_MAX: usize = 64;

/// The connectors; files that they refer to are added to `referenced`.
pub(super) fn connectors(
    context: &Context<'_>,
    document: &Document<'_>,
    referenced: &mut BTreeSet<String>,
) -> BTreeMap<String, Connector> {
    let report = context.report;
    document.only(&["connector"], report);
    Names::collect(document, "connector", "id", report);
    let entries = document.entries("connector", Some(report));
    if let Some(entry) = entries.get(CONNECTORS_MAX) {
        entry.fault(entry.line, report, format!("there may be {CONNECTORS_MAX} connectors"));
    }
    let all = entries.iter().filter_map(|entry| connector(context, entry, referenced));
    all.map(|connector| (connector.id.clone(), connector)).collect()
}

fn connector(context: &Context<'_>, entry: &Entry<'_>, referenced: &mut BTreeSet<String>) -> Option<Connector> {
    let report = context.report;
    entry.only(KEYS, report);
    let id = entry.id("id", report);
    if let Some(id) = id.as_ref().filter(|id| context.accounts.contains(id)) {
        let message = format!("`id`: `{id}` is an account; credentials are set by these names, so take another");
        entry.fault(entry.line_of("id"), report, message);
    }
    let plugin = plugin(context, entry);
    let private = entry.boolean("private_endpoint", report);
    let private = private.map_or(entry.has("private_endpoint"), |private| private.value);
    let endpoint = entry.required("endpoint", report);
    let endpoint = endpoint.and_then(|endpoint| origin(entry, &endpoint, private, report));
    let events::Heard { accounts, brands, types } = events::heard(context, entry);
    let config = policies::config(context, entry, referenced);
    let owner = entry.required("owner", report).filter(|owner| context.people.resolve(entry, "owner", owner, report));
    let ((plugin, info), config) = (plugin?, config?);
    match &info.config_schema {
        Some(schema) => schema::validate(schema, &config, &plugin, entry, report),
        None if config.value.as_object().is_some_and(|config| !config.is_empty()) => {
            entry.fault(entry.line_of("config"), report, format!("the plugin `{plugin}` takes no configuration"));
        }
        None => {}
    }
    let (id, endpoint) = (id?, endpoint?);
    let system = Account {
        id: AccountId::new(&id),
        network: plugin.to_string(),
        adapter: plugin.clone(),
        endpoint,
        private_endpoint: private,
        brand: brands.first().cloned().unwrap_or_else(|| BrandPath::new("")),
        handle: None,
        native_hold: NativeHold::default(),
    };
    let owner = PersonId::new(owner?.value);
    Some(Connector { id, plugin, system: Arc::new(system), accounts, brands, types, config: config.value, owner })
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
    if plugin.kind != PluginKind::Connector {
        let message = format!("`plugin`: `{name}` is {}, not a connector", plugin.kind.described());
        entry.fault(written.line, report, message);
        return None;
    }
    Some((name, plugin))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use serde_json::json;

    use super::super::super::{Files, Governance, PluginInfo, PluginKind};
    use crate::model::PluginName;

    fn check(connectors: &str) -> Result<Governance, Vec<String>> {
        let schema =
            json!({"type": "object", "additionalProperties": false, "properties": {"queue": {"type": "string"}}});
        let info = |kind, config_schema| PluginInfo { kind, networks: vec!["n".to_owned()], config_schema };
        let catalogue = BTreeMap::from([
            (PluginName::new("tickets"), info(PluginKind::Connector, Some(schema))),
            (PluginName::new("net"), info(PluginKind::Adapter, None)),
        ]);
        let account = "[[account]]\nid = \"acme-net\"\nnetwork = \"n\"\nadapter = \"net\"\n\
                       endpoint = \"https://n.example\"\nbrand = \"acme\"\n";
        let files = Files::from([
            ("brands.toml".to_owned(), "[[brand]]\nid = \"acme\"\nname = \"Acme\"\n".to_owned()),
            ("accounts.toml".to_owned(), account.to_owned()),
            ("people.toml".to_owned(), "[[person]]\nid = \"ops-1\"\nroles = [\"operator\"]\n".to_owned()),
            ("connectors.toml".to_owned(), connectors.to_owned()),
        ]);
        let told = |fault: super::super::super::Fault| fault.to_string();
        Governance::check(&files, &catalogue, Timestamp::UNIX_EPOCH)
            .map_err(|faults| faults.into_iter().map(told).collect())
    }

    #[test]
    fn a_connector_is_read_and_faults_have_their_line() {
        let good = "[[connector]]\nid = \"desk\"\nplugin = \"tickets\"\nendpoint = \"https://rt.example\"\nowner = \"ops-1\"\n";
        let more = "brands = [\"acme\"]\ntypes = [\"post.held\"]\nconfig = { queue = \"Social\" }\n";
        let governance = check(&format!("{good}{more}")).unwrap();
        let desk = &governance.connectors["desk"];
        assert_eq!((desk.plugin.as_str(), desk.system.origin().as_str()), ("tickets", "https://rt.example"));
        assert_eq!((desk.config.to_string().as_str(), desk.types.len()), (r#"{"queue":"Social"}"#, 1));
        assert!(governance.system("desk").is_some() && governance.system("acme-net").is_some());
        for (connectors, line, told) in [
            (good.replace("desk", "acme-net"), 2, "is an account"),
            (good.replace("\"tickets\"", "\"net\""), 3, "is an adapter, not a connector"),
            (good.replace("\"tickets\"", "\"ticket\""), 3, "did you mean"),
            (good.replace("https", "http"), 4, "plain http"),
            (good.replace("rt.example", "rt.example/path"), 4, "no path"),
            (good.replace("ops-1", "ops-2"), 5, "ops-2"),
            (format!("{good}types = [\"post.hold\"]\n"), 6, "did you mean"),
            (format!("{good}brands = [\"other\"]\n"), 6, "other"),
            (format!("{good}config = {{ queue = 1 }}\n"), 6, "queue"),
            (format!("{good}token = \"x\"\n"), 6, "token"),
            (format!("{good}{good}"), 7, "desk"),
        ] {
            let faults = check(&connectors).unwrap_err();
            let told_so = faults.iter().any(|fault| fault.contains(told) && fault.contains(&format!(":{line}")));
            assert!(told_so, "{connectors}: {faults:?}");
        }
    }
}
