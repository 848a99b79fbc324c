//! What a client wants to publish, read from the parameters and checked as Mastodon checks it.

use crate::api::ApiError;
use crate::fields::Field;
use crate::text;

/// Media in one status.
pub(crate) const MEDIA_MAX: usize = 4;

/// Who sees a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    Public,
    Unlisted,
    Private,
    Direct,
}

impl Visibility {
    /// As in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unlisted => "unlisted",
            Self::Private => "private",
            Self::Direct => "direct",
        }
    }

    fn read(name: &str) -> Option<Self> {
        [Self::Public, Self::Unlisted, Self::Private, Self::Direct].into_iter().find(|known| known.name() == name)
    }
}

/// A status that was asked for.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) text: String,
    pub(crate) spoiler: String,
    pub(crate) sensitive: bool,
    pub(crate) visibility: Visibility,
    pub(crate) language: Option<String>,
    pub(crate) in_reply_to: Option<String>,
    pub(crate) media: Vec<String>,
}

impl Draft {
    /// Reads a draft. Parameters that Mastodon does not know are passed over, as it does.
    pub(crate) fn read(fields: &[Field], text_limit: usize) -> Result<Self, ApiError> {
        let mut draft = Self::empty();
        for field in fields {
            draft.take(field)?;
        }
        draft.check(text_limit)?;
        Ok(draft)
    }

    /// What somebody says in text alone, checked in the same way.
    pub(crate) fn said(text: String, in_reply_to: Option<String>, text_limit: usize) -> Result<Self, ApiError> {
        let mut draft = Self { text, in_reply_to, ..Self::empty() };
        draft.check(text_limit)?;
        Ok(draft)
    }

    fn empty() -> Self {
        Self {
            text: String::new(),
            spoiler: String::new(),
            sensitive: false,
            visibility: Visibility::Public,
            language: None,
            in_reply_to: None,
            media: Vec::new(),
        }
    }

    fn take(&mut self, field: &Field) -> Result<(), ApiError> {
        let name = field.name.as_str();
        if name == "scheduled_at" || name == "poll" || name.starts_with("poll[") {
            return Err(ApiError::unprocessable(format!("The sample network does not know `{name}`")));
        }
        let known = ["status", "spoiler_text", "sensitive", "visibility", "language", "in_reply_to_id", "media_ids"];
        if !known.contains(&name) {
            return Ok(());
        }
        let wrong = || ApiError::unprocessable(format!("Validation failed: `{name}` is invalid"));
        let value = field.as_text().ok_or_else(wrong)?;
        match name {
            "status" => self.text = value.to_owned(),
            "spoiler_text" => self.spoiler = value.to_owned(),
            "sensitive" => self.sensitive = !matches!(value, "" | "0" | "f" | "false" | "off"),
            "visibility" => {
                let wrong = || ApiError::unprocessable(format!("'{value}' is not a valid visibility"));
                self.visibility = Visibility::read(value).ok_or_else(wrong)?;
            }
            "language" if !value.is_empty() => self.language = Some(value.to_owned()),
            "in_reply_to_id" if !value.is_empty() => self.in_reply_to = Some(value.to_owned()),
            "media_ids" => self.media.push(value.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn check(&mut self, text_limit: usize) -> Result<(), ApiError> {
        // A warning without a text becomes the text, and hides the media.
        if self.text.trim().is_empty() && !self.spoiler.is_empty() {
            self.text = std::mem::take(&mut self.spoiler);
            self.sensitive = true;
        }
        self.sensitive |= !self.spoiler.is_empty();
        if self.text.trim().is_empty() && self.media.is_empty() {
            return Err(ApiError::unprocessable("Validation failed: Text can't be blank"));
        }
        if text::length(&self.spoiler) + text::length(&self.text) > text_limit {
            let message = format!("Validation failed: Text character limit of {text_limit} exceeded");
            return Err(ApiError::unprocessable(message));
        }
        if self.media.len() > MEDIA_MAX {
            return Err(ApiError::unprocessable(format!("Cannot attach more than {MEDIA_MAX} files")));
        }
        Ok(())
    }
}
