//! Where a secret could have stayed: what callers heard, what was logged, what lies in files.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::harness::{GateProcess, caller};
use tests::http::Answer;

use super::needles::Needles;
use crate::samples::{PNG, id};

/// Every answer, with its headers.
#[derive(Default)]
pub struct Heard(pub Vec<u8>);

impl Heard {
    /// Keeps an answer.
    pub fn keep(&mut self, answer: &Answer) {
        for (name, value) in &answer.headers {
            self.0.extend(format!("{name}: {value}\n").bytes());
        }
        self.0.extend(&answer.body[..]);
        self.0.push(b'\n');
    }
}

/// How a network repeats what it was sent: status (none for a success), gzip, in chunks.
pub const WRAPPINGS: [(Option<u16>, bool, bool); 7] = [
    (None, false, false),
    (None, true, false),
    (None, false, true),
    (None, true, true),
    (Some(422), false, false),
    (Some(401), true, true),
    (Some(503), false, true),
];

/// A post with a medium, read, answered, listed and taken back; whatever becomes of it. Gives the states that were told.
pub async fn one_life(gate: &GateProcess, account: &str, text: &str, heard: &mut Heard) {
    let stored = gate.send("POST", "/v1/media", &[("content-type", "image/png")], PNG).await;
    heard.keep(&stored);
    let body = json!({"accounts": [account], "content": {"text": text, "media": [{"id": id(&stored.json())}]}});
    let made = publish(gate, &body).await;
    heard.keep(&made);
    let told: Value = made.json();
    let Some(post) = told["id"].as_str().or(told["post"]["id"].as_str()) else { return };
    if let Some(answered) = told["targets"][0]["platform_id"].as_str() {
        let reply = json!({"accounts": [account], "content": {"text": "thanks"},
            "reply_to": {"account": account, "ref": answered}});
        heard.keep(&publish(gate, &reply).await);
    }
    heard.keep(&gate.get(&format!("/v1/posts/{post}")).await);
    heard.keep(&gate.send("DELETE", &format!("/v1/posts/{post}"), &[WAIT], "").await);
    heard.keep(&gate.get(&format!("/v1/posts/{post}")).await);
}

/// What is tried again after a while is not waited for.
const WAIT: (&str, &str) = ("prefer", "wait=1");

async fn publish(gate: &GateProcess, body: &Value) -> Answer {
    gate.send("POST", "/v1/posts", &[caller::JSON, WAIT], body.to_string()).await
}

/// Fails where one of the secrets, or the app's key, is in an answer, in the log or in any file of the gateway's folder; and
/// where the account's name is not found, which is in all of these.
pub fn assert_nowhere(gate: &GateProcess, heard: &Heard, secrets: &[(&str, &str)], account: &str) {
    let app_key = gate.site.key("app:newsroom");
    let app_secret = app_key.split('_').nth(2).expect("a secret");
    let secrets: Vec<_> = secrets.iter().copied().chain([("the app's key", app_secret)]).collect();
    let needles = Needles::of(&secrets);
    assert_eq!(needles.found_in(&heard.0), None, "in an answer");
    let all = files(gate.site.folder());
    assert!(all.contains(&gate.log_file()), "the log is among the files");
    for file in all {
        let bytes = std::fs::read(&file).expect("readable");
        assert_eq!(needles.found_in(&bytes), None, "in {}", file.display());
    }
    let account = Needles::of(&[("the account", account)]);
    let log = std::fs::read(gate.log_file()).expect("a log");
    assert!(account.found_in(&heard.0).is_some() && account.found_in(&log).is_some());
    let with_it = files(&gate.site.path("data"))
        .into_iter()
        .filter(|file| account.found_in(&std::fs::read(file).expect("readable")).is_some());
    assert!(with_it.count() >= 2, "the records and the audit log");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all
}
