//! A client that is generated from the gateway's own document, and a program that is type-checked against it and run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tests::harness::{Gate, network};
use tests::skip::skipped;
use tests::specs::{OpenApi, assert_fine};
use tokio::process::Command;

use crate::samples::{statuses, texts};

/// How long each program of node may take.
const NODE_TIMEOUT: Duration = Duration::from_secs(120);

/// One exchange as the program saw it.
#[derive(Debug, Deserialize)]
struct Exchange {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    status: u16,
    answer_headers: Vec<(String, String)>,
    answer: String,
}

/// Where the generator, the compiler and the program lie. None, with a line that says so, where they are not installed.
fn scripts() -> Option<PathBuf> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("client");
    if scripts.join("node_modules/@hey-api/openapi-ts").is_dir() {
        return Some(scripts);
    }
    skipped("the generator of clients is not installed; run `make deps`");
    None
}

/// Runs a script in a folder and gives what it printed.
async fn node(folder: &Path, what: &[&str], env: &[(&str, &str)]) -> String {
    let ran = Command::new("node").args(what).envs(env.iter().copied()).current_dir(folder).kill_on_drop(true).output();
    let output = tokio::time::timeout(NODE_TIMEOUT, ran).await.expect("an end in time").expect("node runs");
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "node {}:\n{out}\n{errors}", what.join(" "));
    out.into_owned()
}

/// Generates a client from the document and compiles the program against it: types that do not fit are errors.
async fn compile(scripts: &Path, folder: &Path) {
    std::os::unix::fs::symlink(scripts.join("node_modules"), folder.join("node_modules")).expect("linked");
    for file in ["package.json", "tsconfig.json", "use.ts"] {
        std::fs::copy(scripts.join(file), folder.join(file)).expect("copied");
    }
    let generator = "node_modules/@hey-api/openapi-ts/bin/run.js";
    let options = ["-i", "openapi.json", "-o", "generated", "-c", "@hey-api/client-fetch", "--no-log-file", "-s"];
    node(folder, &[&[generator], options.as_slice()].concat(), &[]).await;
    node(folder, &["node_modules/typescript/bin/tsc", "-p", "."], &[]).await;
}

#[tokio::test]
async fn heavy_a_generated_client_publishes_reads_and_deletes() {
    let Some(scripts) = scripts() else { return };
    let net = network().await;
    let rules = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}, {"phrase": "miracle cure"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rules);
    let gate = gate.govern(|governance| {
        governance.auditor("soc", "person:chief-1", &["audit:read"], None);
    });
    let gate = gate.start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let document = tests::http::get(&format!("{}/v1/openapi.json", gate.url), "").await;
    std::fs::write(folder.path().join("openapi.json"), &document.body).expect("written");
    compile(&scripts, folder.path()).await;

    let env = [
        ("PRESSGATE_URL", gate.url.as_str()),
        ("NEWSROOM_KEY", gate.site.key("app:newsroom")),
        ("AGENCY_KEY", gate.site.key("app:agency")),
        ("CHIEF_KEY", gate.site.key("person:chief-1")),
    ];
    let told = node(folder.path(), &["built/use.js"], &env).await;

    // The network has what was published and not taken back, each once.
    tests::harness::until("the approved post is out", || async { (texts(&net).await.len() == 2).then_some(()) }).await;
    assert_eq!(texts(&net).await, ["Short", "cheap crisps"]);
    assert_eq!((statuses(&net, "POST").await, statuses(&net, "DELETE").await), (4, 2));
    // Each request and each answer is as the document says, and no operation was left out.
    let api = OpenApi::load(&folder.path().join("openapi.json"));
    let exchanges: Vec<Exchange> = told.lines().map(|line| serde_json::from_str(line).expect("an exchange")).collect();
    let mut used = BTreeSet::new();
    for seen in exchanges {
        let Exchange { method, target, headers, body, status, answer_headers, answer } = seen;
        let what = format!("{method} {target} {status}");
        assert_fine(&what, api.check_request(&method, &target, &headers, body.as_bytes()));
        assert_fine(&what, api.check_answer(&method, &target, status, &answer_headers, answer.as_bytes()));
        let path = target.split('?').next().expect("a path");
        used.insert(api.operation_of(&method, path).expect("an operation"));
    }
    // A stream has no end that could be held against the document; tests of its own read it.
    used.insert("GET /v1/audit/stream".into());
    used.insert("GET /v1/events".into());
    // Lines of JSON are no JSON; tests of its own read them.
    used.insert("GET /v1/audit/export".into());
    assert_eq!(used, api.operations());
}
