//! What the network does and says, for each operation that it has.

use serde_json::{Value, json};

use super::ACCOUNT_ID;
use super::state::{Medium, Post, State};
use crate::specs::form;

/// Status and body.
pub(super) type Said = (u16, Value);

/// A request that may be carried out.
pub(super) struct Asked<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub content_type: &'a str,
    pub body: &'a [u8],
}

pub(super) fn answer(state: &mut State, asked: &Asked<'_>) -> Said {
    let segments: Vec<&str> = asked.path.split('/').skip(1).collect();
    match (asked.method, segments.as_slice()) {
        ("POST", ["2", "tweets"]) => create(state, &json_of(asked)),
        ("DELETE", ["2", "tweets", id]) => {
            let before = state.posts.len();
            state.posts.retain(|post| post.id != *id);
            if state.posts.len() == before { missing(id) } else { (200, json!({ "data": { "deleted": true } })) }
        }
        ("GET", ["2", "tweets", id]) => match state.posts.iter().find(|post| post.id == *id) {
            Some(post) => (200, json!({ "data": post.shown() })),
            None => missing(id),
        },
        ("GET", ["2", "users", "me"]) => {
            (200, json!({ "data": { "id": ACCOUNT_ID, "name": "Acme", "username": "acme" } }))
        }
        ("GET", ["2", "users", id, "tweets" | "mentions"]) if *id == ACCOUNT_ID => listed(state, asked),
        ("POST", ["2", "media", "upload"]) => whole(state, asked),
        ("POST", ["2", "media", "upload", "initialize"]) => {
            let total_bytes = json_of(asked)["total_bytes"].as_u64().unwrap_or_default();
            begun(state, Medium { total_bytes, ..Medium::default() })
        }
        ("POST", ["2", "media", "upload", id, "append"]) => append(state, id, asked),
        ("POST", ["2", "media", "upload", id, "finalize"]) => finish(state, id),
        ("GET", ["2", "media", "upload"]) => status(state, asked),
        ("POST", ["2", "media", "metadata"]) => {
            let body = json_of(asked);
            let id = body["id"].as_str().unwrap_or_default().to_owned();
            let Some(medium) = state.media.get_mut(&id) else { return missing(&id) };
            medium.alt = body["metadata"]["alt_text"]["text"].as_str().unwrap_or_default().to_owned();
            (200, json!({ "data": { "id": id } }))
        }
        _ => (404, json!({ "code": 34, "message": "Sorry, that page does not exist." })),
    }
}

fn json_of(asked: &Asked<'_>) -> Value {
    serde_json::from_slice(asked.body).unwrap_or_default()
}

fn missing(id: &str) -> Said {
    let detail = format!("Could not find [{id}].");
    (
        404,
        json!({ "type": "https://api.x.com/2/problems/resource-not-found", "title": "Not Found Error", "detail": detail,
            "resource_type": "post", "resource_id": id }),
    )
}

fn invalid(detail: &str) -> Said {
    (
        400,
        json!({ "type": "https://api.x.com/2/problems/invalid-request", "title": "Invalid Request", "detail": detail }),
    )
}

fn create(state: &mut State, body: &Value) -> Said {
    let text = body["text"].as_str().unwrap_or_default().to_owned();
    let media_ids: Vec<String> = body["media"]["media_ids"]
        .as_array()
        .map(|ids| ids.iter().filter_map(|id| Some(id.as_str()?.to_owned())).collect())
        .unwrap_or_default();
    if text.is_empty() && media_ids.is_empty() {
        return invalid("Tweet text must not be empty.");
    }
    if state.posts.iter().rev().take(5).any(|post| post.text == text && media_ids.is_empty()) {
        return (
            403,
            json!({ "type": "https://api.x.com/2/problems/disallowed-resource", "title": "Forbidden",
                "detail": "You are not allowed to create a Tweet with duplicate content." }),
        );
    }
    let answers = body["reply"]["in_reply_to_tweet_id"].as_str().map(str::to_owned);
    if answers.as_ref().is_some_and(|answered| !state.posts.iter().any(|post| post.id == *answered)) {
        return invalid("The post to answer is not there.");
    }
    let ready = |id: &String| state.media.get(id).filter(|medium| medium.done && medium.polls_left == 0);
    let Some(alts) = media_ids.iter().map(|id| Some(ready(id)?.alt.clone())).collect::<Option<Vec<_>>>() else {
        return invalid("Your media IDs are invalid.");
    };
    let (id, created_at) = (state.next_id(), state.now());
    let post = Post { id: id.clone(), text, answers, media_ids, alts, created_at };
    let shown = post.shown();
    state.posts.push(post);
    (201, json!({ "data": { "id": id, "text": shown["text"] } }))
}

