//! What of a leaf can be searched for, taken from its JSON by the names of fields, so that leaves of later versions are found too.

use serde_json::{Map, Value};

use super::words::words;
use crate::model::BrandPath;

/// The kinds of leaf that can be asked for.
pub const KINDS: [&str; 21] = [
    "intent",
    "outcome",
    "refused",
    "finished",
    "held",
    "vote",
    "withdrawal",
    "transition",
    "change",
    "unauthenticated",
    "lifecycle",
    "recovery",
    "read",
    "heartbeat",
    "state",
    "alarm",
    "erasure",
    "retention",
    "key-change",
    "key-handover",
    "unknown",
];

/// The outcomes that can be asked for.
pub const OUTCOMES: [&str; 11] = [
    "sent",
    "answered",
    "not-sent",
    "unanswered",
    "unknown",
    "refused",
    "finished",
    "held",
    "approved",
    "rejected",
    "withdrawn",
];

/// Fields that hold digests of what went over the wire, proofs and the like: nobody searches for them, and each is a word of its
/// own, so they would be most of the index.
const UNSEARCHED: [&str; 9] = [
    "request_digest",
    "response_digest",
    "plugin_digest",
    "adapter_digest",
    "hmac",
    "checkpoint",
    "kind",
    "safety",
    "effect_kind",
];

/// Words of one leaf, at most.
const LEAF_WORDS_MAX: usize = 400;

/// What of a leaf can be searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// When it happened, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Its kind; `unknown` where this version does not know it.
    pub kind: String,
    /// Who: `app:newsroom`, `person:editor-7`, or an id alone where the leaf does not say which of the two.
    pub actors: Vec<String>,
    /// Account ids.
    pub accounts: Vec<String>,
    /// The brand's path.
    pub brand: Option<BrandPath>,
    /// The action; for changes and reads what was done.
    pub action: Option<String>,
    /// How it ended.
    pub outcome: Option<&'static str>,
    /// The words of all its texts.
    pub words: Vec<String>,
}

impl Facets {
    /// Takes them from logged bytes. What is no JSON object has only its kind, `unknown`.
    pub fn of(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(Value::Object(leaf)) => Self::of_leaf(&leaf),
            _ => Self { kind: "unknown".to_owned(), ..Self::default() },
        }
    }

    fn of_leaf(leaf: &Map<String, Value>) -> Self {
        let text = |name: &str| leaf.get(name).and_then(Value::as_str);
        let kind = text("kind").filter(|kind| KINDS.contains(kind)).unwrap_or("unknown").to_owned();
        let accounts = [text("account")].into_iter().flatten().chain(several(leaf, "accounts"));
        let mut facets = Self {
            at_ms: leaf.get("at_ms").and_then(Value::as_i64).unwrap_or_default(),
            actors: actors(leaf, &kind),
            accounts: accounts.map(str::to_owned).collect(),
            brand: text("brand").map(BrandPath::new),
            action: text("action")
                .or_else(|| text("what").filter(|_| kind == "read"))
                .map(str::to_owned)
                .or_else(|| of_post(leaf, &kind)),
            outcome: outcome(leaf, &kind),
            kind,
            words: Vec::new(),
        };
        for (_, value) in leaf.iter().filter(|(name, _)| !UNSEARCHED.contains(&name.as_str())) {
            gather(value, &mut facets.words);
        }
        facets.words.sort_unstable();
        facets.words.dedup();
        facets.accounts.sort_unstable();
        facets.accounts.dedup();
        facets
    }
}

fn several<'l>(leaf: &'l Map<String, Value>, name: &str) -> impl Iterator<Item = &'l str> {
    leaf.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// What happened to a post as a whole, as its events are named: `post.approved`.
fn of_post(leaf: &Map<String, Value>, kind: &str) -> Option<String> {
    let transition = || leaf.get("transition").and_then(Value::as_str);
    match kind {
        "transition" => transition().map(|transition| format!("post.{transition}")),
        "held" => Some("post.held".to_owned()),
        "vote" => Some("post.voted".to_owned()),
        "withdrawal" => Some("post.withdrawn".to_owned()),
        _ => None,
    }
}

fn actors(leaf: &Map<String, Value>, kind: &str) -> Vec<String> {
    let text = |name: &str| leaf.get(name).and_then(Value::as_str);
    let mut actors: Vec<String> = text("app").map(|app| format!("app:{app}")).into_iter().collect();
    let persons = [text("person"), text("on_behalf_of"), text("second")].into_iter().flatten();
    // An erasure names those who asked and confirmed, which are people; a change may name a signal too.
    actors.extend(persons.chain(several(leaf, "by")).map(|person| format!("person:{person}")));
    if matches!(kind, "change" | "key-change") {
        actors.extend(text("by").map(str::to_owned));
    }
    actors.sort_unstable();
    actors.dedup();
    actors
}

