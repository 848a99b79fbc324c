//! Sessions: what a client of a network's own API gets for its key at a login. Tokens are JWTs (RFC 7519, HS256), because
//! clients read `exp` in them; they are bound to the key and the account, open nothing that the key does not, and die with it.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::random;
use crate::{
    model::{AccountId, KeyId},
    records::{KeyRecord, Records, RecordsError},
};

const ISSUER: &str = "pressgate";
const ALGORITHM: Algorithm = Algorithm::HS256;
/// A longer token is none of ours.
const TOKEN_BYTES_MAX: usize = 2048;
/// How long an access token lasts that the client will renew.
const ACCESS: SignedDuration = SignedDuration::from_hours(2);
/// How long one lasts that it can't renew, and a refresh token.
const LASTING: SignedDuration = SignedDuration::from_hours(90 * 24);
const ID_CHARS: usize = 20;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// To make calls.
    Access,
    /// To get new tokens.
    Refresh,
}

/// A session, as one of its tokens tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The same in all of its tokens.
    pub id: String,
    /// The key that it was opened with.
    pub key: KeyId,
    /// What the shown token is for.
    pub shown: Use,
    /// When the shown token ends.
    pub expires_at: Timestamp,
}

/// Fresh tokens.
pub struct Tokens {
    /// The session's id.
    pub session: String,
    /// For calls.
    pub access: String,
    /// For new tokens, where the client will ask for them.
    pub refresh: Option<String>,
    /// When they were made, to the second.
    pub created_at: Timestamp,
    /// When the access token ends.
    pub expires_at: Timestamp,
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefused {
    /// Not one of ours, or changed.
    #[error("the session's token is not one of this gateway's")]
    Malformed,
    /// Past its time: the client renews it, or logs in again.
    #[error("the session's token has expired")]
    Expired,
    /// Made for another account.
    #[error("the session is one of another account")]
    OtherAccount,
    /// The client ended it.
    #[error("the session was ended")]
    Ended,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    /// Whom the token speaks for: the holder of the key.
    sub: String,
    /// The account.
    aud: String,
    /// Seconds since 1970.
    iat: i64,
    exp: i64,
    sid: String,
    #[serde(rename = "use")]
    shown: Use,
}

/// Makes tokens and reads them.
pub struct Sessions {
    making: EncodingKey,
    reading: DecodingKey,
    ended: RwLock<HashMap<String, Timestamp>>,
}

impl Sessions {
    /// Loads the sessions that were ended. `secret` is derived from the key-encryption key.
    pub async fn load(secret: &[u8; 32], records: &dyn Records, now: Timestamp) -> Result<Self, RecordsError> {
        let ended = records.ended_sessions(now).await?.into_iter().collect();
        let (making, reading) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Ok(Self { making, reading, ended: RwLock::new(ended) })
    }

    /// Does a token look like one of a session's? What does not may be a key.
    pub fn looks_like(token: &str) -> bool {
        token.starts_with("ey") && token.split('.').count() == 3
    }

    /// Does a token say that it is one of ours? Unchecked: whoever else says so is refused.
    pub fn is_ours(token: &str) -> bool {
        #[derive(Deserialize)]
        struct Named {
            iss: String,
        }
        let body = token.split('.').nth(1).and_then(|body| URL_SAFE_NO_PAD.decode(body).ok());
        body.and_then(|body| serde_json::from_slice::<Named>(&body).ok()).is_some_and(|named| named.iss == ISSUER)
    }

    /// Opens a session of `key` at `account`; one that `lasts` is not renewed.
    pub fn open(
        &self,
        key: &KeyRecord,
        account: &AccountId,
        lasts: bool,
        now: Timestamp,
    ) -> Result<Tokens, RecordsError> {
        self.tokens(key, account, random(ID_CHARS)?, lasts, now)
    }

