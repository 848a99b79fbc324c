//! What a caller asks to be published, before it is resolved for each account.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::{AccountId, MediaId, PersonId};

/// Content for several accounts, as a door read it.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    /// Where it shall appear; not empty, no account twice.
    pub accounts: Vec<AccountId>,
    /// What it says where no variant says otherwise.
    pub content: Content,
    /// Other content, by account or by network. An account's own wins.
    pub variants: BTreeMap<String, Variant>,
    /// Options by network.
    pub options: BTreeMap<String, Map<String, Value>>,
    /// What it answers; makes it a comment.
    pub reply_to: Option<ReplyTo>,
    /// Labels that policies look at.
    pub labels: Vec<String>,
    /// The campaign it belongs to.
    pub campaign: Option<String>,
    /// The person for whom an app acts.
    pub on_behalf_of: Option<PersonId>,
}

/// A text with media, and what follows it.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Text of the first entry.
    pub text: String,
    /// BCP 47.
    pub language: Option<String>,
    /// Media of the first entry.
    pub media: Vec<MediaUse>,
    /// Further entries of a thread.
    pub thread: Vec<Entry>,
}

/// A further entry of a thread.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Text.
    pub text: String,
    /// Media.
    pub media: Vec<MediaUse>,
}

/// What an account or network gets instead.
#[derive(Debug, Clone, Default)]
pub struct Variant {
    /// Instead of the text.
    pub text: Option<String>,
    /// Instead of the language.
    pub language: Option<String>,
    /// Instead of the media.
    pub media: Option<Vec<MediaUse>>,
    /// Instead of the thread.
    pub thread: Option<Vec<Entry>>,
}

/// A stored medium in a post.
#[derive(Debug, Clone)]
pub struct MediaUse {
    /// From `/v1/media`.
    pub id: MediaId,
    /// Alternative text.
    pub alt: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct ReplyTo {
    /// The account that sees it; must be among the accounts.
    pub account: AccountId,
    /// The platform's reference.
    pub reference: String,
}

impl Submission {
    /// The content for an account: its own variant over the network's over the common content.
    pub fn content_for(&self, account: &AccountId, network: &str) -> Content {
        let mut content = self.content.clone();
        for variant in [self.variants.get(network), self.variants.get(account.as_str())].into_iter().flatten() {
            if let Some(text) = &variant.text {
                content.text.clone_from(text);
            }
            if variant.language.is_some() {
                content.language.clone_from(&variant.language);
            }
            if let Some(media) = &variant.media {
                content.media.clone_from(media);
            }
            if let Some(thread) = &variant.thread {
                content.thread.clone_from(thread);
            }
        }
        content
    }
}
