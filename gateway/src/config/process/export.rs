//! `[[export]]`: where the audit log goes besides its own disk.

use std::{collections::BTreeSet, path::PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::json;
use toml::Spanned;
use url::Url;

use super::raw::{Checker, Number};
use crate::model::hex::hex;

/// Exports of one gateway.
const EXPORTS_MAX: usize = 16;
/// Length of an export's name.
const NAME_CHARS_MAX: usize = 40;
/// Bounds and defaults, in the unit that each name ends in.
const TIMEOUT_MS: Number = Number { default: 10_000, allowed: 100..=120_000 };
const LAG_ALARM_MS: Number = Number { default: 300_000, allowed: 1_000..=604_800_000 };
const ROTATE_BYTES: Number = Number { default: 268_435_456, allowed: 4_096..=1_099_511_627_776 };
const ROTATE_KEEP: Number = Number { default: 0, allowed: 1..=100_000 };
/// The header of a secret that an OTLP receiver asks for.
const HEADER_DEFAULT: &str = "authorization";

/// One export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its name; how far it has come is remembered under it.
    pub name: String,
    /// Where to.
    pub to: ExportTo,
    /// Where a new one begins.
    pub from: ExportFrom,
    /// Longest wait for one batch.
    pub timeout_ms: u64,
    /// So far behind, an alarm is raised.
    pub lag_alarm_ms: u64,
}

/// Where an export goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportTo {
    /// A file of JSON Lines.
    File {
        /// Where it lies.
        path: PathBuf,
        /// It is renamed, and begun anew, when it would get larger.
        rotate_bytes: u64,
        /// So many renamed files are kept; none are removed without it.
        rotate_keep: Option<u32>,
    },
    /// A signed webhook (Standard Webhooks).
    Webhook {
        /// Where it is posted.
        url: Url,
        /// The signing secret, `whsec_…`.
        secret: SecretFrom,
        /// Permits plain HTTP and addresses that are not global.
        private_endpoint: bool,
    },
    /// OTLP/HTTP log records.
    Otlp {
        /// The receiver; `/v1/logs` is added.
        url: Url,
        /// A header that opens the receiver: its name and where its value is.
        header: Option<(String, SecretFrom)>,
        /// Permits plain HTTP and addresses that are not global.
        private_endpoint: bool,
    },
}

/// Where a secret of the configuration is; the configuration never holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    /// A file that only its owner can read.
    File(PathBuf),
    /// An environment variable's name.
    Env(String),
}

/// Where an export begins that has not run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFrom {
    /// With the first leaf of the log.
    #[default]
    Start,
    /// With the leaf that says that the export was added.
    Now,
}

impl ExportTo {
    /// `file`, `webhook` or `otlp`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Webhook { .. } => "webhook",
            Self::Otlp { .. } => "otlp",
        }
    }
}

impl Export {
    /// Digest of the whole configuration, for the log: another digest, another export.
    pub fn digest(&self) -> String {
        // The values of secrets are not in it, only where they come from.
        let secret = |from: &SecretFrom| match from {
            SecretFrom::File(path) => format!("file {}", path.display()),
            SecretFrom::Env(name) => format!("env {name}"),
        };
        let to = match &self.to {
            ExportTo::File { path, rotate_bytes, rotate_keep } => {
                json!([path.display().to_string(), rotate_bytes, rotate_keep])
            }
            ExportTo::Webhook { url, secret: from, private_endpoint } => {
                json!([url.as_str(), secret(from), private_endpoint])
            }
            ExportTo::Otlp { url, header, private_endpoint } => {
                let header = header.as_ref().map(|(name, from)| (name, secret(from)));
                json!([url.as_str(), header, private_endpoint])
            }
        };
        let from = self.from == ExportFrom::Start;
        let text = json!([self.name, self.to.kind(), to, from, self.timeout_ms, self.lag_alarm_ms]).to_string();
        hex(digest(&SHA256, text.as_bytes()).as_ref())
    }
}

/// `[[export]]` as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawExport {
    name: Option<Spanned<String>>,
    kind: Option<Spanned<String>>,
    path: Option<Spanned<String>>,
    rotate_bytes: Option<Spanned<i64>>,
    rotate_keep: Option<Spanned<i64>>,
    url: Option<Spanned<String>>,
    secret: Option<Spanned<RawSecret>>,
    header: Option<Spanned<String>>,
    private_endpoint: Option<Spanned<bool>>,
    from: ExportFrom,
    timeout_ms: Option<Spanned<i64>>,
    lag_alarm_ms: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSecret {
    file: Option<Spanned<String>>,
    env: Option<Spanned<String>>,
}

