//! Logins of clients: a session of the gateway, in the words of <https://docs.joinmastodon.org/methods/oauth/>.

use pressgate_sdk::http::{Body, Request, Response};
use pressgate_sdk::{Account, Login, Session, TokenPlace, form_pairs};
use serde_json::{Value, json};

/// What a client gets that names no scopes, as servers do.
const SCOPE: &str = "read";

/// What clients ask for that this adapter does not: logins, and what they try before one.
pub const PATHS: [&str; 4] = ["/oauth/token", "/oauth/revoke", "/oauth/authorize", "/api/v1/apps"];

/// Where clients put a Pressgate key: as the token, as the password of a login, as the token to revoke, or as the secret of an
/// app that logs in for itself.
pub fn places() -> Vec<TokenPlace> {
    let fields = ["password", "token", "client_secret"];
    let places = fields
        .into_iter()
        .flat_map(|field| [TokenPlace::Form(field.to_owned()), TokenPlace::Json(format!("/{field}"))]);
    [TokenPlace::Bearer].into_iter().chain(places).collect()
}

/// What the request wants of a session, or none where it is no login.
pub fn classify(account: &Account, request: &Request) -> Option<Login> {
    if request.method != "POST" {
        return None;
    }
    match request.path_on(account).ok()? {
        // Tokens of this API don't end, so its clients don't renew them.
        "/oauth/token" => matches!(request.body, Body::Bytes(_)).then_some(Login::OpenLasting),
        "/oauth/revoke" => Some(Login::End),
        _ => None,
    }
}

/// The entity `Token`: <https://docs.joinmastodon.org/entities/Token/>
pub fn answer(login: Login, session: &Session, request: &Request) -> Response {
    let (Login::OpenLasting, Some(access)) = (login, &session.access) else {
        return Response::json(200, "{}");
    };
    let body = json!({
        "access_token": access,
        "token_type": "Bearer",
        "scope": scope(request),
        "created_at": session.created_at_ms / 1000,
    });
    Response::json(200, body.to_string())
}

/// The scopes that the client asks for: what it may do is decided by its grants.
fn scope(request: &Request) -> String {
    let Body::Bytes(bytes) = &request.body else { return SCOPE.to_owned() };
    let asked = match serde_json::from_slice::<Value>(bytes) {
        Ok(json) => json["scope"].as_str().map(str::to_owned),
        Err(_) => form_pairs(bytes)
            .ok()
            .and_then(|pairs| pairs.into_iter().find(|(name, _)| name == "scope").map(|(_, value)| value)),
    };
    let fits = |scope: &String| {
        !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b' ' | b':' | b'_'))
    };
    asked.filter(fits).unwrap_or_else(|| SCOPE.to_owned())
}
