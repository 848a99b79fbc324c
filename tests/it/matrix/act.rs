//! The columns: what is asked of a gateway.

use serde_json::{Value, json};
use tests::harness::Caller;
use tests::harness::caller::JSON;
use tests::http::{Answer, Failure};

use super::Bench;
use crate::samples::{PNG, id, post};

const ACCOUNT: &str = "acme-mastodon";
/// The caller does not wait for ever; what goes on is waited for when the trouble is over.
const WAIT: (&str, &str) = ("prefer", "wait=2");

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Single,
    Thread,
    Media,
    Reply,
    Recall,
    Vote,
    Hold,
    Upload,
    Refusal,
    Validate,
    Read,
}

pub(super) const ACTS: [Act; 11] = [
    Act::Single,
    Act::Thread,
    Act::Media,
    Act::Reply,
    Act::Recall,
    Act::Vote,
    Act::Hold,
    Act::Upload,
    Act::Refusal,
    Act::Validate,
    Act::Read,
];

/// What has to be there before it can be asked.
pub(super) enum Ready {
    Nothing,
    Post(Value),
    Medium(String),
}

impl Act {
    /// Whether it is to change something on the network.
    pub(super) fn changes(self) -> bool {
        matches!(self, Self::Single | Self::Thread | Self::Media | Self::Reply | Self::Recall | Self::Vote)
    }

    pub(super) async fn prepare(self, bench: &Bench) -> Ready {
        self.prepare_with(&bench.gate).await
    }

    pub(super) async fn prepare_with(self, caller: &Caller) -> Ready {
        match self {
            Self::Reply | Self::Recall => {
                Ready::Post(caller.publish(&post(ACCOUNT, "something to answer")).await.expect(201))
            }
            Self::Vote => Ready::Post(caller.publish(&post(ACCOUNT, "cheap")).await.expect(202)),
            Self::Media => Ready::Medium(caller.upload("image/png", PNG).await),
            _ => Ready::Nothing,
        }
    }

    /// Asks it, as whoever may; gives the status.
    pub(super) async fn act(self, bench: &Bench, ready: Ready) -> u16 {
        match (self, ready) {
            (Self::Vote, Ready::Post(held)) => {
                bench.gate.caller("person:chief-1").vote(&id(&held), "approve").await.status
            }
            (_, ready) => self.ask(&bench.gate, ready).await.expect("an answer").status,
        }
    }

    /// The same for what the app `newsroom` may ask; no answer comes from a gateway that is killed.
    pub(super) async fn ask(self, caller: &Caller, ready: Ready) -> Result<Answer, Failure> {
        let body = match (self, &ready) {
            (Self::Recall, Ready::Post(post)) => {
                let path = format!("/v1/posts/{}", id(post));
                return caller.try_send("DELETE", &path, &[WAIT], "").await;
            }
            (Self::Upload, _) => {
                return caller.try_send("POST", "/v1/media", &[("content-type", "image/png")], PNG).await;
            }
            (Self::Validate, _) => {
                let body = post(ACCOUNT, "may I?").to_string();
                return caller.try_send("POST", "/v1/validate", &[JSON], body).await;
            }
            (Self::Read, _) => {
                caller.get("/v1/accounts").await;
                caller.get("/v1/me").await;
                return caller.try_send("GET", "/v1/posts", &[], "").await;
            }
            (Self::Thread, _) => {
                json!({"accounts": [ACCOUNT], "content": {"text": "1", "thread": [{"text": "2"}, {"text": "3"}]}})
            }
            (Self::Media, Ready::Medium(medium)) => json!({"accounts": [ACCOUNT],
                "content": {"text": "look", "media": [{"id": medium, "alt": "a pixel"}]}}),
            (Self::Reply, Ready::Post(answered)) => {
                let reference = &answered["targets"][0]["platform_id"];
                json!({"accounts": [ACCOUNT], "content": {"text": "indeed"},
                    "reply_to": {"account": ACCOUNT, "ref": reference}})
            }
            (Self::Hold, _) => post(ACCOUNT, "cheap"),
            (Self::Refusal, _) => post("nobody", "x"),
            _ => post(ACCOUNT, "hello"),
        };
        caller.try_send("POST", "/v1/posts", &[JSON, WAIT], body.to_string()).await
    }
}
