//! People: they sign in at the company's issuer, enrol devices, and publish only with the courses that the rules ask for.

mod browser;
mod chromium;
mod devices;
mod guidelines;
mod posts;
mod session;
mod sign_in;
mod terminal;
mod training;

use std::net::TcpListener;
use std::sync::Arc;

use jiff::Timestamp;
use pressgate::audit::{Event, leaf};
use pressgate::clock::ManualClock;
use serde_json::Value;
use tests::harness::{Gate, Governance, Running};
use tests::http::{self, Answer};
use tests::networks::issuer::{CLIENT_SECRET, Issuer};

/// The person of most tests, and what the issuer calls them.
const EDITOR: &str = "editor-7";
const SUBJECT: &str = "acme";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A person of the cast who may sign in.
fn sign_in(governance: &mut Governance, issuer: &str, person: &str, subject: &str) {
    let people = governance.files()["people.toml"].clone();
    let head = format!("id = {person:?}\n");
    assert!(people.contains(&head));
    let tied = format!("{head}sign_in = {{ issuer = {issuer:?}, private_issuer = true, subject = {subject:?} }}\n");
    governance.file("people.toml", &people.replace(&head, &tied));
}

/// A gate at which the editor signs in, on a port of its own. The secret lies in a file below `folder`.
fn gate(gate: Gate, issuer: &str, folder: &std::path::Path) -> (Gate, String) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let port = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a free port").port();
    let url = format!("http://127.0.0.1:{port}");
    let secret = folder.join("client-secret");
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&secret);
    file.and_then(|mut file| file.write_all(CLIENT_SECRET.as_bytes())).expect("written");
    let gate = gate
        .setting("listen.address", &format!("\"127.0.0.1:{port}\""))
        .setting("sign_in.issuer", &format!("{issuer:?}"))
        .setting("sign_in.private_issuer", "true")
        .setting("sign_in.client_id", "\"gate\"")
        .setting("sign_in.secret.file", &format!("{:?}", secret.display().to_string()))
        .setting("sign_in.public_url", &format!("{url:?}"))
        .govern(|governance| sign_in(governance, issuer, EDITOR, SUBJECT));
    (gate, url)
}

/// A running gate with its issuer and a clock that the test moves.
struct House {
    gate: Running,
    issuer: Issuer,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

impl House {
    /// None where the issuer is not installed.
    async fn open(plan: Gate, upstream: &str) -> Option<Self> {
        let issuer = Issuer::start(upstream).await?;
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(ManualClock::at(Timestamp::now()));
        let (plan, _) = gate(plan, &issuer.url, folder.path());
        let gate = plan.clock(&clock).start().await;
        Some(Self { gate, issuer, clock, _folder: folder })
    }

    /// What was done by people, as the log tells it.
    fn changes(&self) -> Vec<(leaf::Changed, String, String, String)> {
        let change = |event| match event {
            Event::Change(leaf::Change { what, action, subject, by, .. })
                if what == leaf::Changed::Person || what == leaf::Changed::Key =>
            {
                Some((what, action, subject, by))
            }
            _ => None,
        };
        self.gate.leaves().into_iter().filter_map(|leaf| change(leaf.event)).collect()
    }
}

/// Posts a form as a program does.
async fn form(url: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    http::call("POST", &format!("{url}{path}"), &headers, body).await
}

/// Begins the enrolment of a device.
async fn begin(url: &str, name: &str) -> Value {
    let fields = [("client_id", "pressgate-cli"), ("device_name", name)];
    form(url, "/people/device_authorization", &fields).await.expect(200)
}

/// Asks for the device's token.
async fn poll(url: &str, started: &Value) -> Answer {
    let code = started["device_code"].as_str().expect("a code");
    form(url, "/people/token", &[("client_id", "pressgate-cli"), ("grant_type", GRANT), ("device_code", code)]).await
}

/// The error of OAuth that an answer tells.
fn error(answer: &Answer) -> String {
    let body: Value = answer.json();
    body["error"].as_str().unwrap_or_else(|| panic!("no error in {}", answer.text())).to_owned()
}
