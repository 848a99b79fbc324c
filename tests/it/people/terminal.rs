//! The command line: a device is enrolled at a terminal, used by default, and ended; courses are imported.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tests::harness::{Gate, GateProcess, built, network};
use tests::networks::issuer::Issuer;

use super::browser::Browser;
use super::gate;
use crate::cli::run_as;

/// The program as a person uses it at home, where no gateway is.
fn command(home: &Path, line: &str) -> Command {
    let mut command = Command::new(built::program());
    command
        .args(line.split(' '))
        .current_dir(home)
        .env_remove("PRESSGATE_KEY")
        .env_remove("PRESSGATE_OPERATOR_KEY")
        .env("XDG_CONFIG_HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(home: &Path, line: &str) -> (Option<i32>, String, String) {
    let output = command(home, line).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A login that has shown its code.
fn login(home: &Path, url: &str) -> (Child, String) {
    let mut child = command(home, &format!("login {url} --name laptop")).spawn().expect("the program runs");
    let mut screen = BufReader::new(child.stderr.take().expect("a screen"));
    let (mut first, mut second) = (String::new(), String::new());
    screen.read_line(&mut first).and_then(|_| screen.read_line(&mut second)).expect("two lines");
    assert!(first.starts_with(&format!("Open {url}/people/device?code=")), "{first}");
    let code = second.trim().rsplit(' ').next().expect("a code").to_owned();
    child.stderr = Some(screen.into_inner());
    (child, code)
}

async fn decide(gate: &GateProcess, issuer: &Issuer, code: &str, decision: &str) {
    let mut browser = Browser::new(&gate.url);
    browser.sign_in(issuer, "/people/device").await;
    let entry = browser.open("/people/device").await;
    let question = browser.submit(&entry, &[("code", code)]).await;
    assert_eq!(browser.submit(&question, &[("decision", decision)]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_at_a_terminal() {
    let net = network().await;
    let Some(issuer) = Issuer::start(&net.url).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let home = tempfile::tempdir().expect("a home");
    let (plan, url) = gate(Gate::new().account("acme-mastodon", &net), &issuer.url, folder.path());
    let mut gate = plan.spawn().await;
    assert_eq!(gate.url, url);
    let (code, _, told) = run(home.path(), "device list");
    assert!(code == Some(1) && told.contains("pressgate login"), "{told}");
    let (child, code) = login(home.path(), &url);
    decide(&gate, &issuer, &code, "approve").await;
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("editor-7") && told.contains("90 days"), "{told}");
    let file = home.path().join("pressgate/login.json");
    assert_eq!(std::fs::metadata(&file).expect("the file").mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(&file).expect("text");
    assert!(kept.contains("pgk_") && !told.contains("pgk_"), "the key is in the file alone");
    // Used where nothing else is given.
    let (code, listed, told) = run(home.path(), "device list --json");
    assert_eq!(code, Some(0), "{told}");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let device = listed["devices"][0].clone();
    assert_eq!((device["name"].as_str(), device["this"].as_bool()), (Some("laptop"), Some(true)));
    assert_eq!(run(home.path(), "post list").0, Some(0));
    // An operator sees it too, and a file that others may read is refused.
    let everybody = run_as(&gate, "person:ops-1", "device list --everybody", "");
    assert!(everybody.text(0).contains("person:editor-7") && everybody.text(0).contains("laptop"));
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("set");
    assert!(run(home.path(), "device list").2.contains("chmod 600"));
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
    let (code, told, _) = run(home.path(), "logout");
    assert!(code == Some(0) && told.contains("logged out") && !file.exists(), "{told}");
    assert_eq!(run(home.path(), "logout").0, Some(1));
    // Denied; and ended by an operator.
    let (mut child, code) = login(home.path(), &url);
    decide(&gate, &issuer, &code, "deny").await;
    let mut told = String::new();
    child.stderr.take().expect("a screen").read_to_string(&mut told).expect("text");
    assert!(child.wait().expect("it ends").code() == Some(1) && told.contains("refused"), "{told}");
    let (child, code) = login(home.path(), &url);
    decide(&gate, &issuer, &code, "approve").await;
    assert!(child.wait_with_output().expect("it ends").status.success());
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("text")).expect("JSON");
    let id = kept["device_id"].as_str().expect("an id");
    run_as(&gate, "person:ops-1", &format!("device revoke {id} --everybody"), "").text(0);
    let (code, _, told) = run(home.path(), "post list");
    assert!(code == Some(1) && told.contains("pressgate login"), "{told}");
    let (code, told, _) = run(home.path(), "logout");
    assert!(code == Some(0) && told.contains("had ended already"), "{told}");
    assert_eq!(gate.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn courses_are_imported_at_a_terminal() {
    let mut gate = Gate::new().spawn().await;
    let csv = "person,course,passed_at,expires_at\neditor-7,social-basics,2020-01-01,2021-01-01\neditor-8,crisis,2020-01-01,\n";
    let imported = run_as(&gate, "person:ops-1", "training import - --json", csv).json(0);
    assert_eq!((imported["records"].as_u64(), imported["people"].as_u64()), (Some(2), Some(2)));
    let listed = run_as(&gate, "person:ops-1", "training list --person editor-7", "");
    assert!(listed.text(0).contains("social-basics") && listed.text(0).contains("lapsed"), "{listed:?}");
    assert!(!listed.text(0).contains("editor-8"));
    let bad = "person,course,passed_at\neditor-7,a,2020-01-01\nnobody,a,2020-01-01\neditor-7,a,soon\n";
    let refused = run_as(&gate, "person:ops-1", "training import -", bad);
    let told = refused.text(1);
    assert!(told.contains("training:3: ") && told.contains("training:4: "), "{told}");
    run_as(&gate, "person:editor-7", "training list", "").text(1);
    assert_eq!(gate.terminate().await, Some(0));
    // The same on the folder, while no gateway runs.
    let more = "person,course,passed_at\neditor-7,crisis,2020-01-01\n";
    run_as(&gate, "person:ops-1", "training import -", more).text(0);
    let all = run_as(&gate, "person:ops-1", "training list --json", "").json(0);
    assert_eq!(all.as_array().map(Vec::len), Some(3));
}
