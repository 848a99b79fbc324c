//! `/people/posts/{id}`: a post as people see it, and what they may do with it.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{Extensions, HeaderMap, StatusCode},
    response::Response,
};
use pressgate_workflow::{
    Life, TargetState,
    life::{Change, Event, Wait},
};

use super::{
    approvals::APPROVALS,
    browser::{Visitor, visitor},
    configured,
    content::{content, leaves, time},
    form::{Fields, Form},
    media,
    pages::{self, escape, hidden},
    tell::{self, actor},
    verify::sent,
};
use crate::{
    call::{Caller, admit::admit_request},
    doors::{
        caller::source,
        publish::{
            standing::{asking, explained},
            steps::COMMENT_CHARS_MAX,
        },
        text::NOTE_CHARS_MAX,
    },
    gateway::Gateway,
    model::PostId,
    posts::{
        self, life,
        sight::{may_write, sees},
        vote::{Ballot, vote},
        write::{Wish, seen, write},
    },
    records::{CommentRecord, PostRecord},
    refusal::{Refusal, Stage, problem},
};

type Id = Result<Path<String>, PathRejection>;
type Parts = Result<Path<(String, String)>, PathRejection>;

/// Somebody who is signed in and within their limits; anybody else is sent to sign in, and comes back to `to`.
pub(super) async fn entered(
    gateway: &Gateway,
    extensions: &Extensions,
    headers: &HeaderMap,
    to: &str,
) -> Result<(Visitor, Caller), Box<Response>> {
    let Some(config) = configured(gateway) else { return Err(Box::new(pages::nothing_here())) };
    match visitor(gateway, config, headers).await {
        Ok(Some(visitor)) => {
            let caller = Caller::signed_in(&visitor.signed_in.person, source(extensions));
            match admit_request(gateway, &caller, true).await {
                Ok(()) => Ok((visitor, caller)),
                Err(refusal) => Err(Box::new(refused(&refusal))),
            }
        }
        Ok(None) => {
            let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
            Err(Box::new(pages::redirect(&format!("/people/sign-in?to={to}"))))
        }
        Err(why) => Err(Box::new(pages::not_signed_in(why))),
    }
}

fn status(refusal: &Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A page that says why not.
pub(super) fn refused(refusal: &Refusal) -> Response {
    let body = format!("<p>{}</p><p><a href=\"{APPROVALS}\">What waits for you</a></p>", escape(&refusal.detail));
    pages::page(status(refusal), refusal.problem.title, &body)
}

fn named(id: Id) -> PostId {
    PostId::new(id.map(|Path(id)| id).unwrap_or_default())
}

/// Shows the post.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    extensions: Extensions,
    headers: HeaderMap,
    id: Id,
) -> Response {
    let id = named(id);
    match entered(&gateway, &extensions, &headers, &format!("/people/posts/{id}")).await {
        Ok((visitor, caller)) => page(&gateway, &visitor, &caller, &id, None).await,
        Err(response) => *response,
    }
}

/// The bytes of one of its media.
pub(super) async fn medium(
    State(gateway): State<Arc<Gateway>>,
    extensions: Extensions,
    headers: HeaderMap,
    parts: Parts,
) -> Response {
    let (id, medium) = parts.map(|Path(parts)| parts).unwrap_or_default();
    let caller = match entered(&gateway, &extensions, &headers, &format!("/people/posts/{id}")).await {
        Ok((_, caller)) => caller,
        Err(response) => return *response,
    };
    let post = match seen(&gateway, &caller, &PostId::new(id)).await {
        Ok(post) => post,
        Err(refusal) => return refused(&refusal),
    };
    match media::medium(&gateway, &post, &medium).await {
        Some(response) => response,
        None => pages::told(StatusCode::NOT_FOUND, "Nothing here", "The post uses no such medium."),
    }
}

