//! `[notices]`: how people are told that something waits for them.

use serde::Deserialize;
use toml::Spanned;
use url::{Host, Url};

use super::{
    SecretFrom,
    export::RawSecret,
    raw::{Checker, Number},
};

/// Bounds and defaults, in the unit that each name ends in.
const GATHER_SECONDS: Number = Number { default: 60, allowed: 0..=3_600 };
const PER_SECOND: Number = Number { default: 5, allowed: 1..=100 };
const TIMEOUT_MS: Number = Number { default: 30_000, allowed: 100..=120_000 };
/// The ports of submission, with STARTTLS and with TLS from the first byte (RFC 8314).
const PORT_STARTTLS: u16 = 587;
const PORT_TLS: u16 = 465;
/// Longest name of a user, and longest sender, in bytes.
const NAME_BYTES_MAX: usize = 254;

/// How people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notices {
    /// By e-mail.
    pub mail: Option<NoticeMail>,
    /// By a webhook.
    pub webhook: Option<NoticeWebhook>,
    /// Where people's browsers reach the gateway: scheme, host and port.
    pub base_url: Url,
    /// So long a notice waits for others to the same person, to be in one mail with them.
    pub gather_seconds: u64,
    /// Most mails, and most requests, in a second.
    pub per_second: u32,
    /// Longest time for one mail or request.
    pub timeout_ms: u64,
}

/// The mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeMail {
    /// Its name, or an IP address; an IPv6 address in brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When TLS begins.
    pub tls: NoticeTls,
    /// Permits addresses that are not global.
    pub private: bool,
    /// Who the mails are from: `Pressgate <gate@acme.example>`.
    pub from: String,
    /// User, and where the password is.
    pub login: Option<(String, SecretFrom)>,
}

/// When TLS to the mail server begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeTls {
    /// With the connection: `smtps://`.
    Implicit,
    /// With STARTTLS; nothing is sent without it.
    Required,
    /// With STARTTLS where the server offers it.
    Offered,
}

/// The webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeWebhook {
    /// Where notices are posted.
    pub url: Url,
    /// The signing secret, `whsec_…`.
    pub secret: SecretFrom,
    /// Permits plain HTTP and addresses that are not global.
    pub private: bool,
}

/// `[notices]` as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawNotices {
    smtp: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    secret: Option<Spanned<RawSecret>>,
    webhook: Option<Spanned<String>>,
    webhook_secret: Option<Spanned<RawSecret>>,
    private_endpoint: bool,
    base_url: Option<Spanned<String>>,
    gather_seconds: Option<Spanned<i64>>,
    per_second: Option<Spanned<i64>>,
    timeout_ms: Option<Spanned<i64>>,
}

