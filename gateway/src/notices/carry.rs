//! Hands notices over: to the mail server, or to the webhook's receiver.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use lettre::message::Mailbox;
use secrecy::SecretString;
use serde_json::json;
use url::Url;

use super::{AddressBook, NoticeParts, compose, text};
use crate::{
    clock::Clock,
    config::process::{NoticeMail, NoticeTls, NoticeWebhook},
    egress::{Egress, JSON, MailFailure, MailServer, MailTls, OwnRequest, Proof, WebhookKey},
    model::PersonId,
    records::DueNotices,
};

/// Notices of one mail; further ones go in the next.
const MAIL_NOTICES_MAX: u32 = 500;
/// What is read of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why notices were not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// There is nobody to send them to.
    Nobody(&'static str),
    /// These were not taken; others may be.
    Refused {
        /// They will not be, however often they are sent.
        permanent: bool,
        why: String,
    },
    /// Nothing is taken for now.
    Down { why: String, asked: Option<Duration> },
}

pub(super) type Carried<'a> = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send + 'a>>;

/// Carries what is due for one addressee.
pub(super) trait Carrier: Send + Sync {
    /// How many notices go at once.
    fn at_once(&self) -> u32;
    /// Returns well once they were taken over.
    fn carry<'a>(&'a self, due: &'a DueNotices) -> Carried<'a>;
}

/// By mail.
pub(super) struct MailCarrier {
    server: NoticeMail,
    password: Option<SecretString>,
    from: Mailbox,
    hello: String,
    base: Url,
    timeout: Duration,
    egress: Arc<Egress>,
    clock: Arc<dyn Clock>,
    book: AddressBook,
}

impl MailCarrier {
    pub(super) fn new(
        server: &NoticeMail,
        password: Option<SecretString>,
        base: &Url,
        timeout: Duration,
        parts: &NoticeParts,
    ) -> Result<Self, String> {
        let from = server.from.parse().map_err(|_| "notices.from: this is no address".to_owned())?;
        Ok(Self {
            server: server.clone(),
            password,
            from,
            hello: compose::host(base),
            base: base.clone(),
            timeout,
            egress: Arc::clone(&parts.egress),
            clock: Arc::clone(&parts.clock),
            book: Arc::clone(&parts.book),
        })
    }

    /// Where the mail goes: an outside party's own address, else what the book says now.
    fn address(&self, due: &DueNotices) -> Result<lettre::Address, Failed> {
        let own = due.notices.first().and_then(|notice| notice.text.address.clone());
        let known = own.or_else(|| (self.book)(&PersonId::new(due.addressee.strip_prefix("person:")?)));
        let known = known.ok_or(Failed::Nobody("there is no e-mail address"))?;
        text::address(&known).ok_or(Failed::Nobody("the e-mail address can't be used"))
    }

    async fn send(&self, due: &DueNotices) -> Result<(), Failed> {
        let to = self.address(due)?;
        let mail = compose::mail(&self.from, to, &self.base, &due.notices, self.clock.now());
        let mail = mail.map_err(|_| Failed::Nobody("no mail can be written to this address"))?;
        let login = self.server.login.as_ref().map(|(user, _)| user.as_str());
        let server = MailServer {
            host: &self.server.host,
            port: self.server.port,
            tls: match self.server.tls {
                NoticeTls::Implicit => MailTls::Implicit,
                NoticeTls::Required => MailTls::Required,
                NoticeTls::Offered => MailTls::Offered,
            },
            private: self.server.private,
            login: login.zip(self.password.as_ref()),
            hello: &self.hello,
            timeout: self.timeout,
        };
        self.egress.send_mail(&server, &mail).await.map_err(|failure| match &failure {
            MailFailure::Server(why) => Failed::Down { why: why.clone(), asked: None },
            MailFailure::Mail { .. } => Failed::Refused { permanent: failure.is_permanent(), why: failure.to_string() },
        })
    }
}

impl Carrier for MailCarrier {
    fn at_once(&self) -> u32 {
        MAIL_NOTICES_MAX
    }

    fn carry<'a>(&'a self, due: &'a DueNotices) -> Carried<'a> {
        Box::pin(self.send(due))
    }
}

/// By webhook (Standard Webhooks): one request for each notice.
pub(super) struct HookCarrier {
    hook: NoticeWebhook,
    key: WebhookKey,
    base: Url,
    timeout: Duration,
    egress: Arc<Egress>,
    clock: Arc<dyn Clock>,
}

impl HookCarrier {
    pub(super) fn new(
        hook: &NoticeWebhook,
        key: WebhookKey,
        base: &Url,
        timeout: Duration,
        parts: &NoticeParts,
    ) -> Self {
        let (egress, clock) = (Arc::clone(&parts.egress), Arc::clone(&parts.clock));
        Self { hook: hook.clone(), key, base: base.clone(), timeout, egress, clock }
    }

    async fn send(&self, due: &DueNotices) -> Result<(), Failed> {
        for notice in &due.notices {
            let (one, told) = (std::slice::from_ref(notice), &notice.text);
            let id = format!("notice_{}", compose::id(one));
            let body = json!({
                "id": id,
                "type": told.kind,
                "time": told.at.to_string(),
                "person": due.addressee.strip_prefix("person:"),
                "post": told.post,
                "account": told.account,
                "line": told.line,
                "link": text::link(&self.base, &told.link_path),
            });
            let request = OwnRequest {
                name: "notices",
                url: &self.hook.url,
                private: self.hook.private,
                body: Bytes::from(body.to_string()),
                content_type: JSON,
                proof: Proof::Webhook {
                    keys: std::slice::from_ref(&self.key),
                    id: &id,
                    at_s: self.clock.now().as_second(),
                },
                timeout: self.timeout,
                response_bytes_max: ANSWER_BYTES_MAX,
            };
            let answer = self.egress.post_own(request).await;
            let answer = answer.map_err(|failure| Failed::Down { why: failure.to_string(), asked: None })?;
            let asked = answer.headers.iter().find(|(name, _)| name == "retry-after");
            let asked = asked.and_then(|(_, value)| value.trim().parse().ok()).map(Duration::from_secs);
            of_status(answer.status, asked)?;
        }
        Ok(())
    }
}

impl Carrier for HookCarrier {
    fn at_once(&self) -> u32 {
        1
    }

    fn carry<'a>(&'a self, due: &'a DueNotices) -> Carried<'a> {
        Box::pin(self.send(due))
    }
}

/// What a status means. What speaks of the receiver as a whole holds everything up.
fn of_status(status: u16, asked: Option<Duration>) -> Result<(), Failed> {
    let why = format!("the webhook's receiver answered {status}");
    match status {
        200..=299 => Ok(()),
        400 | 413 | 415 | 422 => Err(Failed::Refused { permanent: true, why }),
        500 | 501 => Err(Failed::Refused { permanent: false, why }),
        _ => Err(Failed::Down { why, asked }),
    }
}
