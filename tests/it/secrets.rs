//! Canaries: networks that repeat every secret in every wrapping, and a search for them wherever something could have stayed.

mod bluesky;
mod echo;
mod linear_memory;
mod memory;
pub(crate) mod needles;
mod search;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use sample_network::{Config, Fault, Plan, SampleNetwork, Silence};
use tests::harness::{Gate, network};

use crate::samples::{STATUSES, post};
use search::{Heard, WRAPPINGS, assert_nowhere, one_life};

/// With characters that every way of escaping changes.
const CANARY: &str = "cnry-7Q+x/9~Kd.V2_wTf8bLm3zE==";
/// The unprivileged user as which the program runs where the test is root.
const NOBODY: u32 = 65_534;

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
            one_life(&gate, &account, "x", &mut heard).await;
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
    one_life(&gate, "acme-0", "x", &mut heard).await;
    heard.keep(&gate.get("/v1/posts?limit=200").await);
    heard.keep(&gate.get("/v1/accounts").await);
    // The canary was really there: at the network, and in its answers.
    let recorded = net.requests().await;
    let wanted = format!("Bearer {CANARY}");
    assert!(recorded.iter().filter(|request| request.header("authorization") == Some(&wanted)).count() > 30);

    gate.kill9().await;
    assert_nowhere(&gate, &heard, &[("the token", CANARY)], "acme-6");
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
