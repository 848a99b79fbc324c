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
    egress: Arc<Egress>,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<Issuer, Arc<tokio::sync::Mutex<Known>>>>,
}

#[derive(Default)]
struct Known {
    keys: Vec<Jwk>,
    /// When the keys came.
    at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
    trouble: Option<String>,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: Url,
}

impl Keys {
    pub(super) fn new(egress: Arc<Egress>, clock: Arc<dyn Clock>) -> Self {
        Self { egress, clock, known: Mutex::default() }
    }

    /// The key that a token names. One question at a time for each issuer.
    pub(super) async fn find(&self, issuer: &Issuer, token: &Unread) -> Result<Jwk, TokenRefused> {
        let entry = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(issuer.clone()).or_default())
        };
        let mut known = entry.lock().await;
        let now = self.clock.now();
        let since = |at: Option<Timestamp>| at.map_or(SignedDuration::MAX, |at| now.duration_since(at));
        let found = known.key(token);
        if (since(known.at) >= FRESH || found.is_none()) && since(known.asked_at) >= PAUSE {
            known.asked_at = Some(now);
            match self.ask(issuer).await {
                Ok(keys) => *known = Known { keys, at: Some(now), asked_at: Some(now), trouble: None },
                Err(trouble) => {
                    tracing::warn!(issuer = issuer.id, trouble, "the keys of an issuer can't be had");
                    known.trouble = Some(trouble);
                }
            }
        }
        if since(known.at) > STALE_MAX {
            let trouble = known.trouble.clone().unwrap_or_else(|| "it has not answered yet".to_owned());
            return Err(TokenRefused::Unavailable(trouble));
        }
        known.key(token).cloned().ok_or(TokenRefused::UnknownKey)
    }

    async fn ask(&self, issuer: &Issuer) -> Result<Vec<Jwk>, String> {
        let place = issuer.discovery().ok_or("its identifier is no address")?;
        let found: Discovered = self.get(issuer, &place).await?;
        if found.issuer != issuer.id {
            return Err("its discovery document is one of another issuer".to_owned());
        }
        let set: JwkSet = self.get(issuer, &found.jwks_uri).await?;
        Ok(set.keys)
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