    /// New tokens for a session. Those of before go on until they end: a client that lost the answer asks again.
    pub fn renew(
        &self,
        key: &KeyRecord,
        account: &AccountId,
        session: &Session,
        now: Timestamp,
    ) -> Result<Tokens, RecordsError> {
        self.tokens(key, account, session.id.clone(), false, now)
    }

    /// Which session is it? The key must be looked at by the caller.
    pub fn read(&self, token: &str, account: &AccountId, now: Timestamp) -> Result<Session, SessionRefused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(SessionRefused::Malformed);
        }
        let mut rules = Validation::new(ALGORITHM);
        rules.set_issuer(&[ISSUER]);
        // Below, by the gateway's own clock and with names for what is wrong.
        rules.validate_exp = false;
        rules.validate_aud = false;
        let token =
            jsonwebtoken::decode::<Claims>(token, &self.reading, &rules).map_err(|_| SessionRefused::Malformed)?;
        let key = token.header.kid.ok_or(SessionRefused::Malformed)?;
        let claims = token.claims;
        let expires_at = Timestamp::from_second(claims.exp).map_err(|_| SessionRefused::Malformed)?;
        if claims.aud != account.as_str() {
            return Err(SessionRefused::OtherAccount);
        }
        if expires_at <= now {
            return Err(SessionRefused::Expired);
        }
        if self.ended.read().unwrap_or_else(PoisonError::into_inner).contains_key(&claims.sid) {
            return Err(SessionRefused::Ended);
        }
        Ok(Session { id: claims.sid, key: KeyId::new(key), shown: claims.shown, expires_at })
    }

    /// Does a session that was read go on?
    pub fn lives(&self, session: &Session, now: Timestamp) -> bool {
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner).contains_key(&session.id);
        session.expires_at > now && !ended
    }

    /// Ends a session: none of its tokens opens anything when this returns.
    pub async fn end(&self, records: &dyn Records, session: &Session, now: Timestamp) -> Result<(), RecordsError> {
        let until = now.checked_add(LASTING).unwrap_or(Timestamp::MAX);
        records.end_session(session.id.clone(), until, now).await?;
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        ended.retain(|_, until| *until > now);
        ended.insert(session.id.clone(), until);
        Ok(())
    }

    fn tokens(
        &self,
        key: &KeyRecord,
        account: &AccountId,
        id: String,
        lasts: bool,
        now: Timestamp,
    ) -> Result<Tokens, RecordsError> {
        let end = |after: SignedDuration| {
            let end = now.checked_add(after).unwrap_or(Timestamp::MAX);
            key.expires_at.map_or(end, |key_ends| key_ends.min(end))
        };
        let token = |shown, expires_at: Timestamp| {
            let header = Header { kid: Some(key.id.to_string()), ..Header::new(ALGORITHM) };
            let claims = Claims {
                iss: ISSUER.to_owned(),
                sub: key.holder.to_string(),
                aud: account.to_string(),
                iat: now.as_second(),
                exp: expires_at.as_second(),
                sid: id.clone(),
                shown,
            };
            jsonwebtoken::encode(&header, &claims, &self.making)
                .map_err(|error| RecordsError::Unavailable(format!("a token can't be signed: {error}")))
        };
        let expires_at = end(if lasts { LASTING } else { ACCESS });
        Ok(Tokens {
            access: token(Use::Access, expires_at)?,
            refresh: if lasts { None } else { Some(token(Use::Refresh, end(LASTING))?) },
            created_at: now,
            expires_at,
            session: id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{AppId, Principal},
        records::sqlite::SqliteRecords,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn key() -> KeyRecord {
        KeyRecord {
            id: KeyId::new("abcdefghijkl"),
            holder: Principal::App(AppId::new("newsroom")),
            mac: [0; 32],
            created_at: at(0),
            expires_at: None,
            revoked_at: None,
            note: String::new(),
            made_by: None,
            device: None,
        }
    }

    async fn sessions(secret: u8) -> (Sessions, SqliteRecords, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let records = SqliteRecords::open(&folder.path().join("records.db")).unwrap();
        (Sessions::load(&[secret; 32], &records, at(0)).await.unwrap(), records, folder)
    }

    #[tokio::test]
    async fn a_token_opens_its_account_until_it_ends() {
        let (sessions, records, _folder) = sessions(1).await;
        let (acme, other) = (AccountId::new("acme"), AccountId::new("other"));
        let tokens = sessions.open(&key(), &acme, false, at(0)).unwrap();
        let refresh = tokens.refresh.unwrap();
        let read = |token: &str, account, now| sessions.read(token, account, at(now));
        let session = read(&tokens.access, &acme, 7199).unwrap();
        assert_eq!((session.key.as_str(), session.shown), ("abcdefghijkl", Use::Access));
        assert_eq!(read(&tokens.access, &acme, 7200), Err(SessionRefused::Expired));
        assert_eq!(read(&refresh, &acme, 7200).unwrap().shown, Use::Refresh);
        assert_eq!(read(&tokens.access, &other, 1), Err(SessionRefused::OtherAccount));
        assert!(Sessions::looks_like(&tokens.access) && !Sessions::looks_like("pgk_a_b_c"));
        let renewed = sessions.renew(&key(), &acme, &session, at(7200)).unwrap();
        assert_eq!(read(&renewed.access, &acme, 7201).unwrap().id, session.id);
        // Ended, with all of its tokens, also after a restart.
        sessions.end(&records, &session, at(7202)).await.unwrap();
        for token in [&tokens.access, &refresh, &renewed.access] {
            let expected = if *token == tokens.access { SessionRefused::Expired } else { SessionRefused::Ended };
            assert_eq!(read(token, &acme, 7203), Err(expected));
        }
        let again = Sessions::load(&[1; 32], &records, at(7203)).await.unwrap();
        assert_eq!(again.read(&renewed.access, &acme, at(7203)), Err(SessionRefused::Ended));
    }

    #[tokio::test]
    async fn a_token_lasts_no_longer_than_its_key() {
        let (sessions, _records, _folder) = sessions(1).await;
        let acme = AccountId::new("acme");
        let short = KeyRecord { expires_at: Some(at(60)), ..key() };
        let tokens = sessions.open(&short, &acme, true, at(0)).unwrap();
        assert_eq!((tokens.expires_at, tokens.refresh.is_none()), (at(60), true));
        assert_eq!(sessions.read(&tokens.access, &acme, at(60)), Err(SessionRefused::Expired));
    }

    #[tokio::test]
    async fn nobody_else_makes_a_token() {
        let (ours, _records, _folder) = sessions(1).await;
        let (theirs, _their_records, _their_folder) = sessions(2).await;
        let acme = AccountId::new("acme");
        let token = ours.open(&key(), &acme, true, at(0)).unwrap().access;
        let foreign = theirs.open(&key(), &acme, true, at(0)).unwrap().access;
        assert_eq!(ours.read(&foreign, &acme, at(1)), Err(SessionRefused::Malformed));
        let parts: Vec<_> = token.split('.').collect();
        // {"alg":"none","kid":"abcdefghijkl"} and {"alg":"none","typ":"JWT"}, with and without a signature.
        for head in ["eyJhbGciOiJub25lIiwia2lkIjoiYWJjZGVmZ2hpamtsIn0", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"] {
            for end in ["", parts[2]] {
                let forged = format!("{head}.{}.{end}", parts[1]);
                assert_eq!(ours.read(&forged, &acme, at(1)), Err(SessionRefused::Malformed));
            }
        }
        for position in 0..token.len() {
            let mut wrong = token.clone().into_bytes();
            wrong[position] = if wrong[position] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(ours.read(&wrong, &acme, at(1)).is_err() || wrong == token, "{position}");
        }
        assert_eq!(ours.read(&"e".repeat(9000), &acme, at(1)), Err(SessionRefused::Malformed));
    }
}
