//! `/approve/{secret}`: the page of an outside approver. Who has the address may look as often as they like, and decide once.
//!
//! Looking changes nothing: programs open links in mails before people do. The answers to an unknown link, and to what is no link at all, are
//! the same.

use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{Extensions, HeaderValue, StatusCode, header::REFERRER_POLICY},
    response::Response,
};

use super::{
    content::{brands, content, leaves, time},
    form::Form,
    media,
    pages::{self, escape, hidden},
    tell::{actor, asker},
};
use crate::{
    doors::{caller::source, text::NOTE_CHARS_MAX},
    gateway::Gateway,
    posts::links::{self, NotCounted, NotOpen, Opened},
    refusal::Refusal,
};

type Secret = Result<Path<String>, PathRejection>;
type Parts = Result<Path<(String, String)>, PathRejection>;

/// A page that tells no other site where it was, since its address opens it.
fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let mut response = pages::page(status, title, body);
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn told(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, &format!("<p>{}</p>", escape(text)))
}

/// Shows the post.
pub(super) async fn show(State(gateway): State<Arc<Gateway>>, extensions: Extensions, secret: Secret) -> Response {
    let secret = secret.map(|Path(secret)| secret).unwrap_or_default();
    match opened(&gateway, &extensions, &secret).await {
        Ok(opened) => sheet(&gateway, &secret, &opened, StatusCode::OK, None),
        Err(response) => *response,
    }
}

