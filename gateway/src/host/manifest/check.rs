//! Raw manifest → checked manifest. Every rule that the shape alone does not tell.

use std::collections::BTreeSet;
use std::fmt;

use url::Url;

use super::super::contract::{range, takes};
use super::oauth2;
use super::raw::{Raw, RawCredential, RawHttp, RawLimits, RawMatch, RawScheme, RawSession, line_at};
use super::schema;
use super::section::shorten;
use super::{
    CredentialDecl, CredentialScheme, Expired, HttpRule, Limits, LoginRequest, Manifest, MatchDecl, Origin, PluginKind,
    RefreshRequest, SessionDecl,
};
use crate::model::PluginName;

const ACCOUNT_ENDPOINT: &str = "{account.endpoint}";
/// The same of a connector: its endpoint is in `connectors.toml`.
const CONNECTOR_ENDPOINT: &str = "{connector.endpoint}";
const NAME_BYTES_MAX: usize = 64;
const LIST_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 512;
const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// A fault in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    /// Where: `http[0].origin`; empty where the whole is meant.
    pub place: String,
    /// Line in `plugin.toml`, from 1, where the manifest was read from there.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.place.is_empty() {
            write!(f, "`{}`: ", self.place)?;
        }
        f.write_str(&self.message)
    }
}

impl ManifestError {
    pub(super) fn at(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), line: None, message: message.into() }
    }

    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self::at("", message)
    }

    /// Looks the line up in the text that the manifest was read from: the place itself, else the nearest thing around it.
    pub(super) fn at_line_of(mut self, text: &str) -> Self {
        let Ok(document) = toml_edit::Document::parse(text) else { return self };
        let mut item = document.as_item();
        let mut start = None;
        for step in self.place.split(['.', '[']).map(|step| step.trim_end_matches(']')) {
            let next = match step.parse::<usize>() {
                Ok(index) => item.get(index),
                Err(_) => item.get(step),
            };
            let Some(next) = next else { break };
            item = next;
            start = item.span().map(|span| span.start).or(start);
        }
        self.line = start.map(|start| line_at(text, start));
        self
    }
}

pub(super) type Checked<T> = Result<T, ManifestError>;

/// Checks everything.
pub(super) fn check(raw: &Raw) -> Checked<Manifest> {
    let plugin = &raw.plugin;
    name("plugin.name", &plugin.name)?;
    version("plugin.version", &plugin.version)?;
    count("plugin.networks", plugin.networks.len())?;
    for (index, network) in plugin.networks.iter().enumerate() {
        name(&format!("plugin.networks[{index}]"), network)?;
    }
    match plugin.kind {
        PluginKind::Adapter if plugin.networks.is_empty() => {
            return Err(ManifestError::at("plugin.networks", "an adapter names the networks that it speaks"));
        }
        PluginKind::Connector if !plugin.networks.is_empty() => {
            return Err(ManifestError::at("plugin.networks", "a connector speaks no network"));
        }
        PluginKind::Policy if !plugin.networks.is_empty() => {
            return Err(ManifestError::at("plugin.networks", "a policy speaks no network"));
        }
        PluginKind::Policy if !raw.http.is_empty() => {
            return Err(ManifestError::at("http", "a policy makes no requests"));
        }
        PluginKind::Policy if !raw.credential.is_empty() => {
            return Err(ManifestError::at("credential", "a policy has no credentials"));
        }
        _ => {}
    }
    own_endpoint(plugin.kind, &raw.http)?;
    count("http", raw.http.len())?;
    count("credential", raw.credential.len())?;
    count("match", raw.matches.len())?;
    let credentials: Vec<CredentialDecl> = each("credential", &raw.credential, credential)?;
    unique("credential", "label", credentials.iter().map(|credential| credential.label.as_str()))?;
    alternatives(&credentials)?;
    let matches: Vec<MatchDecl> = each("match", &raw.matches, match_decl)?;
    unique("match", "set", matches.iter().map(|decl| decl.set.as_str()))?;
    let config_schema = raw.config.as_ref().map(|config| config.schema.clone());
    schema::check(config_schema.as_ref(), &matches)?;
    Ok(Manifest {
        name: PluginName::new(&plugin.name),
        version: plugin.version.clone(),
        kind: plugin.kind,
        wit: plugin.wit.clone(),
        runtime: plugin.runtime,
        networks: plugin.networks.clone(),
        http: each("http", &raw.http, http_rule)?,
        credentials,
        limits: limits(&raw.limits)?,
        matches,
        config_schema,
    })
}

