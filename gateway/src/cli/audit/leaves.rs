//! What searching and following have in common: the filters, the caller, and a leaf for people.

use jiff::Timestamp;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::super::{
    client::Client,
    context::Context,
    outcome::{Failure, safe},
};

/// The environment variable with the caller's key.
const KEY: &str = "PRESSGATE_KEY";

/// Which leaves.
#[derive(Debug, Default, Clone, clap::Args)]
pub struct Filters {
    /// Only of this actor: `app:newsroom`, `person:editor-7`, or an id alone for either.
    #[arg(long)]
    pub actor: Option<String>,
    /// Only about this account.
    #[arg(long)]
    pub account: Option<String>,
    /// Only of this brand and those below.
    #[arg(long)]
    pub brand: Option<String>,
    /// Only of this action: `post.create`, `apply`, …
    #[arg(long)]
    pub action: Option<String>,
    /// Only with this outcome: `sent`, `answered`, `refused`, `held`, …
    #[arg(long)]
    pub outcome: Option<String>,
    /// Only of this kind: `intent`, `outcome`, `change`, …
    #[arg(long)]
    pub kind: Option<String>,
    /// Only what happened at this time or later (RFC 3339).
    #[arg(long)]
    pub from: Option<String>,
    /// Only leaves that hold all these words: ids, codes, digests; `post_01*` is how one begins.
    #[arg(long)]
    pub text: Option<String>,
}

impl Filters {
    /// The query of an address, with more of it.
    pub fn query(&self, more: &[(&str, Option<String>)]) -> String {
        let own = [
            ("actor", &self.actor),
            ("account", &self.account),
            ("brand", &self.brand),
            ("action", &self.action),
            ("outcome", &self.outcome),
            ("kind", &self.kind),
            ("from", &self.from),
            ("text", &self.text),
        ];
        let mut query = Serializer::new(String::new());
        for (name, value) in own.into_iter().chain(more.iter().map(|(name, value)| (*name, value))) {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        if query.is_empty() { query } else { format!("?{query}") }
    }
}

/// Speaks to the public listener with one's own key.
pub fn client(context: &Context) -> Result<Client, Failure> {
    context.person(KEY)
}

/// The heads of [`row`]'s columns.
pub const HEAD: [&str; 6] = ["index", "time", "what", "who", "where", "said"];

/// A leaf for people. What came from others is escaped: it must not move the cursor of a terminal.
pub fn row(item: &Value) -> Vec<String> {
    let leaf = item.get("leaf").unwrap_or(&Value::Null);
    let text = |name: &str| leaf.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let several = |name: &str| {
        let list = leaf.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        Some(list.collect::<Vec<_>>().join(",")).filter(|list| !list.is_empty())
    };
    let first = |names: &[&str]| names.iter().find_map(|name| text(name)).map(str::to_owned);
    let index = item.get("index").map(ToString::to_string).unwrap_or_default();
    let at = leaf.get("at_ms").and_then(Value::as_i64).and_then(|at| Timestamp::from_millisecond(at).ok());
    let kind = text("kind").unwrap_or("unknown").to_owned();
    let went_on = || text("transition").map(|transition| format!("post.{transition}"));
    let what = match first(&["action", "what", "event", "decision"]).or_else(went_on) {
        Some(action) => format!("{kind} {action}"),
        None => kind,
    };
    let behalf = text("on_behalf_of").map(|person| format!(" for {person}")).unwrap_or_default();
    let who = first(&["app", "person", "by", "source"]).or_else(|| several("by")).unwrap_or_default() + &behalf;
    let place = first(&["account", "brand"]).or_else(|| several("accounts")).or_else(|| first(&["subject"]));
    let status = leaf.get("status").and_then(Value::as_u64).map(|status| format!(" {status}")).unwrap_or_default();
    let said = first(&["result", "problem", "target_state", "code", "state"]).unwrap_or_default() + &status;
    let post = text("post").map(|post| format!(" {post}")).unwrap_or_default();
    // Summed refusals are one leaf for many calls; a read names how many leaves were shown.
    let count = leaf.get("count").and_then(Value::as_u64).map(|count| format!(" ×{count}")).unwrap_or_default();
    // As many decimals for all, so that the columns stand below each other.
    let at = at.map(|at| format!("{at:.3}")).unwrap_or_default();
    let cells = [index, at, what, who, place.unwrap_or_default(), said + &count + &post];
    cells.iter().map(|cell| safe(cell.trim())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_become_a_query_and_leaves_become_rows() {
        let filters = Filters { actor: Some("app:news room".into()), text: Some("a&b*".into()), ..Filters::default() };
        assert_eq!(filters.query(&[("limit", Some("5".into()))]), "?actor=app%3Anews+room&text=a%26b*&limit=5");
        assert_eq!(Filters::default().query(&[("to", None)]), "");
        let item = json!({"index": 7, "leaf": {"v": 1, "at_ms": 0, "kind": "refused", "app": "news\u{1b}[2J", "on_behalf_of": "ada",
            "account": "acme", "action": "post.create", "problem": "no-grant", "post": "post_1"}});
        let row = row(&item);
        let expected = [
            "7",
            "1970-01-01T00:00:00.000Z",
            "refused post.create",
            "news\\u{1b}[2J for ada",
            "acme",
            "no-grant post_1",
        ];
        assert_eq!(row, expected);
        let item = json!({"index": 8, "leaf": {"v": 1, "at_ms": 1_500, "kind": "unauthenticated", "source": "192.0.2.0/24", "count": 412}});
        let row = super::row(&item);
        assert_eq!(row, ["8", "1970-01-01T00:00:01.500Z", "unauthenticated", "192.0.2.0/24", "", "×412"]);
    }

    /// The names stand here and at the door, each where it is documented: a filter that only one knows is found by this.
    #[test]
    fn the_filters_are_those_of_the_door() {
        let all = Filters {
            actor: Some("a".into()),
            account: Some("b".into()),
            brand: Some("c".into()),
            action: Some("d".into()),
            outcome: Some("e".into()),
            kind: Some("f".into()),
            from: Some("g".into()),
            text: Some("h".into()),
        };
        let own: Vec<String> = url::form_urlencoded::parse(all.query(&[]).trim_start_matches('?').as_bytes())
            .map(|(name, _)| name.into_owned())
            .collect();
        // What a search has beside them are options of the commands.
        let further = ["to", "cursor", "limit", "order"];
        let mut known: Vec<&str> = own.iter().map(String::as_str).chain(further).collect();
        let mut door = crate::doors::audit::PARAMETERS.to_vec();
        known.sort_unstable();
        door.sort_unstable();
        assert_eq!(door, known);
    }
}