/// Does what a form of the page asks.
pub(super) async fn act(
    State(gateway): State<Arc<Gateway>>,
    extensions: Extensions,
    headers: HeaderMap,
    id: Id,
    Form(form): Form,
) -> Response {
    let id = named(id);
    let (visitor, form) = match sent(&gateway, &headers, form).await {
        Ok(sent) => sent,
        Err(response) => return *response,
    };
    let caller = Caller::signed_in(&visitor.signed_in.person, source(&extensions));
    if let Err(refusal) = admit_request(&gateway, &caller, false).await {
        return refused(&refusal);
    }
    let asked = match asked(&form) {
        Ok(asked) => asked,
        Err(refusal) => return page(&gateway, &visitor, &caller, &id, Some(&refusal)).await,
    };
    let (acting, by, on) = (Arc::clone(&gateway), caller.clone(), id.clone());
    // To the end, even when the browser goes away between the log and the records.
    let done = tokio::spawn(async move {
        match asked {
            Asked::Vote(ballot) => vote(&acting, &by, &on, ballot).await,
            Asked::Write(saw, wish, why) => write(&acting, &by, &on, Some(saw), wish, why).await,
        }
    });
    match done.await {
        Ok(Ok(post)) if sees(&gateway, &caller, &post) => pages::redirect(&format!("/people/posts/{id}")),
        // Whoever sees it only because they are asked has done their part.
        Ok(Ok(_)) => pages::redirect(APPROVALS),
        Ok(Err(refusal)) => page(&gateway, &visitor, &caller, &id, Some(&refusal)).await,
        Err(_) => {
            let refusal = Refusal::new(problem::INTERNAL, Stage::Door, "It was not done. Try again in a minute.");
            page(&gateway, &visitor, &caller, &id, Some(&refusal)).await
        }
    }
}

enum Asked {
    Vote(Ballot),
    Write(u32, Wish, Option<String>),
}

/// What a form asks for, of the version that its page showed.
fn asked(form: &Fields) -> Result<Asked, Refusal> {
    let invalid = |text: String| Refusal::new(problem::INVALID, Stage::Door, text);
    let saw: u32 = form.get("version").parse().map_err(|_| invalid("The form was not whole. Try again.".to_owned()))?;
    let short = |name: &str, chars_max: usize| {
        let text = form.get(name).trim();
        match text.chars().count() {
            0 => Ok(None),
            count if count > chars_max => Err(invalid(format!("Write at most {chars_max} characters."))),
            _ => Ok(Some(text.to_owned())),
        }
    };
    let note = short("reason", NOTE_CHARS_MAX)?;
    let ballot = |approve, note| Ballot { approve, digest: None, version: Some(saw), note };
    Ok(match form.get("do") {
        "approve" | "confirm" => Asked::Vote(ballot(true, note)),
        "reject" if note.is_none() => return Err(invalid("Say why you reject it, so that it can be mended.".into())),
        "reject" => Asked::Vote(ballot(false, note)),
        "submit" => Asked::Write(saw, Wish::Submit, None),
        "cancel" => Asked::Write(saw, Wish::Cancel, note),
        "comment" => match short("text", COMMENT_CHARS_MAX)? {
            Some(text) => Asked::Write(saw, Wish::Comment(text), None),
            None => return Err(invalid("Write something first.".into())),
        },
        "resolve" => match form.get("comment").parse() {
            Ok(number) => Asked::Write(saw, Wish::CloseComment(number), None),
            Err(_) => return Err(invalid("Say which comment.".into())),
        },
        _ => return Err(invalid("There is no such button.".into())),
    })
}

