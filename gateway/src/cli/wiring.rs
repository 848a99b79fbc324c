//! What `pressgate.toml`, the files that it names and the governance must say together.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use super::context::Context;
use crate::{
    config::{Config, Fault, Governance, did_you_mean, line_of},
    listen::{Tls, TlsError, TlsFiles},
};

/// The file with the apps.
const APPS: &str = "apps.toml";

/// What is wrong between configuration and governance. Without a governance only the files are looked at.
pub fn faults(context: &Context, governance: Option<&Governance>) -> Vec<Fault> {
    let config = &context.config;
    let mut faults: Vec<Fault> = tls(config).into_iter().collect();
    if let Some(governance) = governance {
        faults.extend(listeners(config, context.config_file.as_deref(), governance));
        faults.extend(certificates(config, governance));
    }
    faults
}

/// The files of TLS, as a start would read them.
fn tls(config: &Config) -> Option<Fault> {
    let tls = config.listen.tls.as_ref()?;
    let (certificate, key, client_ca) = (tls.certificate.clone(), tls.key.clone(), tls.client_ca.clone());
    let error = Tls::load(TlsFiles { certificate, key, client_ca }).err()?;
    let (path, cause): (PathBuf, String) = match error {
        TlsError::File { path, cause } => (path, cause),
        TlsError::Pair { path, cause } => (path, format!("the certificate can't be used with its key: {cause}")),
    };
    let message = format!("{cause}; put a PEM file there that the gateway may read, or change [listen.tls]");
    Some(Fault::new(path.display().to_string(), 0, message))
}

/// Listeners of accounts that there are not.
fn listeners(config: &Config, file: Option<&Path>, governance: &Governance) -> Vec<Fault> {
    let strange = config.native.listeners.keys().filter(|account| !governance.accounts.contains_key(*account));
    let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let lines = lines_of_listeners(&text);
    let shown = file.map_or_else(|| super::context::CONFIG_FILE.to_owned(), |file| file.display().to_string());
    let fault = |account: &crate::model::AccountId| {
        let known = governance.accounts.keys().map(crate::model::AccountId::as_str);
        let message = format!(
            "native.listeners.{account}: accounts.toml has no account `{account}`{}; take the line out, or write the account as it is there",
            did_you_mean(account.as_str(), known)
        );
        Fault::new(&shown, lines.get(account.as_str()).copied().unwrap_or_default(), message)
    };
    strange.map(fault).collect()
}

/// The line of each listener of an account.
fn lines_of_listeners(text: &str) -> BTreeMap<String, usize> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Whole {
        native: Native,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Native {
        listeners: BTreeMap<String, Spanned<String>>,
    }
    let whole: Whole = toml::from_str(text).unwrap_or_default();
    let line = |written: &Spanned<String>| line_of(text, written.span().start);
    whole.native.listeners.iter().map(|(account, written)| (account.clone(), line(written))).collect()
}

/// Apps that are known by a certificate which nobody is asked for.
fn certificates(config: &Config, governance: &Governance) -> Vec<Fault> {
    if config.listen.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()) {
        return Vec::new();
    }
    let text = governance.files.get(APPS).map(String::as_str).unwrap_or_default();
    let names = governance.apps.values().flat_map(|app| app.certificates.iter().map(move |name| (app, name)));
    let fault = |(app, name): (&crate::config::App, &String)| {
        let line = text.find(&format!("\"{name}\"")).map_or(0, |at| line_of(text, at));
        let message = format!(
            "`certificates` of `{}`: no client is asked for a certificate, so `{name}` opens nothing; set `client_ca` in [listen.tls] of pressgate.toml, or take it out",
            app.id
        );
        Fault::new(APPS, line, message)
    };
    names.map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_has_its_line() {
        let text = "data = \"x\"\n[native.listeners]\nacme = \"127.0.0.1:1\"\n\nother = \"127.0.0.1:2\"\n";
        let lines = lines_of_listeners(text);
        assert_eq!(lines, BTreeMap::from([("acme".to_owned(), 3), ("other".to_owned(), 5)]));
        assert!(lines_of_listeners("[").is_empty());
    }

    #[test]
    fn tls_files_that_are_not_there_are_named() {
        let text = "[listen.tls]\ncertificate = \"/none/cert.pem\"\nkey = \"/none/key.pem\"\n";
        let config = Config::parse(text, "pressgate.toml", Path::new("/")).unwrap();
        let fault = tls(&config).expect("a fault");
        assert!(fault.file == "/none/cert.pem" && fault.message.contains("[listen.tls]"), "{fault}");
        assert_eq!(tls(&Config::parse("", "pressgate.toml", Path::new("/")).unwrap()), None);
    }
}
