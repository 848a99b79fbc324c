//! What an answer tells of the limits that its request touched, so that a program can slow down before it is refused.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

use crate::limits::told::telling;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Around every handler.
pub async fn told(request: Request, next: Next) -> Response {
    let (mut response, told) = telling(next.run(request)).await;
    if let Some((policy, limit)) = told {
        for (name, value) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
    response
}
