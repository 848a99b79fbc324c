//! Who the account is.

use pressgate_sdk::http::{self, Kind, Request};
use pressgate_sdk::{Call, Facts, Failure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{SESSION, answer, check, uri};

/// A DID never changes and a handle seldom.
const FRESH_S: u32 = 24 * 60 * 60;

/// What the server says of the account: <https://docs.bsky.app/docs/api/com-atproto-server-get-session>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The account's lasting identifier.
    pub did: String,
    /// Its name.
    pub handle: String,
}

fn request() -> Request {
    Request::get("/xrpc/com.atproto.server.getSession").credential(SESSION)
}

fn read(body: &[u8]) -> Option<Session> {
    let session: Session = serde_json::from_slice(body).ok()?;
    (session.did.starts_with("did:") && uri::is_segment(&session.did)).then_some(session)
}

/// Asks the server.
pub fn discover() -> Result<Facts, String> {
    let response = http::send("session", Kind::Read, &request())
        .map_err(|error| format!("the server did not say who the account is: {error:?}"))?;
    if response.status != 200 {
        return Err(format!("the server answered {} to getSession", response.status));
    }
    let session = read(&response.body).ok_or("the server's answer to getSession names no DID and handle")?;
    let facts = json!({
        "did": session.did,
        "handle": session.handle,
        "graphemes_max": check::GRAPHEMES_MAX,
        "bytes_max": check::BYTES_MAX,
        "images_max": check::IMAGES_MAX,
        "image_bytes_max": check::IMAGE_BYTES_MAX,
    });
    Ok(Facts::new(facts.to_string(), FRESH_S))
}

/// Who the account is, as its facts say.
pub fn session(facts: &Facts) -> Option<Session> {
    read(facts.json.as_bytes())
}

/// The account's DID: from the call's facts, or asked in the step `session`.
pub fn did(call: &Call) -> Result<String, Failure> {
    if let Some(session) = call.facts.as_ref().and_then(session) {
        return Ok(session.did);
    }
    let response = answer::send("session", Kind::Read, &request())?;
    answer::success(&response)?;
    read(&response.body).map(|session| session.did).ok_or_else(|| answer::garbage(&response))
}
