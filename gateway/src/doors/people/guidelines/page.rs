//! `/guidelines`: pages for everybody, and for people who are signed in.

use std::{fmt::Write, sync::Arc};

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    super::{
        browser::{Visitor, from_here, visitor},
        configured,
        form::Form as Sent,
        pages::{self, escape, hidden},
    },
    caching::{finish, plain},
    find::{Found, Wish},
    negotiate::Form,
    view::Eyes,
};
use crate::{
    config::{GuidelineState, GuidelineVersion},
    doors::problem::Problem,
    gateway::Gateway,
    model::BrandPath,
    people::acknowledgements::{Acknowledged, NotAcknowledged, acknowledge as keep},
    refusal::{Refusal, Stage, problem},
};

/// Where a form of acknowledgement goes.
pub(in crate::doors::people) const ACKNOWLEDGE: &str = "/people/guidelines";

/// Who is signed in, where people sign in at all. While the records can't say, nobody is.
async fn signed_in(gateway: &Gateway, headers: &HeaderMap) -> Option<Visitor> {
    visitor(gateway, configured(gateway)?, headers).await.ok().flatten()
}

/// The list.
pub(in crate::doors::people) async fn list(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    let visitor = signed_in(&gateway, &headers).await;
    let governance = gateway.governance.load_full();
    let eyes = Eyes::of(&gateway, &governance, visitor.as_ref().map(|visitor| &visitor.signed_in.person));
    let form = Form::wanted(&headers);
    let (response, body) = match form {
        Form::Json => json(&eyes.list()),
        Form::Html | Form::Markdown => page("Guidelines", &listed(&eyes)),
    };
    finish(response, body.as_bytes(), None, visitor.is_none(), &headers)
}

fn listed(eyes: &Eyes<'_>) -> String {
    let mut rows = String::new();
    for version in eyes.all() {
        let state = eyes.governance.guidelines.state(version, eyes.now);
        if state == GuidelineState::Superseded {
            continue;
        }
        let read = match (eyes.person, eyes.acknowledged(version)) {
            (None, _) => String::new(),
            (Some(_), Some(at)) => format!(": you acknowledged it on {}", at.strftime("%Y-%m-%d")),
            (Some(_), None) => ": not acknowledged".to_owned(),
        };
        let _ = write!(
            rows,
            "<li>{}, {}{read}<br>{}</li>",
            escape(&name(eyes, version)),
            since(version, state),
            links(version)
        );
    }
    if rows.is_empty() { "<p>There are none.</p>".to_owned() } else { format!("<ul>{rows}</ul>") }
}

fn name(eyes: &Eyes<'_>, version: &GuidelineVersion) -> String {
    let brand = eyes.governance.brands.get(&version.brand).map_or(version.brand.as_str(), |brand| brand.name.as_str());
    format!("{brand}, version {}", version.version)
}

fn since(version: &GuidelineVersion, state: GuidelineState) -> String {
    let day = version.effective.strftime("%Y-%m-%d %H:%M UTC");
    match state {
        GuidelineState::Upcoming => format!("in effect from {day}"),
        GuidelineState::InEffect => format!("in effect since {day}"),
        GuidelineState::Superseded => format!("of {day}, no longer in effect"),
    }
}

/// A link for each language, with its own title.
fn links(version: &GuidelineVersion) -> String {
    let link = |text: &crate::config::GuidelineText| {
        let (address, tag) = (escape(&address(version, &text.language)), escape(&text.language));
        format!("<a href=\"{address}\" hreflang=\"{tag}\" lang=\"{tag}\">{}</a> ({tag})", escape(&text.title))
    };
    version.texts.iter().map(link).collect::<Vec<_>>().join(" · ")
}

fn address(version: &GuidelineVersion, language: &str) -> String {
    format!("{}&language={language}", version.path())
}

/// One text.
pub(in crate::doors::people) async fn one(
    State(gateway): State<Arc<Gateway>>,
    brand: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let visitor = signed_in(&gateway, &headers).await;
    let governance = gateway.governance.load_full();
    let eyes = Eyes::of(&gateway, &governance, visitor.as_ref().map(|visitor| &visitor.signed_in.person));
    let form = Form::wanted(&headers);
    let wish = Wish::read(query.as_deref());
    let found = brand.ok().zip(wish.as_ref()).and_then(|(Path(brand), wish)| eyes.find(&brand, wish, &headers));
    let Some(found) = found else { return missing(&gateway, form, visitor.is_some()) };
    let (response, body) = match form {
        Form::Html => page(&found.text.title, &shown(&eyes, &found, visitor.as_ref())),
        Form::Markdown => (plain(form, found.text.markdown.to_string()), found.text.markdown.to_string()),
        Form::Json => json(&eyes.text(found.version, found.text)),
    };
    finish(response, body.as_bytes(), Some(&found.text.language), visitor.is_none(), &headers)
}

