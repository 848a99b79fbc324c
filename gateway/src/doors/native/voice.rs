//! In whose words somebody hears who is not known, or asks for an account that there is not. It follows from the request alone, never
//! from the account that it names: else a stranger could tell an account that there is from one that there is not.

use std::sync::Arc;

use axum::{http::request::Parts, response::IntoResponse, response::Response};

use super::{address::Addressed, answer, token};
use crate::{
    doors::problem::Problem,
    host::{PluginRequest, Release, RequestBody, Snapshot, TokenPlace},
    refusal::{Refusal, Stage, problem},
};

/// Stands for a network's address in what an adapter is shown of a stranger's request.
const NOWHERE: &str = "https://network.invalid";
/// What a stranger hears, whatever is wrong with what was shown: a key that is unknown, ended or in the wrong place.
const UNKNOWN: &str = "Show a live Pressgate key, or a token of a session at this account, where the network's token would be; a login has it in a \
                       body of at most 64 KiB. An operator makes a new key where this one was revoked or has expired.";

/// The network whose API a request belongs to, by its path.
pub(in crate::doors) struct Voice {
    adapter: Option<Arc<Release>>,
    request: PluginRequest,
}

impl Voice {
    /// Of the adapters that serve now, the one whose API has the most of the path; none where no API begins like it.
    pub(in crate::doors) fn of(snapshot: &Snapshot, method: &str, path_and_query: &str) -> Self {
        let path = path_and_query.split('?').next().unwrap_or_default();
        let adapter = adapters(snapshot)
            .into_iter()
            .filter_map(|adapter| Some((score(adapter, path)?, adapter)))
            // The first of equals, which are in the order of their names.
            .reduce(|best, other| if other.0 > best.0 { other } else { best })
            .map(|(_, adapter)| Arc::clone(adapter));
        let mut request = PluginRequest {
            method: method.to_owned(),
            url: format!("{NOWHERE}{path}"),
            headers: Vec::new(),
            body: RequestBody::None,
            credential: None,
        };
        let description = adapter.as_ref().and_then(|adapter| adapter.description());
        // A path may have the token in it.
        token::take(description.map(|known| known.client_token.as_slice()).unwrap_or_default(), &mut request);
        Self { adapter, request }
    }

    /// A refusal in these words; as a problem where there are none.
    pub(in crate::doors) async fn say(&self, refusal: Refusal) -> Response {
        match &self.adapter {
            Some(adapter) => answer::refused(adapter, refusal, &self.request).await,
            None => Problem::from(refusal).into_response(),
        }
    }
}

/// What a stranger hears. A session that has expired says so, since its client renews it then, and only its holder can have its token;
/// an issuer that is down is no matter of an account's.
pub(super) fn to_stranger(refusal: Refusal) -> Refusal {
    if [problem::SESSION_EXPIRED, problem::ISSUER_UNAVAILABLE].contains(&refusal.problem) {
        return refusal;
    }
    let cause = refusal.cause.unwrap_or(refusal.detail);
    Refusal::new(problem::UNAUTHENTICATED, Stage::Authenticate, UNKNOWN).because(cause)
}

/// Every place where a client of any network shows its token.
pub(super) fn places(snapshot: &Snapshot) -> Vec<TokenPlace> {
    let mut places = Vec::new();
    for place in
        adapters(snapshot).into_iter().filter_map(|adapter| adapter.description()).flat_map(|known| &known.client_token)
    {
        if !places.contains(place) {
            places.push(place.clone());
        }
    }
    places
}

/// The request as it is shown to nobody, with its headers: the token is looked for in it.
pub(super) fn unaddressed(addressed: &Addressed, parts: &Parts) -> PluginRequest {
    super::request::shown(NOWHERE, addressed, parts)
}

fn adapters(snapshot: &Snapshot) -> Vec<&Arc<Release>> {
    snapshot.serving_adapters()
}

/// How many segments of the path an adapter's API has, at its beginning.
fn score(adapter: &Release, path: &str) -> Option<usize> {
    let description = adapter.description();
    let declared = adapter.manifest().http.iter().flat_map(|rule| &rule.path_prefixes);
    let declared = declared.chain(description.into_iter().flat_map(|known| &known.client_paths));
    let places = description.map(|known| known.client_token.as_slice()).unwrap_or_default();
    declared.filter_map(|prefix| shared(prefix, path, places)).max()
}

/// How many segments a path shares with a prefix, from the first on; none where it shares none and the prefix has some. A first segment
/// may have a token behind its beginning.
pub(super) fn shared(prefix: &str, path: &str, places: &[TokenPlace]) -> Option<usize> {
    let wanted: Vec<&str> = prefix.split('/').filter(|segment| !segment.is_empty()).collect();
    let with_token = |wanted: &str, given: &str| {
        let mut begins = places.iter().filter_map(|place| match place {
            TokenPlace::Path(begin) => Some(begin.as_str()),
            _ => None,
        });
        begins.any(|begin| begin == wanted && given.starts_with(begin))
    };
    let given = path.strip_prefix('/').unwrap_or(path).split('/');
    let mut count = 0;
    for (wanted, given) in wanted.iter().zip(given) {
        if given != *wanted && !(count == 0 && with_token(wanted, given)) {
            break;
        }
        count += 1;
    }
    (count > 0 || wanted.is_empty()).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_known_by_how_its_paths_begin() {
        let shared = |prefix: &str, path: &str| shared(prefix, path, &[TokenPlace::Path("bot".into())]);
        assert_eq!(shared("/api/v1/statuses", "/api/v1/statuses/1"), Some(3));
        assert_eq!(shared("/api/v1/statuses", "/api/v1/push"), Some(2));
        assert_eq!(shared("/oauth", "/oauth/token"), Some(1));
        assert_eq!(shared("/", "/whatever"), Some(0));
        assert_eq!(shared("/bot", "/bot12:ab/sendMessage"), Some(1));
        for path in ["/", "", "/apis/v1", "//api/v1", "/%61pi/v1"] {
            assert_eq!(shared("/api/v1", path), None, "{path}");
        }
    }

    #[test]
    fn a_stranger_hears_one_sentence_and_who_must_renew_hears_that() {
        let refusal = |problem, detail: &str| Refusal::new(problem, Stage::Door, detail);
        let (one, other) =
            (to_stranger(refusal(problem::TOO_LARGE, "a")), to_stranger(refusal(problem::UNAUTHENTICATED, "b")));
        assert_eq!((one.problem, one.stage, one.detail), (other.problem, other.stage, other.detail));
        assert_eq!(one.cause.as_deref(), Some("a"), "operators hear why");
        let expired = to_stranger(refusal(problem::SESSION_EXPIRED, "c"));
        assert_eq!((expired.problem, expired.detail.as_str()), (problem::SESSION_EXPIRED, "c"));
    }
}