/// An adapter speaks to its account's endpoint, a connector to its own.
fn own_endpoint(kind: PluginKind, rules: &[RawHttp]) -> Checked<()> {
    let (own, other) = match kind {
        PluginKind::Connector => (CONNECTOR_ENDPOINT, ACCOUNT_ENDPOINT),
        PluginKind::Adapter | PluginKind::Policy => (ACCOUNT_ENDPOINT, CONNECTOR_ENDPOINT),
    };
    match rules.iter().position(|rule| rule.origin == other) {
        Some(index) => {
            Err(ManifestError::at(format!("http[{index}].origin"), format!("`{other}`: write `{own}` here")))
        }
        None => Ok(()),
    }
}

fn each<R, T>(list: &str, raw: &[R], check: impl Fn(&str, &R) -> Checked<T>) -> Checked<Vec<T>> {
    raw.iter().enumerate().map(|(index, item)| check(&format!("{list}[{index}]"), item)).collect()
}

fn unique<'a>(list: &str, field: &str, names: impl Iterator<Item = &'a str>) -> Checked<()> {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            return Err(ManifestError::at(format!("{list}[{index}].{field}"), format!("`{name}` is there twice")));
        }
    }
    Ok(())
}

pub(super) fn count(place: &str, items: usize) -> Checked<()> {
    if items > LIST_MAX {
        return Err(ManifestError::at(place, format!("{items} entries; {LIST_MAX} are allowed")));
    }
    Ok(())
}

/// A plugin's or a network's name.
///
/// # Errors
/// What is wrong with it, at this place.
pub fn name(place: &str, text: &str) -> Result<(), ManifestError> {
    let fits = !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_');
    if fits {
        return Ok(());
    }
    Err(ManifestError::at(
        place,
        format!("`{}` must start with a lower-case letter and have only those, digits, `-` and `_`", shorten(text)),
    ))
}

fn version(place: &str, text: &str) -> Checked<()> {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let numbers = core.split('.').filter(|number| number.parse::<u32>().is_ok()).count();
    let legible = text.len() <= NAME_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    if legible && numbers == 3 && core.split('.').count() == 3 {
        return Ok(());
    }
    Err(ManifestError::at(place, format!("`{}` must be a version such as `0.1.0`", shorten(text))))
}

fn method(place: &str, text: &str) -> Checked<String> {
    if METHODS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(ManifestError::at(place, format!("`{}` must be one of {}", shorten(text), METHODS.join(", "))))
}

/// A path that means itself: starts with one slash, has no query, no escape, no step upwards.
pub(super) fn path(place: &str, text: &str) -> Checked<String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte));
    let rest = text.strip_prefix('/');
    let steps = rest.is_some_and(|rest| {
        rest.is_empty() || rest.trim_end_matches('/').split('/').all(|step| !matches!(step, "" | "." | ".."))
    });
    if plain && steps && text.len() <= TEXT_BYTES_MAX {
        return Ok(text.to_owned());
    }
    Err(ManifestError::at(
        place,
        format!("`{}` must be a path that starts with `/`, without `?`, `#`, `%`, empty parts or `..`", shorten(text)),
    ))
}

fn pointer(place: &str, text: &str) -> Checked<String> {
    if (text.is_empty() || text.starts_with('/')) && text.len() <= TEXT_BYTES_MAX {
        return Ok(text.to_owned());
    }
    Err(ManifestError::at(place, format!("`{}` must be a JSON pointer: empty, or starting with `/`", shorten(text))))
}