impl Checker<'_> {
    pub(super) fn exports(&mut self, raw: Vec<Spanned<RawExport>>) -> Vec<Export> {
        let mut exports = Vec::new();
        let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
        for (number, raw) in raw.into_iter().enumerate() {
            let at = raw.span().start;
            if number == EXPORTS_MAX {
                self.fault(at, format!("export: more than {EXPORTS_MAX}"));
                break;
            }
            let Some(export) = self.export(at, raw.into_inner()) else { continue };
            if !names.insert(export.name.clone()) {
                self.fault(at, format!("export.name: two exports are called `{}`", export.name));
            }
            if let ExportTo::File { path, .. } = &export.to
                && !paths.insert(path.clone())
            {
                self.fault(at, format!("export.path: two exports write {}", path.display()));
            }
            exports.push(export);
        }
        exports
    }

    fn export(&mut self, at: usize, mut raw: RawExport) -> Option<Export> {
        let name = self.short_name("export", at, raw.name.take())?;
        let timeout_ms = self.number("export.timeout_ms", raw.timeout_ms.take(), &TIMEOUT_MS);
        let lag_alarm_ms = self.number("export.lag_alarm_ms", raw.lag_alarm_ms.take(), &LAG_ALARM_MS);
        let from = raw.from;
        let kind = raw.kind.take();
        let to = match kind.as_ref().map(|kind| kind.get_ref().as_str()) {
            Some("file") => self.file_export(at, raw),
            Some("webhook") => self.webhook_export(at, raw),
            Some("otlp") => self.otlp_export(at, raw),
            other => {
                let given = other.map_or_else(|| "is missing".to_owned(), |other| format!("`{other}` is none"));
                let at = kind.as_ref().map_or(at, |kind| kind.span().start);
                self.fault(at, format!("export.kind: {given}; give `file`, `webhook` or `otlp`"));
                None
            }
        }?;
        Some(Export { name, to, from, timeout_ms, lag_alarm_ms })
    }

    /// The name of one entry of the list `what`: it may be a file's name and a label.
    pub(super) fn short_name(&mut self, what: &str, at: usize, raw: Option<Spanned<String>>) -> Option<String> {
        let Some(raw) = raw else {
            self.fault(at, format!("{what}.name: every {what} needs a name"));
            return None;
        };
        let text = raw.get_ref();
        let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        let good = !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.chars().all(fits) && !text.starts_with('-');
        if !good {
            let rule = format!("1 to {NAME_CHARS_MAX} of `a` to `z`, `0` to `9` and `-`, no `-` at its beginning");
            self.fault(raw.span().start, format!("{what}.name: a name has {rule}"));
            return None;
        }
        Some(raw.into_inner())
    }

    fn file_export(&mut self, at: usize, mut raw: RawExport) -> Option<ExportTo> {
        let keep = raw.rotate_keep.take();
        let rotate_keep = keep.map(|keep| self.small("export.rotate_keep", Some(keep), &ROTATE_KEEP));
        let rotate_bytes = self.number("export.rotate_bytes", raw.rotate_bytes.take(), &ROTATE_BYTES);
        let path = raw.path.take();
        self.none_left("file", &raw);
        let Some(path) = path else {
            self.fault(at, "export.path: a file export needs a path".to_owned());
            return None;
        };
        Some(ExportTo::File { path: self.path("export.path", Some(path), ""), rotate_bytes, rotate_keep })
    }

    fn webhook_export(&mut self, at: usize, mut raw: RawExport) -> Option<ExportTo> {
        let private_endpoint = raw.private_endpoint.take().is_some_and(Spanned::into_inner);
        let (url, secret) = (raw.url.take(), raw.secret.take());
        self.none_left("webhook", &raw);
        let secret = secret.and_then(|secret| self.secret("export", secret));
        if secret.is_none() {
            self.fault(at, "export.secret: a webhook is signed, so it needs `secret = { file = \"…\" }`".to_owned());
        }
        Some(ExportTo::Webhook {
            url: self.url("export", at, url, private_endpoint)?,
            secret: secret?,
            private_endpoint,
        })
    }

    fn otlp_export(&mut self, at: usize, mut raw: RawExport) -> Option<ExportTo> {
        let private_endpoint = raw.private_endpoint.take().is_some_and(Spanned::into_inner);
        let (url, secret, header) = (raw.url.take(), raw.secret.take(), raw.header.take());
        self.none_left("otlp", &raw);
        let header = self.secret_header("export", secret, header);
        Some(ExportTo::Otlp { url: self.url("export", at, url, private_endpoint)?, header, private_endpoint })
    }

    /// The header that opens a receiver, of an entry of `what`: its name and where its value is.
    pub(super) fn secret_header(
        &mut self,
        what: &str,
        secret: Option<Spanned<RawSecret>>,
        header: Option<Spanned<String>>,
    ) -> Option<(String, SecretFrom)> {
        let name = match (&secret, header) {
            (None, Some(header)) => {
                self.fault(header.span().start, format!("{what}.header: there is no `secret` for it"));
                None
            }
            (None, None) => None,
            (Some(_), None) => Some(HEADER_DEFAULT.to_owned()),
            (Some(_), Some(header)) => self.header(what, header),
        };
        let secret = secret.and_then(|secret| self.secret(what, secret));
        name.zip(secret)
    }

    fn header(&mut self, what: &str, header: Spanned<String>) -> Option<String> {
        let name = header.get_ref().to_ascii_lowercase();
        // What frames a request is never a secret.
        let own = crate::model::headers::is_gateways(&name) && name != HEADER_DEFAULT;
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() || own || name == "content-type" {
            self.fault(header.span().start, format!("{what}.header: `{name}` can't carry a secret"));
            return None;
        }
        Some(name)
    }

    pub(super) fn secret(&mut self, what: &str, raw: Spanned<RawSecret>) -> Option<SecretFrom> {
        let at = raw.span().start;
        match raw.into_inner() {
            RawSecret { file: Some(file), env: None } => {
                Some(SecretFrom::File(self.path(&format!("{what}.secret.file"), Some(file), "")))
            }
            RawSecret { file: None, env: Some(env) }
                if !env.get_ref().is_empty() && !env.get_ref().contains(['=', '\0']) =>
            {
                Some(SecretFrom::Env(env.into_inner()))
            }
            RawSecret { file: None, env: Some(env) } => {
                self.fault(
                    env.span().start,
                    format!("{what}.secret.env: this is not the name of an environment variable"),
                );
                None
            }
            _ => {
                self.fault(
                    at,
                    format!("{what}.secret: give one of `file` and `env`; the secret itself never stands here"),
                );
                None
            }
        }
    }

    /// Where one entry of the list `what` is.
    pub(super) fn url(&mut self, what: &str, at: usize, raw: Option<Spanned<String>>, private: bool) -> Option<Url> {
        let Some(raw) = raw else {
            self.fault(at, format!("{what}.url: where to?"));
            return None;
        };
        let at = raw.span().start;
        let Some(url) = Url::parse(raw.get_ref()).ok().filter(|url| url.has_host()) else {
            self.fault(at, format!("{what}.url: this is not an address like `https://{what}.example/path`"));
            return None;
        };
        let why = match url.scheme() {
            "https" => None,
            "http" if private => None,
            "http" => Some("plain HTTP is only for private endpoints: `https://`, or `private_endpoint = true`"),
            _ => Some("an address begins with `https://`"),
        };
        let named = !url.username().is_empty() || url.password().is_some();
        let why = why.or(named.then_some("an address has no user and no password"));
        let why = why.or(url.fragment().map(|_| "an address has no fragment"));
        if let Some(why) = why {
            self.fault(at, format!("{what}.url: {why}"));
            return None;
        }
        Some(url)
    }

    /// Keys of another kind are a mistake, not a decoration.
    fn none_left(&mut self, kind: &str, raw: &RawExport) {
        let left = [
            ("path", raw.path.as_ref().map(Spanned::span)),
            ("rotate_bytes", raw.rotate_bytes.as_ref().map(Spanned::span)),
            ("rotate_keep", raw.rotate_keep.as_ref().map(Spanned::span)),
            ("url", raw.url.as_ref().map(Spanned::span)),
            ("secret", raw.secret.as_ref().map(Spanned::span)),
            ("header", raw.header.as_ref().map(Spanned::span)),
            ("private_endpoint", raw.private_endpoint.as_ref().map(Spanned::span)),
        ];
        for (key, span) in left {
            if let Some(span) = span {
                self.fault(span.start, format!("export.{key}: a `{kind}` export has no such key"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<Vec<Export>, Vec<String>> {
        Config::parse(text, "p.toml", Path::new("/etc/p"))
            .map(|config| config.export)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn each_kind_is_read_with_its_defaults() {
        let text = "[[export]]\nname = \"disk\"\nkind = \"file\"\npath = \"out.jsonl\"\nrotate_keep = 3\n\
            [[export]]\nname = \"siem\"\nkind = \"webhook\"\nurl = \"https://siem.example/in\"\nsecret = { file = \"s\" }\nfrom = \"now\"\n\
            [[export]]\nname = \"otel\"\nkind = \"otlp\"\nurl = \"http://10.0.0.9:4318\"\nprivate_endpoint = true\nsecret = { env = \"T\" }\n";
        let all = parse(text).unwrap();
        let path = PathBuf::from("/etc/p/out.jsonl");
        assert_eq!(all[0].to, ExportTo::File { path, rotate_bytes: 268_435_456, rotate_keep: Some(3) });
        assert_eq!((all[0].from, all[0].timeout_ms, all[0].lag_alarm_ms), (ExportFrom::Start, 10_000, 300_000));
        let ExportTo::Webhook { secret, private_endpoint, .. } = &all[1].to else { panic!("{:?}", all[1]) };
        assert_eq!((secret, private_endpoint), (&SecretFrom::File("/etc/p/s".into()), &false));
        assert_eq!(all[1].from, ExportFrom::Now);
        let ExportTo::Otlp { header, private_endpoint, .. } = &all[2].to else { panic!("{:?}", all[2]) };
        assert_eq!(header.as_ref().unwrap(), &("authorization".to_owned(), SecretFrom::Env("T".into())));
        assert!(private_endpoint);
        let digests: BTreeSet<String> = all.iter().map(Export::digest).collect();
        assert_eq!(digests.len(), 3);
        assert_eq!(all[0].digest(), parse(text).unwrap()[0].digest(), "the same at each start");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let webhook = "[[export]]\nname = \"a\"\nkind = \"webhook\"\n";
        let file = "[[export]]\nname = \"a\"\nkind = \"file\"\npath = \"o\"\n";
        for (text, line, part) in [
            ("[[export]]\nkind = \"file\"\n".to_owned(), 1, "needs a name"),
            ("[[export]]\nname = \"A b\"\n".to_owned(), 2, "`a` to `z`"),
            ("[[export]]\nname = \"a\"\n".to_owned(), 1, "give `file`"),
            ("[[export]]\nname = \"a\"\nkind = \"kafka\"\n".to_owned(), 3, "`kafka` is none"),
            ("[[export]]\nname = \"a\"\nkind = \"file\"\n".to_owned(), 1, "needs a path"),
            (format!("{file}url = \"https://x\"\n"), 5, "no such key"),
            (format!("{file}rotate_bytes = 1\n"), 5, "not within"),
            (format!("{file}colour = 1\n"), 5, "unknown field"),
            (format!("{file}[[export]]\nname = \"b\"\nkind = \"file\"\npath = \"o\"\n"), 5, "two exports write"),
            (format!("{file}[[export]]\nname = \"a\"\nkind = \"file\"\npath = \"p\"\n"), 5, "two exports are called"),
            (format!("{webhook}url = \"https://x/\"\n"), 1, "signed"),
            (format!("{webhook}url = \"https://x/\"\nsecret = \"whsec_a\"\n"), 5, ""),
            (format!("{webhook}url = \"https://x/\"\nsecret = {{ file = \"a\", env = \"B\" }}\n"), 5, "one of"),
            (format!("{webhook}secret = {{ file = \"a\" }}\n"), 1, "where to"),
            (format!("{webhook}secret = {{ file = \"a\" }}\nurl = \"http://x/\"\n"), 5, "private_endpoint"),
            (format!("{webhook}secret = {{ file = \"a\" }}\nurl = \"https://u:p@x/\"\n"), 5, "no password"),
            (format!("{webhook}secret = {{ file = \"a\" }}\nurl = \"siem\"\n"), 5, "not an address"),
            (format!("{webhook}secret = {{ file = \"a\" }}\nurl = \"ftp://x/\"\n"), 5, "https://"),
        ] {
            let faults = parse(&text).unwrap_err();
            assert!(
                faults.iter().any(|fault| fault.starts_with(&format!("p.toml:{line}: ")) && fault.contains(part)),
                "{text}: {faults:?}"
            );
        }
        let header =
            "[[export]]\nname = \"a\"\nkind = \"otlp\"\nurl = \"https://x\"\nsecret = { env = \"T\" }\nheader = ";
        assert!(parse(&format!("{header}\"X-Api-Key\"\n")).is_ok());
        for bad in ["host", "content-length", "a b", "content-type"] {
            assert!(parse(&format!("{header}\"{bad}\"\n")).unwrap_err()[0].contains("p.toml:6: "), "{bad}");
        }
    }
}
