//! Digests of content: salted, so that nobody who reads the log can guess what was said.

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
    rand::{SecureRandom, SystemRandom},
};

use crate::{
    model::{AccountId, Draft, hex::hex},
    refusal::{Refusal, Stage, problem},
};

/// 32 random bytes, lower-case hexadecimal: a salt or a call's key.
pub fn random_hex() -> Result<String, Refusal> {
    let mut bytes = [0u8; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Refusal::new(problem::INTERNAL, Stage::Door, "The system gives no random numbers."))?;
    Ok(hex(&bytes))
}

/// Digest of one draft: HMAC-SHA-256 under the post's salt over its canonical JSON and its account.
pub fn of_draft(salt: &str, account: &AccountId, draft: &Draft) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(account.as_str().as_bytes());
    context.update(&[0]);
    // A draft's fields have an order and its options are sorted, so the same content always gives the same bytes.
    context.update(&serde_json::to_vec(&canonical(draft)).unwrap_or_default());
    hex(context.sign().as_ref())
}

/// Digest of a whole post, over the digests of its targets in order.
pub fn of_post<'a>(salt: &str, targets: impl Iterator<Item = &'a str>) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    for target in targets {
        context.update(target.as_bytes());
        context.update(b"\n");
    }
    hex(context.sign().as_ref())
}

/// SHA-256, lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// A digest of what may hold the post's text, under the post's salt: without the salt, which an erasure destroys, nobody can
/// try texts against it.
pub fn keyed(salt: &str, digest: &str) -> String {
    hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes()), digest.as_bytes()).as_ref())
}

/// A draft whose options are in order.
pub(super) fn canonical(draft: &Draft) -> Draft {
    let mut draft = draft.clone();
    sort(&mut draft.options);
    draft
}

fn sort(map: &mut serde_json::Map<String, serde_json::Value>) {
    map.sort_keys();
    for value in map.values_mut() {
        value.sort_all_objects();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Action, Part};

    fn draft(options: &str) -> Draft {
        Draft {
            action: Action::POST_CREATE,
            parts: vec![Part { text: "Dobrý den".into(), media: Vec::new() }],
            language: Some("cs".into()),
            target: None,
            options: serde_json::from_str(options).unwrap(),
            labels: Vec::new(),
            campaign: None,
        }
    }

    #[test]
    fn the_order_of_options_does_not_matter_and_everything_else_does() {
        let account = AccountId::new("acme");
        let one = of_draft("salt", &account, &draft(r#"{"a":1,"b":{"c":2,"d":3}}"#));
        assert_eq!(one, of_draft("salt", &account, &draft(r#"{"b":{"d":3,"c":2},"a":1}"#)));
        assert_ne!(one, of_draft("other", &account, &draft(r#"{"a":1,"b":{"c":2,"d":3}}"#)));
        assert_ne!(one, of_draft("salt", &account, &draft(r#"{"a":2,"b":{"c":2,"d":3}}"#)));
        assert_ne!(one, of_draft("salt", &AccountId::new("acme2"), &draft(r#"{"a":1,"b":{"c":2,"d":3}}"#)));
    }
}