fn http_rule(place: &str, raw: &RawHttp) -> Checked<HttpRule> {
    if raw.methods.is_empty() || raw.path_prefixes.is_empty() {
        return Err(ManifestError::at(place, "`methods` and `path_prefixes` must each have an entry"));
    }
    count(&format!("{place}.path_prefixes"), raw.path_prefixes.len())?;
    let prefixes = each(&format!("{place}.path_prefixes"), &raw.path_prefixes, |place, text| {
        let path = path(place, text)?;
        Ok(if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path })
    })?;
    Ok(HttpRule {
        origin: origin(&format!("{place}.origin"), &raw.origin)?,
        methods: each(&format!("{place}.methods"), &raw.methods, |place, text| method(place, text))?,
        path_prefixes: prefixes,
        known_as: known_as(place, raw)?,
    })
}

/// Only what is sent to the account's endpoint may be asked for under other addresses.
fn known_as(place: &str, raw: &RawHttp) -> Checked<Vec<String>> {
    let place = format!("{place}.known_as");
    count(&place, raw.known_as.len())?;
    each(&place, &raw.known_as, |place, text| match origin(place, text)? {
        Origin::Fixed(known) if raw.origin == ACCOUNT_ENDPOINT => Ok(known),
        _ => Err(ManifestError::at(place, "only `{account.endpoint}` is known under another address, `https://host`")),
    })
}

fn origin(place: &str, text: &str) -> Checked<Origin> {
    if [ACCOUNT_ENDPOINT, CONNECTOR_ENDPOINT].contains(&text) {
        return Ok(Origin::AccountEndpoint);
    }
    let fault = || {
        let message = "must be `{account.endpoint}` or `https://host` with an optional port and nothing after it";
        ManifestError::at(place, format!("`{}` {message}", shorten(text)))
    };
    let url = Url::parse(text).map_err(|_| fault())?;
    let ascii = url.origin().ascii_serialization();
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if url.scheme() != "https" || !bare || url.password().is_some() || text.len() > TEXT_BYTES_MAX {
        return Err(fault());
    }
    Ok(Origin::Fixed(ascii))
}

/// How many values the scheme takes; none where the login says.
fn values_of(scheme: RawScheme) -> Option<usize> {
    match scheme {
        RawScheme::Bearer | RawScheme::Header | RawScheme::Query | RawScheme::Webhook => Some(1),
        RawScheme::Basic => Some(2),
        RawScheme::OAuth1 => Some(4),
        RawScheme::Session | RawScheme::OAuth2 => None,
    }
}

fn credential(place: &str, raw: &RawCredential) -> Checked<CredentialDecl> {
    name(&format!("{place}.label"), &raw.label)?;
    if raw.oauth2.is_some() != (raw.scheme == RawScheme::OAuth2) {
        return Err(ManifestError::at(place, "the scheme `oauth2`, and only that, has a `[credential.oauth2]`"));
    }
    if let Some(declared) = &raw.oauth2 {
        return oauth2::credential(place, raw, declared);
    }
    let secrets_place = format!("{place}.secrets");
    let secrets = raw.secrets.clone().unwrap_or_else(|| default_secrets(raw));
    if secrets.is_empty() {
        return Err(ManifestError::at(secrets_place, "must name the values that an operator sets"));
    }
    count(&secrets_place, secrets.len())?;
    for (index, secret) in secrets.iter().enumerate() {
        name(&format!("{secrets_place}[{index}]"), secret)?;
    }
    unique(&secrets_place, "name", secrets.iter().map(String::as_str))?;
    if let Some(unknown) = raw.public.iter().find(|name| !secrets.contains(name)) {
        return Err(ManifestError::at(
            format!("{place}.public"),
            format!("`{}` is not in `secrets`", shorten(unknown)),
        ));
    }
    if !raw.public.is_empty() && raw.scheme != RawScheme::Session {
        let message = "only a session has values that are no secret; of `basic` the first one is never blanked";
        return Err(ManifestError::at(format!("{place}.public"), message));
    }
    if let Some(wanted) = values_of(raw.scheme).filter(|wanted| *wanted != secrets.len()) {
        return Err(ManifestError::at(secrets_place, format!("this scheme takes {wanted}")));
    }
    if raw.session.is_some() != (raw.scheme == RawScheme::Session) {
        return Err(ManifestError::at(place, "the scheme `session`, and only that, has a `[credential.session]`"));
    }
    let named = matches!(raw.scheme, RawScheme::Header | RawScheme::Query);
    if raw.name.is_some() != named {
        return Err(ManifestError::at(place, "the schemes `header` and `query`, and only those, have a `name`"));
    }
    let name = raw.name.clone().unwrap_or_default();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if named && (name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(token)) {
        return Err(ManifestError::at(format!("{place}.name"), "must be letters, digits, `-`, `_` and `.`"));
    }
    let scheme = match (raw.scheme, &raw.session) {
        (RawScheme::Bearer, _) => CredentialScheme::Bearer,
        (RawScheme::Basic, _) => CredentialScheme::Basic,
        (RawScheme::Header, _) => CredentialScheme::Header(name),
        (RawScheme::Query, _) => CredentialScheme::Query(name),
        (RawScheme::OAuth1, _) => CredentialScheme::OAuth1,
        (RawScheme::Webhook, _) => CredentialScheme::Webhook,
        (RawScheme::Session, Some(raw_session)) => {
            CredentialScheme::Session(Box::new(session(&format!("{place}.session"), raw_session, &secrets)?))
        }
        (RawScheme::Session | RawScheme::OAuth2, _) => {
            return Err(ManifestError::at(place, "has no `[credential.session]`"));
        }
    };
    Ok(CredentialDecl {
        label: raw.label.clone(),
        scheme,
        secrets,
        public: raw.public.clone(),
        instead_of: raw.instead_of.clone(),
    })
}

