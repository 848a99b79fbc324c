//! Steps on a post that are repeated with an `Idempotency-Key`: done once, and answered the same again.

use std::{future::Future, sync::Arc};

use axum::{
    body::{Bytes, to_bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use utoipa::IntoParams;

use super::{refused_step, steps::tagged};
use crate::{
    call::{Caller, digest},
    doors::{caller::idempotency_key, problem::Problem},
    gateway::Gateway,
    model::PostId,
    posts,
    records::{Accepted, IdempotencyKey, IdempotencyUse, StoredAnswer},
    refusal::{Refusal, Stage, problem},
};

/// How a step is repeated.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "it describes a header in the OpenAPI document")]
pub struct Repeats {
    /// Repeating a request with the same key and body does nothing twice, and gives the same answer for 30 days, but for what opens links.
    #[param(rename = "Idempotency-Key", nullable = false, min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

/// A step on a post, as somebody asks for it.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub gateway: &'a Arc<Gateway>,
    pub caller: &'a Caller,
    pub post: &'a PostId,
    /// As the log names it: `post.comment`.
    pub name: &'static str,
    pub headers: &'a HeaderMap,
}

impl Step<'_> {
    /// Does the work, or answers as before where the same was done with the same key. The key is kept with what the step changes, so that a
    /// crash comes to no second one; what is refused leaves it free.
    pub async fn once<W, F>(self, body: Result<Bytes, Refusal>, work: W) -> Result<Response, Problem>
    where
        W: FnOnce(Caller, Result<Bytes, Refusal>) -> F,
        F: Future<Output = Result<Response, Problem>>,
    {
        let usage = match self.usage(&body) {
            Ok(Some(usage)) => usage,
            Ok(None) => return work(self.caller.clone(), body).await,
            Err(refusal) => return Err(self.refused(refusal).await),
        };
        // A repetition that comes meanwhile waits, and hears what the first one did.
        let _alone = self.gateway.lives.alone_with(&usage.key).await;
        let earlier = self.gateway.records.repeated(usage.clone()).await;
        match earlier {
            Err(error) => return Err(self.refused(posts::unavailable(&error)).await),
            Ok(Some(Accepted::Mismatch)) => {
                let detail = "This Idempotency-Key was used for another request. Use a new one.";
                let refusal = Refusal::new(problem::IDEMPOTENCY_MISMATCH, Stage::Door, detail);
                return Err(self.refused(refusal).await);
            }
            Ok(Some(Accepted::Repeated { answer: Some(answer), .. })) => return Ok(stored(answer)),
            // It was done, and the process ended before it answered.
            Ok(Some(Accepted::Repeated { post, answer: None })) => {
                let post = posts::read(self.gateway, &post).await?;
                return self.keep(usage.key, tagged(self.gateway, self.caller, post)).await;
            }
            Ok(Some(Accepted::Fresh) | None) => {}
        }
        let key = usage.key.clone();
        let answer = work(self.caller.clone().asking_once(Some(usage)), body).await?;
        self.keep(key, answer).await
    }

    fn usage(&self, body: &Result<Bytes, Refusal>) -> Result<Option<IdempotencyUse>, Refusal> {
        let (Some(key), Ok(body)) = (idempotency_key(self.headers)?, body) else { return Ok(None) };
        let scope = format!("{} {} {}", self.caller.principal(), self.name, self.post);
        // An edit names the version that it is for beside its body.
        let version = self.headers.get(header::IF_MATCH).map(HeaderValue::as_bytes).unwrap_or_default();
        let fingerprint = digest::sha256_hex(&[version, b"\n", body].concat());
        Ok(Some(IdempotencyUse { key: IdempotencyKey { scope, key }, fingerprint }))
    }

    /// Keeps the answer for repetitions, without what opens a link.
    async fn keep(&self, key: IdempotencyKey, answer: Response) -> Result<Response, Problem> {
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.map_err(|error| {
            Refusal::new(problem::INTERNAL, Stage::Door, "The answer can't be read; the step was done.").because(error)
        })?;
        let kept = StoredAnswer { status: parts.status.as_u16(), body: without_secrets(&body) };
        if let Err(error) = self.gateway.records.save_answer(key, kept).await {
            tracing::warn!(%error, post = %self.post, "the answer is not kept; a repetition gets the post as it then is");
        }
        Ok(Response::from_parts(parts, body.into()))
    }

    async fn refused(&self, refusal: Refusal) -> Problem {
        refused_step(self.gateway, self.caller, self.name, self.post, refusal).await
    }
}

fn without_secrets(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return text };
    let Some(links) = value.get_mut("links").and_then(Value::as_array_mut) else { return text };
    for link in links.iter_mut().filter_map(Value::as_object_mut) {
        for secret in ["address", "url"] {
            link.insert(secret.to_owned(), Value::Null);
        }
    }
    value.to_string()
}

fn stored(answer: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let version = serde_json::from_str::<Value>(&answer.body).ok().and_then(|view| view.get("version")?.as_u64());
    let tag = version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok());
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], answer.body).into_response();
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_a_link_is_not_kept() {
        let kept =
            without_secrets(br#"{"post":{"id":"p"},"links":[{"id":"link_1","address":"a@x","url":"/approve/s"}]}"#);
        let kept: Value = serde_json::from_str(&kept).unwrap();
        let told = serde_json::json!({"post": {"id": "p"}, "links": [{"id": "link_1", "address": null, "url": null}]});
        assert_eq!(kept, told);
        assert_eq!(without_secrets(b"{\"id\": 1}"), "{\"id\": 1}", "as it was said");
    }
}
