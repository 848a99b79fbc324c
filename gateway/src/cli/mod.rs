//! The command line: one file for each command.
//!
//! A command that changes something works on the data folder itself while no gateway runs, and asks the running gateway
//! otherwise; both ways end in the same functions of [`crate::operator`].

pub mod plugin;

mod access;
mod agree;
mod apply;
mod ask;
mod author;
mod audit;
mod backup;
mod ca;
mod check;
mod client;
mod context;
mod credential;
mod device;
mod doctor;
mod feed;
mod freeze;
mod guidelines;
mod init;
mod key;
mod login;
mod notices;
mod outcome;
mod pinned;
mod plugins;
mod post;
mod reach;
mod registry;
mod releases;
mod signing;
mod reply;
mod restore;
mod secret_input;
mod serve;
mod starter;
mod table;
mod training;
mod connector;
mod webhook;
mod wiring;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use context::Context;
use outcome::{EXIT_UNREACHABLE, Failure, Form, Report, finish};

/// The one gate through which a company's posts, replies and API calls reach the social networks.
///
/// Exit codes: 0 done, or it holds; 1 refused, or it does not hold; 2 wrong command line; 3 the gateway can't be reached or
/// can't start.
#[derive(Debug, Parser)]
#[command(name = "pressgate", version, about)]
struct Cli {
    /// The process's configuration. Without one at the default place, the defaults hold, relative to this folder.
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Answer in JSON; `serve` in one object for each line.
    #[arg(long, global = true)]
    json: bool,
    /// A file with your Pressgate key, which nobody else may read. Else the key is taken from PRESSGATE_OPERATOR_KEY, or for
    /// `post`, `approvals`, `calendar`, `device`, `freeze`, `thaw` and `audit` from PRESSGATE_KEY, or from what `pressgate login` kept.
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the data folder, a key-encryption key, a starter configuration and the first operator's key.
    Init(init::Args),
    /// Run the gateway until a signal stops it. SIGHUP applies the governance folder.
    Serve,
    /// Check a governance folder; prints every fault with file and line.
    Check(check::Args),
    /// Show what the governance folder would change, then apply it without a restart.
    Apply(apply::Args),
    /// Keys of apps and people.
    #[command(subcommand)]
    Key(key::Command),
    /// Make this device one of your own: prints a code, and waits until you said yes in a browser.
    Login(login::Args),
    /// End this device at the gate, and forget its key.
    Logout,
    /// Devices of people.
    #[command(subcommand)]
    Device(device::Command),
    /// Courses that people passed.
    #[command(subcommand)]
    Training(training::Command),
    /// What people are still to be told.
    #[command(subcommand)]
    Notices(notices::Command),
    /// Receivers of events.
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Other systems that events are handed to by plugins: how they are, what was given up.
    #[command(subcommand)]
    Connector(connector::Command),
    /// Texts that people acknowledge.
    #[command(subcommand)]
    Guidelines(guidelines::Command),
    /// What networks gave for accounts: kept encrypted, never shown.
    #[command(subcommand)]
    Credential(credential::Command),
    /// The certificate authority of the forward door.
    #[command(subcommand)]
    Ca(ca::Command),
    /// Posts, from the first draft on, with your own key.
    #[command(subcommand)]
    Post(post::Command),
    /// Posts that wait for your vote.
    Approvals,
    /// Posts with a time, and addresses at which calendar programs read them.
    Calendar(post::standing::Calendar),
    /// Stop everything of the organisation, a brand, an account or a campaign at once.
    #[command(subcommand)]
    Freeze(freeze::Command),
    /// Ask for the end of a freeze; it ends when a second person asks.
    Thaw(freeze::Thaw),
    /// The audit log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Who may do what, and when it was done last.
    #[command(subcommand)]
    Access(access::Command),
    /// Copy log, records and what belongs to them at one point, also while the gateway works, and check the copy.
    Backup(backup::Args),
    /// Put a backup back into an empty data folder, after a check.
    Restore(restore::Args),
    /// Look for what would keep the gateway from working, and say what to do.
    Doctor,
    /// Build plugins, and change which release serves.
    #[command(subcommand)]
    Plugin(plugins::Command),
}

/// Runs the command line of this process and answers the exit code.
pub fn run() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no errors; clap prints to the right stream and knows the code.
        Err(told) => {
            let _ = told.print();
            return u8::try_from(told.exit_code()).unwrap_or(outcome::EXIT_USAGE);
        }
    };
    let form = match (cli.json, &cli.command) {
        (false, _) => Form::Text,
        // It says where it listens, and later how it ended.
        (true, Command::Serve) => Form::JsonLines,
        (true, Command::Audit(audit::Command::Witness(args))) if args.serves() => Form::JsonLines,
        (true, _) => Form::Json,
    };
    if let Command::Plugin(plugins::Command::CompileFromPipe { memory_bytes_max, wall_s_max }) = cli.command {
        // Its output is the compiled code and nothing else.
        return match crate::host::compile_here(memory_bytes_max, wall_s_max) {
            Ok(()) => outcome::EXIT_OK,
            Err(error) => finish(Err(Failure::refused(error)), Form::Text),
        };
    }
    // Building a plugin runs compilers, which are worth a core dump; everything else may hold secrets.
    if !matches!(cli.command, Command::Plugin(plugins::Command::Build(_)))
        && let Err(error) = crate::vault::harden_process()
    {
        return finish(Err(Failure::Unreachable(format!("the process can't be protected from dumps: {error}"))), form);
    }
    let runtime = match runtime().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            finish(Err(Failure::Unreachable(format!("no threads: {error}"))), form);
            return EXIT_UNREACHABLE;
        }
    };
    let outcome = runtime.block_on(dispatch(cli));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    finish(outcome, form)
}

