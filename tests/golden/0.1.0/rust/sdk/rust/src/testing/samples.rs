//! Samples of what the gateway hands to a plugin, so that a test names only what it is about.

use crate::connector::{Delivery, Event};
use crate::http::{Error, Response};
use crate::patterns::Hit;
use crate::{Account, Call, Context, Draft, Facts, MediaRef, Part};

/// When the scripted call was accepted: 2027-03-01T09:00:00Z.
pub const CREATED_AT_MS: u64 = 1_803_891_600_000;

/// A JSON answer, for [`super::Host::answer`].
pub fn answer(status: u16, json: &str) -> Result<Response, Error> {
    Ok(Response::json(status, json))
}

/// A find of a pattern, undisguised.
pub fn hit(pattern: usize, start: usize, found: &str) -> Hit {
    Hit {
        pattern: pattern as u32,
        start: start as u32,
        end: (start + found.len()) as u32,
        score: 1000,
        disguised: false,
    }
}

/// An entry without media.
pub fn part(text: &str) -> Part {
    Part { text: text.to_owned(), media: Vec::new(), extra: Vec::new() }
}

/// A `post.create` of one entry, without language, options and labels.
pub fn draft(text: &str) -> Draft {
    thread(&[text])
}

/// A `post.create` of several entries.
pub fn thread(texts: &[&str]) -> Draft {
    Draft {
        action: "post.create".to_owned(),
        parts: texts.iter().map(|text| part(text)).collect(),
        language: None,
        target: None,
        options: "{}".to_owned(),
        labels: Vec::new(),
        extra: Vec::new(),
    }
}

/// A PNG picture of 1,000 bytes and 640 × 480 pixels.
pub fn picture(id: &str, alt: Option<&str>) -> MediaRef {
    MediaRef {
        id: id.to_owned(),
        media_type: "image/png".to_owned(),
        size_bytes: 1000,
        width: Some(640),
        height: Some(480),
        digest: "00".repeat(32),
        alt: alt.map(str::to_owned),
        extra: Vec::new(),
    }
}

/// An account of the brand `acme` on this network at `https://social.example`.
pub fn account(network: &str) -> Account {
    Account {
        id: format!("acme-{network}"),
        network: network.to_owned(),
        endpoint: "https://social.example".to_owned(),
        brand: "acme".to_owned(),
        handle: None,
        extra: Vec::new(),
    }
}

/// The first attempt of a call, with the key `00 01 … 1f`, accepted at [`CREATED_AT_MS`].
pub fn call(account: Account, draft: Draft, facts: Option<Facts>) -> Call {
    Call {
        key: (0..32).collect(),
        created_at_ms: CREATED_AT_MS,
        attempt: 1,
        account,
        draft,
        facts,
        answered: Vec::new(),
        extra: Vec::new(),
    }
}

/// What a policy is told about a call of the brand `acme` on the network `sample`.
pub fn context() -> Context {
    Context {
        account: account("sample"),
        brands: vec!["acme".to_owned()],
        languages: Vec::new(),
        app: Some("newsroom".to_owned()),
        person: None,
        campaign: None,
        extra: Vec::new(),
    }
}

/// A first delivery of an event of this kind about the post `post_1` of the brand `acme`.
pub fn delivery(kind: &str) -> Delivery {
    Delivery {
        key: vec![7; 32],
        created_at_ms: CREATED_AT_MS,
        attempt: 1,
        connector: "desk".to_owned(),
        endpoint: "https://desk.example".to_owned(),
        event: Event {
            id: "evt_17".to_owned(),
            kind: kind.to_owned(),
            at_ms: CREATED_AT_MS,
            brand: Some("acme".to_owned()),
            post: Some("post_1".to_owned()),
            account: Some("acme-net".to_owned()),
            accounts: vec!["acme-net".to_owned()],
            campaign: None,
            app: Some("newsroom".to_owned()),
            person: None,
            detail: None,
            codes: Vec::new(),
            platform_ids: Vec::new(),
            json: format!(r#"{{"id":"evt_17","type":"{kind}","post":"post_1"}}"#),
            extra: Vec::new(),
        },
        answered: Vec::new(),
        extra: Vec::new(),
    }
}
