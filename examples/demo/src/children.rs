//! The two programs that the demo runs: the sample network and the gateway, which is set up by its own command line.

use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::Failed;
use crate::site::{Site, USUAL_NETWORK, at};

/// Ports that are used where they are free.
const PORTS: Ports = Ports { network: 8480, apps: 8420, operators: 8421 };
/// The account that the sample network gave a token for.
pub(crate) const ACCOUNT: &str = "acme-mastodon";
/// How long a program may take to say where it listens.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the gateway may take to end its calls.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Lines of a log that are shown when a program fails.
const LOG_LINES: usize = 20;

struct Ports {
    network: u16,
    apps: u16,
    operators: u16,
}

/// Both programs, running. They end when this is dropped.
pub(crate) struct Running {
    gateway: Child,
    network: Child,
    /// The sample network: `http://127.0.0.1:8480`.
    pub(crate) timeline: String,
    /// The gateway's address for apps.
    pub(crate) apps: String,
    /// The gateway's address for operators.
    pub(crate) operators: String,
}

/// Starts the network, sets the gateway up and starts it.
pub(crate) async fn start(site: &Site) -> Result<Running, Failed> {
    let port = free(PORTS.network).await;
    let mut command = Command::new(&site.network);
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--page-title", "Acme Snacks on the sample network"]);
    command.args(["--username", "snacks"]).env("SAMPLE_NETWORK_TOKEN", &site.token);
    let (network, timeline) = spawn(command, &site.folder.join("sample-network.log")).await?;
    step("sample network", &timeline);
    if timeline != USUAL_NETWORK {
        println!("                   (its usual port is taken; accounts.toml says the other one)");
    }

    site.write_governance(&timeline)?;
    site.write_configuration(free(PORTS.apps).await, free(PORTS.operators).await)?;
    pressgate(site, &["init", "--save-key", &key_file(site, "ops-1")], "").await?;
    step("pressgate init", "a key-encryption key, the stores, an operator's key");
    pressgate(site, &["credential", "set", ACCOUNT], &site.token).await?;
    step("credential set", &format!("the network's token for {ACCOUNT}, encrypted"));
    for app in ["newsroom", "careers"] {
        pressgate(site, &["key", "create", "--app", app, "--save-key", &key_file(site, app)], "").await?;
    }
    pressgate(site, &["key", "create", "--person", "chief-1", "--save-key", &key_file(site, "chief-1")], "").await?;
    step("key create", "for the apps newsroom and careers, and for chief-1, who approves");

    let mut command = Command::new(&site.pressgate);
    command.args(["serve", "--json", "--config"]).arg(site.folder.join("pressgate.toml"));
    let (gateway, line) = spawn(command, &site.folder.join("pressgate.log")).await?;
    let listening: Value = serde_json::from_str(&line).map_err(|_| format!("`pressgate serve` said: {line}"))?;
    let address = |name: &str| match listening.get(name).and_then(Value::as_str) {
        Some(address) => Ok(format!("http://{address}")),
        None => Err(format!("`pressgate serve` named no `{name}`: {line}")),
    };
    let running = Running { gateway, network, timeline, apps: address("address")?, operators: address("operator")? };
    step("serve", &running.apps);
    Ok(running)
}

impl Running {
    /// Waits until either program ends, which nobody asked for, and says so.
    pub(crate) async fn ended(&mut self) -> Failed {
        let (name, ended) = tokio::select! {
            ended = self.gateway.wait() => ("the gateway", ended),
            ended = self.network.wait() => ("the sample network", ended),
        };
        format!("{name} ended by itself: {}", how(ended))
    }

    /// Ends the gateway in order, as an operator would, and the network with it.
    pub(crate) async fn stop(&mut self) -> Result<(), Failed> {
        let gateway = self.gateway.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let gateway = gateway.ok_or("the gateway has ended by itself")?;
        kill_process(gateway, Signal::TERM).map_err(|error| format!("the gateway takes no signal: {error}"))?;
        match tokio::time::timeout(STOP_TIMEOUT, self.gateway.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the gateway stopped with {status}")),
            Ok(Err(error)) => Err(format!("the gateway's end can't be seen: {error}")),
            Err(_) => Err(format!("the gateway did not stop within {} s", STOP_TIMEOUT.as_secs())),
        }
    }
}

fn step(name: &str, what: &str) {
    println!("  {name:<16} {what}");
}

fn key_file(site: &Site, holder: &str) -> String {
    site.key_file(holder).display().to_string()
}

/// The port where it is free, else 0.
#[expect(clippy::disallowed_methods, reason = "only looks whether the port is free")]
async fn free(port: u16) -> u16 {
    if TcpListener::bind(("127.0.0.1", port)).await.is_ok() { port } else { 0 }
}

/// Runs a command of the program on the demo's configuration, with `input` on its standard input.
async fn pressgate(site: &Site, arguments: &[&str], input: &str) -> Result<(), Failed> {
    let name = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
    let failed = |error: std::io::Error| format!("`pressgate {name}`: {error}");
    let mut child = Command::new(&site.pressgate)
        .args(arguments)
        .arg("--config")
        .arg(site.folder.join("pressgate.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    if let Some(mut to) = child.stdin.take() {
        // A command that wants no input may have ended; how it ended says more.
        let _unread = to.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`pressgate {name}` failed:\n{}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Starts a program whose first line says where it listens, and gives that line. What it logs goes to the file.
async fn spawn(mut command: Command, log: &Path) -> Result<(Child, String), Failed> {
    let file = File::create(log).map_err(|error| at(log, &error))?;
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
    // Ctrl-C is for the demo, which then ends its programs in order.
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    let output = child.stdout.take().ok_or("a program without an output")?;
    let mut lines = BufReader::new(output).lines();
    match tokio::time::timeout(START_TIMEOUT, lines.next_line()).await {
        Ok(Ok(Some(said))) => {
            // Read on for the program's life: a write to a closed pipe would end it.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            Ok((child, said))
        }
        Ok(_) => Err(format!("{program} ended ({}):\n{}", how(child.wait().await), end_of(log))),
        Err(_) => Err(format!("{program} said no address within {} s:\n{}", START_TIMEOUT.as_secs(), end_of(log))),
    }
}

fn how(ended: std::io::Result<ExitStatus>) -> String {
    ended.map_or_else(|error| error.to_string(), |status| status.to_string())
}

fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
