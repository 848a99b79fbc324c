//! A headless Chromium that does steps and tells what it saw. `npm ci --prefix tests/browser` installs what drives it; Chromium is the system's.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::skip::skipped;

/// How long a story may take.
const STORY_TIMEOUT: Duration = Duration::from_secs(120);
/// Where systems put it.
const PLACES: [&str; 4] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/usr/lib/chromium/chromium"];

/// The page after a step.
#[derive(Debug, Clone, Deserialize)]
pub struct Seen {
    /// HTTP status of the last page that was opened.
    pub status: u16,
    /// Its address.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Its language.
    pub language: Option<String>,
    /// Its first-level headings.
    pub headings: Vec<String>,
    /// What is told at once to whoever can't see the page.
    pub alerts: Vec<String>,
    /// What it says.
    pub text: String,
    /// Fields without a label.
    pub unlabelled: u32,
    /// What the browser complained of so far: refused styles, errors.
    pub refused: Vec<String>,
}

/// Does the steps one after the other: `["open", url]`, `["fill", label, text]`, `["click", "button", name]`, `["forget"]`. None, with a line
/// that says so, where there is no browser.
///
/// # Panics
/// When a step can't be done, or there is no browser and `PRESSGATE_NO_SKIP=1`.
pub async fn drive(steps: &[Value]) -> Option<Vec<Seen>> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let Some(executable) = PLACES.iter().find(|place| Path::new(place).is_file()) else {
        skipped("there is no Chromium; run `make deps`");
        return None;
    };
    if !scripts.join("node_modules/playwright-core").is_dir() {
        skipped("playwright-core is not installed; run `make deps`");
        return None;
    }
    let mut child = Command::new("node")
        .arg(scripts.join("drive.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run node: {error}"));
    let mut input = child.stdin.take().expect("an input");
    let story = json!({"executable": executable, "steps": steps}).to_string();
    input.write_all(story.as_bytes()).await.expect("written");
    drop(input);
    let output = tokio::time::timeout(STORY_TIMEOUT, child.wait_with_output()).await;
    let output = output.unwrap_or_else(|_| panic!("not done within {STORY_TIMEOUT:?}")).expect("it ends");
    let told = String::from_utf8_lossy(&output.stdout);
    let seen: Vec<Seen> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(
        output.status.success() && seen.len() == steps.len(),
        "step {} of {steps:?}: {}\nlast page: {:?}",
        seen.len() + 1,
        String::from_utf8_lossy(&output.stderr),
        seen.last()
    );
    Some(seen)
}
