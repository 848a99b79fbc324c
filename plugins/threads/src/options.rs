//! The options that a post may have on this network.

use serde::Deserialize;

/// JSON Schema of [`Options`].
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "reply_control": {
      "description": "Who may reply; everyone where it is not given.",
      "enum": ["everyone", "accounts_you_follow", "mentioned_only", "parent_post_author_only", "followers_only"]
    }
  }
}"#;

/// Who may reply, as the network writes it.
pub const REPLY_CONTROLS: [&str; 5] =
    ["everyone", "accounts_you_follow", "mentioned_only", "parent_post_author_only", "followers_only"];

/// The draft's options.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Who may reply.
    pub reply_control: Option<String>,
}

impl Options {
    /// Reads a draft's options; the error is a sentence for the author.
    pub fn parse(json: &str) -> Result<Self, String> {
        let options: Self =
            serde_json::from_str(json).map_err(|error| format!("The options for this network do not fit: {error}."))?;
        match options.reply_control.as_deref() {
            Some(given) if !REPLY_CONTROLS.contains(&given) => {
                Err(format!("`reply_control` is one of {}.", REPLY_CONTROLS.join(", ")))
            }
            _ => Ok(options),
        }
    }
}
