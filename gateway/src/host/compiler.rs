//! Compiling in a process of its own, bounded in time and memory: code that is made to choke the compiler chokes a child that is killed,
//! not the gateway.
//!
//! The child is this very program, started with an empty environment and no file of the gateway's but a pipe: the component goes in,
//! the compiled code comes out.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

use super::engine;
use super::error::LoadError;
use super::loader::COMPONENT_BYTES_MAX;

/// The most compiled code that a child hands over.
const COMPILED_BYTES_MAX: u64 = 256 << 20;
/// The longest message of a child.
const MESSAGE_BYTES_MAX: u64 = 4 << 10;
/// How often is looked whether the child has ended.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The words of the command line that make this program a compiler.
pub const COMPILE_WORDS: [&str; 2] = ["plugin", "compile-from-pipe"];
/// Computing time that the child may use for each second that it may take, as it compiles with several threads.
const CPU_S_PER_S: u64 = 8;

/// How components are compiled.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// The program that is started.
    pub program: PathBuf,
    /// How long it may take.
    pub wall_ms_max: u64,
    /// How much memory it may use.
    pub memory_bytes_max: u64,
}

impl Compiler {
    /// Compiles in a child.
    ///
    /// # Errors
    /// [`LoadError::Compile`]: the compiler refuses it, or it needs too long or too much.
    pub(super) fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
        let fault = |what: String| LoadError::Compile(what);
        let mut child = self.start().map_err(|error| fault(format!("the compiler can't be started: {error}")))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        thread::scope(|scope| {
            scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(wasm)));
            let compiled = scope.spawn(move || read(stdout, COMPILED_BYTES_MAX));
            let message = scope.spawn(move || read(stderr, MESSAGE_BYTES_MAX));
            let ended = self.wait(&mut child);
            // The child is gone, so both pipes end.
            let (compiled, message) = (compiled.join().unwrap_or_default(), message.join().unwrap_or_default());
            match ended.map_err(|error| fault(error.to_string()))? {
                None => Err(fault(format!("it takes longer than {} ms", self.wall_ms_max))),
                Some(status) if status.success() => Ok(compiled),
                Some(status) => {
                    let text = String::from_utf8_lossy(&message);
                    let text = text.trim();
                    let bound = format!("the compiler ended with {status}; it may use {} bytes", self.memory_bytes_max);
                    // Out of memory or of computing time it ends by a signal, and what it says last helps nobody.
                    Err(fault(if text.is_empty() || status.code().is_none() { bound } else { text.to_owned() }))
                }
            }
        })
    }

    fn start(&self) -> std::io::Result<Child> {
        Command::new(&self.program)
            .args(COMPILE_WORDS)
            .arg(self.memory_bytes_max.to_string())
            .arg((self.wall_ms_max / 1_000 + 1).to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    /// Waits for the end; none where it had to be killed.
    fn wait(&self, child: &mut Child) -> std::io::Result<Option<std::process::ExitStatus>> {
        let looks = self.wall_ms_max / u64::try_from(LOOK_EVERY.as_millis()).unwrap_or(1).max(1);
        for _ in 0..looks {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(LOOK_EVERY);
        }
        child.kill()?;
        child.wait().map(|_| None)
    }
}

fn read(pipe: Option<impl Read>, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What broke off does not load.
        let _ = pipe.by_ref().take(bytes_max).read_to_end(&mut bytes);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    }
    bytes
}

/// What the child does: bounds itself, compiles what comes in and writes it out.
///
/// # Errors
/// A sentence that the parent tells.
pub fn compile_here(memory_bytes_max: u64, wall_s_max: u64) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| told(&error))?;
    let bound = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::Cpu, bound(wall_s_max.saturating_mul(CPU_S_PER_S))).map_err(|error| told(&error))?;
    // What is compiled serves later; what serves now goes first.
    let _ = rustix::process::nice(10);
    let mut wasm = Vec::new();
    let most = u64::try_from(COMPONENT_BYTES_MAX).unwrap_or(u64::MAX);
    std::io::stdin().lock().take(most).read_to_end(&mut wasm).map_err(|error| told(&error))?;
    let engine = engine::start(engine::Pool::plain(1)).map_err(|error| told(&error))?;
    // The engine reserves address space that it does not use here, and some systems count that.
    let most = data_bytes().saturating_add(memory_bytes_max);
    setrlimit(Resource::Data, bound(most)).map_err(|error| told(&error))?;
    let compiled = engine.precompile_component(&wasm).map_err(|error| format!("{error:#}"))?;
    let mut out = std::io::stdout().lock();
    out.write_all(&compiled).and_then(|()| out.flush()).map_err(|error| told(&error))
}

/// What this process has mapped for data, as the system counts it; nothing where it does not say.
fn data_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiler(program: &str, wall_ms_max: u64) -> Compiler {
        Compiler { program: program.into(), wall_ms_max, memory_bytes_max: 1 << 30 }
    }

    #[test]
    fn a_child_that_never_ends_is_killed_and_one_that_fails_is_told() {
        // It reads what comes in, and waits for more.
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("slow");
        std::fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let error = compiler(&program.display().to_string(), 50).compile(&[0; 100_000]).unwrap_err();
        assert!(error.to_string().contains("longer than 50 ms"), "{error}");
        let error = compiler("/bin/false", 10_000).compile(b"x").unwrap_err();
        assert!(error.to_string().contains("the compiler ended with"), "{error}");
        let error = compiler("/no/such/program", 10_000).compile(b"x").unwrap_err();
        assert!(error.to_string().contains("can't be started"), "{error}");
    }
}
