//! `accounts.toml`: identities on networks.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use url::{Host, Url};

use super::{
    super::{
        PluginKind,
        fault::did_you_mean,
        table::{At, Document, Entry, Report},
    },
    Context,
};
use crate::model::{Account, AccountId, NativeHold, PluginName};

const KEYS: &[&str] = &["id", "network", "adapter", "endpoint", "private_endpoint", "brand", "handle", "native_hold"];

pub(super) fn accounts(context: &Context<'_>, document: &Document<'_>) -> BTreeMap<AccountId, Arc<Account>> {
    let report = context.report;
    document.only(&["account"], report);
    let mut accounts = BTreeMap::new();
    for entry in document.entries("account", Some(report)) {
        entry.only(KEYS, report);
        let id = entry.id("id", report);
        let network = entry.id("network", report);
        let adapter = adapter(context, &entry, network.as_deref());
        let private = entry.boolean("private_endpoint", report);
        // Where the flag itself is illegible, the endpoint is not blamed for want of it.
        let private_endpoint = private.map_or(entry.has("private_endpoint"), |private| private.value);
        let endpoint = entry.required("endpoint", report);
        let endpoint = endpoint.and_then(|endpoint| origin(&entry, &endpoint, private_endpoint, report));
        let brand = entry.required("brand", report);
        let brand = brand.and_then(|brand| context.brands.resolve(&entry, "brand", &brand, report));
        let handle = entry.string("handle", report).map(|handle| handle.value);
        let native_hold = native_hold(&entry, report);
        if let (Some(id), Some(network), Some(adapter), Some(endpoint), Some(brand)) =
            (id.map(AccountId::new), network, adapter, endpoint, brand)
        {
            let account =
                Account { id: id.clone(), network, adapter, endpoint, private_endpoint, brand, handle, native_hold };
            accounts.insert(id, Arc::new(account));
        }
    }
    accounts
}

fn native_hold(entry: &Entry<'_>, report: &Report) -> NativeHold {
    let Some(written) = entry.string("native_hold", report) else { return NativeHold::default() };
    let known = [NativeHold::Refuse, NativeHold::Draft].into_iter().find(|hold| hold.as_str() == written.value);
    known.unwrap_or_else(|| {
        entry.fault(written.line, report, "`native_hold`: write `refuse` or `draft`");
        NativeHold::default()
    })
}

fn adapter(context: &Context<'_>, entry: &Entry<'_>, network: Option<&str>) -> Option<PluginName> {
    let report = context.report;
    let written = entry.required("adapter", report)?;
    let name = PluginName::new(written.value);
    let Some(plugin) = context.catalogue.plugin(&name) else {
        let names = context.catalogue.names();
        let hint = did_you_mean(name.as_str(), names.iter().map(PluginName::as_str));
        let why = context.catalogue.absence(&name);
        entry.fault(written.line, report, format!("`adapter`: no plugin is called `{name}`{hint}{why}"));
        return None;
    };
    if plugin.kind != PluginKind::Adapter {
        entry.fault(
            written.line,
            report,
            format!("`adapter`: the plugin `{name}` is {}, not an adapter", plugin.kind.described()),
        );
        return None;
    }
    if let Some(network) = network.filter(|network| !plugin.networks.iter().any(|spoken| spoken == network)) {
        let spoken = plugin.networks.join("`, `");
        let message = format!("`adapter`: `{name}` does not speak the network `{network}`; it speaks `{spoken}`");
        entry.fault(written.line, report, message);
        return None;
    }
    Some(name)
}

/// An address that is an origin and nothing more: scheme, host and port.
pub(super) fn origin(entry: &Entry<'_>, written: &At<String>, private: bool, report: &Report) -> Option<Url> {
    let fault = |message: &str| {
        entry.fault(written.line, report, format!("`endpoint`: {message}"));
        None
    };
    let Ok(url) = Url::parse(&written.value) else {
        return fault("this is not an address such as https://social.example");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return fault(
            "an address must not hold a user name or password; credentials are set with `pressgate credential set`",
        );
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return fault("only scheme, host and port are given here, no path");
    }
    if let Err(message) = reachable(&url, private) {
        return fault(message);
    }
    Some(url)
}

/// May the gateway call this scheme and host? Over https on the public internet, or a server of one's own where that is said.
pub(super) fn reachable(url: &Url, private: bool) -> Result<(), &'static str> {
    match url.scheme() {
        "https" => {}
        "http" if private => {}
        "http" => {
            return Err("plain http is only for servers of your own: use https, or set `private_endpoint = true`");
        }
        _ => return Err("the scheme must be https"),
    }
    let host = url.host().ok_or("the host is missing")?;
    if !private && is_private(&host) {
        return Err("this address is not on the public internet; set `private_endpoint = true` if that is meant");
    }
    Ok(())
}

/// Addresses that are plainly not public, as a help for the writer. What counts is the check of the resolved address on egress.
pub(super) fn is_private(host: &Host<&str>) -> bool {
    let address = match host {
        Host::Domain(name) => return *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => IpAddr::V4(*address),
        Host::Ipv6(address) => IpAddr::V6(*address).to_canonical(),
    };
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}