/// The bytes of one of its media.
pub(super) async fn medium(State(gateway): State<Arc<Gateway>>, extensions: Extensions, parts: Parts) -> Response {
    let (secret, id) = parts.map(|Path(parts)| parts).unwrap_or_default();
    let opened = match opened(&gateway, &extensions, &secret).await {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    match media::medium(&gateway, &opened.post, &id).await {
        Some(response) => response,
        None => told(StatusCode::NOT_FOUND, "Nothing here", "The post uses no such medium."),
    }
}

/// Takes the decision.
pub(super) async fn vote(
    State(gateway): State<Arc<Gateway>>,
    extensions: Extensions,
    secret: Secret,
    Form(form): Form,
) -> Response {
    let secret = secret.map(|Path(secret)| secret).unwrap_or_default();
    let opened = match opened(&gateway, &extensions, &secret).await {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    let again = |status, fault: &str| sheet(&gateway, &secret, &opened, status, Some(fault));
    let form = form.as_ref();
    let decision = form.map(|form| form.get("decision")).unwrap_or_default();
    let reason = form.map(|form| form.get("reason").trim()).unwrap_or_default();
    let saw = form.and_then(|form| form.get("version").parse::<u32>().ok());
    let (approve, Some(saw)) = (decision == "approve", saw) else {
        return again(StatusCode::UNPROCESSABLE_ENTITY, "The form was not whole. Decide again.");
    };
    if !approve && decision != "reject" {
        return again(StatusCode::UNPROCESSABLE_ENTITY, "Say yes or no.");
    }
    if !approve && reason.is_empty() {
        return again(StatusCode::UNPROCESSABLE_ENTITY, "Say why you reject it, so that it can be mended.");
    }
    if reason.chars().count() > NOTE_CHARS_MAX {
        let text = format!("The reason may have at most {NOTE_CHARS_MAX} characters.");
        return again(StatusCode::UNPROCESSABLE_ENTITY, &text);
    }
    let why = (!reason.is_empty()).then(|| reason.to_owned());
    let (voting, with) = (Arc::clone(&gateway), secret.clone());
    // To the end, even when the browser goes away between the log and the records.
    let voted = tokio::spawn(async move { links::vote(&voting, &with, approve, saw, why.as_deref()).await }).await;
    match voted {
        Ok(Ok(())) => {
            let text = if approve { "You approved the post." } else { "You rejected the post." };
            told(StatusCode::OK, "Thank you", &format!("{text} The link is used up; you can close this page."))
        }
        Ok(Err(NotCounted::NotOpen(why))) => not_open(&gateway, &extensions, &why),
        Ok(Err(NotCounted::Refused(refusal))) => {
            let (status, text) = said(&refusal);
            again(status, &text)
        }
        Err(_) => told(StatusCode::INTERNAL_SERVER_ERROR, "Not done", "Try again in a minute."),
    }
}

fn said(refusal: &Refusal) -> (StatusCode, String) {
    let status = StatusCode::from_u16(refusal.problem.status).unwrap_or(StatusCode::CONFLICT);
    (status, format!("{} Your link was not used up.", refusal.detail))
}

/// What the link shows, or why it shows nothing.
async fn opened(gateway: &Gateway, extensions: &Extensions, secret: &str) -> Result<Opened, Box<Response>> {
    if !gateway.people.guesses.may_try(source(extensions), gateway.clock.now()) {
        let text = "Too many wrong links came from your network. Wait a minute, and open yours again.";
        return Err(Box::new(told(StatusCode::TOO_MANY_REQUESTS, "Wait", text)));
    }
    links::open(gateway, secret).await.map_err(|why| Box::new(not_open(gateway, extensions, &why)))
}

fn not_open(gateway: &Gateway, extensions: &Extensions, why: &NotOpen) -> Response {
    let (status, title) = match why {
        NotOpen::Unknown => {
            let (source, now) = (source(extensions), gateway.clock.now());
            gateway.strangers.count(source, now);
            gateway.people.guesses.wrong(source, now);
            (StatusCode::NOT_FOUND, "No such link")
        }
        NotOpen::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not now"),
        NotOpen::Used => (StatusCode::GONE, "This link was used"),
        NotOpen::Expired(_) => (StatusCode::GONE, "This link has expired"),
        NotOpen::Changed => (StatusCode::GONE, "The post was changed"),
        NotOpen::Replaced | NotOpen::Withdrawn => (StatusCode::GONE, "This link works no longer"),
        NotOpen::Over => (StatusCode::GONE, "Nothing to decide"),
    };
    told(status, title, &why.to_string())
}

/// The post and the two forms.
fn sheet(gateway: &Gateway, secret: &str, opened: &Opened, status: StatusCode, fault: Option<&str>) -> Response {
    let Opened { post, life, link } = opened;
    let governance = gateway.governance.load();
    let path = format!("/approve/{secret}");
    let fault = fault.map(|text| format!("<p role=\"alert\">{}</p>", escape(text))).unwrap_or_default();
    let version = hidden("version", &life.version().number.to_string());
    let (action, labels) = (escape(&path), super::tell::labels(post));
    let body = format!(
        "{fault}<p>{} asks <strong>{}</strong> to approve the post below. Read it as it would appear, then decide.</p>\
         <dl><dt>Asked by</dt><dd>{}</dd><dt>Decide until</dt><dd>{}</dd><dt>It is published</dt><dd>{}</dd>{labels}</dl>\
         <h2>The post</h2>{}<h2>Your decision</h2><p>This link works once. What you decide can't be taken back with it.</p>\
         <form method=\"post\" action=\"{action}\">{version}<fieldset><legend>Approve</legend><button name=\"decision\" \
         value=\"approve\">Approve the post</button></fieldset></form>\
         <form method=\"post\" action=\"{action}\">{version}<fieldset><legend>Reject</legend><label for=\"reason\">Why?</label>\
         <textarea id=\"reason\" name=\"reason\" maxlength=\"{NOTE_CHARS_MAX}\" required></textarea>\
         <button name=\"decision\" value=\"reject\">Reject the post</button></fieldset></form>",
        escape(&brands(&governance, post)),
        escape(link.external.as_str()),
        escape(&actor(asker(life))),
        time(link.expires_at),
        escape(&leaves(life, post)),
        content(&governance, post, &path),
    );
    page(status, "Approve a post", &body)
}