/// A credential stands in for one that stands for itself.
fn alternatives(credentials: &[CredentialDecl]) -> Checked<()> {
    for (index, credential) in credentials.iter().enumerate() {
        let Some(label) = &credential.instead_of else { continue };
        let stands = |other: &CredentialDecl| other.label == *label && other.instead_of.is_none();
        if !credentials.iter().any(stands) {
            let place = format!("credential[{index}].instead_of");
            return Err(ManifestError::at(
                place,
                format!("`{}` is no credential that stands for itself", shorten(label)),
            ));
        }
    }
    Ok(())
}

/// The values of a credential whose manifest does not name them: what its scheme needs.
fn default_secrets(raw: &RawCredential) -> Vec<String> {
    match (raw.scheme, &raw.session) {
        (RawScheme::Bearer | RawScheme::Header | RawScheme::Query | RawScheme::Webhook, _) => vec![raw.label.clone()],
        (RawScheme::Basic, _) => vec!["user".to_owned(), "password".to_owned()],
        (RawScheme::OAuth1, _) => {
            ["consumer_key", "consumer_secret", "access_token", "access_token_secret"].map(str::to_owned).to_vec()
        }
        (RawScheme::Session, None) | (RawScheme::OAuth2, _) => Vec::new(),
        (RawScheme::Session, Some(session)) => {
            let named: BTreeSet<&str> = session.login.body.values().flat_map(|text| placeholders(text)).collect();
            named.into_iter().map(ToOwned::to_owned).collect()
        }
    }
}

