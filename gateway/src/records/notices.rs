//! Notices to people: what is to be sent, over which channel, and what became of it.

use jiff::Timestamp;

use crate::model::{AccountId, PostId};

/// What carries a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeChannel {
    /// E-mail.
    Mail,
    /// The company's webhook for notices.
    Webhook,
}

impl NoticeChannel {
    /// Every channel.
    pub const ALL: [Self; 2] = [Self::Mail, Self::Webhook];

    /// `mail`, `webhook`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }

    /// The channel of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }
}

/// How far a notice has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeState {
    /// It is to be sent.
    Waiting,
    /// A server took it.
    Sent,
    /// Nobody tries it any more.
    GivenUp,
}

impl NoticeState {
    /// `waiting`, `sent`, `given-up`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::GivenUp => "given-up",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Waiting, Self::Sent, Self::GivenUp].into_iter().find(|state| state.as_str() == name)
    }
}

/// What a notice says.
#[derive(Clone, PartialEq, Eq)]
pub struct NoticeText {
    /// Whom it is for: `person:editor-7`, `external:agency-1/1`.
    pub addressee: String,
    /// The event, unique for each addressee.
    pub about: String,
    /// Its kind, such as `vote-wanted`.
    pub kind: String,
    /// The post that it is about.
    pub post: Option<PostId>,
    /// The account that it is about.
    pub account: Option<AccountId>,
    /// One sentence.
    pub line: String,
    /// Where to look, below the gateway's public address. For an external party it may open something by itself.
    pub link_path: String,
    /// The e-mail address, where the addressee is nobody of `people.toml`.
    pub address: Option<String>,
    /// When it happened.
    pub at: Timestamp,
}

/// The address of an outside party, and a link that may open something by itself, belong into no log.
impl std::fmt::Debug for NoticeText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoticeText")
            .field("addressee", &self.addressee)
            .field("about", &self.about)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A notice to be kept.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// What it says.
    pub text: NoticeText,
    /// Each channel that carries it, and the time before which nothing is sent there.
    pub channels: Vec<(NoticeChannel, Timestamp)>,
    /// Now.
    pub put_at: Timestamp,
}

/// A notice on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRecord {
    /// Counts up in the order of being put.
    pub id: u64,
    /// What carries it.
    pub channel: NoticeChannel,
    /// What it says. Once it has ended it has no address, and a link that was for an external party is empty.
    pub text: NoticeText,
    /// How far it has come.
    pub state: NoticeState,
    /// When it was put.
    pub put_at: Timestamp,
    /// When it was sent or given up.
    pub ended_at: Option<Timestamp>,
    /// Why it was given up.
    pub why: Option<String>,
}

/// The notices that wait for one addressee on one channel, oldest first, as many as were asked for; all for one e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueNotices {
    /// Whom they are for.
    pub addressee: String,
    /// Failures in a row.
    pub attempts: u32,
    /// Never empty.
    pub notices: Vec<NoticeRecord>,
}

/// What became of an attempt for one addressee on one channel.
#[derive(Debug, Clone)]
pub struct NoticesTried {
    /// What carried them.
    pub channel: NoticeChannel,
    /// Whom they are for.
    pub addressee: String,
    /// These were sent.
    pub sent: Vec<u64>,
    /// These are tried no more.
    pub given_up: Vec<u64>,
    /// Why, of those.
    pub why: Option<String>,
    /// Failures in a row from now on.
    pub attempts: u32,
    /// When what waits after this is due.
    pub next_at: Timestamp,
    /// Now.
    pub at: Timestamp,
}

/// How one channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoticeCounts {
    /// Notices that wait.
    pub waiting: u64,
    /// Notices that were given up.
    pub given_up: u64,
    /// The one that ended last was given up.
    pub failing: bool,
}
