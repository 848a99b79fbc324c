//! The options that a post may have on this network.

use serde::Deserialize;

/// JSON Schema of [`Options`].
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "reply_settings": {
      "description": "Who may answer; everybody where it is not given.",
      "enum": ["following", "mentionedUsers", "subscribers", "verified"]
    },
    "made_with_ai": { "description": "Says that the media were made by a machine.", "type": "boolean" },
    "paid_partnership": { "description": "Says that somebody paid for the post.", "type": "boolean" }
  }
}"#;

/// The draft's options.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Who may answer.
    pub reply_settings: Option<ReplySettings>,
    /// The media were made by a machine.
    pub made_with_ai: Option<bool>,
    /// Somebody paid for the post.
    pub paid_partnership: Option<bool>,
}

/// As the API names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReplySettings {
    /// Accounts that this one follows.
    Following,
    /// Accounts that are mentioned.
    MentionedUsers,
    /// Who pays for this account.
    Subscribers,
    /// Accounts that the network knows.
    Verified,
}

impl ReplySettings {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Following => "following",
            Self::MentionedUsers => "mentionedUsers",
            Self::Subscribers => "subscribers",
            Self::Verified => "verified",
        }
    }
}

impl Options {
    /// Reads a draft's options; the error is a sentence for the author.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("The options for this network do not fit: {error}."))
    }

    /// Adds them to a request's body, or to the options of a classification.
    pub fn write_to(&self, body: &mut serde_json::Map<String, serde_json::Value>) {
        let settings = self.reply_settings.map(|settings| settings.as_str().into());
        body.extend(settings.map(|settings| ("reply_settings".to_owned(), settings)));
        body.extend(self.made_with_ai.map(|made| ("made_with_ai".to_owned(), made.into())));
        body.extend(self.paid_partnership.map(|paid| ("paid_partnership".to_owned(), paid.into())));
    }
}
