//! How a leaf names the path of a request that nobody understands: as far as it is the network's API. What comes behind may be an id, a
//! person's name, a text or a key, and does not go into the log.

use crate::{
    host::{PluginRequest, Release, TokenPlace},
    keys::stands_in,
};

use super::voice::shared;

/// Stands for what is left out.
const LEFT_OUT: &str = "…";
/// Longest path in a leaf, in bytes.
const PATH_BYTES_MAX: usize = 200;
/// Longest word behind what is known of an API, in bytes.
const WORD_BYTES_MAX: usize = 64;
/// Digits of such a word; ids and keys have more.
const DIGITS_MAX: usize = 2;

/// The path of a request for an account of this adapter. The token was taken out of the request before.
pub(super) fn of(adapter: &Release, request: &PluginRequest) -> String {
    let after_scheme = request.url.split_once("://").map_or(request.url.as_str(), |(_, rest)| rest);
    let path = after_scheme.find('/').and_then(|start| after_scheme.get(start..)).unwrap_or("/");
    let description = adapter.description();
    let declared = adapter.manifest().http.iter().flat_map(|rule| &rule.path_prefixes);
    let declared = declared.chain(description.into_iter().flat_map(|known| &known.client_paths));
    let places = description.map(|known| known.client_token.as_slice()).unwrap_or_default();
    known(declared.map(String::as_str), places, path)
}

/// The segments that the path shares with one of the prefixes, and one word behind them where no prefix ends there: another call of the
/// same API.
fn known<'a>(prefixes: impl Iterator<Item = &'a str>, places: &[TokenPlace], path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let length = |prefix: &str| prefix.split('/').filter(|segment| !segment.is_empty()).count();
    let best = prefixes
        .filter_map(|prefix| Some((shared(prefix, path, places)?, prefix)))
        .map(|(count, prefix)| (count, count == length(prefix)))
        .max()
        .unwrap_or((0, true));
    let (count, whole) = best;
    // One more word of an API that goes on; behind a whole prefix a thing of somebody's may stand.
    let more = usize::from(!whole && segments.get(count).is_some_and(|word| is_word(word)));
    let mut shown = String::new();
    for (at, segment) in segments.iter().take(count + more).enumerate() {
        shown.push('/');
        let begin = places.iter().find_map(|place| match place {
            TokenPlace::Path(begin) if at == 0 && segment.starts_with(begin.as_str()) => Some(begin.as_str()),
            _ => None,
        });
        // A key may stand behind the beginning of the first segment.
        match begin.filter(|begin| begin != segment) {
            Some(begin) => shown.extend([begin, LEFT_OUT]),
            None => shown.push_str(segment),
        }
    }
    if segments.len() > count + more || shown.is_empty() {
        shown.push('/');
        if segments.len() > 1 || segments.first().is_some_and(|segment| !segment.is_empty()) {
            shown.push_str(LEFT_OUT);
        }
    }
    let end = shown.floor_char_boundary(PATH_BYTES_MAX);
    shown.truncate(end);
    shown
}

/// Does a segment read like the name of a call?
fn is_word(segment: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    !segment.is_empty()
        && segment.len() <= WORD_BYTES_MAX
        && segment.bytes().all(fits)
        && digits <= DIGITS_MAX
        && !stands_in(segment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PREFIXES: [&str; 5] =
        ["/api/v1/statuses", "/api/v1/accounts", "/xrpc/com.example.repo.create", "/oauth/token", "/bot"];

    fn named(path: &str) -> String {
        known(PREFIXES.into_iter(), &[TokenPlace::Path("bot".into())], path)
    }

    #[test]
    fn what_is_the_apis_is_named_and_what_is_somebodys_is_not() {
        for (path, shown) in [
            ("/api/v1/statuses", "/api/v1/statuses"),
            ("/api/v1/statuses?status=a+secret", "/api/v1/statuses"),
            ("/api/v1/push/subscription", "/api/v1/push/…"),
            ("/api/v1/accounts/ada.lovelace/follow", "/api/v1/accounts/…"),
            ("/api/v1/accounts/", "/api/v1/accounts/…"),
            ("/xrpc/com.example.server.createAppPassword", "/xrpc/com.example.server.createAppPassword"),
            ("/xrpc/9f8e7d6c5b4a", "/xrpc/…"),
            ("/xrpc/ada%40example.com", "/xrpc/…"),
            ("/bot12:ab/sendMessage", "/bot…/…"),
            ("/bot/sendMessage", "/bot/…"),
            ("/ada", "/…"),
            ("/", "/"),
            ("", "/"),
        ] {
            assert_eq!(named(path), shown, "{path}");
        }
        let key = format!("/xrpc/pgk_{}", "a".repeat(50));
        assert_eq!(named(&key), "/xrpc/pgk_".to_owned() + &"a".repeat(50), "no key: its checksum is wrong");
        assert_eq!(named(&format!("/xrpc/{}", "a".repeat(65))), "/xrpc/…");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_short_and_only_words_of_an_api_are_kept(path in "(/(api|v1|xrpc|bot[a-z0-9]{0,9}|[^/]{0,70}))*") {
            let shown = named(&path);
            prop_assert!(shown.len() <= PATH_BYTES_MAX && shown.starts_with('/'));
            prop_assert!(shown.split('/').all(|segment| segment.is_empty() || segment.ends_with('…') || is_word(segment)));
        }
    }
}
