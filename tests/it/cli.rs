//! The command line, as a person and a script use it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pressgate::audit::{Event, leaf};
use serde_json::{Value, json};
use tests::harness::{Gate, GateProcess, TOKEN, built, network, problem, story, until};

use crate::samples::{STATUSES, id, post};

/// What a command answered.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The JSON on standard output, after a check of the exit code.
    pub fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        if code == 0 { &self.out } else { &self.err }
    }
}

/// Runs the program in a folder. It blocks: the gateway that it speaks to is a process of its own.
pub fn run(folder: &Path, line: &str, stdin: &str) -> Ran {
    run_with(folder, line, stdin, &[])
}

/// The same with more in its environment.
pub fn run_with(folder: &Path, line: &str, stdin: &str, environment: &[(&str, &str)]) -> Ran {
    let mut child = Command::new(built::program())
        .args(line.split_whitespace())
        .current_dir(folder)
        .env_remove("PRESSGATE_KEY")
        .env_remove("PRESSGATE_OPERATOR_KEY")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // A command that refuses before it reads is no fault of the test.
    let _unread = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A file with somebody's key, for `--key-file`.
pub fn key_file(gate: &GateProcess, holder: &str) -> PathBuf {
    let path = gate.site.path(&format!("{}.key", holder.replace(':', "-")));
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(gate.site.key(holder).as_bytes())).expect("written");
    path
}

/// Runs a command against a running gateway with somebody's key.
pub fn run_as(gate: &GateProcess, holder: &str, line: &str, stdin: &str) -> Ran {
    let key = key_file(gate, holder);
    run(gate.site.folder(), &format!("{line} --key-file {}", key.display()), stdin)
}

/// The changes in the log: what was done to what, and by whom.
fn changes(gate: &GateProcess) -> Vec<(String, String, String)> {
    let change = |event| match event {
        Event::Change(leaf::Change { action, subject, by, .. }) => Some((action, subject, by)),
        _ => None,
    };
    gate.leaves().into_iter().filter_map(|leaf| change(leaf.event)).collect()
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
}

#[test]
fn check_names_each_of_eight_planted_faults_with_file_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugins = format!("[plugins]\ndir = {:?}\n", built::plugins().display().to_string());
    write(folder.path(), &[("pressgate.toml", &plugins)]);
    let account = "[[account]]\nid = \"acme-m\"\nnetwork = \"mastodon\"\nadapter = \"mastodon\"\nendpoint = \"https://x.example\"\n";
    let grant = "[[grant]]\nid = \"g1\"\napp = \"intranet\"\naccount = \"acme-m\"\nactions = [\"post.create\"]\nowner = \"ops-1\"\n\
                 expires = 2099-01-01T00:00:00Z\n[[grant]]\nid = \"g2\"\napp = \"newsroom\"\nbrand = \"acme\"\n\
                 actions = [\"post.create\", \"post.shout\"]\nexpires = \"2020-01-01T00:00:00Z\"\n";
    write(
        &folder.path().join("planted"),
        &[
            (
                "brands.toml",
                "[[brand]]\nid = \"acme\"\n[[brand]]\nid = \"a\"\nparent = \"b\"\n[[brand]]\nid = \"b\"\nparent = \"a\"\n",
            ),
            ("accounts.toml", &format!("{account}brand = \"acme/drinks\"\nhandel = \"@acme\"\n")),
            ("apps.toml", "[[app]]\nid = \"newsroom\"\nowner = \"ops-1\"\n"),
            ("people.toml", "[[person]]\nid = \"ops-1\"\nroles = [\"operator\"]\n"),
            ("grants.toml", grant),
            ("policies.toml", "[[policy]]\nname = \"rules\"\nplugin = \"guidelines\"\nconfig = { forbidden = 7 }\n"),
        ],
    );
    let ran = run(folder.path(), "check planted", "");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let planted = [
        ("accounts.toml:6: ", "acme/drinks"),
        ("accounts.toml:7: ", "handel"),
        ("brands.toml:5: ", "cycle"),
        ("grants.toml:3: ", "intranet"),
        ("grants.toml:8: ", "owner"),
        ("grants.toml:12: ", "post.shout"),
        ("grants.toml:13: ", "past"),
        ("policies.toml:4: ", "forbidden"),
    ];
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), planted.len(), "{}", ran.out);
    for ((place, what), line) in planted.iter().zip(lines) {
        assert!(line.starts_with(place) && line.contains(what), "{line}\nis not {place}…{what}");
    }
    let faults = run(folder.path(), "check planted --json", "").json(1);
    assert_eq!((faults["holds"].clone(), faults["faults"].as_array().map(Vec::len)), (json!(false), Some(8)));
    assert_eq!(faults["faults"][0]["line"], 6);
    let missing = run(folder.path(), "check nowhere", "");
    assert_eq!(missing.code, Some(1), "{missing:?}");
}

