//! Notices: people are told that something waits for them, by e-mail and by webhook, once for each person and event.
//!
//! `told` finds in the log what people are to be told, and [`Notices::put`] keeps it in the records; a line for each channel sends what is
//! due. In reading order: `told`; `text` makes safe what callers give, `compose` writes a mail, `carry` hands mails and webhook requests
//! over, `line` decides what comes next.
//!
//! A notice is sent at least once: where the process dies between the server's answer and the records, the same mail goes again, with the
//! same `Message-ID`.

mod carry;
mod compose;
mod line;
mod text;
mod told;

#[cfg(test)]
mod tests;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::sync::Notify;

use self::{
    carry::{Carrier, HookCarrier, MailCarrier},
    line::Line,
};
use crate::{
    audit::{AuditLog, Leaf, leaf::Alarm},
    clock::Clock,
    config::process::{Notices as NoticesConfig, SecretFrom},
    egress::{Egress, WebhookKey},
    gateway::Gateway,
    metrics::Page,
    model::{AccountId, PersonId, PostId},
    records::{NewNotice, NoticeChannel, NoticeRecord, NoticeState, Records, RecordsError},
    stop::Stop,
    vault::{OutsideSecret, Vault},
};

/// Code of the alarm for notices that were given up; its subject is the channel.
pub const GIVEN_UP: &str = "notices-given-up";

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The person's vote is wanted.
    VoteWanted,
    /// A vote was escalated to the person.
    Escalated,
    /// A post of the person was rejected.
    Rejected,
    /// A post needs somebody to look.
    NeedsAttention,
    /// An account must be connected again.
    Reconnect,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::VoteWanted, Self::Escalated, Self::Rejected, Self::NeedsAttention, Self::Reconnect];

    /// `vote-wanted`, `escalated`, `rejected`, `needs-attention`, `reconnect`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VoteWanted => "vote-wanted",
            Self::Escalated => "escalated",
            Self::Rejected => "rejected",
            Self::NeedsAttention => "needs-attention",
            Self::Reconnect => "reconnect",
        }
    }
}

/// Whom a notice is for.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// Somebody of `people.toml`.
    Person(PersonId),
    /// Somebody else, told by e-mail only.
    External {
        /// The party.
        party: String,
        /// Which of its addresses, from 1 on: each has mails of its own, since a link is a voice of its own.
        place: usize,
        /// Their e-mail address.
        address: String,
        /// Where to look, below the gateway's public address, in the place of [`Notice::link_path`]. It may open something by itself:
        /// it is in the mail, and nowhere else once that was sent.
        link: String,
    },
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.addressee())
    }
}

impl Address {
    /// `person:editor-7`, `external:agency-1/2`.
    fn addressee(&self) -> String {
        match self {
            Self::Person(person) => format!("person:{person}"),
            Self::External { party, place, .. } => format!("external:{party}/{place}"),
        }
    }
}

/// Something that one person is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whom.
    pub to: Address,
    /// What.
    pub kind: Kind,
    /// About which post.
    pub post: Option<PostId>,
    /// About which account.
    pub account: Option<AccountId>,
    /// The event: `post_…/v2/vote-wanted`. The same to the same person again is not told again.
    pub about: String,
    /// One sentence, with no content of a post.
    pub line: String,
    /// Where to look, below the gateway's public address: `/people/posts/post_…`.
    pub link_path: String,
    /// When it happened.
    pub at: Timestamp,
}

/// Finds a person's e-mail address; none where they have none or want no mail.
pub type AddressBook = Arc<dyn Fn(&PersonId) -> Option<String> + Send + Sync>;

