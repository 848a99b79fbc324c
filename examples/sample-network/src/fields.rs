//! Request parameters, whichever way they came: JSON, form or multipart. Mastodon takes all three everywhere.

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use crate::api::ApiError;

/// One parameter. Lists come as several parameters of one name, with or without `[]` at its end.
#[derive(Debug)]
pub(crate) struct Field {
    /// Name without a final `[]`.
    pub(crate) name: String,
    /// What it holds.
    pub(crate) value: FieldValue,
}

/// The value of a parameter.
#[derive(Debug)]
pub(crate) enum FieldValue {
    /// Text; booleans and numbers are written as in JSON.
    Text(String),
    /// A file with its declared media type.
    File { declared: String, bytes: Bytes },
    /// An object or a list of objects, which nothing here takes.
    Nested,
}

impl Field {
    fn text(name: &str, value: impl Into<String>) -> Self {
        Self { name: plain(name).to_owned(), value: FieldValue::Text(value.into()) }
    }

    /// The text, where it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            FieldValue::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads the parameters of a request.
pub(crate) async fn read(request: Request<Body>) -> Result<Vec<Field>, ApiError> {
    let declared = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let kind = declared.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if kind == "multipart/form-data" {
        return multipart(request).await;
    }
    let body = request.into_body().collect().await.map_err(|_| ApiError::bad("The body could not be read"))?.to_bytes();
    match kind.as_str() {
        "application/json" => json(&body),
        "application/x-www-form-urlencoded" => {
            Ok(url::form_urlencoded::parse(&body).map(|(name, value)| Field::text(&name, value)).collect())
        }
        _ if body.is_empty() => Ok(Vec::new()),
        _ => Err(ApiError::new(415, "Unsupported media type")),
    }
}

async fn multipart(request: Request<Body>) -> Result<Vec<Field>, ApiError> {
    let unreadable = |_| ApiError::bad("Invalid multipart body");
    let mut parts =
        Multipart::from_request(request, &()).await.map_err(|_| ApiError::bad("Invalid multipart boundary"))?;
    let mut fields = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(unreadable)? {
        let name = part.name().unwrap_or("").to_owned();
        if part.file_name().is_some() {
            let declared = part.content_type().unwrap_or("").to_ascii_lowercase();
            let bytes = part.bytes().await.map_err(unreadable)?;
            fields.push(Field { name: plain(&name).to_owned(), value: FieldValue::File { declared, bytes } });
        } else {
            fields.push(Field::text(&name, part.text().await.map_err(unreadable)?));
        }
    }
    Ok(fields)
}

fn json(body: &[u8]) -> Result<Vec<Field>, ApiError> {
    let invalid = || ApiError::bad("There was a problem in the JSON you submitted");
    let value: Value = serde_json::from_slice(body).map_err(|_| invalid())?;
    let Value::Object(object) = value else { return Err(invalid()) };
    let mut fields = Vec::new();
    for (name, value) in object {
        match value {
            Value::Array(items) => fields.extend(items.into_iter().filter_map(|item| from_json(&name, item))),
            value => fields.extend(from_json(&name, value)),
        }
    }
    Ok(fields)
}

fn from_json(name: &str, value: Value) -> Option<Field> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Field::text(name, text)),
        Value::Bool(_) | Value::Number(_) => Some(Field::text(name, value.to_string())),
        Value::Array(_) | Value::Object(_) => Some(Field { name: plain(name).to_owned(), value: FieldValue::Nested }),
    }
}

fn plain(name: &str) -> &str {
    name.strip_suffix("[]").unwrap_or(name)
}