/// The page, with what went wrong.
async fn page(
    gateway: &Arc<Gateway>,
    visitor: &Visitor,
    caller: &Caller,
    id: &PostId,
    fault: Option<&Refusal>,
) -> Response {
    let body = async {
        let post = seen(gateway, caller, id).await?;
        let events = life::history(gateway, &post).await?;
        let comments = gateway.records.comments(id.clone()).await.map_err(|error| posts::unavailable(&error))?;
        let told = explained(gateway, &post).await?;
        let sheet = Sheet {
            gateway,
            caller,
            life: life::of(&post),
            token: gateway.people.form_token(&visitor.cookie),
            path: format!("/people/posts/{id}"),
            person: visitor.signed_in.person.as_str(),
            post: &post,
        };
        Ok(format!(
            "{}<h2>What it says</h2>{}<h2>What it waits for</h2>{}{}{}<h2>Versions</h2>{}<h2>History</h2>{}",
            sheet.head(),
            content(&gateway.governance.load(), &post, &sheet.path),
            tell::explained(&told),
            sheet.decision(),
            sheet.comments(&comments),
            versions(&events),
            tell::history(&events, &comments)
        ))
    };
    let body: Result<String, Refusal> = body.await;
    match (body, fault) {
        (Ok(body), None) => pages::page(StatusCode::OK, "A post", &framed(&body)),
        (Ok(body), Some(fault)) => {
            let text = escape(&fault.detail);
            let title = escape(fault.problem.title);
            let alert = format!(
                "<p role=\"alert\"><strong>Not done: {title}.</strong> {text} Below is the post as it is now.</p>{body}"
            );
            pages::page(status(fault), "A post", &framed(&alert))
        }
        (Err(refusal), _) => refused(&refusal),
    }
}

fn framed(body: &str) -> String {
    format!("<nav><a href=\"{APPROVALS}\">What waits for you</a></nav>{body}")
}

/// Earlier contents are not kept; who made which version when is.
fn versions(events: &[Event]) -> String {
    let rows = events.iter().filter_map(|event| {
        let number = match &event.change {
            Change::Created { .. } => 1,
            Change::Edited { version, .. } => *version,
            _ => return None,
        };
        Some(format!("<li>Version {number}: {}, by {}</li>", time(event.at), escape(&actor(&event.by))))
    });
    format!("<ul>{}</ul>", rows.collect::<String>())
}

/// A post before one person.
struct Sheet<'a> {
    gateway: &'a Gateway,
    caller: &'a Caller,
    post: &'a PostRecord,
    life: Life,
    person: &'a str,
    token: String,
    path: String,
}

