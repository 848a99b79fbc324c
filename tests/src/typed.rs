//! People at terminals: a real shell in a pseudo terminal for each, and one recording of what all of them saw.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Width and height of the terminals.
const SIZE: (u32, u32) = (180, 50);

/// What was seen, with the time of each piece.
#[derive(Debug, Clone)]
pub struct Recording {
    began: Instant,
    pieces: Arc<Mutex<Vec<(f64, String)>>>,
}

impl Default for Recording {
    fn default() -> Self {
        Self { began: Instant::now(), pieces: Arc::default() }
    }
}

impl Recording {
    fn add(&self, piece: &str) {
        let at = self.began.elapsed().as_secs_f64();
        self.pieces.lock().expect("no panic").push((at, piece.to_owned()));
    }

    /// As text, one line for each line of the terminals.
    pub fn transcript(&self) -> String {
        let pieces = self.pieces.lock().expect("no panic");
        pieces.iter().map(|(_, piece)| piece.as_str()).collect::<String>().replace("\r\n", "\n")
    }

    /// As an asciicast of version 2, which players of terminal sessions read.
    pub fn asciicast(&self) -> String {
        let mut cast = json!({"version": 2, "width": SIZE.0, "height": SIZE.1}).to_string();
        for (at, piece) in self.pieces.lock().expect("no panic").iter() {
            write!(cast, "\n{}", json!([at, "o", piece])).expect("a text takes it");
        }
        cast + "\n"
    }
}

/// Somebody at a terminal. It is closed when this is dropped.
pub struct Terminal {
    prompt: String,
    child: Child,
    keys: ChildStdin,
    screen: Receiver<String>,
    seen: String,
    recording: Recording,
}

