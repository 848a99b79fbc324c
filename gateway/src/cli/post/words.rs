//! What a post says and where, as options.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::read;
use crate::cli::outcome::Failure;

/// What a post says and where.
#[derive(Debug, Default, clap::Args)]
pub struct Words {
    /// For this account. Repeatable.
    #[arg(long = "account", value_name = "ACCOUNT")]
    accounts: Vec<String>,
    /// What it says.
    #[arg(long)]
    text: Option<String>,
    /// What it says, from a file; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    text_file: Option<PathBuf>,
    /// Its language: `en`, `pt-BR`.
    #[arg(long)]
    language: Option<String>,
    /// A stored medium that it shows, with words for people who do not see it: `media_1=A red door`. Repeatable.
    #[arg(long, value_name = "ID[=WORDS]")]
    media: Vec<String>,
    /// A further entry of a thread. Repeatable.
    #[arg(long, value_name = "TEXT")]
    thread: Vec<String>,
    /// A label that policies and rules look at. Repeatable.
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// The campaign it belongs to.
    #[arg(long)]
    campaign: Option<String>,
}

impl Words {
    /// The fields of a request that were given; a patch of them replaces lists as a whole.
    pub fn fields(self) -> Result<Map<String, Value>, Failure> {
        let text = match (self.text, self.text_file) {
            (Some(text), _) => Some(text),
            // The last line's end is the editor's, not the author's.
            (None, Some(file)) => Some(read(&file)?.trim_end_matches(['\n', '\r']).to_owned()),
            (None, None) => None,
        };
        let media: Vec<Value> = self.media.iter().map(|medium| self::medium(medium)).collect();
        let thread: Vec<Value> = self.thread.iter().map(|text| json!({ "text": text })).collect();
        let content = [
            ("text", text.map(|text| json!(text))),
            ("language", self.language.map(|language| json!(language))),
            ("media", (!media.is_empty()).then(|| json!(media))),
            ("thread", (!thread.is_empty()).then(|| json!(thread))),
        ];
        let content = given(content);
        Ok(given([
            ("accounts", (!self.accounts.is_empty()).then(|| json!(self.accounts))),
            ("content", (!content.is_empty()).then_some(Value::Object(content))),
            ("labels", (!self.labels.is_empty()).then(|| json!(self.labels))),
            ("campaign", self.campaign.map(|campaign| json!(campaign))),
        ]))
    }
}

fn given<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn medium(text: &str) -> Value {
    match text.split_once('=') {
        Some((id, alt)) => json!({ "id": id, "alt": alt }),
        None => json!({ "id": text }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_in_the_request() {
        assert!(Words::default().fields().unwrap().is_empty());
        let words = Words {
            accounts: vec!["a".into()],
            media: vec!["m1=a = b".into(), "m2".into()],
            thread: vec!["second".into()],
            ..Words::default()
        };
        let expected = json!({"accounts": ["a"],
            "content": {"media": [{"id": "m1", "alt": "a = b"}, {"id": "m2"}], "thread": [{"text": "second"}]}});
        assert_eq!(Value::Object(words.fields().unwrap()), expected);
    }
}
