//! What a client shows in place of the network's token: a Pressgate key, or a token of a session. It is taken out of the request
//! wherever it stands, so that it never travels on.

use axum::http::header::AUTHORIZATION;
use serde_json::Value;
use url::form_urlencoded;

use super::request::is_form;
use crate::{
    host::{FormValue, PluginRequest, RequestBody, TokenPlace},
    keys::stands_in,
};

/// Takes the token from the first declared place that has one, of those outside of the body.
pub(super) fn take(places: &[TokenPlace], request: &mut PluginRequest) -> Option<String> {
    let mut found = None;
    for place in places {
        let here = match place {
            TokenPlace::Bearer => of_header(request, AUTHORIZATION.as_str()).and_then(|value| {
                let (scheme, token) = value.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
            }),
            TokenPlace::Header(name) => of_header(request, name),
            TokenPlace::Query(name) => of_query(request, name),
            TokenPlace::Path(prefix) => of_path(request, prefix),
            TokenPlace::Form(_) | TokenPlace::Json(_) => None,
        };
        found = found.or(here);
    }
    found
}

/// May a body have the token?
pub(super) fn may_be_in_body(places: &[TokenPlace]) -> bool {
    places.iter().any(|place| matches!(place, TokenPlace::Form(_) | TokenPlace::Json(_)))
}

/// Takes the token from the first declared place of the body that has one.
pub(super) fn take_from_body(places: &[TokenPlace], request: &mut PluginRequest) -> Option<String> {
    let form = is_form(request);
    let RequestBody::Bytes(bytes) = &mut request.body else { return None };
    places.iter().find_map(|place| match place {
        TokenPlace::Form(name) if form => {
            let text = String::from_utf8(bytes.clone()).ok()?;
            let (found, rest) = without(&text, name);
            let found = found?;
            *bytes = rest.into_bytes();
            Some(found)
        }
        TokenPlace::Json(pointer) if !form => {
            let mut json: Value = serde_json::from_slice(bytes).ok()?;
            let found = json.pointer(pointer)?.as_str()?.to_owned();
            let (parent, name) = pointer.rsplit_once('/')?;
            json.pointer_mut(parent)?.as_object_mut()?.remove(name)?;
            *bytes = serde_json::to_vec(&json).ok()?;
            Some(found)
        }
        _ => None,
    })
}

/// Does a key of anybody's, or the token, still stand somewhere? However it is written: what the network would read is looked at.
pub(super) fn is_left(request: &PluginRequest, token: &str) -> bool {
    let here = |text: &str| text.contains(token) || stands_in(text);
    let in_body = match &request.body {
        RequestBody::None | RequestBody::Media(_) => false,
        RequestBody::Bytes(bytes) => is_left_in(bytes, is_form(request), &here),
        RequestBody::Multipart(fields) => fields.iter().any(|field| {
            let text = if let FormValue::Text(text) = &field.value { text.as_str() } else { "" };
            [field.name.as_str(), field.filename.as_deref().unwrap_or_default(), text].iter().any(|part| here(part))
        }),
    };
    // An address is no form, but it is escaped like one.
    let mut address = form_urlencoded::parse(request.url.as_bytes());
    in_body
        || here(&request.url)
        || address.any(|(name, value)| here(&name) || here(&value))
        || request.headers.iter().any(|(_, value)| here(value))
}

/// In a body as the client wrote it, and as it is read.
fn is_left_in(bytes: &[u8], form: bool, here: &impl Fn(&str) -> bool) -> bool {
    let text = String::from_utf8_lossy(bytes);
    if here(&text) {
        return true;
    }
    if form {
        return form_urlencoded::parse(bytes).any(|(name, value)| here(&name) || here(&value));
    }
    // Without an escape it says what stands there.
    text.contains('\\') && serde_json::from_slice(bytes).is_ok_and(|json| is_left_in_json(&json, here))
}

