//! The Pressgate key, wherever a client puts the network's token. It is taken out of the request, so that it never travels on.

use axum::http::header::AUTHORIZATION;
use url::form_urlencoded;

use crate::host::{PluginRequest, TokenPlace};

/// Takes the key from the first declared place that has one. Places within a body are looked at once the body is read.
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
            TokenPlace::Form(_) | TokenPlace::Json(_) => None,
        };
        found = found.or(here);
    }
    found
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
    let mut found = None;
    // What stays is not written anew: the network sees it as the client wrote it.
    let kept: Vec<&str> = query
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
    let url = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    request.url = url;
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RequestBody;

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
}
