//! Short ways to make the records of an adapter's answers: what is left out is empty.

use crate::{Classified, Description, Facts, Performed, Published, RateClass};

impl Description {
    /// An adapter that can do these actions and takes no options. More is added by `Description { client_token: …, ..Description::of(…) }`.
    pub fn of(actions: &[&str]) -> Self {
        Self {
            actions: owned(actions),
            rate_classes: Vec::new(),
            client_token: Vec::new(),
            option_schema: r#"{"type":"object","additionalProperties":false}"#.to_owned(),
            client_headers: Vec::new(),
            client_paths: Vec::new(),
            client_media: Vec::new(),
            limit_headers: None,
            extra: Vec::new(),
        }
    }
}

impl RateClass {
    /// So many calls in a window of so many seconds.
    pub fn new(name: &str, actions: &[&str], limit: u32, window_s: u32) -> Self {
        Self { name: name.to_owned(), actions: owned(actions), limit, window_s, extra: Vec::new() }
    }
}

impl Facts {
    /// A JSON object that holds for so many seconds.
    pub fn new(json: impl Into<String>, fresh_s: u32) -> Self {
        Self { json: json.into(), fresh_s, budgets: Vec::new(), extra: Vec::new() }
    }
}

impl Classified {
    /// An action without content.
    pub fn new(action: &str) -> Self {
        Self {
            action: action.to_owned(),
            target: None,
            text: String::new(),
            texts: Vec::new(),
            media: Vec::new(),
            language: None,
            options: None,
            prepares: false,
            commits: None,
            extra: Vec::new(),
        }
    }
}

impl Performed {
    /// What became of each part, in order.
    pub fn new(parts: Vec<Published>) -> Self {
        Self { parts, extra: Vec::new() }
    }
}

impl Published {
    /// What the network named so.
    pub fn new(platform_id: impl Into<String>) -> Self {
        Self { platform_id: platform_id.into(), url: None, extra: Vec::new() }
    }

    /// With an address for people, where there is one.
    #[must_use]
    pub fn at(mut self, url: Option<String>) -> Self {
        self.url = url;
        self
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