fn outcome(leaf: &Map<String, Value>, kind: &str) -> Option<&'static str> {
    let text = |name: &str| leaf.get(name).and_then(Value::as_str);
    match kind {
        "intent" => Some("sent"),
        "outcome" => match text("result") {
            Some("answered") => Some("answered"),
            Some("not-sent") => Some("not-sent"),
            Some("unanswered") => Some("unanswered"),
            _ => Some("unknown"),
        },
        "refused" | "unauthenticated" => Some("refused"),
        "finished" => Some("finished"),
        "held" => Some("held"),
        "vote" => match text("decision") {
            Some("approve") => Some("approved"),
            Some("reject") => Some("rejected"),
            _ => None,
        },
        "withdrawal" => Some("withdrawn"),
        _ => None,
    }
}

fn gather(value: &Value, into: &mut Vec<String>) {
    if into.len() >= LEAF_WORDS_MAX {
        return;
    }
    match value {
        Value::String(text) => into.extend(words(text).take(LEAF_WORDS_MAX.saturating_sub(into.len()))),
        Value::Array(items) => items.iter().for_each(|item| gather(item, into)),
        Value::Object(fields) => {
            let searched = fields.iter().filter(|(name, _)| !UNSEARCHED.contains(&name.as_str()));
            searched.for_each(|(_, value)| gather(value, into));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::{Leaf, leaf};

    fn of(leaf: &Leaf) -> Facets {
        Facets::of(&leaf.to_bytes().unwrap())
    }

    #[test]
    fn typed_leaves_give_what_they_hold() {
        let refused = leaf::Refused {
            stage: "authorise".into(),
            problem: "no-grant".into(),
            app: Some("newsroom".into()),
            on_behalf_of: Some("ada".into()),
            key: Some("Ab12".into()),
            account: Some("acme-m".into()),
            brand: Some("acme/snacks".into()),
            action: Some("post.create".into()),
            ..leaf::Refused::default()
        };
        let facets = of(&Leaf::new(5, refused));
        assert_eq!(facets.actors, ["app:newsroom", "person:ada"]);
        assert_eq!((facets.kind.as_str(), facets.outcome, facets.at_ms), ("refused", Some("refused"), 5));
        assert_eq!(
            (facets.accounts.as_slice(), facets.action.as_deref()),
            (&["acme-m".to_owned()][..], Some("post.create"))
        );
        assert_eq!(facets.brand, Some(BrandPath::new("acme/snacks")));
        for word in ["no-grant", "ab12", "authorise", "snacks"] {
            assert!(facets.words.iter().any(|known| known == word), "{word}");
        }
        let vote = leaf::Vote {
            post: "post_1".into(),
            person: "chief-1".into(),
            key: "k".into(),
            decision: "reject".into(),
            content_digest: "ab".into(),
            brand: None,
        };
        assert_eq!(of(&Leaf::new(1, vote)).outcome, Some("rejected"));
        let change = leaf::Change {
            what: leaf::Changed::Key,
            action: "revoke".into(),
            subject: "Xy".into(),
            digest: None,
            by: "ops-1".into(),
        };
        assert_eq!(of(&Leaf::new(1, change)).actors, ["ops-1"]);
    }

    #[test]
    fn a_transition_is_found_by_what_it_was() {
        let leaf = json!({"v": 1, "at_ms": 1, "kind": "transition", "post": "post_1", "transition": "scheduled", "seq": 4,
            "version": 2, "accounts": ["acme-m"], "person": "editor-7", "content_digest": "ab"});
        let facets = Facets::of(leaf.to_string().as_bytes());
        assert_eq!((facets.kind.as_str(), facets.action.as_deref()), ("transition", Some("post.scheduled")));
        assert_eq!((facets.actors, facets.accounts), (vec!["person:editor-7".to_owned()], vec!["acme-m".to_owned()]));
    }

    #[test]
    fn a_leaf_of_a_later_version_is_found_by_the_names_that_it_shares() {
        let later = json!({"v": 9, "at_ms": 7, "kind": "teleport", "app": "newsroom", "account": "a", "nested": [{"x": "Deep"}]});
        let facets = Facets::of(later.to_string().as_bytes());
        assert_eq!((facets.kind.as_str(), facets.at_ms), ("unknown", 7));
        assert_eq!((facets.actors, facets.accounts), (vec!["app:newsroom".to_owned()], vec!["a".to_owned()]));
        assert!(facets.words.contains(&"deep".to_owned()));
        assert_eq!(Facets::of(b"\xff").kind, "unknown");
    }
}
