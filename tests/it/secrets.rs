//! Canaries: a network that repeats the token in every wrapping, and a search for it wherever something could have stayed.

mod needles;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sample_network::{Config, Fault, Plan, SampleNetwork, Silence};
use serde_json::{Value, json};
use tests::harness::{Gate, network};
use tests::http::Answer;

use crate::samples::{PNG, STATUSES, id, post};
use needles::Needles;

/// With characters that every way of escaping changes.
const CANARY: &str = "cnry-7Q+x/9~Kd.V2_wTf8bLm3zE==";
/// How the network repeats it: status (none for a success), gzip, in chunks.
const WRAPPINGS: [(Option<u16>, bool, bool); 7] = [
    (None, false, false),
    (None, true, false),
    (None, false, true),
    (None, true, true),
    (Some(422), false, false),
    (Some(401), true, true),
    (Some(503), false, true),
];
/// The unprivileged user as which the program runs where the test is root.
const NOBODY: u32 = 65_534;

/// Every answer, with its headers.
#[derive(Default)]
struct Heard(Vec<u8>);

impl Heard {
    fn keep(&mut self, answer: &Answer) {
        for (name, value) in &answer.headers {
            self.0.extend(format!("{name}: {value}\n").bytes());
        }
        self.0.extend(&answer.body[..]);
        self.0.push(b'\n');
    }
}

#[tokio::test]
async fn heavy_the_token_is_found_nowhere() {
    let canary = Config { token: CANARY.to_owned(), ..Config::default() };
    let net = SampleNetwork::start(canary).await.expect("a free port");
    let mut plan = Gate::new();
    let numbered = (0..WRAPPINGS.len()).map(|number| format!("acme-{number}"));
    for account in numbered.chain((1..4).map(|round| format!("acme-refused-{round}"))) {
        let secrets = vec![("token".to_owned(), CANARY.to_owned())];
        plan = plan.account_on("mastodon", "acme/snacks", &account, &net.url, "token", secrets);
    }
    // So much that nothing is left out of the log.
    let plan = plan.setting("log.filter", "\"trace\"").setting("egress.timeout_ms", "2000");
    let mut gate = plan.spawn().await;
    let mut heard = Heard::default();
    // An account's limits are asked for at its first post, so the first echo to each account is about them.
    let echoes = [("GET", "/api/v2/instance"), ("POST", STATUSES), ("POST", "/api/v2/media"), ("DELETE", STATUSES)];
    for (round, (method, path)) in echoes.into_iter().enumerate() {
        for (number, (status, gzip, chunks)) in WRAPPINGS.into_iter().enumerate() {
            net.clear_faults().await;
            net.set_fault(Plan::next(1, method, path, Fault::Echo { status, gzip, chunks })).await;
            // A credential that was refused is not used again, so each refusal has an account of its own.
            let account = match (status, round) {
                (Some(401), 1..) => format!("acme-refused-{round}"),
                _ => format!("acme-{number}"),
            };
            one_life(&gate, &account, &mut heard).await;
            let echoed = net.requests().await.into_iter().filter(|request| {
                request.fault.is_some() && request.method == method && request.path.starts_with(path)
            });
            assert_eq!(
                echoed.count(),
                number + 1,
                "{method} {path} was repeated, {status:?}, gzip {gzip}, chunks {chunks}"
            );
        }
    }
    net.set_fault(Plan::next(1, "POST", STATUSES, Fault::NoAnswer { stored: false, how: Silence::Hang })).await;
    one_life(&gate, "acme-0", &mut heard).await;
    heard.keep(&gate.get("/v1/posts?limit=200").await);
    heard.keep(&gate.get("/v1/accounts").await);
    // The canary was really there: at the network, and in its answers.
    let recorded = net.requests().await;
    let wanted = format!("Bearer {CANARY}");
    assert!(recorded.iter().filter(|request| request.header("authorization") == Some(&wanted)).count() > 30);

    gate.kill9().await;
    let app_key = gate.site.key("app:newsroom");
    let app_secret = app_key.split('_').nth(2).expect("a secret");
    for (name, secret) in [("the token", CANARY), ("the app's key", app_secret)] {
        let needles = Needles::of(secret);
        assert_eq!(needles.found_in(&heard.0), None, "{name} in an answer");
        for file in files(gate.site.folder()) {
            let bytes = std::fs::read(&file).expect("readable");
            assert_eq!(needles.found_in(&bytes), None, "{name} in {}", file.display());
        }
    }
    // What may be found is found, in each of the places that were searched.
    let account = Needles::of("acme-6");
    let log = std::fs::read(gate.log_file()).expect("a log");
    assert!(account.found_in(&heard.0).is_some() && account.found_in(&log).is_some());
    let with_it = files(&gate.site.path("data"))
        .into_iter()
        .filter(|file| account.found_in(&std::fs::read(file).expect("readable")).is_some());
    assert!(with_it.count() >= 2, "the records and the audit log");
}

/// A post with a medium, read, listed and taken back; whatever becomes of it.
async fn one_life(gate: &tests::harness::GateProcess, account: &str, heard: &mut Heard) {
    let stored = gate.send("POST", "/v1/media", &[("content-type", "image/png")], PNG).await;
    heard.keep(&stored);
    let body = json!({"accounts": [account], "content": {"text": "x", "media": [{"id": id(&stored.json())}]}});
    let headers = [tests::harness::caller::JSON, ("prefer", "wait=5")];
    let made = gate.send("POST", "/v1/posts", &headers, body.to_string()).await;
    heard.keep(&made);
    let told: Value = made.json();
    let Some(post) = told["id"].as_str().or(told["post"]["id"].as_str()) else { return };
    heard.keep(&gate.get(&format!("/v1/posts/{post}")).await);
    heard.keep(&gate.delete(&format!("/v1/posts/{post}")).await);
    heard.keep(&gate.get(&format!("/v1/posts/{post}")).await);
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

#[tokio::test]
async fn heavy_the_process_gives_no_core_and_cant_be_looked_into() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net);
    let root = std::fs::metadata("/proc/self").expect("proc").uid() == 0;
    let gate = if root { gate.spawn_as(NOBODY).await } else { gate.spawn().await };
    gate.get("/v1/me").await.expect(200);
    let proc = PathBuf::from(format!("/proc/{}", gate.process_id()));
    let limits = std::fs::read_to_string(proc.join("limits")).expect("limits");
    let core: Vec<_> = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("a limit")
        .split_whitespace()
        .collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
    // The kernel gives the files of a process that can't be dumped to root, whoever runs it.
    let status = std::fs::read_to_string(proc.join("status")).expect("a status");
    let runs_as = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .expect("a user")
        .split_whitespace()
        .next()
        .map(str::to_owned);
    assert_ne!(runs_as.as_deref(), Some("0"), "as root nothing could be told");
    for name in ["environ", "mem", "maps"] {
        assert_eq!(
            std::fs::metadata(proc.join(name)).expect(name).uid(),
            0,
            "{name} can be read by the user that runs it"
        );
    }
    let mut control = std::process::Command::new("sleep");
    control.arg("30");
    if root {
        std::os::unix::process::CommandExt::uid(&mut control, NOBODY);
    }
    let mut control = control.spawn().expect("sleep runs");
    let owner = std::fs::metadata(format!("/proc/{}/environ", control.id())).expect("environ").uid();
    control.kill().expect("killed");
    control.wait().expect("ended");
    assert_eq!(Some(owner.to_string()), runs_as, "an ordinary process is its user's, so the check means something");
    gate.publish(&post("nobody", "x")).await.expect(422);
}
