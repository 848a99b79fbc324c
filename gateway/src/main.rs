//! The `pressgate` program: the command line in `cli/mod.rs` does everything.

use std::process::ExitCode;

/// Many short calls on many threads: mimalloc frees on other threads without a lock and gives memory back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(pressgate::cli::run())
}
