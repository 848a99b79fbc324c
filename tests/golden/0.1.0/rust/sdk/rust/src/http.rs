//! Requests to the network, made by the gateway: it checks the address against `plugin.toml`, adds the credential and
//! keeps a durable journal so that no step is blindly repeated.

pub use crate::bindings::adapter::pressgate::plugin::http::{
    Body, Error, FormField, FormValue, Kind, MediaSlice, Request, Response, Safety,
};

/// Sends `request` as the step `step` of this call. Step names are unique within a call and the same at each attempt.
pub fn send(step: &str, kind: Kind, request: &Request) -> Result<Response, Error> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::adapter::pressgate::plugin::http::send(step, kind, request);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::send(step, kind, request);
}

impl Request {
    /// A request without headers, body and credential. The address is absolute, or starts with `/` and is taken
    /// relative to the account's endpoint.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.to_owned(), url: url.into(), headers: Vec::new(), body: Body::None, credential: None }
    }

    /// `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// `PUT`.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// `DELETE`.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Injects the credential of this label, from `plugin.toml`.
    #[must_use]
    pub fn credential(mut self, label: &str) -> Self {
        self.credential = Some(label.to_owned());
        self
    }

    /// Adds a pair to the query, percent-encoded.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(&percent_encode(name));
        self.url.push('=');
        self.url.push_str(&percent_encode(value));
        self
    }

    /// This JSON text as the body, with its content type.
    #[must_use]
    pub fn json(self, text: impl Into<String>) -> Self {
        let mut request = self.header("content-type", "application/json");
        request.body = Body::Bytes(text.into().into_bytes());
        request
    }

    /// A medium of the post as the whole body, with its content type.
    #[must_use]
    pub fn medium(self, id: &str, media_type: &str) -> Self {
        let mut request = self.header("content-type", media_type);
        request.body = Body::Media(id.to_owned());
        request
    }

    /// A `multipart/form-data` body; the gateway writes the content type.
    #[must_use]
    pub fn multipart(mut self, fields: Vec<FormField>) -> Self {
        self.body = Body::Multipart(fields);
        self
    }

    /// The address without scheme, host, query and fragment: `/api/v1/statuses`.
    pub fn path(&self) -> &str {
        let rest = match self.url.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/"),
            None => &self.url,
        };
        rest.split(['?', '#']).next().unwrap_or_default()
    }

    /// The first value of this name in the query, percent-decoded; none where it is missing or not UTF-8.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let query = self.url.split_once('?')?.1.split('#').next()?;
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(key)? == name).then(|| percent_decode(value)).flatten()
        })
    }

    /// The first parameter of the query, as it is written, whose name is none of these; for a `classify` that lets only known ones pass.
    pub fn unknown_parameter(&self, known: &[&str]) -> Option<&str> {
        let query = self.url.split_once('?')?.1.split('#').next()?;
        let mut names = query.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| pair.split('=').next());
        names.find(|name| !percent_decode(name).is_some_and(|name| known.contains(&name.as_str())))
    }
}

impl FormField {
    /// A text field.
    pub fn text(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), filename: None, value: FormValue::Text(value.into()) }
    }

    /// A field that carries a piece of a medium of the post.
    pub fn slice(name: &str, filename: &str, id: &str, offset: u64, length: u64) -> Self {
        let value = FormValue::MediaSlice(MediaSlice { id: id.to_owned(), offset, length });
        Self { name: name.to_owned(), filename: Some(filename.to_owned()), value }
    }

    /// A field that carries a medium of the post.
    pub fn media(name: &str, filename: &str, id: &str) -> Self {
        Self { name: name.to_owned(), filename: Some(filename.to_owned()), value: FormValue::Media(id.to_owned()) }
    }
}

impl Response {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A JSON answer, for `render_session`, `render_refusal` and tests.
    pub fn json(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: text.into().into_bytes(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// The first value of a header; `name` in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// True for 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The first value of a header in a list; `name` in any case.
pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Percent-encodes everything except the unreserved characters of RFC 3986 §2.3, for a path segment or a query value.
pub fn percent_encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// Undoes percent-encoding, `+` being a space as in queries; none for a broken escape or what is not UTF-8.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_taken_apart_as_it_was_built() {
        let request =
            Request::get("https://social.example/api/v1/search").query("q", "Žluťoučký & kůň").query("n", "1");
        assert_eq!(request.path(), "/api/v1/search");
        assert_eq!(request.query_value("q").as_deref(), Some("Žluťoučký & kůň"));
        assert_eq!(request.query_value("n").as_deref(), Some("1"));
        assert_eq!(request.query_value("m"), None);
        assert_eq!(Request::get("https://social.example").path(), "/");
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(percent_decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn encoding_survives_the_round_trip(text in "\\PC*") {
            prop_assert_eq!(percent_decode(&percent_encode(&text)), Some(text));
        }

        #[test]
        fn no_address_makes_it_panic(url in "\\PC*", name in "\\PC{0,3}") {
            let request = Request::get(url);
            let _ = (request.path(), request.query_value(&name));
        }
    }
}
