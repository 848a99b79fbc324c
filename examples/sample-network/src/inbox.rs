//! What others say to the account: statuses that mention it or reply to it, and the notifications of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::account;
use crate::api::ApiError;
use crate::clock::iso;
use crate::draft::Draft;
use crate::state::{Network, Store};
use crate::status::{self, Status};
use crate::text;

/// The only kind of notification that there is.
pub(crate) const MENTION: &str = "mention";
/// Longest name of somebody else, as Mastodon has it for local names.
const NAME_MAX: usize = 30;

/// What others said, by the id of the notification, and who they are in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) heard: BTreeMap<String, Heard>,
    others: Vec<String>,
}

/// A status of somebody else.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Id of the notification.
    pub(crate) id: String,
    /// Who said it.
    pub(crate) from: String,
    /// What.
    pub(crate) status: Status,
}

impl Inbox {
    /// A status of somebody else.
    pub(crate) fn status(&self, id: &str) -> Option<&Heard> {
        self.heard.values().find(|heard| heard.status.id == id)
    }

    /// Id of somebody else's account.
    pub(crate) fn account_id(&self, name: &str) -> Option<String> {
        let place = self.others.iter().position(|known| known == name)?;
        // The account of the network itself is the first.
        Some((place + 2).to_string())
    }

    /// A status is gone: what replied to it stands alone, as at Mastodon.
    pub(crate) fn forget_parent(&mut self, id: &str) {
        let replies = self.heard.values_mut().filter(|heard| heard.status.draft.in_reply_to.as_deref() == Some(id));
        replies.for_each(|heard| heard.status.draft.in_reply_to = None);
    }
}

/// Somebody else says something to the account. The answer is the notification.
pub(crate) fn hear(network: &Network, from: &str, text: &str, in_reply_to: Option<&str>) -> Result<Value, ApiError> {
    let own = network.config.username.as_str();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if from.is_empty() || from.len() > NAME_MAX || !from.chars().all(fits) || from.eq_ignore_ascii_case(own) {
        return Err(ApiError::unprocessable("`from` is the name of somebody else: letters, digits and `_`"));
    }
    let draft = Draft::said(text.to_owned(), in_reply_to.map(str::to_owned), network.config.text_limit)?;
    let now_ms = network.clock.now_ms();
    let mut store = network.store();
    match in_reply_to {
        Some(parent) => {
            store.statuses.get_mut(parent).ok_or_else(ApiError::not_found)?.replies += 1;
        }
        None if !text::mentions(&draft.text, own) => {
            return Err(ApiError::unprocessable(
                "Nobody is told of a status that neither mentions the account nor replies to it",
            ));
        }
        None => {}
    }
    if store.inbox.account_id(from).is_none() {
        store.inbox.others.push(from.to_owned());
    }
    let status = Status { id: store.next_id(now_ms), created_ms: now_ms, replies: 0, draft };
    let id = store.next_id(now_ms);
    store.inbox.heard.insert(id.clone(), Heard { id: id.clone(), from: from.to_owned(), status });
    let heard = store.inbox.heard.get(&id).ok_or_else(ApiError::not_found)?;
    Ok(render(network, &store, heard))
}

/// The `Notification` entity.
pub(crate) fn render(network: &Network, store: &Store, heard: &Heard) -> Value {
    json!({
        "id": heard.id,
        "type": MENTION,
        "created_at": iso(heard.status.created_ms),
        "group_key": format!("ungrouped-{}", heard.id),
        "account": account::render_other(network, store, &heard.from),
        "status": render_status(network, store, heard),
    })
}

/// The `Status` entity of what somebody else said.
pub(crate) fn render_status(network: &Network, store: &Store, heard: &Heard) -> Value {
    let mut rendered = status::render_of(network, store, &heard.status, &heard.from);
    let (url, own) = (&network.url, &network.config.username);
    if let Some(object) = rendered.as_object_mut() {
        object.insert("account".to_owned(), account::render_other(network, store, &heard.from));
        let own = json!({ "id": account::ID, "username": own, "acct": own, "url": format!("{url}/@{own}") });
        object.insert("mentions".to_owned(), json!([own]));
    }
    rendered
}