fn is_left_in_json(json: &Value, here: &impl Fn(&str) -> bool) -> bool {
    match json {
        Value::String(text) => here(text),
        Value::Array(values) => values.iter().any(|value| is_left_in_json(value, here)),
        Value::Object(fields) => fields.iter().any(|(name, value)| here(name) || is_left_in_json(value, here)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn of_header(request: &mut PluginRequest, name: &str) -> Option<String> {
    let mut found = None;
    request.headers.retain(|(known, value)| {
        let here = known.eq_ignore_ascii_case(name);
        if here {
            found.get_or_insert_with(|| value.clone());
        }
        !here
    });
    found
}

fn of_query(request: &mut PluginRequest, name: &str) -> Option<String> {
    let (path, query) = request.url.split_once('?')?;
    let (found, rest) = without(query, name);
    let url = if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") };
    request.url = url;
    found
}

/// The first value of `name` in a query or form, and the rest. What stays is not written anew: the network sees it as the client
/// wrote it.
fn without(pairs: &str, name: &str) -> (Option<String>, String) {
    let mut found = None;
    let kept: Vec<&str> = pairs
        .split('&')
        .filter(|pair| {
            let Some((key, value)) = form_urlencoded::parse(pair.as_bytes()).next() else { return true };
            let here = key == name;
            if here {
                found.get_or_insert_with(|| value.into_owned());
            }
            !here
        })
        .collect();
    (found, kept.join("&"))
}

/// `/bot<token>/sendMessage` becomes `/bot/sendMessage`.
fn of_path(request: &mut PluginRequest, prefix: &str) -> Option<String> {
    let start = path_of(&request.url)?.checked_add(1)?;
    let (origin, path) = request.url.split_at_checked(start)?;
    let end = path.find(['/', '?']).unwrap_or(path.len());
    let (segment, rest) = path.split_at_checked(end)?;
    let token = segment.strip_prefix(prefix).filter(|token| !token.is_empty())?.to_owned();
    request.url = format!("{origin}{prefix}{rest}");
    Some(token)
}

/// Where the path of an absolute address begins.
fn path_of(url: &str) -> Option<usize> {
    let host = url.find("://")?.checked_add(3)?;
    Some(host + url.get(host..)?.find('/')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str, headers: &[(&str, &str)]) -> PluginRequest {
        PluginRequest {
            method: "GET".into(),
            url: url.into(),
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: RequestBody::None,
            credential: None,
        }
    }

    #[test]
    fn a_key_is_taken_out_of_every_place_and_the_first_counts() {
        let places = [TokenPlace::Bearer, TokenPlace::Query("access_token".into()), TokenPlace::Header("X-Key".into())];
        let mut all = request(
            "/a?b=%41&access_token=two&c=",
            &[("authorization", "bearer  one"), ("x-key", "three"), ("x-other", "1")],
        );
        assert_eq!(take(&places, &mut all).as_deref(), Some("one"));
        assert_eq!((all.url.as_str(), all.headers.len()), ("/a?b=%41&c=", 1));
        let mut none = request("/a?access%5Ftoken=two", &[("authorization", "Basic eDp5")]);
        assert_eq!(take(&places, &mut none).as_deref(), Some("two"), "however it is written");
        assert_eq!(
            (none.url.as_str(), none.headers.len()),
            ("/a", 0),
            "another scheme's secret does not travel on either"
        );
    }

    fn sent(body: &str, kind: &str) -> PluginRequest {
        PluginRequest { body: RequestBody::Bytes(body.as_bytes().to_vec()), ..request("/a", &[("content-type", kind)]) }
    }

    fn left(request: &PluginRequest) -> &str {
        let RequestBody::Bytes(bytes) = &request.body else { return "" };
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_token_is_taken_out_of_a_body() {
        let places = [TokenPlace::Form("password".into()), TokenPlace::Json("/login/password".into())];
        assert!(may_be_in_body(&places) && !may_be_in_body(&[TokenPlace::Bearer]));
        let mut form = sent("a=%41&p%61ssword=key&b=", "application/x-www-form-urlencoded; charset=utf-8");
        assert_eq!(take_from_body(&places, &mut form).as_deref(), Some("key"));
        assert_eq!(left(&form), "a=%41&b=");
        let mut json = sent(r#"{"login": {"password": "key", "a": 1}}"#, "application/json");
        assert_eq!(take_from_body(&places, &mut json).as_deref(), Some("key"));
        assert_eq!(left(&json), r#"{"login":{"a":1}}"#);
        for (body, kind) in [("{", "application/json"), ("a=1", "application/x-www-form-urlencoded")] {
            let mut none = sent(body, kind);
            assert_eq!(take_from_body(&places, &mut none), None);
            assert_eq!(left(&none), body);
        }
    }

    #[test]
    fn a_token_is_taken_out_of_the_path() {
        let places = [TokenPlace::Path("bot".into())];
        let mut one = request("https://api.example/bot12:ab/sendMessage?x=1", &[]);
        assert_eq!(take(&places, &mut one).as_deref(), Some("12:ab"));
        assert_eq!(one.url, "https://api.example/bot/sendMessage?x=1");
        for url in ["https://api.example/bot/x", "https://api.example/x/bot1", "https://api.example"] {
            let mut none = request(url, &[]);
            assert_eq!((take(&places, &mut none), none.url.as_str()), (None, url));
        }
    }

    #[test]
    fn what_is_left_is_found() {
        assert!(is_left(&request("https://x.example/?a=key", &[]), "key"));
        assert!(is_left(&request("/", &[("x", "a key b")]), "key"));
        assert!(is_left(&sent(r#"{"text":"my key"}"#, "application/json"), "key"));
        assert!(!is_left(&sent("{}", "application/json"), "key"));
        let form = "application/x-www-form-urlencoded";
        assert!(is_left(&sent("status=%6bey", form), "key") && !is_left(&sent("status=kay", form), "key"));
        assert!(is_left(&sent(r#"{"a":[{"\u006bey":1}]}"#, "application/json"), "key"));
        assert!(is_left(&request("https://x.example/?a=%6B%65y", &[]), "key"));
    }
}
