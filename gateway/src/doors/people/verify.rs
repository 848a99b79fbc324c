//! The verification page (RFC 8628 section 3.3): a person who is signed in types the code that their device shows, sees what asks and
//! from where, and says yes or no.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{
    VERIFY,
    browser::{Visitor, from_here, visitor},
    configured,
    form::{Fields, Form},
    pages::{self, escape, hidden},
};
use crate::{
    gateway::Gateway,
    people::{Shown, Wrong},
};

/// Longest code that is shown again in the field, in bytes.
const CODE_BYTES_MAX: usize = 16;

/// Asks for the code. One that came with the address stands in the field already; it is not looked up before the person says so.
pub(super) async fn ask(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(config) = configured(&gateway) else { return pages::nothing_here() };
    let fields = Fields::read(query.unwrap_or_default().as_bytes());
    let code = fields.as_ref().map(|fields| fields.get("code")).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let code = if code.len() <= CODE_BYTES_MAX && code.bytes().all(plain) { code } else { "" };
    match visitor(&gateway, config, &headers).await {
        Ok(Some(visitor)) => entry(&gateway, &visitor, code, ""),
        Ok(None) => {
            let to = if code.is_empty() { VERIFY.to_owned() } else { format!("{VERIFY}?code={code}") };
            let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
            pages::redirect(&format!("/people/sign-in?to={to}"))
        }
        Err(why) => pages::not_signed_in(why),
    }
}

fn entry(gateway: &Gateway, visitor: &Visitor, code: &str, fault: &str) -> Response {
    let token = hidden("form", &gateway.people.form_token(&visitor.cookie));
    let fault = if fault.is_empty() { String::new() } else { format!("<p role=\"alert\">{}</p>", escape(fault)) };
    let body = format!(
        "{fault}<p>You are signed in as <strong>{}</strong>. Type the code that your device shows.</p>\
         <form method=\"post\" action=\"{VERIFY}\">{token}<label>Code <input name=\"code\" value=\"{}\" autocomplete=\"off\" \
         autocapitalize=\"characters\" spellcheck=\"false\" required></label><button>Continue</button></form>",
        escape(visitor.signed_in.person.as_str()),
        escape(code)
    );
    let status = if fault.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    pages::page(status, "Enrol a device", &body)
}

/// Shows the device that waits for a code.
pub(super) async fn look(State(gateway): State<Arc<Gateway>>, headers: HeaderMap, Form(form): Form) -> Response {
    let (visitor, form) = match sent(&gateway, &headers, form).await {
        Ok(sent) => sent,
        Err(response) => return *response,
    };
    let code = form.get("code");
    match gateway.people.codes.find(code, &visitor.signed_in.person, gateway.clock.now()) {
        Ok(shown) => question(&gateway, &visitor, &shown),
        Err(wrong) => mistaken(&gateway, &visitor, wrong),
    }
}

fn question(gateway: &Gateway, visitor: &Visitor, shown: &Shown) -> Response {
    let token = hidden("form", &gateway.people.form_token(&visitor.cookie));
    let code = hidden("code", &shown.user_code);
    let began = shown.began.strftime("%Y-%m-%d %H:%M UTC");
    let body = format!(
        "<p>A device asks to act as <strong>{}</strong> for 90 days.</p><dl><dt>Code</dt><dd><code>{}</code></dd>\
         <dt>It calls itself</dt><dd>{}</dd><dt>It asked from</dt><dd>{}</dd><dt>At</dt><dd>{began}</dd></dl>\
         <p><strong>Say yes only if you began this yourself just now, and the device shows the same code.</strong></p>\
         <form method=\"post\" action=\"/people/device/decision\">{token}{code}\
         <button name=\"decision\" value=\"approve\">Yes, enrol it</button> \
         <button name=\"decision\" value=\"deny\">No</button></form>",
        escape(visitor.signed_in.person.as_str()),
        escape(&shown.user_code),
        escape(&shown.name),
        escape(&shown.source.to_canonical().to_string()),
    );
    pages::page(StatusCode::OK, "Enrol this device?", &body)
}

/// Takes the person's decision.
pub(super) async fn decide(State(gateway): State<Arc<Gateway>>, headers: HeaderMap, Form(form): Form) -> Response {
    let (visitor, form) = match sent(&gateway, &headers, form).await {
        Ok(sent) => sent,
        Err(response) => return *response,
    };
    let identity = match form.get("decision") {
        "approve" => Some(visitor.signed_in.identity.clone()),
        "deny" => None,
        _ => return pages::stale(),
    };
    let (person, approved) = (&visitor.signed_in.person, identity.is_some());
    match gateway.people.codes.decide(form.get("code"), person, identity, gateway.clock.now()) {
        Ok(_) if approved => {
            let text = "The device is yours. You can close this page; the device goes on by itself.";
            pages::page(StatusCode::OK, "Enrolled", &format!("<p>{text}</p>"))
        }
        Ok(_) => {
            let text =
                "The device was refused. If you did not begin this, somebody tried to act as you: tell an operator.";
            pages::page(StatusCode::OK, "Refused", &format!("<p>{text}</p>"))
        }
        Err(wrong) => mistaken(&gateway, &visitor, wrong),
    }
}

fn mistaken(gateway: &Gateway, visitor: &Visitor, wrong: Wrong) -> Response {
    match wrong {
        Wrong::Unknown => {
            let fault = "No device waits for this code: it is mistyped, older than ten minutes, or decided.";
            entry(gateway, visitor, "", fault)
        }
        Wrong::TooMany => {
            let text = "Too many wrong codes. Wait ten minutes, and begin anew at the device.";
            pages::told(StatusCode::TOO_MANY_REQUESTS, "Wait", text)
        }
    }
}

/// A form of somebody who is signed in, from this browser's own page.
pub(super) async fn sent(
    gateway: &Gateway,
    headers: &HeaderMap,
    form: Option<Fields>,
) -> Result<(Visitor, Fields), Box<Response>> {
    let Some(config) = configured(gateway) else { return Err(Box::new(pages::nothing_here())) };
    let visitor = match visitor(gateway, config, headers).await {
        Ok(Some(visitor)) => visitor,
        Ok(None) => return Err(Box::new(pages::stale())),
        Err(why) => return Err(Box::new(pages::not_signed_in(why))),
    };
    let form = form.filter(|form| gateway.people.is_form_of(&visitor.cookie, form.get("form")));
    match form.filter(|_| from_here(config, headers)) {
        Some(form) => Ok((visitor, form)),
        None => Err(Box::new(pages::stale())),
    }
}