fn session(place: &str, raw: &RawSession, secrets: &[String]) -> Checked<SessionDecl> {
    for (key, template) in &raw.login.body {
        let unknown = placeholders(template).find(|name| !secrets.iter().any(|secret| secret == name));
        if let Some(unknown) = unknown {
            let place = format!("{place}.login.body.{key}");
            return Err(ManifestError::at(place, format!("`{{{}}}` is not in `secrets`", shorten(unknown))));
        }
    }
    let refresh = match &raw.refresh {
        None => None,
        Some(refresh) => {
            if refresh.bearer != "{refresh}" {
                return Err(ManifestError::at(format!("{place}.refresh.bearer"), "must be `{refresh}`"));
            }
            if raw.refresh_pointer.is_none() {
                return Err(ManifestError::at(place, "a `refresh` needs a `refresh_pointer`"));
            }
            Some(RefreshRequest {
                method: method(&format!("{place}.refresh.method"), &refresh.method)?,
                path: path(&format!("{place}.refresh.path"), &refresh.path)?,
                bearer: refresh.bearer.clone(),
            })
        }
    };
    let refresh_pointer =
        raw.refresh_pointer.as_ref().map(|text| pointer(&format!("{place}.refresh_pointer"), text)).transpose()?;
    let expired = match &raw.expired {
        None => None,
        Some(expired) => {
            let place = format!("{place}.expired");
            if expired.statuses.is_empty() || expired.statuses.iter().any(|status| !(400..600).contains(status)) {
                return Err(ManifestError::at(place, "`statuses` must have entries from 400 to 599"));
            }
            if expired.pointer.is_some() == expired.values.is_empty() {
                return Err(ManifestError::at(place, "`pointer` and `values` go together"));
            }
            let pointer =
                expired.pointer.as_ref().map(|text| pointer(&format!("{place}.pointer"), text)).transpose()?;
            Some(Expired { statuses: expired.statuses.clone(), pointer, values: expired.values.clone() })
        }
    };
    Ok(SessionDecl {
        login: LoginRequest {
            method: method(&format!("{place}.login.method"), &raw.login.method)?,
            path: path(&format!("{place}.login.path"), &raw.login.path)?,
            body: raw.login.body.clone(),
        },
        refresh,
        access_pointer: pointer(&format!("{place}.access_pointer"), &raw.access_pointer)?,
        refresh_pointer,
        expired,
    })
}

/// The names that stand in braces.
fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or(rest))
}

/// Each limit by its key.
pub(super) fn by_key(limits: &Limits) -> [(&'static str, u64); 6] {
    let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    [
        ("guest_ms", limits.guest_ms),
        ("wall_ms", limits.wall_ms),
        ("memory_bytes", bytes(limits.memory_bytes)),
        ("host_call_bytes", bytes(limits.host_call_bytes)),
        ("response_bytes_max", bytes(limits.response_bytes_max)),
        ("concurrent", u64::from(limits.concurrent)),
    ]
}

fn wished(raw: &RawLimits) -> Limits {
    let default = Limits::default();
    Limits {
        guest_ms: raw.guest_ms.unwrap_or(default.guest_ms),
        wall_ms: raw.wall_ms.unwrap_or(default.wall_ms),
        memory_bytes: raw.memory_bytes.unwrap_or(default.memory_bytes),
        host_call_bytes: raw.host_call_bytes.unwrap_or(default.host_call_bytes),
        response_bytes_max: raw.response_bytes_max.unwrap_or(default.response_bytes_max),
        concurrent: raw.concurrent.unwrap_or(default.concurrent),
    }
}

fn limits(raw: &RawLimits) -> Checked<Limits> {
    let limits = wished(raw);
    if let Some((key, _)) = by_key(&limits).iter().find(|(_, value)| *value == 0) {
        return Err(ManifestError::at(format!("limits.{key}"), "must be more than 0"));
    }
    Ok(limits.capped(Limits::CEILING))
}

/// What holds for a manifest that is written now, and not for one that a component carries: that may have been made for another
/// host, whose contract the loader compares, and gets this host's limits where it wants more.
pub(super) fn buildable(raw: &Raw) -> Checked<()> {
    if !takes(&raw.plugin.wit) {
        let message = format!("this gateway takes the contract `{}`, not `{}`", range(), shorten(&raw.plugin.wit));
        return Err(ManifestError::at("plugin.wit", message));
    }
    for ((key, wish), (_, most)) in by_key(&wished(&raw.limits)).into_iter().zip(by_key(&Limits::CEILING)) {
        if wish > most {
            let message = format!("{wish} is more than the gateway gives any plugin; write {most} or less");
            return Err(ManifestError::at(format!("limits.{key}"), message));
        }
    }
    Ok(())
}

fn match_decl(place: &str, raw: &RawMatch) -> Checked<MatchDecl> {
    name(&format!("{place}.set"), &raw.set)?;
    Ok(MatchDecl {
        set: raw.set.clone(),
        kind: raw.kind,
        pointer: pointer(&format!("{place}.pointer"), &raw.pointer)?,
        field: raw.field.clone(),
        fold: raw.fold,
    })
}
