//! Addresses from which networks fetch media.
//!
//! A plugin is given an address that is the same at each attempt and opens nothing: its last segment is a name that only the gateway
//! can make. As a request leaves, each such name of its own media gives way to a ticket: account, medium, expiry and a signature.
//! So journal and approval see what never changes, and no plugin, log or note ever holds an address that works.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use url::Url;

use crate::{
    host::{PluginRequest, RequestBody},
    model::{AccountId, Draft, MediaId, MediaRef},
};

/// Where media are served, below the public address.
pub const PATH: &str = "/media/";
/// Between the fields of a ticket. Neither it nor anything in a field changes when it is percent-encoded.
const BETWEEN: char = '~';
/// Longest ticket that is looked at.
const TICKET_BYTES_MAX: usize = 512;
/// What an operator reads where there is no address.
const UNSET: &str = "This network fetches media by their address. An operator must set `media.public_url` in pressgate.toml to where the internet reaches /media/ of this gateway.";

/// Makes and checks addresses.
pub struct PublicMedia {
    key: hmac::Key,
    base: Option<Url>,
    life: SignedDuration,
}

impl fmt::Debug for PublicMedia {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PublicMedia").field("base", &self.base).finish_non_exhaustive()
    }
}

impl PublicMedia {
    /// With a key of the vault for this purpose, the public address and how long a ticket is good.
    pub fn new(key: &[u8], base: Option<Url>, seconds: u64) -> Self {
        let life = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), base, life }
    }

    /// The address that a plugin is given for a medium of an account.
    ///
    /// # Errors
    /// The sentence for whoever set no public address.
    pub fn url(&self, account: &AccountId, medium: &MediaId) -> Result<String, String> {
        let base = self.base.as_ref().ok_or(UNSET)?;
        Ok(format!("{}{PATH}{}", base.origin().ascii_serialization(), self.name(account, medium)))
    }

    /// The medium of a draft that a reference is the address of.
    pub fn find<'a>(&self, account: &AccountId, draft: &'a Draft, reference: &str) -> Option<&'a MediaRef> {
        media(draft).find(|medium| self.url(account, &medium.id).is_ok_and(|url| url == reference))
    }

    /// Puts tickets in place of the names of the draft's media. All else of the request stays.
    pub fn stamp(&self, account: &AccountId, draft: &Draft, request: &mut PluginRequest, now: Timestamp) {
        for medium in media(draft) {
            let name = self.name(account, &medium.id);
            let ticket = || self.ticket(account, &medium.id, now);
            if request.url.contains(&name) {
                request.url = request.url.replace(&name, &ticket());
            }
            if let RequestBody::Bytes(bytes) = &mut request.body
                && let Ok(text) = std::str::from_utf8(bytes)
                && text.contains(&name)
            {
                *bytes = text.replace(&name, &ticket()).into_bytes();
            }
        }
    }

    /// Account and medium of a ticket that is good now.
    pub fn open(&self, ticket: &str, now: Timestamp) -> Option<(AccountId, MediaId)> {
        if self.base.is_none() || ticket.len() > TICKET_BYTES_MAX {
            return None;
        }
        let mut fields = ticket.split(BETWEEN);
        let (account, medium, expires, signature) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.key, &message("ticket", &[account, medium, expires]), &signature).ok()?;
        let good = fields.next().is_none() && now.as_second() < expires.parse::<i64>().ok()?;
        good.then(|| (AccountId::new(account), MediaId::new(medium)))
    }

    /// Nobody else can make it, so no text of a post has it by accident or on purpose.
    fn name(&self, account: &AccountId, medium: &MediaId) -> String {
        self.signature("name", &[account.as_str(), medium.as_str()])
    }

    fn ticket(&self, account: &AccountId, medium: &MediaId, now: Timestamp) -> String {
        let expires = now.saturating_add(self.life).unwrap_or(Timestamp::MAX).as_second().to_string();
        let signature = self.signature("ticket", &[account.as_str(), medium.as_str(), &expires]);
        [account.as_str(), medium.as_str(), &expires, &signature].join(&BETWEEN.to_string())
    }

    fn signature(&self, purpose: &str, fields: &[&str]) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &message(purpose, fields)))
    }
}

fn media(draft: &Draft) -> impl Iterator<Item = &MediaRef> {
    draft.parts.iter().flat_map(|part| &part.media)
}

