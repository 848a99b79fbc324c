//! What Request Tracker is asked, through REST 2.0.

use pressgate_sdk::connector::{Event, Failure, Rejection};
use pressgate_sdk::http::{self, Kind, Request, Response, Safety};
use serde_json::{Value, json};

use super::{setting, words};

/// The step that opens a ticket.
pub const OPEN: &str = "open";
/// The step that adds a comment.
pub const COMMENT: &str = "comment";
/// Whether these happened can be looked up.
const LOOKED_UP: Kind = Kind::Effect(Safety::LookUp);
/// The same status twice is no other status.
const REPEATABLE: Kind = Kind::Effect(Safety::ClientId);
/// Transactions of a ticket that are looked through; with more of them nobody reads comments.
const HISTORY_MAX: &str = "100";
const HISTORY_PAGES: usize = 20;

/// A ticket of a post.
pub struct Ticket {
    pub id: String,
    pub status: String,
}

/// The ticket of a post; the first, where people made copies.
pub fn find(step: &str, post: &str) -> Result<Option<Ticket>, Failure> {
    let query = format!("'CF.{{{}}}' = '{}'", field(), quoted(post));
    let request = Request::get("/REST/2.0/tickets")
        .query("query", &query)
        .query("fields", "Status")
        .query("orderby", "id")
        .query("per_page", "1");
    let found = json_of(step, Kind::Read, request, "look for the ticket")?;
    let Some(ticket) = found.pointer("/items/0") else { return Ok(None) };
    let status = ticket.get("Status").and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = id_of(ticket).ok_or_else(|| strange("the ticket that was found has no id"))?;
    Ok(Some(Ticket { id, status }))
}

/// Opens a ticket; its id.
pub fn open(event: &Event, post: &str) -> Result<String, Failure> {
    let queue = setting("/queue", "");
    // On making, a field of one queue is known by its id only.
    let request = Request::get(format!("/REST/2.0/queue/{}", encoded(&queue)));
    let facts = json_of("queue", Kind::Read, request, "see the queue")?;
    let fields = facts.get("TicketCustomFields").and_then(Value::as_array);
    let is_ours = |known: &&Value| known.get("name").and_then(Value::as_str) == Some(field().as_str());
    let found = fields.into_iter().flatten().find(is_ours).and_then(id_of);
    let Some(field) = found else {
        let message = format!("the queue `{queue}` has no custom field `{}` that this user sees", field());
        return Err(Failure::Temporary(Rejection::new(None, "no-custom-field", message)));
    };
    let body = json!({
        "Queue": queue,
        "Subject": words::subject(event, post),
        "Content": words::told(event),
        "ContentType": "text/plain",
        "CustomFields": { field: post },
    });
    let made = json_of(OPEN, LOOKED_UP, Request::post("/REST/2.0/ticket").json(body.to_string()), "open a ticket")?;
    id_of(&made).ok_or_else(|| strange("the new ticket has no id"))
}

/// Adds what happened.
pub fn comment(ticket: &str, event: &Event) -> Result<(), Failure> {
    let body = json!({ "Subject": event.id, "Content": words::told(event), "ContentType": "text/plain" });
    let request = Request::post(format!("/REST/2.0/ticket/{ticket}/comment")).json(body.to_string());
    ask(COMMENT, LOOKED_UP, request, "comment on the ticket").map(drop)
}

/// Has the ticket a comment of this event? The subject of a comment is in its transaction.
pub fn has_comment(step: &str, ticket: &str, event: &str) -> Result<bool, Failure> {
    for page in 1..=HISTORY_PAGES {
        let request = Request::get(format!("/REST/2.0/ticket/{ticket}/history"))
            .query("fields", "Type,Data")
            .query("per_page", HISTORY_MAX)
            .query("page", &page.to_string());
        let history = json_of(&format!("{step}-{page}"), Kind::Read, request, "read the ticket's history")?;
        let items = history.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let tells = |item: &Value| item.get("Data").and_then(Value::as_str).is_some_and(|data| data.trim() == event);
        if items.iter().any(tells) {
            return Ok(true);
        }
        if items.len() < HISTORY_MAX.parse().unwrap_or(usize::MAX) {
            break;
        }
    }
    Ok(false)
}

/// Sets the ticket's status.
pub fn set_status(ticket: &str, status: &str) -> Result<(), Failure> {
    let request = Request::put(format!("/REST/2.0/ticket/{ticket}")).json(json!({ "Status": status }).to_string());
    ask(&format!("status-{status}"), REPEATABLE, request, "set the ticket's status").map(drop)
}

fn json_of(step: &str, kind: Kind, request: Request, what: &str) -> Result<Value, Failure> {
    let answer = ask(step, kind, request, what)?;
    serde_json::from_slice(&answer.body).map_err(|_| strange("the answer is no JSON"))
}

fn ask(step: &str, kind: Kind, request: Request, what: &str) -> Result<Response, Failure> {
    let answer = http::send(step, kind, &request.credential("token"));
    let answer = answer.map_err(|error| Failure::from_error(step, kind, error))?;
    if answer.is_success() {
        return Ok(answer);
    }
    let failure = Failure::from_status(&answer, format!("Request Tracker did not let us {what}"));
    Err(match failure {
        // A right that is missing, a queue that is not there: a person mends it, and the same event passes then.
        Failure::Rejected(why) if matches!(why.status, Some(403 | 404)) => Failure::Temporary(why),
        other => other,
    })
}

fn strange(message: &str) -> Failure {
    Failure::Temporary(Rejection::new(None, "strange-answer", message))
}

fn field() -> String {
    setting("/custom_field", "Pressgate")
}

/// An id is a number or a text.
fn id_of(value: &Value) -> Option<String> {
    let id = match value.get("id")? {
        Value::String(id) => id.clone(),
        other => other.as_u64()?.to_string(),
    };
    id.bytes().all(|byte| byte.is_ascii_digit()).then_some(id)
}

/// Within quotes of TicketSQL.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