impl Checker<'_> {
    pub(super) fn notices(&mut self, raw: Option<Spanned<RawNotices>>) -> Option<Notices> {
        let raw = raw?;
        let (at, mut raw) = (raw.span().start, raw.into_inner());
        let private = raw.private_endpoint;
        let gather_seconds = self.number("notices.gather_seconds", raw.gather_seconds.take(), &GATHER_SECONDS);
        let per_second = self.small("notices.per_second", raw.per_second.take(), &PER_SECOND);
        let timeout_ms = self.number("notices.timeout_ms", raw.timeout_ms.take(), &TIMEOUT_MS);
        let base_url = match raw.base_url.take() {
            Some(url) => self.base_url("notices.base_url", &url),
            None => {
                self.fault(at, "notices.base_url: it is missing; links begin with it".to_owned());
                None
            }
        };
        if raw.smtp.is_none() && raw.webhook.is_none() {
            self.fault(at, "notices: give `smtp`, `webhook` or both; nobody is told otherwise".to_owned());
        }
        let webhook = self.notice_webhook(&mut raw, private);
        let mail = self.notice_mail(raw, private);
        Some(Notices { mail, webhook, base_url: base_url?, gather_seconds, per_second, timeout_ms })
    }

    fn notice_webhook(&mut self, raw: &mut RawNotices, private: bool) -> Option<NoticeWebhook> {
        let (url, secret) = (raw.webhook.take(), raw.webhook_secret.take());
        let Some(url) = url else {
            if let Some(secret) = secret {
                let text = "notices.webhook_secret: there is no `webhook` to sign for";
                self.fault(secret.span().start, text.to_owned());
            }
            return None;
        };
        let at = url.span().start;
        let secret = match secret {
            Some(secret) => self.secret("notices.webhook", secret),
            None => {
                let text =
                    "notices.webhook_secret: a webhook is signed, so it needs `{ file = \"…\" }` or `{ env = \"…\" }`";
                self.fault(at, text.to_owned());
                None
            }
        };
        let url = self.url("notices.webhook", at, Some(url), private);
        Some(NoticeWebhook { url: url?, secret: secret?, private })
    }

    fn notice_mail(&mut self, raw: RawNotices, private: bool) -> Option<NoticeMail> {
        let Some(smtp) = raw.smtp else {
            let left = [
                ("from", raw.from.map(|key| key.span())),
                ("user", raw.user.map(|key| key.span())),
                ("secret", raw.secret.map(|key| key.span())),
            ];
            for (key, span) in left {
                if let Some(span) = span {
                    self.fault(span.start, format!("notices.{key}: there is no `notices.smtp`"));
                }
            }
            return None;
        };
        let at = smtp.span().start;
        let from = match raw.from {
            Some(from) => self.notice_sender(from),
            None => {
                self.fault(at, "notices.from: who are the mails from?".to_owned());
                None
            }
        };
        let login = self.notice_login(at, raw.user, raw.secret);
        let Some((host, port, implicit, loopback)) = mail_server(smtp.get_ref()) else {
            let rule =
                "write `smtp://mail.acme.example:587` or `smtps://mail.acme.example:465`, without user and password";
            self.fault(at, format!("notices.smtp: {rule}"));
            return None;
        };
        let tls = match (implicit, loopback, private && login.is_none()) {
            (true, ..) => NoticeTls::Implicit,
            // A password goes through nobody's network in plain text.
            (_, false, false) => NoticeTls::Required,
            _ => NoticeTls::Offered,
        };
        Some(NoticeMail { host, port, tls, private: private || loopback, from: from?, login })
    }

    fn notice_login(
        &mut self,
        at: usize,
        user: Option<Spanned<String>>,
        secret: Option<Spanned<RawSecret>>,
    ) -> Option<(String, SecretFrom)> {
        if user.is_some() != secret.is_some() {
            self.fault(at, "notices.user: `user` and `secret` go together".to_owned());
        }
        let (user, secret) = (user?, self.secret("notices", secret?)?);
        let text = user.get_ref();
        if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
            let rule = format!("1 to {NAME_BYTES_MAX} bytes without control characters");
            self.fault(user.span().start, format!("notices.user: {rule}"));
        }
        Some((user.into_inner(), secret))
    }

    fn notice_sender(&mut self, from: Spanned<String>) -> Option<String> {
        let text = from.get_ref();
        let fits = text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
        let sender = text.parse::<lettre::message::Mailbox>().ok().filter(|sender| sender.email.to_string().is_ascii());
        if !fits || sender.is_none() {
            let rule = "write an address, or a name and an address: `Pressgate <gate@acme.example>`";
            self.fault(from.span().start, format!("notices.from: {rule}"));
            return None;
        }
        Some(from.into_inner())
    }

    /// Where browsers or networks reach the gateway.
    pub(super) fn base_url(&mut self, key: &str, raw: &Spanned<String>) -> Option<Url> {
        let bare = |url: &Url| {
            let named = !url.username().is_empty() || url.password().is_some();
            url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !named
        };
        let url = Url::parse(raw.get_ref()).ok().filter(|url| url.has_host() && bare(url));
        let url = url.filter(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)));
        if url.is_none() {
            let rule =
                "write scheme, host and port alone: `https://gate.acme.example` (`http://` on the loopback only)";
            self.fault(raw.span().start, format!("{key}: {rule}"));
        }
        url
    }
}