fn listed(state: &State, asked: &Asked<'_>) -> Said {
    if asked.path.ends_with("/mentions") {
        return (200, json!({ "meta": { "result_count": 0 } }));
    }
    let given = super::signature::pairs(asked.query);
    let value = |name: &str| given.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let since = value("start_time").and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let most = value("max_results").and_then(|most| most.parse().ok()).unwrap_or(10);
    let from: usize = value("pagination_token").and_then(|token| token.parse().ok()).unwrap_or(0);
    let all = state.posts.iter().rev().filter(|post| since.is_none_or(|since| post.created_at >= since));
    let mut page: Vec<Value> = all.map(Post::shown).skip(from).take(most + 1).collect();
    let mut meta = json!({ "result_count": page.len().min(most) });
    if page.len() > most {
        page.truncate(most);
        meta["next_token"] = json!((from + most).to_string());
    }
    (200, if page.is_empty() { json!({ "meta": meta }) } else { json!({ "data": page, "meta": meta }) })
}

fn begun(state: &mut State, medium: Medium) -> Said {
    let id = state.next_id();
    state.media.insert(id.clone(), medium);
    (200, json!({ "data": { "id": id, "media_key": format!("3_{id}"), "expires_after_secs": 86_400 } }))
}

/// The medium and the text of that name in a body.
fn carried(asked: &Asked<'_>, name: &str) -> Option<(Vec<u8>, String)> {
    if asked.content_type.starts_with("multipart/") {
        let fields = form::multipart(asked.content_type, asked.body).ok()?;
        let value = |name: &str| fields.iter().find(|field| field.name == name).map(|field| field.value.clone());
        return Some((value("media")?, String::from_utf8(value(name)?).ok()?));
    }
    let body = json_of(asked);
    let medium = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body["media"].as_str()?).ok()?;
    Some((medium, body[name].as_str().map_or_else(|| body[name].to_string(), str::to_owned)))
}

fn whole(state: &mut State, asked: &Asked<'_>) -> Said {
    let Some((bytes, _)) = carried(asked, "media_category") else { return invalid("media is missing.") };
    let total_bytes = bytes.len() as u64;
    begun(state, Medium { total_bytes, pieces: [(0, bytes)].into(), done: true, ..Medium::default() })
}

fn append(state: &mut State, id: &str, asked: &Asked<'_>) -> Said {
    let carried = carried(asked, "segment_index").and_then(|(bytes, index)| Some((bytes, index.parse().ok()?)));
    let Some((bytes, index)) = carried else { return invalid("media or segment_index is missing.") };
    if bytes.len() > 5 * 1024 * 1024 {
        return invalid("A segment has at most 5 MB.");
    }
    let Some(medium) = state.media.get_mut(id).filter(|medium| !medium.done) else { return missing(id) };
    medium.pieces.insert(index, bytes);
    (200, json!({ "data": { "expires_at": 1_900_000_000 } }))
}

fn finish(state: &mut State, id: &str) -> Said {
    let (polls, after) = (state.polls, state.check_after_s);
    let Some(medium) = state.media.get_mut(id) else { return missing(id) };
    if medium.bytes().len() as u64 != medium.total_bytes {
        return invalid("The segments do not add up to total_bytes.");
    }
    (medium.done, medium.polls_left) = (true, polls);
    told(id, medium, after)
}

fn told(id: &str, medium: &Medium, check_after_s: Option<u32>) -> Said {
    let mut data = json!({ "id": id, "media_key": format!("3_{id}"), "size": medium.total_bytes });
    if medium.polls_left > 0 {
        data["processing_info"] =
            json!({ "state": "in_progress", "check_after_secs": check_after_s.unwrap_or(1), "progress_percent": 50 });
    }
    (200, json!({ "data": data }))
}

fn status(state: &mut State, asked: &Asked<'_>) -> Said {
    let given = super::signature::pairs(asked.query);
    let id = given.iter().find(|(name, _)| name == "media_id").map(|(_, id)| id.clone()).unwrap_or_default();
    let after = state.check_after_s;
    let Some(medium) = state.media.get_mut(&id) else { return missing(&id) };
    medium.polls_left = medium.polls_left.saturating_sub(1);
    told(&id, medium, after)
}