impl Terminal {
    /// A shell with this prompt in this folder.
    ///
    /// # Panics
    /// `script` of util-linux can't be run.
    pub fn open(name: &str, folder: &Path, environment: &[(&str, &str)], recording: &Recording) -> Self {
        let prompt = format!("{name}$ ");
        let (columns, rows) = SIZE;
        // A shell that is not for people, as `script` begins one, takes its prompt out of the environment.
        let shell =
            format!("stty cols {columns} rows {rows}; exec env PS1='{prompt}' bash --norc --noprofile --noediting -i");
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &shell, "/dev/null"])
            .current_dir(folder)
            .env_remove("PRESSGATE_KEY")
            .env_remove("PRESSGATE_OPERATOR_KEY")
            .env_remove("PROMPT_COMMAND")
            .env("HISTFILE", "/dev/null")
            .env("TERM", "dumb")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("`script` runs");
        let keys = child.stdin.take().expect("a pipe");
        let mut output = child.stdout.take().expect("a pipe");
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut piece) {
                bytes.extend_from_slice(&piece[..count]);
                // A character that is not whole yet waits for its rest.
                let whole = match std::str::from_utf8(&bytes) {
                    Ok(text) => text.len(),
                    Err(error) => error.valid_up_to(),
                };
                let text = String::from_utf8(bytes.drain(..whole).collect()).expect("whole characters");
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        let mut terminal = Self { prompt, child, keys, screen, seen: String::new(), recording: recording.clone() };
        // What the shell says before anybody types is not worth recording.
        terminal.see(|seen, prompt| seen.ends_with(prompt), false);
        terminal
    }

    /// Types a line, and gives what it says until the next prompt.
    ///
    /// # Panics
    /// It does not end in time.
    pub fn run(&mut self, line: &str) -> String {
        self.begin(line);
        self.end()
    }

    /// Types a line.
    ///
    /// # Panics
    /// The terminal is gone.
    pub fn begin(&mut self, line: &str) {
        self.seen.clear();
        // The prompt came after the command before, when somebody else may have had the word.
        self.recording.add(&self.prompt);
        self.keys.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.keys.flush()).expect("typed");
    }

    /// Waits until it has said this.
    ///
    /// # Panics
    /// It does not in time.
    pub fn wait_for(&mut self, part: &str) -> String {
        self.see(|seen, _| seen.contains(part), true);
        self.seen.clone()
    }

    /// Waits for the prompt.
    ///
    /// # Panics
    /// It does not come in time.
    pub fn end(&mut self) -> String {
        self.see(|seen, prompt| seen.ends_with(&format!("\n{prompt}")), true);
        self.seen.strip_suffix(&self.prompt).unwrap_or_default().replace("\r\n", "\n")
    }

    fn see(&mut self, done: impl Fn(&str, &str) -> bool, record: bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(&self.seen, &self.prompt) {
            let piece = match self.screen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(piece) => piece,
                Err(RecvTimeoutError::Timeout) => panic!("{}: waited in vain:\n{}", self.prompt, self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!("{}: the terminal closed:\n{}", self.prompt, self.seen),
            };
            self.seen.push_str(&piece);
            if record {
                // The next prompt is recorded with the line that is typed there.
                let shown = if self.seen.ends_with(&format!("\n{}", self.prompt)) {
                    piece.strip_suffix(&self.prompt).unwrap_or(&piece)
                } else {
                    &piece
                };
                self.recording.add(shown);
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.keys.write_all(b"exit\n");
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Something that is another on each run, and what stands for it: as long, so that tables stay tables.
pub struct Masks(Vec<(String, String)>);

impl Masks {
    /// What is known beforehand.
    pub fn new(known: &[(String, String)]) -> Self {
        Self(known.to_vec())
    }

    /// The text with each id, digest and time of it replaced; the same one by the same.
    pub fn mask(mut self, text: &str) -> String {
        let (mut posts, mut hashes, mut links) = (0, 0, 0);
        for word in text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')) {
            let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let stand_in = match word.split_once('_') {
                Some(("post", id)) if id.len() == 32 && is_hex(id) => {
                    posts += 1;
                    format!("post_{}", posts.to_string().repeat(32))
                }
                Some(("link", id)) => {
                    links += 1;
                    format!("link_{}", "0123456789".repeat(5)[links..].get(..id.len()).unwrap_or_default())
                }
                None if word.len() == 64 && is_hex(word) => {
                    hashes += 1;
                    char::from(b'a' + hashes - 1).to_string().repeat(64)
                }
                _ => continue,
            };
            if self.0.iter().all(|(known, _)| known != word) {
                self.0.push((word.to_owned(), stand_in));
            } else {
                match word.split('_').next() {
                    Some("post") => posts -= 1,
                    Some("link") => links -= 1,
                    _ => hashes -= 1,
                }
            }
        }
        self.0.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_has_the_same_stand_in() {
        let (one, other) = (format!("post_{}", "0a".repeat(16)), format!("post_{}", "0b".repeat(16)));
        let masked = Masks::new(&[("T1".into(), "T0".into())]).mask(&format!("{one} {other} {one} T1"));
        let (first, second) = ("1".repeat(32), "2".repeat(32));
        assert_eq!(masked, format!("post_{first} post_{second} post_{first} T0"));
    }

    #[test]
    fn a_terminal_shows_what_was_typed_and_what_came_of_it() {
        let recording = Recording::default();
        let folder = tempfile::tempdir().expect("a folder");
        let mut terminal = Terminal::open("ada", folder.path(), &[], &recording);
        let said = terminal.run("test -t 1 && echo a terminal, $((6 * 7))");
        assert!(said.ends_with("\na terminal, 42\n"), "{said}");
        terminal.run("echo again");
        let transcript = recording.transcript();
        assert_eq!(
            transcript,
            "ada$ test -t 1 && echo a terminal, $((6 * 7))\na terminal, 42\nada$ echo again\nagain\n"
        );
        let cast = recording.asciicast();
        let mut lines = cast.lines();
        let head: serde_json::Value = serde_json::from_str(lines.next().expect("a head")).expect("JSON");
        assert_eq!(head["version"], 2);
        for line in lines {
            let piece: (f64, String, String) = serde_json::from_str(line).expect("an event");
            assert_eq!(piece.1, "o");
        }
    }
}
