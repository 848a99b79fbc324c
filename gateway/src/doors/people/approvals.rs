//! `/people/approvals`: what waits for the person who is signed in.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    extract::State,
    http::{Extensions, HeaderMap, StatusCode},
    response::Response,
};

use super::{
    content::time,
    pages::{self, escape},
    posts::{entered, refused},
};
use crate::{
    doors::publish::{standing::waiting, view::PostView},
    gateway::Gateway,
};

/// Where this page is.
pub(super) const APPROVALS: &str = "/people/approvals";
/// Characters of a post that its line has.
const SUMMARY_CHARS: usize = 80;

/// The list.
pub(super) async fn list(State(gateway): State<Arc<Gateway>>, extensions: Extensions, headers: HeaderMap) -> Response {
    let (_, caller) = match entered(&gateway, &extensions, &headers, APPROVALS).await {
        Ok(entered) => entered,
        Err(response) => return *response,
    };
    let waiting = match waiting(&gateway, &caller).await {
        Ok(waiting) => waiting,
        Err(refusal) => return refused(&refusal),
    };
    let mut rows = String::new();
    for one in &waiting {
        let PostView { id, due_at, created_at, author, targets, version, .. } = &one.post;
        let accounts: Vec<&str> = targets.iter().map(|target| target.account.as_str()).collect();
        let due = due_at.map(|due| format!(", due {}", time(due))).unwrap_or_default();
        let by = author.person.as_deref().or(author.on_behalf_of.as_deref()).or(author.app.as_deref());
        // Writing to a text does not fail.
        let _ = write!(
            rows,
            "<li><a href=\"/people/posts/{}\">{}</a><br>{}, version {version}, by {}, {}{due}. Asked by rule {}.</li>",
            escape(id),
            escape(&summary(&one.post)),
            escape(&accounts.join(", ")),
            escape(by.unwrap_or("nobody")),
            time(*created_at),
            escape(&one.rules.join(", "))
        );
    }
    let body = match rows.is_empty() {
        true => "<p>Nothing waits for your vote.</p>".to_owned(),
        false => format!("<p>These posts wait for your vote, the oldest first.</p><ul>{rows}</ul>"),
    };
    pages::page(StatusCode::OK, "What waits for you", &format!("{body}<p><a href=\"/people\">Your page</a></p>"))
}

/// The beginning of what it says.
fn summary(post: &PostView) -> String {
    let text = post.targets.first().and_then(|target| target.content.parts.first()).map(|part| part.text.as_str());
    let mut letters = text.unwrap_or_default().trim().chars();
    let mut summary: String = letters.by_ref().take(SUMMARY_CHARS).collect();
    if letters.next().is_some() {
        summary.push('…');
    }
    if summary.is_empty() { post.id.clone() } else { summary }
}