/// The same answer for what is not there and for what only people see: a stranger learns nothing of it.
fn missing(gateway: &Gateway, form: Form, signed_in: bool) -> Response {
    let text = "There are no such guidelines for everybody, in this version and language. What there is stands at /guidelines; \
                who is signed in may see more.";
    if form != Form::Html {
        return Problem::from(Refusal::new(problem::NOT_FOUND, Stage::Door, text)).into_response();
    }
    let sign_in = match configured(gateway).is_some() && !signed_in {
        true => "<p><a href=\"/people/sign-in?to=%2Fguidelines\">Sign in</a></p>",
        false => "",
    };
    let body = format!("<p>{}</p><p><a href=\"/guidelines\">All guidelines</a></p>{sign_in}", escape(text));
    pages::page(StatusCode::NOT_FOUND, "Nothing here", &body)
}

fn page(title: &str, body: &str) -> (Response, String) {
    let html = pages::html(title, body);
    (pages::dressed(StatusCode::OK, html.clone()), html)
}

fn json<T: Serialize>(view: &T) -> (Response, String) {
    let body = serde_json::to_string(view).unwrap_or_default();
    (plain(Form::Json, body.clone()), body)
}

/// The text, what it is, and what its reader can do.
fn shown(eyes: &Eyes<'_>, found: &Found<'_>, visitor: Option<&Visitor>) -> String {
    let Found { version, text } = found;
    let state = eyes.governance.guidelines.state(version, eyes.now);
    let own = |other: &&GuidelineVersion| other.brand == version.brand && other.version != version.version;
    let others: Vec<String> = eyes
        .all()
        .filter(own)
        .map(|other| format!("<a href=\"{}\">{}</a>", escape(&other.path()), escape(&other.version)))
        .collect();
    let others = if others.is_empty() { String::new() } else { format!("<br>Other versions: {}", others.join(" · ")) };
    let below = match visitor {
        Some(visitor) => acknowledgement(eyes, found, visitor),
        None if configured(eyes.gateway).is_some() => {
            let to: String =
                url::form_urlencoded::byte_serialize(address(version, &text.language).as_bytes()).collect();
            format!("<p><a href=\"/people/sign-in?to={to}\">Sign in to acknowledge</a></p>")
        }
        None => String::new(),
    };
    format!(
        "<p>{}, {}<br>{}{others}</p><article lang=\"{}\" dir=\"auto\">{}</article><footer>{below}<p><a href=\"/guidelines\">All \
         guidelines</a></p></footer>",
        escape(&name(eyes, version)),
        since(version, state),
        links(version),
        escape(&text.language),
        text.html
    )
}

/// That the person acknowledged it, or the form.
fn acknowledgement(eyes: &Eyes<'_>, found: &Found<'_>, visitor: &Visitor) -> String {
    let Found { version, text } = found;
    if let Some(at) = eyes.acknowledged(version) {
        return format!("<p>You acknowledged this version on {}.</p>", at.strftime("%Y-%m-%d %H:%M UTC"));
    }
    let fields = [
        ("form", eyes.gateway.people.form_token(&visitor.cookie)),
        ("brand", version.brand.to_string()),
        ("version", version.version.clone()),
        ("digest", text.digest.clone()),
    ];
    let fields: String = fields.iter().map(|(name, value)| hidden(name, value)).collect();
    format!(
        "<form method=\"post\" action=\"{ACKNOWLEDGE}\">{fields}<p>You are signed in as <strong>{}</strong>.</p>\
         <button>I have read this and will follow it</button></form>",
        escape(visitor.signed_in.person.as_str())
    )
}

/// Takes the form, and shows the page again.
pub(in crate::doors::people) async fn acknowledge(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Sent(form): Sent,
) -> Response {
    let Some(config) = configured(&gateway) else { return pages::nothing_here() };
    let visitor = match visitor(&gateway, config, &headers).await {
        Ok(Some(visitor)) => visitor,
        Ok(None) => return pages::stale(),
        Err(why) => return pages::not_signed_in(why),
    };
    let form = form.filter(|form| gateway.people.is_form_of(&visitor.cookie, form.get("form")));
    let Some(form) = form.filter(|_| from_here(config, &headers)) else { return pages::stale() };
    let what = Acknowledged {
        brand: BrandPath::new(form.get("brand")),
        version: form.get("version").to_owned(),
        digest: form.get("digest").to_owned(),
    };
    let (keeping, person) = (Arc::clone(&gateway), visitor.signed_in.person.clone());
    // To the end, even when the browser goes away between the leaf and its effect.
    let kept = tokio::spawn(async move { keep(&keeping, &person, what).await }).await;
    match kept {
        Ok(Ok((record, _))) => {
            let path = format!("/guidelines/{}?version={}&language={}", record.brand, record.version, record.language);
            pages::redirect(&path)
        }
        Ok(Err(NotAcknowledged::Unknown | NotAcknowledged::Changed)) => {
            let text = "The text is another than the one that you saw, or it is gone. Nothing was kept: open the page again and read it.";
            pages::told(StatusCode::CONFLICT, "Not done", text)
        }
        Ok(Err(NotAcknowledged::Audit(_) | NotAcknowledged::Records(_))) | Err(_) => {
            let text = "A store of the gateway can't be written now. Try again in a minute.";
            pages::told(StatusCode::SERVICE_UNAVAILABLE, "Not done", text)
        }
    }
}
