//! Forms: bounded in size and time, each field once.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRequest, Request},
    http::header::CONTENT_TYPE,
};
use bytes::BytesMut;
use http_body_util::BodyExt;
use zeroize::Zeroizing;

use crate::{doors::body::Timed, gateway::Gateway};

/// Largest form, in bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// Most fields.
const FIELDS_MAX: usize = 32;

/// The fields of a form; none where it is none.
pub(super) struct Form(pub(super) Option<Fields>);

/// Fields by name.
pub(super) struct Fields(HashMap<String, Zeroizing<String>>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`. A field that stands twice spoils the whole: two readers could see different things.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let mut fields = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            let again = fields.insert(name.into_owned(), Zeroizing::new(value.into_owned())).is_some();
            if again || fields.len() > FIELDS_MAX {
                return None;
            }
        }
        Some(Self(fields))
    }

    /// A field; empty where it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map(|value| value.as_str()).unwrap_or_default()
    }
}

impl FromRequest<Arc<Gateway>> for Form {
    type Rejection = Infallible;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Infallible> {
        Ok(Self(gather(request, gateway).await))
    }
}

async fn gather(request: Request, gateway: &Gateway) -> Option<Fields> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let mut body = Timed::whole(request.into_body(), gateway);
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        if bytes.len().saturating_add(data.len()) > FORM_BYTES_MAX {
            return None;
        }
        bytes.extend_from_slice(&data);
    }
    Fields::read(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_stands_once() {
        let fields = Fields::read(b"a=1&b=x%20y+z&c").unwrap();
        assert_eq!((fields.get("a"), fields.get("b"), fields.get("c"), fields.get("d")), ("1", "x y z", "", ""));
        assert!(Fields::read(b"a=1&a=1").is_none());
        let many: String = (0..40).map(|number| format!("f{number}=&")).collect();
        assert!(Fields::read(many.as_bytes()).is_none());
        assert!(Fields::read(b"%ff=%fe&&==").is_some());
    }
}
