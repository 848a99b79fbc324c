//! What a client hears at a login: a session of the gateway, in the words of
//! <https://docs.bsky.app/docs/api/com-atproto-server-create-session>.

use pressgate_sdk::http::Response;
use pressgate_sdk::{Account, Login, Session};
use serde_json::json;

use crate::facts;

/// The answer. It has no `didDoc`: that would name the network's own server, and clients go where it leads.
pub fn answer(_account: &Account, login: Login, session: &Session) -> Response {
    if login == Login::End {
        return Response::empty(200);
    }
    let Some(who) = session.facts.as_ref().and_then(facts::session) else {
        let body = json!({ "error": "UpstreamFailure", "message": "The server did not say yet who the account is." });
        return Response::json(502, body.to_string());
    };
    let mut body = json!({ "did": who.did, "handle": who.handle, "active": true });
    for (name, token) in [("accessJwt", &session.access), ("refreshJwt", &session.refresh)] {
        if let Some(token) = token {
            body[name] = json!(token);
        }
    }
    Response::json(200, body.to_string())
}