impl Sheet<'_> {
    fn head(&self) -> String {
        let (post, life) = (self.post, &self.life);
        let verdicts = post.verdicts.iter().flat_map(|verdict| {
            let policy = verdict.policy.as_str();
            verdict.findings.iter().map(move |finding| {
                format!("<li>{}: {} ({})</li>", escape(policy), escape(&finding.message), escape(&finding.code))
            })
        });
        let verdicts: String = verdicts.collect();
        let found = if verdicts.is_empty() {
            String::new()
        } else {
            format!("<h2>What policies found</h2><ul>{verdicts}</ul>")
        };
        let states: String = post
            .targets
            .iter()
            .map(|target| format!("{} is {}. ", escape(target.account.as_str()), target.state.as_str()))
            .collect();
        format!(
            "<p>You are signed in as <strong>{}</strong>.</p><dl><dt>State</dt><dd><strong>{}</strong>. {states}</dd>\
             <dt>Version</dt><dd>{}</dd><dt>Author</dt><dd>{}</dd><dt>It is published</dt><dd>{}</dd>{}</dl>{found}",
            escape(self.person),
            post.state.as_str(),
            life.version().number,
            escape(&actor(life.author())),
            escape(&leaves(life, post)),
            tell::labels(post)
        )
    }

    /// A form with one button.
    fn form(&self, what: &str, fields: &str, button: &str) -> String {
        format!(
            "<form method=\"post\" action=\"{}\">{}{}{}{fields}<button>{button}</button></form>",
            escape(&self.path),
            hidden("form", &self.token),
            hidden("version", &self.life.version().number.to_string()),
            hidden("do", what)
        )
    }

    fn reasoned(&self, what: &str, question: &str, button: &str, required: bool) -> String {
        let required = if required { " required" } else { "" };
        let field = format!(
            "<label for=\"{what}-reason\">{question}</label><textarea id=\"{what}-reason\" name=\"reason\" \
             maxlength=\"{NOTE_CHARS_MAX}\"{required}></textarea>"
        );
        self.form(what, &field, button)
    }

    /// What this person may do now. The rules decide again when they do it.
    fn decision(&self) -> String {
        let life = &self.life;
        let any = |state| life.targets().iter().any(|target| target.state() == state);
        let votes = life.targets().iter().any(|target| target.wait() == Some(Wait::Votes));
        let writes = may_write(self.gateway, self.caller, self.post);
        let mut html = String::new();
        if votes && !asking(self.gateway, self.post, self.person).is_empty() {
            let (yes, no) = (
                self.reasoned("approve", "A note for the author (you may leave it empty)", "Approve", false),
                self.reasoned("reject", "Why do you reject it?", "Reject", true),
            );
            let _ = write!(html, "<h2>Your decision</h2>{yes}{no}");
        } else if votes && posts::sight::is_asked(self.gateway, self.caller, self.post) {
            let no = self.reasoned("reject", "Why do you reject it?", "Reject", true);
            let _ = write!(
                html,
                "<h2>Your decision</h2><p>You have agreed, or it is not your turn yet. You may reject it.</p>{no}"
            );
        } else if !votes && !life::confirmable(life).is_empty() {
            let yes = self.reasoned("confirm", "A note (you may leave it empty)", "It goes after all", false);
            let _ = write!(
                html,
                "<h2>Your decision</h2><p>It was stopped, and goes on only when somebody says so.</p>{yes}"
            );
        }
        let mut more = String::new();
        if writes && any(TargetState::Draft) {
            more.push_str(&self.form("submit", "", "Submit"));
        }
        let open =
            [TargetState::Draft, TargetState::Held, TargetState::Approved, TargetState::Scheduled, TargetState::Frozen];
        if writes && open.into_iter().any(any) {
            more.push_str(&self.reasoned(
                "cancel",
                "Why is it cancelled? (you may leave it empty)",
                "Cancel the post",
                false,
            ));
        }
        if !more.is_empty() {
            let _ = write!(html, "<h2>More</h2>{more}");
        }
        html
    }

    fn comments(&self, texts: &[CommentRecord]) -> String {
        let current = self.life.version().number;
        let writes = may_write(self.gateway, self.caller, self.post);
        let mut rows = String::new();
        for comment in self.life.comments() {
            let text = texts.iter().find(|text| text.number == comment.number).map(|text| text.text.as_str());
            let text = escape(text.unwrap_or_default());
            let state = if comment.open { "open" } else { "resolved" };
            let number = comment.number;
            let button = match comment.open && writes {
                true => {
                    let field = hidden("comment", &number.to_string());
                    self.form("resolve", &field, &format!("Resolve comment {number}"))
                }
                false => String::new(),
            };
            // Writing to a text does not fail.
            let _ = write!(
                rows,
                "<li>Comment {number} on version {}, {state}, by {}<div class=\"text\" dir=\"auto\">{text}</div>{button}</li>",
                comment.version,
                escape(&actor(&comment.by))
            );
        }
        let rows = if rows.is_empty() { "<p>None yet.</p>".to_owned() } else { format!("<ul>{rows}</ul>") };
        let field = format!(
            "<label for=\"comment-text\">Say something of version {current}</label><textarea id=\"comment-text\" name=\"text\" \
             maxlength=\"{COMMENT_CHARS_MAX}\" required></textarea>"
        );
        format!("<h2>Comments</h2>{rows}{}", self.form("comment", &field, "Comment"))
    }
}
