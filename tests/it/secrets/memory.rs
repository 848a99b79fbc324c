//! The whole linear memory of plugins: looked at whenever an adapter waits for an answer, so with all in it that came before,
//! and in the middle of a review. None has a secret in it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use pressgate::host::{MediaFiles, PluginFault, Release};
use serde_json::{Value, json};
use tests::harness::{Endpoint, Gate, Running};
use tests::samples;

use super::CANARY;
use super::bluesky::{self, CANARIES};
use super::echo::{Asked, Echo};
use super::linear_memory::linear_memories;
use super::needles::Needles;
use super::search::WRAPPINGS;
use crate::samples::{PNG, id};

/// In every memory of an adapter that speaks for this account.
const ACCOUNT: &str = "acme-looked-at";
/// What stands in a memory in place of a secret that was repeated to it.
const BLANK: &str = "[redacted]";
/// What the hostile guest writes to the very end of its memory.
const END: &str = "the end of the memory";
/// What a guest has at least: the stack with which plugins are linked.
const STACK_BYTES: usize = 256 * 1024;

/// What was seen in the memories of this process.
#[derive(Clone, Default)]
struct Looks(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// Looks at a memory with the text that it must have in it.
    alive: usize,
    /// Of these, with something blanked.
    blanked: usize,
    /// Every secret that was found.
    found: Vec<String>,
}

impl Looks {
    /// Searches the memories for secrets. One of them has `text` in it.
    fn look(&self, when: &str, text: &str) {
        assert!(self.is_seen(when, text), "{when}: {text:?} is in no memory");
    }

    /// As [`Looks::look`], where the text may not have come into a memory yet. Had it?
    fn is_seen(&self, when: &str, text: &str) -> bool {
        let needles = Needles::of(&[&CANARIES[..], &[("the token", CANARY)]].concat());
        let mut seen = self.0.lock().expect("unbroken");
        let mut alive = false;
        for memory in linear_memories() {
            if memory.holds(text) {
                alive = true;
                seen.blanked += usize::from(memory.holds(BLANK));
            }
            let found = needles.found_in(&memory.used());
            seen.found.extend(found.map(|found| format!("{when}: {found}")));
        }
        seen.alive += usize::from(alive);
        alive
    }

    /// So often something was looked at and something blanked; no secret was found.
    fn check(&self, alive_min: usize, blanked_min: usize) {
        let seen = self.0.lock().expect("unbroken");
        assert!(seen.found.is_empty(), "{} finds:\n{}", seen.found.len(), seen.found.join("\n"));
        assert!(
            seen.alive >= alive_min && seen.blanked >= blanked_min,
            "{} looks, {} blanked",
            seen.alive,
            seen.blanked
        );
    }
}

fn token() -> Vec<(String, String)> {
    vec![("token".to_owned(), CANARY.to_owned())]
}

/// A thread with a picture and a mention, an answer to it, and both taken back.
async fn one_life(gate: &Running) {
    let media = json!([{"id": gate.upload("image/png", PNG).await, "alt": "a dot"}]);
    let body = json!({"accounts": [ACCOUNT],
        "content": {"text": "Hello @friend.test", "media": media, "thread": [{"text": "dear"}, {"text": "friend"}]}});
    let made: Value = gate.publish(&body).await.json();
    let Some(answered) = made["targets"][0]["platform_id"].as_str() else { return };
    let reply = json!({"accounts": [ACCOUNT], "content": {"text": "thanks"},
        "reply_to": {"account": ACCOUNT, "ref": answered}});
    gate.publish(&reply).await;
    gate.delete(&format!("/v1/posts/{}", id(&made))).await;
}

/// A Mastodon server that repeats.
async fn mastodon(looks: &Looks) -> Echo {
    let looks = looks.clone();
    Echo::start(move |asked| {
        looks.look(&asked.path, ACCOUNT);
        let path: Vec<&str> = asked.path.split('/').collect();
        match (asked.method.as_str(), path[3]) {
            ("GET", "instance") => (200, json!({"configuration": {"statuses": {"max_characters": 500}}})),
            ("POST", "media") => (202, json!({"id": "7", "type": "image", "url": null})),
            ("GET", "media") => (200, json!({"id": "7", "type": "image", "url": "https://media.example/7"})),
            ("POST" | "DELETE", "statuses") => (200, json!({"id": "9", "url": "https://social.example/@acme/9"})),
            _ => (404, json!({"error": "Record not found"})),
        }
    })
    .await
}

#[tokio::test]
async fn no_token_comes_into_the_memory_of_the_mastodon_adapter() {
    let looks = Looks::default();
    let net = mastodon(&looks).await;
    let gate =
        Gate::new().account_on("mastodon", "acme/snacks", ACCOUNT, net.address(), "token", token()).start().await;
    for (method, path) in [
        ("GET", "/api/v2/instance"),
        ("POST", "/api/v2/media"),
        ("GET", "/api/v1/media"),
        ("POST", "/api/v1/statuses"),
        ("DELETE", "/api/v1/statuses"),
    ] {
        for (status, gzip, chunks) in WRAPPINGS.into_iter().filter(|(status, ..)| status.is_none()) {
            net.wrap(method, path, (status, gzip, chunks));
        }
    }
    for _ in WRAPPINGS {
        one_life(&gate).await;
    }
    assert!(net.asked().iter().filter(|asked| asked.wrapped).count() > 4 * 4);
    assert!(net.asked().iter().all(|asked| asked.bearer() == CANARY));
    looks.check(7 * 8, 7 * 6);
}

