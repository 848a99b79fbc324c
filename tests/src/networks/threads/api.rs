//! What the simulated network does and answers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Container, Fetched, Post, Recorded, State, TOKEN};
use crate::{http, specs::form};

/// Answer of JSON.
pub(super) fn json(status: u16, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(Bytes::from(body))).expect("a valid answer")
}

fn fine(body: &Value) -> Response<Full<Bytes>> {
    json(200, body.to_string())
}

fn error(status: u16, code: u64, subcode: u64, message: &str) -> Response<Full<Bytes>> {
    let error = json!({ "message": message, "type": "OAuthException", "code": code, "error_subcode": subcode });
    json(status, json!({ "error": error }).to_string())
}

fn missing() -> Response<Full<Bytes>> {
    error(400, 100, 33, "Unsupported request. Object does not exist.")
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does a request and answers it.
pub(super) async fn answer(state: &Mutex<State>, request: &Recorded) -> Response<Full<Bytes>> {
    let fields: Vec<_> =
        form::urlencoded(request.query.as_bytes()).into_iter().chain(form::urlencoded(&request.body)).collect();
    let value = |name: &str| {
        let field = fields.iter().find(|field| field.name == name)?;
        Some(String::from_utf8_lossy(&field.value).into_owned())
    };
    if value("access_token").as_deref() != Some(TOKEN) {
        return error(400, 190, 463, "Error validating access token.");
    }
    let segments: Vec<&str> = request.path.trim_start_matches('/').trim_end_matches('/').split('/').collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["me", "threads"]) => create(state, &value).await,
        ("POST", ["me", "threads_publish"]) => publish(&mut lock(state), &value("creation_id").unwrap_or_default()),
        ("GET", ["me", "threads_publishing_limit"]) => {
            let state = lock(state);
            let config = |total: u64| json!({ "quota_total": total, "quota_duration": 86400 });
            fine(&json!({ "data": [{ "quota_usage": state.used, "config": config(state.quota),
                "reply_quota_usage": 0, "reply_config": config(1000) }] }))
        }
        ("GET", ["me", list @ ("threads" | "replies")]) => {
            let replies = *list == "replies";
            let state = lock(state);
            let posts = state.posts.iter().rev().filter(|post| post.reply_to.is_some() == replies);
            let data: Vec<_> =
                posts.map(|post| json!({ "id": post.id, "text": post.text, "timestamp": post.at })).collect();
            fine(&json!({ "data": data, "paging": { "cursors": {} } }))
        }
        ("GET", [id]) => look(&mut lock(state), id),
        ("DELETE", [id]) => {
            let mut state = lock(state);
            let before = state.posts.len();
            state.posts.retain(|post| post.id != *id);
            if state.posts.len() == before {
                return missing();
            }
            fine(&json!({ "success": true, "deleted_id": id }))
        }
        _ => error(404, 100, 0, "Unknown path components."),
    }
}

async fn create(state: &Mutex<State>, value: &impl Fn(&str) -> Option<String>) -> Response<Full<Bytes>> {
    let kind = value("media_type").unwrap_or_default();
    let mut container = Container {
        text: value("text").unwrap_or_default(),
        reply_to: value("reply_to_id"),
        status: "FINISHED".to_owned(),
        ..Container::default()
    };
    match kind.as_str() {
        "TEXT" => {}
        "IMAGE" | "VIDEO" => {
            let Some(url) = value("image_url").or_else(|| value("video_url")) else {
                return error(400, 100, 0, "The parameter image_url or video_url is required.");
            };
            let came = http::call("GET", &url, &[], Bytes::new()).await;
            if came.status == 200 {
                let media_type = came.header("content-type").unwrap_or_default().to_owned();
                container.media.push(Fetched { url, media_type, bytes: came.body, alt: value("alt_text") });
            } else {
                (container.status, container.error) = ("ERROR".to_owned(), Some("MEDIA_NOT_FETCHED".to_owned()));
            }
        }
        "CAROUSEL" => {
            let state = lock(state);
            for child in value("children").unwrap_or_default().split(',') {
                let Some(item) = state.containers.get(child) else { return missing() };
                container.media.extend(item.media.clone());
            }
        }
        _ => return error(400, 100, 0, "Param media_type is not one of those that are known."),
    }
    let mut state = lock(state);
    let id = fresh(&mut state);
    state.containers.insert(id.clone(), container);
    fine(&json!({ "id": id }))
}

fn publish(state: &mut State, id: &str) -> Response<Full<Bytes>> {
    let Some(container) = state.containers.get(id).cloned() else { return missing() };
    if container.published || container.status != "FINISHED" {
        return error(400, 24, 4_279_010, "The media with this id can't be published.");
    }
    if container.reply_to.is_none() && state.used >= state.quota {
        return error(400, 4, 0, "The limit of posts is reached.");
    }
    let post_id = fresh(state);
    let at = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S+0000").to_string();
    state.used += u64::from(container.reply_to.is_none());
    let Container { text, reply_to, media, .. } = container;
    state.posts.push(Post { id: post_id.clone(), text, reply_to, media, at });
    if let Some(container) = state.containers.get_mut(id) {
        container.published = true;
    }
    fine(&json!({ "id": post_id }))
}

fn look(state: &mut State, id: &str) -> Response<Full<Bytes>> {
    if let Some(post) = state.posts.iter().find(|post| post.id == id) {
        return fine(
            &json!({ "id": id, "text": post.text, "permalink": format!("https://www.threads.net/@acme/post/{id}") }),
        );
    }
    if !state.containers.contains_key(id) {
        return missing();
    }
    let said = state.statuses.pop();
    let Some(container) = state.containers.get_mut(id) else { return missing() };
    if said.as_deref() == Some("EXPIRED") {
        container.status = "EXPIRED".to_owned();
    }
    let own = if container.published { "PUBLISHED".to_owned() } else { container.status.clone() };
    fine(&json!({ "id": id, "status": said.unwrap_or(own), "error_message": container.error }))
}

fn fresh(state: &mut State) -> String {
    state.next_id += 1;
    state.next_id.to_string()
}