/// Tells that notices of a channel (`mail`, `webhook`) were given up, or that one was sent since.
pub type Tell = Arc<dyn Fn(&'static str, bool) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What notices stand on.
pub struct NoticeParts {
    /// Where they are kept.
    pub records: Arc<dyn Records>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The way out.
    pub egress: Arc<Egress>,
    /// Who has which e-mail address.
    pub book: AddressBook,
    /// Who hears of what was given up.
    pub tell: Tell,
}

/// The notices of a gateway.
pub struct Notices {
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    book: AddressBook,
    gather: SignedDuration,
    lines: Vec<Arc<Line>>,
    wake: Arc<Notify>,
    pace: Duration,
    /// Where in the log people were told of everything before.
    from: AtomicU64,
}

impl Notices {
    /// Notices as `[notices]` says; without it nothing is ever kept or sent. Nobody is connected to.
    ///
    /// # Errors
    /// A sentence that quotes no secret, where one can't be read or used.
    pub fn open(config: Option<&NoticesConfig>, parts: NoticeParts) -> Result<Self, String> {
        let mut carriers: Vec<(NoticeChannel, Box<dyn Carrier>)> = Vec::new();
        let timeout = Duration::from_millis(config.map_or(0, |config| config.timeout_ms));
        if let Some((config, mail)) = config.and_then(|config| Some((config, config.mail.as_ref()?))) {
            let password = match &mail.login {
                Some((_, from)) => Some(read(from)?),
                None => None,
            };
            let carrier = MailCarrier::new(mail, password, &config.base_url, timeout, &parts)?;
            carriers.push((NoticeChannel::Mail, Box::new(carrier)));
        }
        if let Some((config, hook)) = config.and_then(|config| Some((config, config.webhook.as_ref()?))) {
            let key =
                WebhookKey::parse(&read(&hook.secret)?).map_err(|why| format!("notices.webhook_secret: {why}"))?;
            let carrier = HookCarrier::new(hook, key, &config.base_url, timeout, &parts);
            carriers.push((NoticeChannel::Webhook, Box::new(carrier)));
        }
        let gather = config.map_or(0, |config| i64::try_from(config.gather_seconds).unwrap_or(i64::MAX));
        let per_second = config.map_or(1, |config| config.per_second.max(1));
        Ok(Self::with(carriers, SignedDuration::from_secs(gather), Duration::from_secs(1) / per_second, parts))
    }

    fn with(
        carriers: Vec<(NoticeChannel, Box<dyn Carrier>)>,
        gather: SignedDuration,
        pace: Duration,
        parts: NoticeParts,
    ) -> Self {
        let NoticeParts { records, clock, book, tell, .. } = parts;
        let line = |(channel, carrier)| {
            // Only mails gather: a webhook's receiver is no person.
            let gather = if channel == NoticeChannel::Mail { gather } else { SignedDuration::ZERO };
            Arc::new(Line::new(channel, carrier, gather, Arc::clone(&records), Arc::clone(&clock), Arc::clone(&tell)))
        };
        let lines = carriers.into_iter().map(line).collect();
        Self { records, clock, book, gather, lines, wake: Arc::new(Notify::new()), pace, from: AtomicU64::new(0) }
    }

    /// Finds where in the log to go on. Before anything is served, so that nothing comes in between.
    ///
    /// # Errors
    /// The vault's, as a sentence.
    pub async fn begin(&self, vault: &Vault, audit: &AuditLog) -> Result<(), String> {
        let from = told::begin(self.tells(), vault, audit).await.map_err(|why| format!("notices: {why}"))?;
        self.from.store(from, Ordering::Relaxed);
        Ok(())
    }

    /// True where anybody is told anything.
    pub fn tells(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Finds out what people are to be told, and tells them, until the gateway stops.
    pub async fn work(&self, gateway: &Arc<Gateway>) {
        if self.tells() {
            tokio::join!(self.run(&gateway.stopping), told::follow(gateway, self.from.load(Ordering::Relaxed)));
        }
    }

    /// Keeps notices, to be sent soon; how many are new. When it returns they will be sent, whatever happens to the process. One that
    /// was put before, for the same addressee and event, changes nothing. A person who has no e-mail address is not mailed.
    ///
    /// # Errors
    /// The records can't keep them; put them again.
    pub async fn put(&self, notices: Vec<Notice>) -> Result<u64, RecordsError> {
        let kept = self.prepared(notices);
        if kept.is_empty() {
            return Ok(0);
        }
        let fresh = self.records.put_notices(kept).await?;
        self.put_elsewhere();
        Ok(fresh)
    }

    /// What [`Notices::put`] would keep, for whoever keeps it together with what it tells of.
    pub fn prepared(&self, notices: Vec<Notice>) -> Vec<NewNotice> {
        let put_at = self.clock.now();
        let keep = |notice| NewNotice { channels: self.channels(&notice, put_at), text: text::safe(notice), put_at };
        notices.into_iter().map(keep).filter(|new| !new.channels.is_empty()).collect()
    }

    /// Prepared notices were kept: what is due is sent soon.
    pub fn put_elsewhere(&self) {
        self.wake.notify_waiters();
    }

    /// What carries a notice, and from when on.
    fn channels(&self, notice: &Notice, now: Timestamp) -> Vec<(NoticeChannel, Timestamp)> {
        let person = match &notice.to {
            Address::Person(person) => Some(person),
            Address::External { .. } => None,
        };
        let carries = |line: &&Arc<Line>| match (line.channel(), person) {
            (NoticeChannel::Mail, Some(person)) => (self.book)(person).is_some(),
            (NoticeChannel::Mail, None) => true,
            // The webhook is the company's own; a link for one outside party is nobody else's.
            (NoticeChannel::Webhook, person) => person.is_some(),
        };
        let due = |channel| match channel {
            NoticeChannel::Mail => later(now, self.gather),
            NoticeChannel::Webhook => now,
        };
        self.lines.iter().filter(carries).map(|line| (line.channel(), due(line.channel()))).collect()
    }

    /// Sends what is due until the gateway stops.
    pub async fn run(&self, stop: &Stop) {
        let run = |line: &Arc<Line>, forgets| {
            let (line, wake, pace) = (Arc::clone(line), Arc::clone(&self.wake), self.pace);
            async move { line.run(stop, &wake, pace, forgets).await }
        };
        match self.lines.as_slice() {
            [] => {}
            [one] => run(one, true).await,
            // There are two channels.
            [one, other, ..] => {
                tokio::join!(run(one, true), run(other, false));
            }
        }
    }

    /// Notices that wait, or that were given up, the newest first.
    ///
    /// # Errors
    /// The records can't be read.
    pub async fn list(&self, state: NoticeState, limit: u32) -> Result<Vec<NoticeRecord>, RecordsError> {
        self.records.notices(state, limit).await
    }

    /// Puts what is measured on a page.
    pub fn show(&self, page: &mut Page) {
        for line in &self.lines {
            line.show(page);
        }
    }
}

/// Writes an alarm into the log when notices were given up, and its end.
pub fn tell_log(audit: AuditLog, clock: Arc<dyn Clock>) -> Tell {
    Arc::new(move |channel, raised| {
        let (audit, at_ms) = (audit.clone(), clock.now().as_millisecond());
        Box::pin(async move {
            let alarm = Alarm { code: GIVEN_UP.to_owned(), subject: channel.to_owned(), raised };
            if let Err(error) = audit.append(Leaf::new(at_ms, alarm)).await {
                tracing::warn!(%error, "an alarm of notices is not in the log");
            }
        })
    })
}

fn read(from: &SecretFrom) -> Result<SecretString, String> {
    let outside = match from {
        SecretFrom::File(path) => OutsideSecret::File(path.clone()),
        SecretFrom::Env(name) => OutsideSecret::Env(name.clone()),
    };
    outside.read().map_err(|error| format!("notices: {error}"))
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
