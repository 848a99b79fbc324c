//! A real OpenTelemetry collector: `oteltap` (PyPI) behind a tap that keeps every byte. `make deps` installs it.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::skip::skipped;
use crate::tap::Tap;

/// A collector that runs; it ends when this is dropped.
pub struct Collector {
    /// Where telemetry is sent to.
    pub url: String,
    tap: Tap,
    lines: Arc<Mutex<Vec<Value>>>,
    _child: Child,
}

/// A span as it arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// What it is called.
    pub name: String,
    /// 1 within a process, 2 of a server, 3 of a client.
    pub kind: u64,
    /// The trace's id, in hexadecimal.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// That of its parent; empty without one.
    pub parent: String,
    /// Attributes by name; numbers as they are written.
    pub attributes: Map<String, Value>,
    /// All of it.
    pub whole: Value,
}

impl Arrived {
    /// An attribute, as text.
    pub fn attribute(&self, name: &str) -> Option<String> {
        match self.attributes.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

impl Collector {
    /// Starts one. None, with a line that says so, where it is not installed.
    ///
    /// # Panics
    /// When it does not begin to listen, or is not installed and `PRESSGATE_NO_SKIP=1`.
    pub async fn start() -> Option<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdks/venv/bin/oteltap");
        if !program.is_file() {
            skipped("oteltap is not installed; run `make deps`");
            return None;
        }
        let port = free_port().await;
        let mut child = Command::new(program)
            .args(["--port", &port.to_string()])
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let lines = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&lines);
        let mut output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                if let Ok(line) = serde_json::from_str(&line) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            }
        });
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                let tap = Tap::start(&format!("127.0.0.1:{port}")).await.expect("a free port");
                return Some(Self { url: format!("http://127.0.0.1:{}", tap.port), tap, lines, _child: child });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("oteltap does not listen");
    }

    /// Every byte that it was sent.
    pub fn bytes(&self) -> Vec<u8> {
        self.tap.taken().into_iter().flat_map(|taken| taken.asked).collect()
    }

    /// What it wrote down, line by line.
    pub fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every span so far.
    pub fn spans(&self) -> Vec<Arrived> {
        self.with("startTimeUnixNano").iter().map(span).collect()
    }

    /// Every log record so far.
    pub fn records(&self) -> Vec<Value> {
        self.with("severityNumber")
    }

    /// Every metric so far.
    pub fn metrics(&self) -> Vec<Value> {
        let lines = self.lines().into_iter();
        lines.filter(|line| line.get("name").is_some() && line.get("startTimeUnixNano").is_none()).collect()
    }

    fn with(&self, field: &str) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line.get(field).is_some()).collect()
    }
}

fn span(value: &Value) -> Arrived {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let mut attributes = Map::new();
    for attribute in value["attributes"].as_array().into_iter().flatten() {
        let key = attribute["key"].as_str().unwrap_or_default().to_owned();
        let known = attribute["value"].as_object().and_then(|value| value.values().next()).cloned();
        let before = attributes.insert(key.clone(), known.unwrap_or_default());
        assert!(before.is_none(), "{key} stands twice in {value}");
    }
    Arrived {
        name: text("name"),
        kind: value["kind"].as_u64().unwrap_or_default(),
        trace: text("traceId"),
        id: text("spanId"),
        parent: text("parentSpanId"),
        attributes,
        whole: value.clone(),
    }
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("an address").port()
}