#[tokio::test]
async fn no_secret_of_a_session_comes_into_the_memory_of_the_bluesky_adapter() {
    let looks = Looks::default();
    let at_look = looks.clone();
    let server = bluesky::server(move |asked| at_look.look(&asked.path, ACCOUNT)).await;
    let gate = bluesky::account(Gate::new(), ACCOUNT, &server).start().await;
    for (method, name) in [
        ("GET", "identity.resolveHandle"),
        ("POST", "repo.uploadBlob"),
        ("POST", "repo.createRecord"),
        ("GET", "repo.getRecord"),
        ("POST", "repo.deleteRecord"),
    ] {
        // After a handle that nobody has, and after a record that can't be made, the adapter asks on.
        for (status, gzip, chunks) in WRAPPINGS
            .into_iter()
            .filter(|(status, ..)| status.is_none() || (*status, name) == (Some(503), "repo.createRecord"))
        {
            server.wrap(method, &format!("/xrpc/com.atproto.{name}"), (status, gzip, chunks));
        }
    }
    for _ in WRAPPINGS {
        one_life(&gate).await;
    }
    assert!(server.asked().iter().filter(|asked| asked.wrapped).count() > 4 * 4);
    looks.check(7 * 8, 7 * 6);
}

/// A plugin that keeps all that it hears, and asks with its credential as often as there are wrappings.
#[tokio::test]
async fn an_adapter_that_looks_for_secrets_has_none_in_its_whole_memory() {
    let looks = Looks::default();
    let at_look = looks.clone();
    let net = Echo::start(move |asked: &Asked| {
        at_look.look(&asked.path, ACCOUNT);
        if let Some(pages) = asked.query.strip_prefix("pages=") {
            let bytes = pages.parse::<usize>().expect("a number") << 16;
            // The memory that was looked at is the whole of what the guest has.
            let memories = linear_memories();
            let whole = memories.iter().find(|memory| memory.holds(END)).expect("the guest's memory");
            assert!(whole.bytes()[..bytes].ends_with(END.as_bytes()) && bytes > STACK_BYTES, "{bytes}");
            assert!(whole.bytes()[bytes..].iter().all(|byte| *byte == 0), "nothing lies behind it");
        }
        (200, json!({}))
    })
    .await;
    let gate = Gate::new().account_on("hostile", "acme/snacks", ACCOUNT, net.address(), "token", token()).start().await;
    for (number, wrapping) in WRAPPINGS.into_iter().enumerate() {
        net.wrap("GET", &format!("/api/look/{number}"), wrapping);
    }
    let body = json!({"accounts": [ACCOUNT], "content": {"text": format!("hoard {}", WRAPPINGS.len())}});
    let told = gate.publish(&body).await;
    assert!(told.text().contains(&format!("{} answers", WRAPPINGS.len() + 1)), "{}", told.text());
    assert_eq!(net.asked().iter().filter(|asked| asked.wrapped && asked.bearer() == CANARY).count(), WRAPPINGS.len());
    assert!(net.asked().iter().any(|asked| asked.path == "/api/end"));
    // One answer of each wrapping lay in it at the end.
    looks.check(WRAPPINGS.len() + 2, WRAPPINGS.len());
}

#[tokio::test]
async fn no_secret_comes_into_the_memory_of_a_policy() {
    let looks = Looks::default();
    let net = mastodon(&looks).await;
    let gate = Gate::new()
        .account_on("mastodon", "acme/snacks", ACCOUNT, net.address(), "token", token())
        .guidelines(&json!({"forbidden": [{"phrase": "miracle cure"}]}))
        .govern(|governance| {
            governance.policy("confidential", "confidential", &tests::policy_cases::policy_config("confidential"));
        })
        .start()
        .await;
    // The places where policies live were an adapter's before.
    one_life(&gate).await;
    let policies = gate.gateway().registry.snapshot().policies.clone();
    assert_eq!(policies.len(), 2);
    for (name, release) in &policies {
        assert!(looked_at(release, &looks).await, "{name} was never seen at work");
    }
    looks.check(8, 6);
}

/// Lets a policy judge ever longer drafts until it computes for so long that it gives way to others, and looks at it then.
async fn looked_at(release: &Release, looks: &Looks) -> bool {
    const MARK: &str = "This part of a long thread is for the policy that is looked at.";
    for parts in (3..12).map(|power| 1 << power) {
        let text = MARK.repeat(10);
        let draft = samples::draft(&vec![text.as_str(); parts]);
        let (context, media) = (samples::context(), MediaFiles::none());
        let mut review = pin!(release.review(&draft, &context, &media));
        let mut seen = false;
        let verdict = poll_fn(|context| match review.as_mut().poll(context) {
            Poll::Ready(verdict) => Poll::Ready(verdict),
            Poll::Pending => {
                // It may give way before it has the draft.
                seen |= looks.is_seen("a review", MARK);
                Poll::Pending
            }
        })
        .await;
        if let Err(error) = verdict {
            assert!(matches!(error.fault, PluginFault::CpuBudget { .. }), "{error}");
        }
        if seen {
            return true;
        }
    }
    false
}
