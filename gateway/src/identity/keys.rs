//! Keys of issuers (RFC 7517): found by discovery, kept, asked for again when they are old or a token names one that is not known.
//!
//! Only issuers of the governance are asked, so there are never more than it names. While one does not answer, what is known of it
//! holds on for a day.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde::Deserialize;
use url::Url;

use super::{
    Issuer,
    token::{TokenRefused, Unread, fits},
};
use crate::{
    clock::Clock,
    egress::{Egress, OwnGet},
};

/// Keys are asked for again after this long.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// Known keys hold on for this long where the issuer does not answer.
const STALE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// No question sooner after the last one, whatever tokens say.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// For each of the two requests.
const TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 256 * 1024;

pub(super) struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    egress: Arc<Egress>,
    clock: Arc<dyn Clock>,
    entries: Mutex<HashMap<Issuer, Arc<Entry>>>,
}

#[derive(Default)]
struct Entry {
    known: Mutex<Known>,
    /// Held while the issuer is asked.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default, Clone)]
struct Known {
    keys: Arc<Vec<Jwk>>,
    places: Option<Places>,
    /// When the keys came.
    at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
    trouble: Option<String>,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: Url,
    authorization_endpoint: Option<Url>,
    token_endpoint: Option<Url>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where people sign in at an issuer, and where their codes are exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// What a browser opens.
    pub authorization: Url,
    /// What takes a code.
    pub token: Url,
    /// It names itself in its answers (RFC 9207).
    pub names_itself: bool,
}

impl Keys {
    pub(super) fn new(egress: Arc<Egress>, clock: Arc<dyn Clock>) -> Self {
        Self { inner: Arc::new(Inner { egress, clock, entries: Mutex::default() }) }
    }

    /// The key that a token names. Whoever shows one that is known waits for nobody: old keys are asked for beside it.
    pub(super) async fn find(&self, issuer: &Issuer, token: &Unread) -> Result<Jwk, TokenRefused> {
        let entry = {
            let mut entries = self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(entries.entry(issuer.clone()).or_default())
        };
        let now = self.inner.clock.now();
        let since = |at: Option<Timestamp>| at.map_or(SignedDuration::MAX, |at| now.duration_since(at));
        let known = entry.known();
        let (found, may_ask) = (known.key(token).cloned(), since(known.asked_at) >= PAUSE);
        match found {
            Some(key) if since(known.at) < FRESH => return Ok(key),
            Some(key) if since(known.at) <= STALE_MAX => {
                if may_ask {
                    let (inner, entry, issuer) = (Arc::clone(&self.inner), Arc::clone(&entry), issuer.clone());
                    tokio::spawn(async move { inner.renew(&issuer, &entry, now).await });
                }
                return Ok(key);
            }
            _ if may_ask => self.inner.renew(issuer, &entry, now).await,
            _ => {}
        }
        let known = entry.known();
        if since(known.at) > STALE_MAX {
            let trouble = known.trouble.unwrap_or_else(|| "it has not answered yet".to_owned());
            return Err(TokenRefused::Unavailable(trouble));
        }
        known.key(token).cloned().ok_or(TokenRefused::UnknownKey)
    }

    /// Where people sign in at the issuer, as it says itself; not older than a day.
    pub(super) async fn places(&self, issuer: &Issuer) -> Result<Places, TokenRefused> {
        let entry = {
            let mut entries = self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(entries.entry(issuer.clone()).or_default())
        };
        let now = self.inner.clock.now();
        let old = |known: &Known, age| known.at.is_none_or(|at| now.duration_since(at) > age);
        if old(&entry.known(), FRESH) {
            self.inner.renew(issuer, &entry, now).await;
        }
        let known = entry.known();
        match known.places {
            Some(ref places) if !old(&known, STALE_MAX) => Ok(places.clone()),
            _ => Err(TokenRefused::Unavailable(known.trouble.unwrap_or_else(|| "it does not say where".to_owned()))),
        }
    }
}

impl Entry {
    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Inner {
    /// Asks the issuer, one question at a time; who waited for another's question asks none.
    async fn renew(&self, issuer: &Issuer, entry: &Entry, now: Timestamp) {
        let _asking = entry.asking.lock().await;
        if entry.known().asked_at.is_some_and(|at| now.duration_since(at) < PAUSE) {
            return;
        }
        let answer = self.ask(issuer).await;
        let mut known = entry.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.asked_at = Some(now);
        match answer {
            Ok((keys, places)) => {
                *known = Known { keys: Arc::new(keys), places, at: Some(now), asked_at: Some(now), trouble: None };
            }
            Err(trouble) => {
                tracing::warn!(issuer = issuer.id, trouble, "the keys of an issuer can't be had");
                known.trouble = Some(trouble);
            }
        }
    }

    async fn ask(&self, issuer: &Issuer) -> Result<(Vec<Jwk>, Option<Places>), String> {
        let place = issuer.discovery().ok_or("its identifier is no address")?;
        let found: Discovered = self.get(issuer, &place).await?;
        if found.issuer != issuer.id {
            return Err("its discovery document is one of another issuer".to_owned());
        }
        let set: JwkSet = self.get(issuer, &found.jwks_uri).await?;
        let names_itself = found.authorization_response_iss_parameter_supported;
        let places = found.authorization_endpoint.zip(found.token_endpoint);
        let places = places.map(|(authorization, token)| Places { authorization, token, names_itself });
        Ok((set.keys, places))
    }

    async fn get<T: for<'de> Deserialize<'de>>(&self, issuer: &Issuer, url: &Url) -> Result<T, String> {
        let request = OwnGet {
            name: "issuer",
            url,
            private: issuer.private,
            timeout: TIMEOUT,
            response_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = self.egress.get_own(request).await.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("{} answers {}", url.path(), answer.status));
        }
        serde_json::from_slice(&answer.body).map_err(|_| format!("{} is not the JSON that it should be", url.path()))
    }
}

impl Known {
    /// The key of that name; where the token names none, the only one that fits.
    fn key(&self, token: &Unread) -> Option<&Jwk> {
        let mut fitting = self.keys.iter().filter(|key| fits(key, token.algorithm));
        match &token.key {
            Some(name) => fitting.find(|key| key.common.key_id.as_ref() == Some(name)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }
}
