//! The options that a post may have on this network.

use serde::Deserialize;

/// JSON Schema of [`Options`].
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "visibility": {
      "description": "Who sees the status; the account's own default where it is not given.",
      "enum": ["public", "unlisted", "private", "direct"]
    },
    "content_warning": {
      "description": "Text before which the status is folded away. Counts towards the length.",
      "type": "string"
    },
    "sensitive": { "description": "Hides the media behind a warning.", "type": "boolean" }
  }
}"#;

/// The draft's options.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Who sees the status.
    pub visibility: Option<Visibility>,
    /// Text before which the status is folded away.
    pub content_warning: Option<String>,
    /// Hides the media.
    pub sensitive: Option<bool>,
}

/// <https://docs.joinmastodon.org/entities/Status/#visibility>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody, on public timelines.
    Public,
    /// Everybody, on no public timeline.
    Unlisted,
    /// Followers.
    Private,
    /// Who is mentioned.
    Direct,
}

impl Visibility {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unlisted => "unlisted",
            Self::Private => "private",
            Self::Direct => "direct",
        }
    }
}

impl Options {
    /// Reads a draft's options; the error is a sentence for the author.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("The options for this network do not fit: {error}."))
    }

    /// The content warning, empty where there is none.
    pub fn warning(&self) -> &str {
        self.content_warning.as_deref().unwrap_or_default()
    }
}