/// Host, port, whether TLS comes first, and whether it is this machine.
fn mail_server(text: &str) -> Option<(String, u16, bool, bool)> {
    let (implicit, rest) = match text.split_once("://")? {
        ("smtp", rest) => (false, rest),
        ("smtps", rest) => (true, rest),
        _ => return None,
    };
    // Read as an address of the web, so that an IP address is known as one, however it is written. Its own default port is never ours.
    let url = Url::parse(&format!("http://{rest}")).ok()?;
    let extra = url.path() != "/" || url.query().is_some() || url.fragment().is_some() || rest.contains('@');
    if extra {
        return None;
    }
    let written = rest.trim_end_matches('/').ends_with(":80").then_some(80);
    let port = url.port().or(written).unwrap_or(if implicit { PORT_TLS } else { PORT_STARTTLS });
    Some((url.host_str()?.to_owned(), port, implicit, is_loopback(&url)))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    const MAIL: &str = "[notices]\nsmtp = \"smtp://mail.acme.example\"\nfrom = \"Pressgate <gate@acme.example>\"\n\
                        base_url = \"https://gate.acme.example\"\n";
    const HOOK: &str = "[notices]\nwebhook = \"https://chat.acme.example/in\"\nwebhook_secret = { env = \"HOOK\" }\n\
                        base_url = \"https://gate.acme.example\"\n";

    fn parse(text: &str) -> Result<Option<Notices>, String> {
        Config::parse(text, "p.toml", Path::new("/etc/p"))
            .map(|config| config.notices)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn it_is_read_with_its_defaults() {
        assert_eq!(parse(""), Ok(None));
        let read = parse(MAIL).unwrap().unwrap();
        assert_eq!((read.gather_seconds, read.per_second, read.timeout_ms, &read.webhook), (60, 5, 30_000, &None));
        let mail = read.mail.unwrap();
        assert_eq!(
            (mail.host.as_str(), mail.port, mail.tls, mail.private),
            ("mail.acme.example", 587, NoticeTls::Required, false)
        );
        let read = parse(HOOK).unwrap().unwrap();
        assert!(read.mail.is_none());
        assert_eq!(read.webhook.unwrap().secret, SecretFrom::Env("HOOK".to_owned()));
    }

    #[test]
    fn plain_text_is_for_the_loopback_and_private_networks() {
        let with = |smtp: &str, more: &str| {
            let text = MAIL.replace("smtp://mail.acme.example", smtp);
            let mail = parse(&format!("{text}{more}")).unwrap().unwrap().mail.unwrap();
            (mail.host, mail.port, mail.tls, mail.private)
        };
        let login = "user = \"gate\"\nsecret = { file = \"mail\" }\n";
        let private = "private_endpoint = true\n";
        let both = format!("{login}{private}");
        use NoticeTls::{Implicit, Offered, Required};
        for (smtp, more, expected) in [
            ("smtps://mail.acme.example", "", ("mail.acme.example", 465, Implicit, false)),
            ("smtps://mail.acme.example:2465", private, ("mail.acme.example", 2465, Implicit, true)),
            ("smtp://mail.acme.example:25", login, ("mail.acme.example", 25, Required, false)),
            ("smtp://10.0.0.5:80", private, ("10.0.0.5", 80, Offered, true)),
            ("smtp://10.0.0.5:25", &both, ("10.0.0.5", 25, Required, true)),
            ("smtp://127.0.0.1:25", "", ("127.0.0.1", 25, Offered, true)),
            ("smtp://localhost:25", login, ("localhost", 25, Offered, true)),
            ("smtp://[::1]:25", "", ("[::1]", 25, Offered, true)),
            ("smtp://2130706433:25", "", ("127.0.0.1", 25, Offered, true)),
        ] {
            let (host, port, tls, private) = expected;
            assert_eq!(with(smtp, more), (host.to_owned(), port, tls, private), "{smtp} {more}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (from, to) in [
            ("smtp = \"smtp://mail.acme.example\"\n", ""),
            ("smtp = \"smtp://mail.acme.example\"\nfrom = \"Pressgate <gate@acme.example>\"\n", ""),
            ("from = \"Pressgate <gate@acme.example>\"\n", ""),
            ("base_url = \"https://gate.acme.example\"\n", ""),
            ("smtp://mail", "http://mail"),
            ("smtp://mail", "smtp://user:password@mail"),
            ("smtp://mail.acme.example", "smtp://mail.acme.example/x"),
            ("smtp://mail.acme.example", "smtp://"),
            ("Pressgate <gate@acme.example>", "Pressgate"),
            ("Pressgate <gate@acme.example>", "Press\\r\\nBcc: x <gate@acme.example>"),
            ("https://gate", "http://gate"),
            ("https://gate.acme.example", "https://gate.acme.example/x"),
            ("from =", "user = \"gate\"\nfrom ="),
            ("from =", "secret = { env = \"A\" }\nfrom ="),
            ("from =", "user = \"gate\"\nsecret = \"plain\"\nfrom ="),
            ("from =", "per_second = 0\nfrom ="),
            ("from =", "colour = 1\nfrom ="),
            ("from =", "webhook = \"https://chat.example/\"\nfrom ="),
            ("from =", "webhook_secret = { env = \"A\" }\nfrom ="),
            ("from =", "webhook_secret = { env = \"A\" }\nwebhook = \"http://chat.example/\"\nfrom ="),
        ] {
            let text = MAIL.replacen(from, to, 1);
            assert_ne!(text, MAIL);
            assert!(
                parse(&text).is_err_and(|fault| fault.contains("p.toml:") && !fault.contains("password@")),
                "{text}"
            );
        }
    }
}