/// Each field is preceded by its length, so that no two lists are alike.
fn message(purpose: &str, fields: &[&str]) -> Vec<u8> {
    let mut message = Vec::with_capacity(160);
    for field in std::iter::once(&purpose).chain(fields) {
        message.extend_from_slice(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        message.extend_from_slice(field.as_bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Action, Part};

    fn addresses(key: &[u8]) -> PublicMedia {
        PublicMedia::new(key, Url::parse("https://media.acme.example").ok(), 60)
    }

    fn draft(media: &[&str]) -> Draft {
        let medium = |id: &&str| MediaRef {
            id: MediaId::new(*id),
            media_type: "image/png".into(),
            size_bytes: 1,
            width: None,
            height: None,
            digest: String::new(),
            alt: None,
        };
        Draft {
            action: Action::POST_CREATE,
            parts: vec![Part { text: String::new(), media: media.iter().map(medium).collect() }],
            language: None,
            target: None,
            options: Default::default(),
            labels: Vec::new(),
            campaign: None,
        }
    }

    fn request(url: String, body: RequestBody) -> PluginRequest {
        PluginRequest { method: "POST".into(), url, headers: Vec::new(), body, credential: None }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What stands behind `mark`, up to the end of the value.
    fn ticket(text: &str) -> &str {
        text.split("media%2F")
            .nth(1)
            .or_else(|| text.split("/media/").nth(1))
            .unwrap()
            .split(['"', '&'])
            .next()
            .unwrap()
    }

    #[test]
    fn an_address_is_stamped_as_it_leaves_wherever_it_stands() {
        let public = addresses(b"a key");
        let (acme, draft) = (AccountId::new("acme"), draft(&["media_1", "media_2"]));
        let url = public.url(&acme, &MediaId::new("media_1")).unwrap();
        assert_eq!(url, public.url(&acme, &MediaId::new("media_1")).unwrap(), "the same at each attempt");
        assert_eq!(public.open(url.rsplit('/').next().unwrap(), at(0)), None, "it opens nothing itself");
        let encoded: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
        let json = RequestBody::Bytes(format!(r#"{{"source":"{url}","text":"Dobrý den"}}"#).into_bytes());
        let mut sent = request(format!("https://net.example/a?image={encoded}&text=media_1"), json);
        public.stamp(&acme, &draft, &mut sent, at(1000));
        let RequestBody::Bytes(body) = &sent.body else { panic!() };
        let body = std::str::from_utf8(body).unwrap();
        assert!(sent.url.ends_with("&text=media_1") && body.ends_with(r#""text":"Dobrý den"}"#), "{sent:?}");
        for found in [ticket(&sent.url), ticket(body)] {
            assert_eq!(public.open(found, at(1059)), Some((acme.clone(), MediaId::new("media_1"))), "{found}");
            assert_eq!(public.open(found, at(1060)), None, "expired");
        }
    }

    #[test]
    fn only_own_media_of_this_account_are_stamped_and_found() {
        let public = addresses(b"a key");
        let (acme, other, draft) = (AccountId::new("acme"), AccountId::new("other"), draft(&["media_1"]));
        for (account, medium, own) in [(&acme, "media_1", true), (&other, "media_1", false), (&acme, "media_2", false)]
        {
            let url = public.url(account, &MediaId::new(medium)).unwrap();
            assert_eq!(public.find(&acme, &draft, &url).is_some(), own, "{account} {medium}");
            let mut sent = request(url.clone(), RequestBody::None);
            public.stamp(&acme, &draft, &mut sent, at(0));
            assert_eq!(sent.url != url, own, "{account} {medium}");
        }
    }

    #[test]
    fn a_changed_ticket_opens_nothing() {
        let public = addresses(b"a key");
        let good = public.ticket(&AccountId::new("acme"), &MediaId::new("media_1"), at(0));
        assert!(public.open(&good, at(0)).is_some());
        let fields: Vec<&str> = good.split('~').collect();
        for (field, value) in [(0, "other"), (1, "media_2"), (2, "9999999999"), (2, "060"), (3, "AAAA"), (3, "")] {
            let mut changed = fields.clone();
            changed[field] = value;
            assert_eq!(public.open(&changed.join("~"), at(0)), None, "{field} {value}");
        }
        for text in ["", "~~~", "acme", &format!("{good}~"), &format!("{good}="), &"a".repeat(600)] {
            assert_eq!(public.open(text, at(0)), None, "{text:.20}");
        }
        let stranger = addresses(b"another key");
        assert_eq!(stranger.open(&good, at(0)), None, "another gateway's key");
        let unset = PublicMedia { base: None, ..addresses(b"a key") };
        assert!(unset.url(&AccountId::new("acme"), &MediaId::new("m")).unwrap_err().contains("media.public_url"));
    }
}
