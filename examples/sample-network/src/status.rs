//! A status and its form in the API.

use serde_json::{Value, json};

use crate::account;
use crate::clock::iso;
use crate::draft::Draft;
use crate::media;
use crate::state::{Network, Store};
use crate::text;

/// A status that was published.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) id: String,
    pub(crate) created_ms: i64,
    pub(crate) replies: u32,
    pub(crate) draft: Draft,
}

/// The `Status` entity of one of the account's own.
pub(crate) fn render(network: &Network, store: &Store, status: &Status) -> Value {
    render_of(network, store, status, &network.config.username)
}

/// The same at the address of `username`.
pub(crate) fn render_of(network: &Network, store: &Store, status: &Status, username: &str) -> Value {
    let Status { id, created_ms, replies, draft } = status;
    let parent = draft.in_reply_to.as_deref();
    let parents = parent.map(|id| store.inbox.status(id).and_then(|heard| store.inbox.account_id(&heard.from)));
    let url = &network.url;
    let media: Vec<Value> =
        draft.media.iter().filter_map(|id| store.media.get(id)).map(|medium| media::render(network, medium)).collect();
    let tag = |name: String| json!({ "url": tag_url(url, &name), "name": name });
    let tags: Vec<Value> = text::tags(&draft.text).into_iter().map(tag).collect();
    json!({
        "id": id,
        "created_at": iso(*created_ms),
        "in_reply_to_id": draft.in_reply_to,
        "in_reply_to_account_id": parents.map(|other| other.unwrap_or_else(|| account::ID.to_owned())),
        "sensitive": draft.sensitive,
        "spoiler_text": draft.spoiler,
        "visibility": draft.visibility.name(),
        "language": draft.language,
        "uri": format!("{url}/users/{username}/statuses/{id}"),
        "url": format!("{url}/@{username}/{id}"),
        "replies_count": replies,
        "reblogs_count": 0,
        "favourites_count": 0,
        "quotes_count": 0,
        "edited_at": null,
        "favourited": false,
        "reblogged": false,
        "muted": false,
        "bookmarked": false,
        "pinned": false,
        "content": text::html(&draft.text, url),
        "filtered": [],
        "reblog": null,
        "application": { "name": "Sample client", "website": null },
        "account": account::render(network, store),
        "media_attachments": media,
        "mentions": [],
        "tags": tags,
        "emojis": [],
        "quote": null,
        "quote_approval": null,
        "card": null,
        "poll": null,
    })
}

/// With the source text, as the answer to a deletion has it.
pub(crate) fn with_source(mut rendered: Value, status: &Status) -> Value {
    if let Some(object) = rendered.as_object_mut() {
        object.insert("text".to_owned(), Value::String(status.draft.text.clone()));
    }
    rendered
}

fn tag_url(base_url: &str, name: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("{base_url}/tags/{encoded}")
}
