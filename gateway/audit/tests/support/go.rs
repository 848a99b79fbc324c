//! The verifier in tests/go-verifier, on Go's `sumdb` packages. It is built once, from the packages that Debian ships.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use super::skip::skipped;
use super::{Files, tree_path};

/// Where Debian's golang-golang-x-mod-dev puts its sources.
const DEBIAN_GOPATH: &str = "/usr/share/gocode";

/// A running verifier that holds a log.
pub struct Go {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    base: Files,
}

/// The program, or none with a line that says so.
fn program() -> Option<PathBuf> {
    if Command::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        skipped("there is no Go; `make deps` installs it");
        return None;
    }
    if !Path::new(DEBIAN_GOPATH).join("src/golang.org/x/mod/sumdb/tlog").is_dir() {
        skipped("golang.org/x/mod is not installed; `make deps` installs it");
        return None;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Tests in other processes may build it too: each gives its own the name at the end.
    let (mine, program) = (target.join(format!("go-verifier-{}", std::process::id())), target.join("go-verifier"));
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&mine)
        .arg(".")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/go-verifier"))
        .env("GO111MODULE", "off")
        .env("GOPATH", DEBIAN_GOPATH)
        .env("GOPROXY", "off")
        .env("GOCACHE", target.join("go-cache"))
        .status()
        .unwrap();
    assert!(built.success(), "the verifier in Go does not compile");
    std::fs::rename(&mine, &program).unwrap();
    Some(program)
}

impl Go {
    /// Starts a verifier of this log; none, with a line that says so, where there is no Go.
    pub fn start(vkey: &str, base: &Files) -> Option<Self> {
        let mut child =
            Command::new(program()?).arg(vkey).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        for (path, bytes) in &base.0 {
            if let Some(name) = name(path) {
                writeln!(input, "base {name} {}", bytes.len()).unwrap();
                input.write_all(bytes).unwrap();
            }
        }
        Some(Self { child, input: Some(input), output, base: base.clone() })
    }

    /// Checks a log that is otherwise like the base.
    pub fn verify(&mut self, files: &Files) -> Result<u64, String> {
        let mut message = Vec::new();
        for (path, bytes) in &files.0 {
            let same = self.base.0.get(path).is_some_and(|base| Arc::ptr_eq(base, bytes));
            if let Some(name) = name(path).filter(|_| !same) {
                writeln!(message, "put {name} {}", bytes.len()).unwrap();
                message.extend_from_slice(bytes);
            }
        }
        for path in self.base.0.keys().filter(|path| !files.0.contains_key(*path)) {
            if let Some(name) = name(path) {
                writeln!(message, "drop {name}").unwrap();
            }
        }
        message.extend_from_slice(b"check\n");
        self.input.as_mut().unwrap().write_all(&message).unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        match answer.trim_end().split_once(' ') {
            Some(("ok", size)) => Ok(size.parse().unwrap()),
            Some(("no", why)) => Err(why.to_owned()),
            _ => panic!("the verifier in Go answers {answer:?}"),
        }
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        // It ends when nobody asks any more.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// The path in the tree, of files that are in it.
fn name(path: &Path) -> Option<&str> {
    path.strip_prefix(tree_path("")).ok()?.to_str().filter(|name| !name.contains(' '))
}
