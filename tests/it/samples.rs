//! What many tests look at.

use jiff::Timestamp;
use sample_network::Running;
use serde_json::{Value, json};
use tests::harness::caller::JSON;
use tests::harness::{self, Caller};
use tests::http::Answer;

/// Where statuses are made.
pub const STATUSES: &str = "/api/v1/statuses";
/// A PNG of one pixel.
pub const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\nIDATx\x9cc\
\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

/// A plain post.
pub fn post(account: &str, text: &str) -> Value {
    json!({"accounts": [account], "content": {"text": text}})
}

/// Two of three people agree to what is labelled `launch`.
pub const TWO: &str = "[[rule]]\nname = \"launch\"\nlabels = [\"launch\"]\nstages = [{ n = 2, people = [\"chief-1\", \"chief-drinks\", \"ops-1\"] }]\n";

/// A post with the label `launch`.
pub fn launch(account: &str, text: &str) -> Value {
    let mut body = post(account, text);
    body["labels"] = json!(["launch"]);
    body
}

/// So many seconds after the gateway's now, as the API writes times.
pub fn after(gate: &harness::Running, seconds: i64) -> String {
    let now = gate.gateway().clock.now();
    Timestamp::from_second(now.as_second() + seconds).expect("a time").to_string()
}

/// A step on a post: `submit`, `approve` and so on.
pub async fn step(caller: &Caller, post: &str, what: &str, body: Value) -> Answer {
    caller.post(&format!("/v1/posts/{post}/{what}"), &body).await
}

/// Changes a post of this version.
pub async fn edit(caller: &Caller, post: &str, version: u32, patch: &Value) -> Answer {
    let tag = format!("\"{version}\"");
    caller.send("PATCH", &format!("/v1/posts/{post}"), &[JSON, ("if-match", &tag)], patch.to_string()).await
}

/// Texts on the timeline, oldest first.
pub async fn texts(net: &Running) -> Vec<String> {
    net.timeline().await.iter().map(|status| status["text"].as_str().expect("a text").to_owned()).collect()
}

/// How many requests of a method were about statuses.
pub async fn statuses(net: &Running, method: &str) -> usize {
    let requests = net.requests().await;
    requests.iter().filter(|request| request.method == method && request.path.starts_with(STATUSES)).count()
}

/// The codes of a problem's errors.
pub fn reasons(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["code"].as_str().expect("a code").to_owned()).collect()
}

/// The post's id.
pub fn id(post: &Value) -> String {
    post["id"].as_str().unwrap_or_else(|| panic!("no id in {post}")).to_owned()
}
