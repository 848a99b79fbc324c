//! `make bench`: the figures beside their bars, in a table and in `target/bench/summary.json`.
//!
//! `cargo run --release -p bench -- policies publish` measures only what is named; the summary keeps every other figure.
//! What the machine needs is in `docs/bench.md`.

mod audit;
mod canary;
mod cases;
mod crowd;
mod disk;
mod export;
mod figure;
mod freeze;
mod hostile;
mod load;
mod machine;
mod native;
mod plugins;
mod policies;
mod publish;
mod reading;
mod rounds;
mod schedule;
mod storm;
mod summary;

use std::process::ExitCode;

use figure::Figure;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A benchmark by name.
type Bench = (&'static str, fn() -> Vec<Figure>);

/// What can be measured, in the order of the table.
const BENCHES: [Bench; 13] = [
    ("plugins", plugins::measure),
    ("policies", policies::measure),
    ("publish", publish::measure),
    ("native", native::measure),
    ("crowd", crowd::measure),
    ("audit", audit::measure),
    ("export", export::measure),
    ("reading", reading::measure),
    ("schedule", schedule::measure),
    ("freeze", freeze::measure),
    ("storm", storm::measure),
    ("canary", canary::measure),
    ("hostile", hostile::measure),
];

/// No figure: where the time of native calls goes.
const PROFILE: &str = "native-profile";

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.iter().map(String::as_str).eq([PROFILE]) {
        native::profile();
        return ExitCode::SUCCESS;
    }
    if let Some(unknown) = wanted.iter().find(|name| BENCHES.iter().all(|(known, _)| known != name)) {
        eprintln!("`{unknown}` is none of {}", BENCHES.map(|(name, _)| name).join(", "));
        return ExitCode::FAILURE;
    }
    if cfg!(debug_assertions) {
        eprintln!("these figures say nothing: build with --release");
    }
    println!("{}", machine::state("before"));
    let mut figures = Vec::new();
    for (name, measure) in BENCHES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            figures.extend(measure());
        }
    }
    println!("{}\n\n{}", machine::state("after"), figure::table(&figures));
    match summary::write(&summary::path(), &figures) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", summary::path().display());
            ExitCode::FAILURE
        }
    }
}
