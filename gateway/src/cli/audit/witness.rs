//! `pressgate audit witness`: runs a witness, makes its key, shows its verifier key. It reads no configuration of a gateway.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use pressgate_audit::{
    Disk, RealDisk,
    note::{Algorithm, Signer},
};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::{
        key::Place,
        outcome::{Failure, Report, print},
        serve::{bind, trace},
    },
    clock::SystemClock,
    config::process::{Log, LogFormat},
    cosigner::{self, Cosigner, CosignerConfig, StateDir, key},
    stop::Stop,
};

/// `audit witness …`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where to listen, IP address and port.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// The verifier key of a log that may be cosigned; again for each log, and for each key of one.
    #[arg(long, value_name = "VKEY")]
    log: Vec<String>,
    /// The folder of what was cosigned, made by `init`.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Args {
    /// Whether it listens, and says more than one thing.
    pub fn serves(&self) -> bool {
        self.command.is_none()
    }
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make the key of a new witness in the new file --key-file, and its folder; prints the verifier key.
    Init(Init),
    /// Print the verifier key of the key in --key-file, be it that of a witness or of a log.
    Key,
}

#[derive(Debug, clap::Args)]
struct Init {
    /// The name of the witness, like an address without a scheme: `witness.example/security`.
    #[arg(long)]
    name: String,
    /// The folder of what it will cosign. It must not be lost: who forgets what was cosigned can't notice a rollback.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

/// Runs the command.
pub async fn run(
    args: &Args,
    config: Option<PathBuf>,
    key_file: Option<PathBuf>,
    json: bool,
) -> Result<Report, Failure> {
    match &args.command {
        Some(Command::Init(wish)) => init(wish, &needed(key_file, "--key-file")?),
        Some(Command::Key) => show(&needed(key_file, "--key-file")?),
        None => serve(configuration(args, config, key_file)?, json).await,
    }
}

fn needed<T>(value: Option<T>, name: &str) -> Result<T, Failure> {
    value.ok_or_else(|| Failure::Usage(format!("{name} is missing; or give a file with --config")))
}

fn configuration(args: &Args, config: Option<PathBuf>, key_file: Option<PathBuf>) -> Result<CosignerConfig, Failure> {
    if let Some(path) = config {
        if args.listen.is_some() || args.state.is_some() || !args.log.is_empty() || key_file.is_some() {
            return Err(Failure::Usage("with --config everything else stands in the file".to_owned()));
        }
        return CosignerConfig::read(&path).map_err(Failure::refused);
    }
    let listen = needed(args.listen, "--listen")?;
    let (key, state) = (needed(key_file, "--key-file")?, needed(args.state.clone(), "--state")?);
    CosignerConfig::of_keys(listen, key, state, &args.log).map_err(|error| Failure::Usage(format!("--log: {error}")))
}

fn init(wish: &Init, key_file: &Path) -> Result<Report, Failure> {
    let signer = Signer::generate(&wish.name, Algorithm::Cosignature);
    let signer = signer.map_err(|error| Failure::refused(format!("--name: {error}")))?;
    let place = Place::reserve(key_file.to_owned())?;
    if let Err(why) = StateDir::make(&RealDisk, &wish.state, signer.verifier()) {
        place.give_up();
        return Err(Failure::refused(why));
    }
    let file = place.keep(&signer.secret_text())?;
    let key = signer.verifier().to_string();
    let text = format!(
        "{key}\n\nThis is the verifier key; the key itself is in {}, and {} is its folder.\nIn pressgate.toml of the gateway:\n\n[[witness]]\n\
         name = \"security\"\nurl = \"https://…\"\nkey = \"{key}\"",
        file.display(),
        wish.state.display()
    );
    Ok(Report::good(text, json!({ "key": key, "key_file": file, "state": wish.state })))
}

fn show(key_file: &Path) -> Result<Report, Failure> {
    let key = key::read_any(key_file).map_err(Failure::refused)?.verifier().to_string();
    Ok(Report::good(key.clone(), json!({ "key": key })))
}

async fn serve(config: CosignerConfig, json: bool) -> Result<Report, Failure> {
    trace(&Log { format: if json { LogFormat::Json } else { LogFormat::Text }, filter: "info".to_owned() }, None);
    let failed = |error: std::io::Error| Failure::Unreachable(format!("no signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let signer = key::read(&config.key).map_err(Failure::refused)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let state = StateDir::open(disk, &config.state, signer.verifier()).map_err(Failure::refused)?;
    let logs = config.logs.len();
    let cosigner = Cosigner::open(signer, state, config.logs, Arc::new(SystemClock)).map_err(Failure::refused)?;
    let (listener, address) = bind("--listen", config.listen).await?;
    let key = cosigner.key().to_string();
    tracing::info!(%address, key, logs, "a witness listens");
    print(&match json {
        true => json!({ "address": address, "key": key }).to_string(),
        false => format!("witness listens on http://{address}\nkey {key}"),
    });
    let stop = Arc::new(Stop::default());
    let serving = tokio::spawn(cosigner::serve(cosigner, listener, Arc::clone(&stop)));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.set();
    // A task that panicked has ended too.
    let _ = serving.await;
    Ok(Report { text: String::new(), json: if json { json!({ "stopped": true }) } else { Value::Null }, holds: true })
}
