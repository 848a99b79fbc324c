//! Where in a request the content for an account stands: a fault's pointer leads to the member that the caller wrote.

use super::{Submission, addressed::escaped};
use crate::model::{Account, Finding};

/// JSON pointers into the request (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sources {
    text: String,
    media: String,
    thread: String,
    options: String,
}

impl Sources {
    /// Of a request without variants for the account.
    pub(super) fn plain(account: &Account) -> Self {
        Self {
            text: "/content/text".to_owned(),
            media: "/content/media".to_owned(),
            thread: "/content/thread".to_owned(),
            options: format!("/options/{}", escaped(&account.network)),
        }
    }

    /// Of this request: each part from the nearest variant that has it, as [`Submission::content_for`] takes it.
    pub(super) fn of(submission: &Submission, account: &Account) -> Self {
        let mut sources = Self::plain(account);
        for name in [account.network.as_str(), account.id.as_str()] {
            let Some(variant) = submission.variants.get(name) else { continue };
            let base = format!("/variants/{}", escaped(name));
            if variant.text.is_some() {
                sources.text = format!("{base}/text");
            }
            if variant.media.is_some() {
                sources.media = format!("{base}/media");
            }
            if variant.thread.is_some() {
                sources.thread = format!("{base}/thread");
            }
        }
        sources
    }

    /// What a finding means; none where it means the whole.
    pub(super) fn pointer(&self, finding: &Finding) -> Option<String> {
        let place = finding.place.as_deref();
        if let Some(option) = place.and_then(|place| place.strip_prefix("options/")) {
            return Some(format!("{}/{option}", self.options));
        }
        let entry = finding.part?;
        let media = place.and_then(|place| place.strip_prefix("media"));
        Some(match (entry.checked_sub(1), media) {
            (None, None) => self.text.clone(),
            (None, Some(rest)) => format!("{}{rest}", self.media),
            (Some(further), None) => format!("{}/{further}/text", self.thread),
            (Some(further), Some(rest)) => format!("{}/{further}/media{rest}", self.thread),
        })
    }
}