/// A call that waits for the log is woken from the log's thread. With the usual 31 it would wait behind every new request under full load.
const GLOBAL_QUEUE_INTERVAL: u32 = 3;

fn runtime() -> tokio::runtime::Builder {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().global_queue_interval(GLOBAL_QUEUE_INTERVAL);
    builder
}

async fn dispatch(cli: Cli) -> Result<Report, Failure> {
    if let Command::Plugin(command) = &cli.command
        && let Some(done) = plugins::authored(command).await
    {
        return done;
    }
    if let Command::Init(args) = &cli.command {
        return init::run(cli.config.as_deref(), args).await;
    }
    if let Command::Audit(audit::Command::Witness(args)) = &cli.command {
        // It runs where no gateway is.
        return audit::witness::run(args, cli.config, cli.key_file, cli.json).await;
    }
    let context = match Context::read(cli.config.as_deref(), cli.key_file, cli.json) {
        Ok(context) => context,
        Err(failure) if matches!(cli.command, Command::Doctor) => return Ok(doctor::no_configuration(&failure)),
        Err(failure) => return Err(failure),
    };
    match cli.command {
        Command::Serve => serve::run(context).await,
        Command::Check(args) => check::run(&context, &args),
        Command::Apply(args) => apply::run(&context, &args).await,
        Command::Key(command) => key::run(&context, command).await,
        Command::Login(args) => login::login(&context, args).await,
        Command::Logout => login::logout().await,
        Command::Device(command) => device::run(&context, command).await,
        Command::Training(command) => training::run(&context, command).await,
        Command::Notices(command) => notices::run(&context, command).await,
        Command::Webhook(command) => webhook::run(&context, command).await,
        Command::Connector(command) => connector::run(&context, command).await,
        Command::Guidelines(command) => guidelines::run(&context, command).await,
        Command::Credential(command) => credential::run(&context, command).await,
        Command::Ca(command) => ca::run(&context, command).await,
        Command::Post(command) => post::run(&context, command).await,
        Command::Approvals => post::standing::approvals(&context).await,
        Command::Calendar(wanted) => post::standing::calendar(&context, wanted).await,
        Command::Freeze(command) => freeze::run(&context, command).await,
        Command::Thaw(args) => freeze::thaw(&context, args).await,
        Command::Audit(command) => audit::run(&context, command).await,
        Command::Access(command) => access::run(&context, command).await,
        Command::Backup(args) => backup::run(&context, &args).await,
        Command::Restore(args) => restore::run(&context, &args),
        Command::Doctor => doctor::run(&context).await,
        Command::Plugin(command) => plugins::run(&context, command).await,
        Command::Init(_) => Err(Failure::Usage("this command was handled before".into())),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    const GOOD: &[&str] = &[
        "pressgate --json key list",
        "pressgate key list --json",
        "pressgate key --json list --config x.toml",
        "pressgate post approve post_1 --digest ab --note fine --key-file k",
        "pressgate post reject post_1 --saw 2 --note no",
        "pressgate post create --account a --account b --text x --label l --draft --queue --wait 10 --json",
        "pressgate post create --request - --dry-run --idempotency-key k",
        "pressgate post edit post_1 --text x --local 2027-03-01T09:00 --zone Europe/Prague --saw 2",
        "pressgate post edit post_1 --at-once",
        "pressgate post edit post_1 --editor",
        "pressgate post schedule post_1 --local 2027-03-01T09:00 --zone Europe/Prague --disambiguation later",
        "pressgate post schedule post_1 --local 2027-03-01T09:00 --zone UTC --rule FREQ=DAILY;COUNT=2 --exclude 2027-03-02T09:00",
        "pressgate post schedule post_1 --at 2027-03-01T09:00:00Z --earliest 2027-03-01T08:00:00Z --until 2027-03-02T08:00:00Z --late-max 10m",
        "pressgate post comment post_1 fine",
        "pressgate post comment post_1 --resolves 1",
        "pressgate post resolve post_1 --account a --published 7 --url https://n.example/7 --note seen",
        "pressgate post resolve post_1 --account a --not-published --note looked",
        "pressgate post invite post_1 agency-x --valid-for 48h --saw 2",
        "pressgate post retry post_1 --account a --note again",
        "pressgate post confirm post_1 --note go",
        "pressgate post history post_1 --json",
        "pressgate approvals --json",
        "pressgate calendar --from 2027-03-01T09:00:00Z --account a --ics -",
        "pressgate calendar feed create --account a --name home --expires-in-days 30 --json",
        "pressgate calendar feed list",
        "pressgate calendar feed revoke feed_1 --key-file k",
        "pressgate audit search --actor app:newsroom --from 2030-01-01T00:00:00Z --oldest --limit 500",
        "pressgate audit tail -n 0 --follow --json",
        "pressgate credential set acme --label app --from-file -",
        "pressgate key create --app newsroom --expires 2030-01-01T00:00:00Z",
        "pressgate key create --person chief-1 --note laptop --save-key k",
        "pressgate audit erase --subject editor-7 --basis gdpr-art-17 --confirm erasure_1",
        "pressgate audit witness --config w.toml",
        "pressgate audit witness --listen 0.0.0.0:8430 --key-file k --log a --log b --state s",
        "pressgate audit witness init --name w.example --state s --key-file k",
        "pressgate audit witness key --key-file k",
        "pressgate access report --format csv --days 30 --brand acme/snacks",
        "pressgate backup /backups/2030-01-01 --without-subject-keys --key-file k",
        "pressgate ca init --renew --new-key",
        "pressgate login https://gate.acme.example --name laptop --ca house.pem",
        "pressgate logout --json",
        "pressgate device list --everybody",
        "pressgate device revoke abc",
        "pressgate training import -",
        "pressgate training list --person editor-7",
        "pressgate notices list --json",
        "pressgate connector list",
        "pressgate connector status desk",
        "pressgate connector retry desk evt_17",
        "pressgate connector close desk evt_17",
        "pressgate webhook list",
        "pressgate webhook replay crm --from 17",
        "pressgate webhook secret rotate crm",
        "pressgate guidelines list --brand acme",
        "pressgate guidelines acknowledgements --brand acme/snacks --person editor-7",
        "pressgate ca export --json",
        "pressgate freeze begin --brand acme/snacks --reason data-leak --permit-label holding --permit-label news",
        "pressgate freeze begin --org --reason drill --json",
        "pressgate freeze list",
        "pressgate freeze permit freeze_1 post_1 --saw 2 --json",
        "pressgate plugin install target/plugins",
        "pressgate plugin show square@0.2.0 --json",
        "pressgate plugin activate 0123abcd network:square --accept-capabilities --saw 3",
        "pressgate plugin canary square@0.2.0 account:acme-square --share 10%",
        "pressgate plugin promote network:square",
        "pressgate plugin key --name acme/plugins --out k",
        "pressgate plugin sign square.wasm --key k",
        "pressgate plugin verify square.wasm --trusted a+00000000+AAAA --trusted b+00000000+AAAA",
        "pressgate plugin rollback policy:house-rules --key-file k",
        "pressgate thaw freeze_1 --reason over --release-every 30s",
        "pressgate restore /backups/2030-01-01 --into data --older --erased-since old/audit",
    ];

    const BAD: &[&str] = &[
        "pressgate post edit",
        "pressgate post edit post_1 --editor --text x",
        "pressgate post edit post_1 --at-once --queue",
        "pressgate post create --request r.json --text x",
        "pressgate post schedule post_1 --local 2027-03-01T09:00",
        "pressgate post schedule post_1 --at x --queue",
        "pressgate post schedule post_1 --at x --rule FREQ=DAILY;COUNT=2",
        "pressgate post comment post_1",
        "pressgate post comment post_1 x --resolves 1",
        "pressgate post resolve post_1 --account a --note x",
        "pressgate post resolve post_1 --account a --not-published",
        "pressgate calendar feed",
        "pressgate calendar --account a feed list",
        "pressgate calendar feed create --expires-in-days 366",
        "pressgate key create",
        "pressgate key create --app a --person b",
        "pressgate key create --app a --expires tomorrow",
        "pressgate audit erase --subject editor-7",
        "pressgate access report --format xml",
        "pressgate ca init --new-key",
        "pressgate login https://gate.acme.example",
        "pressgate training",
        "pressgate plugin install",
        "pressgate plugin sign square.wasm",
        "pressgate plugin canary square@0.2.0 network:square",
        "pressgate plugin canary square@0.2.0 network:square --share 100%",
        "pressgate plugin promote",
        "pressgate notices",
        "pressgate webhook secret rotate",
        "pressgate freeze begin --org",
        "pressgate freeze begin --reason drill",
        "pressgate freeze begin --org --brand acme --reason drill",
        "pressgate thaw freeze_1 --release-every 30",
        "pressgate backup",
        "pressgate restore",
        "pressgate frobnicate",
        "pressgate",
    ];

    #[test]
    fn global_options_stand_anywhere() {
        for line in GOOD {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in BAD {
            let told = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(told.exit_code(), 2, "{line}");
        }
    }
}