#[test]
fn init_makes_what_a_first_start_needs_and_overwrites_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    assert_eq!(run(at, "key list", "").code, Some(3), "there is nothing yet");
    run(at, "init --operator editor-7", "").text(1);
    assert!(!at.join("data").exists(), "a wrong name makes no stores");
    let made = run(at, "init --json", "").json(0);
    let key = made["operator_key"]["key"].as_str().expect("shown once").to_owned();
    assert!(key.starts_with("pgk_"), "{key}");
    let mode = |name: &str| std::fs::metadata(at.join(name)).expect("made").mode() & 0o777;
    assert_eq!((mode("data"), mode("data/kek")), (0o700, 0o600));
    write(at, &[("governance/people.toml", "[[person]]\nid = \"ops-2\"\nroles = [\"operator\"]\n")]);
    let kek = std::fs::read(at.join("data/kek")).expect("a key");
    run(at, "init --operator ops-2 --save-key mine.key", "").text(0);
    assert_eq!(mode("mine.key"), 0o600);
    assert_eq!(std::fs::read(at.join("data/kek")).expect("a key"), kek);
    assert!(std::fs::read_to_string(at.join("governance/people.toml")).expect("a text").contains("ops-2"));
    let keys = run(at, "key list --json", "").json(0);
    assert_eq!(keys.as_array().map(Vec::len), Some(2));
    // A first set-up needs keys before anything is in force, and hears what they rest on; what the folder does not have is refused.
    let early = run(at, "key create --person ops-2", "");
    assert!(early.text(0).contains("note: no governance was applied yet"), "{early:?}");
    let slip = run(at, "key create --person ops-3", "");
    let expected = ["no person `ops-3` in the governance", "did you mean `ops-2`", "no governance was applied yet"];
    assert!(expected.iter().all(|text| slip.text(1).contains(text)), "{slip:?}");
    run(at, "apply --yes", "").text(0);
    let later = run(at, "key create --person ops-2", "");
    assert!(!later.text(0).contains("note:"), "{later:?}");
    let again = run(at, "init --operator ops-2", "");
    assert!(again.code == Some(0) && !again.out.contains("pgk_"), "{again:?}");
    std::fs::remove_file(at.join("data/kek")).expect("removed");
    let lost = run(at, "init", "");
    assert!(lost.code == Some(1) && lost.err.contains("backup"), "a new key would open nothing: {lost:?}");
}

#[test]
fn doctor_names_what_is_wrong_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    run(at, "init", "").text(0);
    let ports = "listen.address = \"127.0.0.1:0\"\nlisten.operator = \"127.0.0.1:0\"\n";
    write(at, &[("pressgate.toml", ports)]);
    assert_eq!(run(at, "doctor --json", "").json(0)["holds"], true);
    let mode =
        |name: &str, mode| std::fs::set_permissions(at.join(name), std::os::unix::fs::PermissionsExt::from_mode(mode));
    mode("data", 0o755).expect("changed");
    mode("data/kek", 0o644).expect("changed");
    write(at, &[("governance/apps.toml", "[[app]]\nid = \"x\"\n")]);
    let ran = run(at, "doctor", "");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.lines().any(|line| line.starts_with("FAULT  key-encryption ") && line.contains("others may")),
        "{}",
        ran.out
    );
    for help in ["chmod 700", "chmod 600", "apps.toml:1: "] {
        assert!(ran.out.contains(help), "{help}: {}", ran.out);
    }
    write(at, &[("pressgate.toml", "listen = 5\n")]);
    let ran = run(at, "doctor", "");
    assert!(ran.code == Some(1) && ran.out.contains("pressgate.toml:1: "), "{ran:?}");
}

#[test]
fn exit_codes_tell_usage_from_refusal_from_nobody_there() {
    let folder = tempfile::tempdir().expect("a folder");
    for line in ["", "frobnicate", "key create", "key create --app a --person b", "apply --yes --dry-run"] {
        assert_eq!(run(folder.path(), line, "").code, Some(2), "{line}");
    }
    assert_eq!(run(folder.path(), "--version", "").code, Some(0));
    assert_eq!(run(folder.path(), "post show post_1", "").code, Some(1), "no key");
    write(folder.path(), &[("pressgate.toml", "listen.address = \"127.0.0.1:1\"\n"), ("k", "pgk_x")]);
    std::fs::set_permissions(folder.path().join("k"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("changed");
    let nobody = run(folder.path(), "post show post_1 --key-file k --json", "").json(3);
    assert_eq!(nobody["exit"], 3);
    assert_eq!(run(folder.path(), "post show ../x --key-file k", "").code, Some(1));
    assert_eq!(run(folder.path(), "serve", "").code, Some(3), "nothing was made yet");
    let serve = run(folder.path(), "serve --json", "");
    assert_eq!((serve.json(3)["exit"].clone(), serve.out.lines().count()), (json!(3), 1), "one object in one line");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_and_revoked_in_a_running_gateway() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    let alone = run(gate.site.folder(), "key list", "");
    assert!(alone.code == Some(1) && alone.err.contains("--key-file"), "{alone:?}");
    assert_eq!(run_as(&gate, "app:newsroom", "key list", "").code, Some(1));
    assert_eq!(run_as(&gate, "person:chief-1", "key list", "").code, Some(1));
    let made = run_as(&gate, "person:ops-1", "key create --app newsroom --note test --json", "").json(0);
    let caller = tests::harness::Caller::new(&gate.url, made["key"].as_str().expect("a key"));
    caller.get("/v1/me").await.expect(200);
    let key = made["id"].as_str().expect("an id");
    run_as(&gate, "person:ops-1", &format!("key revoke {key}"), "").text(0);
    problem(&caller.get("/v1/me").await, "unauthenticated");
    run_as(&gate, "person:ops-1", &format!("key revoke {key}"), "").text(1);
    run_as(&gate, "person:ops-1", "key create --app nobody", "").text(1);
    assert_eq!(gate.terminate().await, Some(0));
    // Nobody has the folder any more: the same command works on it alone.
    let offline = run(gate.site.folder(), "key create --person chief-1 --json", "").json(0);
    gate.restart().await;
    let chief = tests::harness::Caller::new(&gate.url, offline["key"].as_str().expect("a key"));
    chief.get("/v1/me").await.expect(200);
    let told: Vec<_> = changes(&gate).into_iter().filter(|(_, _, by)| by != "start" && by != "first-start").collect();
    let of = |action: &str, subject: String, by: &str| (action.to_owned(), subject, by.to_owned());
    let expected = [
        of("create", format!("app:newsroom/{key}"), "ops-1"),
        of("revoke", format!("app:newsroom/{key}"), "ops-1"),
        of("create", format!("person:chief-1/{}", offline["id"].as_str().expect("an id")), "local"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_set_from_standard_input_and_is_never_shown() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).without_credential("acme-mastodon").spawn().await;
    let text = |number: u32| post("acme-mastodon", &format!("post {number}"));
    problem(&gate.publish(&text(1)).await, "credential-missing");
    let empty = run_as(&gate, "person:ops-1", "credential set acme-mastodon", "\n");
    assert_eq!(empty.code, Some(1), "{empty:?}");
    let unknown = run_as(&gate, "person:ops-1", "credential set nobody", TOKEN);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    let set = run_as(&gate, "person:ops-1", "credential set acme-mastodon --json", &format!("{TOKEN}\n"));
    assert_eq!(set.json(0)["generation"], 1);
    gate.publish(&text(2)).await.expect(201);
    let list = run_as(&gate, "person:ops-1", "credential list --json", "");
    assert_eq!(list.json(0)[0]["account"], "acme-mastodon");
    run_as(&gate, "person:ops-1", "credential revoke acme-mastodon", "").text(0);
    problem(&gate.publish(&text(3)).await, "credential-missing");
    assert_eq!(net.count("POST", STATUSES).await, 1);
    assert_eq!(gate.terminate().await, Some(0));
    let file = gate.site.path("token");
    std::fs::write(&file, TOKEN).expect("written");
    let line = format!("credential set acme-mastodon --from-file {}", file.display());
    let offline = run(gate.site.folder(), &line, "");
    assert_eq!(offline.code, Some(0), "{offline:?}");
    gate.restart().await;
    gate.publish(&text(4)).await.expect(201);
    let log = std::fs::read_to_string(gate.log_file()).expect("a log");
    let outputs = [empty, unknown, set, list, offline].map(|ran| ran.out + &ran.err).concat();
    assert!(!log.contains(TOKEN) && !outputs.contains(TOKEN), "the token is in an output");
    let by: Vec<_> = changes(&gate).into_iter().filter(|(_, subject, _)| subject.starts_with("acme-")).collect();
    let of = |action: &str, by: &str| (action.to_owned(), "acme-mastodon/token".to_owned(), by.to_owned());
    let label = by[0].1.clone();
    let expected = [of("set", "ops-1"), of("revoke", "ops-1"), of("set", "local")];
    assert_eq!(by, expected.map(|(action, _, by)| (action, label.clone(), by)));
}

/// Runs the program at a terminal: it is asked, and each answer is typed once its prompt is there. Gives the exit code, what was on
/// standard error, and what the terminal showed.
fn run_at_a_terminal(folder: &Path, line: &str, typed: &[(&str, &str)]) -> (Option<i32>, String, String) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("opened for us");
    let name = ptsname(&master, Vec::new()).expect("a name");
    // It must not become the terminal of this test.
    let no_control = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).expect("a flag");
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).custom_flags(no_control);
    let terminal = options.open(name.to_str().expect("UTF-8")).expect("opened");
    let mut child = Command::new(built::program())
        .args(line.split_whitespace())
        .current_dir(folder)
        .stdin(terminal.try_clone().expect("another handle"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let (mut errors, mut told) = (child.stderr.take().expect("a pipe"), Vec::new());
    let mut keyboard = std::fs::File::from(master);
    for (prompt, answer) in typed {
        while !String::from_utf8_lossy(&told).ends_with(prompt) {
            let mut byte = [0];
            assert_eq!(errors.read(&mut byte).expect("readable"), 1, "no {prompt}: {}", String::from_utf8_lossy(&told));
            told.push(byte[0]);
        }
        keyboard.write_all(answer.as_bytes()).expect("typed");
    }
    errors.read_to_end(&mut told).expect("readable");
    let code = child.wait().expect("it ends").code();
    // Echo is on again: this is shown, and ends what is read.
    keyboard.write_all(b"END\n").expect("typed");
    let mut shown = Vec::new();
    while !shown.ends_with(b"END") {
        let mut byte = [0];
        assert_eq!(keyboard.read(&mut byte).expect("readable"), 1);
        shown.push(byte[0]);
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (code, text(told), text(shown))
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_a_credential_is_asked_for_and_not_shown() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).without_credential("acme-mastodon").spawn().await;
    assert_eq!(gate.terminate().await, Some(0));
    let line = "credential set acme-mastodon";
    let (code, told, shown) = run_at_a_terminal(gate.site.folder(), line, &[("(not shown): ", "\n")]);
    assert_eq!((code, told.contains("empty")), (Some(1), true), "{told}");
    assert_eq!(shown, "END");
    let typed = format!("{TOKEN}\n");
    let (code, told, shown) = run_at_a_terminal(gate.site.folder(), line, &[("token (not shown): ", &typed)]);
    assert_eq!(code, Some(0), "{told}");
    assert!(!told.contains(TOKEN) && shown == "END", "{told:?} {shown:?}");
    gate.restart().await;
    gate.publish(&post("acme-mastodon", "x")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_shows_what_changes_and_a_signal_applies_too() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    gate.publish(&post("acme-mastodon", "before")).await.expect(201);
    let mut governance = gate.governance.clone();
    governance.auditor_until("left-over", "app:agency", &["audit:read"], None, "2026-01-01T00:00:00Z");
    gate.site.write_governance(&governance.revoke("newsroom-all").files());
    // What has ended gives no right and stops nobody; it is told with its day.
    let warned = run(gate.site.folder(), "check", "");
    let warning = "warning: the auditor entry left-over ended at 2026-01-01T00:00:00Z and gives no right";
    assert!(warned.text(0).contains(warning), "{warned:?}");
    let shown = run_as(&gate, "person:ops-1", "apply --dry-run", "");
    assert!(shown.text(0).contains("- grant newsroom-all"), "{shown:?}");
    assert_eq!(run_as(&gate, "person:ops-1", "apply", "y\n").code, Some(2), "nobody can be asked");
    gate.publish(&post("acme-mastodon", "still")).await.expect(201);
    let applied = run_as(&gate, "person:ops-1", "apply --yes --json", "").json(0);
    let changed: Vec<&Value> = applied["changes"].as_array().expect("a list").iter().map(|it| &it["id"]).collect();
    assert!(applied["applied"] == true && changed.contains(&&json!("newsroom-all")), "{applied}");
    assert!(applied["notes"].to_string().contains("left-over ended at 2026-01-01"), "{applied}");
    problem(&gate.caller("app:agency").get("/v1/audit").await, "no-audit-right");
    problem(&gate.publish(&post("acme-mastodon", "after")).await, "no-grant");
    assert_eq!(run_as(&gate, "person:ops-1", "apply --yes --json", "").json(0)["applied"], false);

    // A folder with a fault changes nothing, whoever asks.
    let mut planted = gate.governance.clone();
    planted.file("apps.toml", "[[app]]\nid = \"newsroom\"\n");
    gate.site.write_governance(&planted.files());
    let refused = run_as(&gate, "person:ops-1", "apply --yes", "");
    assert!(refused.text(1).contains("apps.toml:1: "), "{refused:?}");
    signal(&gate, "-HUP");
    let log = || async { std::fs::read_to_string(gate.log_file()).ok().filter(|log| log.contains("was not applied")) };
    until("the fault is in the log", log).await;
    problem(&gate.publish(&post("acme-mastodon", "still not")).await, "no-grant");

    gate.site.write_governance(&gate.governance.files());
    signal(&gate, "-HUP");
    let digest = || async {
        let applied = gate.leaves().into_iter().rev().find_map(|leaf| match leaf.event {
            Event::Change(change) => Some(change),
            _ => None,
        });
        applied.filter(|change| change.by == "local-signal").and_then(|change| change.digest)
    };
    assert_eq!(until("a leaf of the signal", digest).await.len(), 64);
    let published =
        || async { Some(gate.publish(&post("acme-mastodon", "again")).await).filter(|answer| answer.status == 201) };
    until("the grant is back", published).await;
}

pub fn signal(gate: &GateProcess, signal: &str) {
    let sent = Command::new("kill").args([signal, &gate.process_id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_votes_from_the_command_line() {
    let net = network().await;
    let rule = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rule).spawn().await;
    let held = id(&gate.publish(&post("acme-mastodon", "cheap crisps")).await.expect(202));
    assert_eq!(
        run_as(&gate, "app:newsroom", &format!("post approve {held} --saw 1"), "").code,
        Some(1),
        "an app has no vote"
    );
    let changed = run_as(&gate, "person:chief-1", &format!("post approve {held} --digest 00"), "");
    assert_eq!(changed.code, Some(1), "{changed:?}");
    assert_eq!(net.count("POST", STATUSES).await, 0);
    let seen = run_as(&gate, "person:chief-1", &format!("post show {held} --json"), "").json(0);
    let digest = seen["digest"].as_str().expect("a digest");
    run_as(&gate, "person:chief-1", &format!("post approve {held} --digest {digest} --note fine"), "").text(0);
    gate.until_state(&held, "published").await;
    let other = id(&gate.publish(&post("acme-mastodon", "cheap beer")).await.expect(202));
    let list = run_as(&gate, "person:chief-1", "post list --state held", "");
    assert!(list.text(0).contains(&other) && !list.out.contains(&held), "{list:?}");
    run_as(&gate, "person:chief-1", &format!("post reject {other} --note no"), "").text(0);
    assert_eq!(gate.read(&other).await["state"], "rejected");
    // Its author takes a held post back; what is out stays out by this command.
    let third = id(&gate.publish(&post("acme-mastodon", "cheap wine")).await.expect(202));
    let taken = run_as(&gate, "app:newsroom", &format!("post withdraw {third} --json"), "").json(0);
    assert_eq!(taken["state"], "cancelled");
    let published = run_as(&gate, "app:newsroom", &format!("post withdraw {held}"), "");
    assert!(published.text(1).contains("`published`") && published.err.contains("`held`"), "{published:?}");
    assert_eq!(gate.read(&held).await["state"], "published");
    assert_eq!(net.count("POST", STATUSES).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_calls_end_and_is_in_the_log() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    assert!(gate.site.path("data/listening.json").is_file());
    gate.publish(&post("acme-mastodon", "last")).await.expect(201);
    assert_eq!(gate.terminate().await, Some(0));
    let told = story(&gate.leaves());
    assert!(told.last().is_some_and(|last| last.contains("stop")), "{told:?}");
    assert!(!gate.site.path("data/listening.json").exists());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let settings: BTreeMap<_, _> = [("listen.address", taken.local_addr().expect("an address"))].into();
    let text = std::fs::read_to_string(gate.site.path("pressgate.toml")).expect("a text");
    let text = text
        .replace("listen.address = \"127.0.0.1:0\"", &format!("listen.address = \"{}\"", settings["listen.address"]));
    std::fs::write(gate.site.path("pressgate.toml"), text).expect("written");
    let before = gate.leaves().len();
    let ran = run(gate.site.folder(), "serve", "");
    assert!(ran.code == Some(3) && ran.err.contains("listen.address"), "{ran:?}");
    assert_eq!(gate.leaves().len(), before, "a port that is taken leaves no start in the log");
}

/// Check and doctor see what would keep a start from serving, or would open nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_configuration_and_governance_say_must_fit() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    assert_eq!(gate.terminate().await, Some(0));
    let (config, apps) = (gate.site.path("pressgate.toml"), gate.site.path("governance/apps.toml"));
    let read = |path: &Path| std::fs::read_to_string(path).expect("read");
    let (good, own) = (read(&config), read(&apps));
    assert_eq!(run(gate.site.folder(), "check", "").code, Some(0));
    let lines = good.lines().count();
    let tls = "listen.tls.certificate = \"no-cert.pem\"\nlisten.tls.key = \"no-key.pem\"\n";
    let certificate =
        own.replacen("id = \"newsroom\"\n", "id = \"newsroom\"\ncertificates = [\"dns:cms.internal\"]\n", 1);
    assert_ne!(certificate, own);
    let line = own.lines().position(|line| line == "id = \"newsroom\"").expect("the app") + 2;
    for (config_text, apps_text, told) in [
        (
            format!("{good}native.listeners.acme-mastodo = \"127.0.0.1:9\"\n"),
            &own,
            format!(
                "pressgate.toml:{}: native.listeners.acme-mastodo: accounts.toml has no account `acme-mastodo`; did you mean `acme-mastodon`?",
                lines + 1
            ),
        ),
        (format!("{good}{tls}"), &own, "no-cert.pem: No such file".to_owned()),
        (good.clone(), &certificate, format!("apps.toml:{line}: `certificates` of `newsroom`: no client is asked")),
        (
            format!("{good}forward.addr = \"127.0.0.1:9\"\nnative.listeners.acme-mastodon = \"0.0.0.0:9\"\n"),
            &own,
            format!(
                "pressgate.toml:{}: native.listeners.acme-mastodon: 0.0.0.0:9 is taken by `forward.addr`",
                lines + 2
            ),
        ),
        (format!("{good}native.domain = \"10.0.0.5\"\n"), &own, format!("pressgate.toml:{}: native.domain", lines + 1)),
    ] {
        std::fs::write(&config, config_text).expect("written");
        std::fs::write(&apps, apps_text).expect("written");
        for command in ["check", "doctor"] {
            let ran = run(gate.site.folder(), command, "");
            assert!(
                ran.code == Some(1) && format!("{}{}", ran.out, ran.err).contains(&told),
                "{command} {told}: {ran:?}"
            );
        }
    }
}
