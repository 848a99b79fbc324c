//! Server-sent events, read as they come.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Running;

/// How long a stream may take to show what is there, or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of a gateway.
#[derive(Debug)]
pub struct EventStream {
    connection: TcpStream,
    text: String,
}

/// One event.
#[derive(Debug)]
pub struct Shown {
    /// Its id; empty where it has none.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// What it says.
    pub data: Value,
}

impl EventStream {
    /// Opens the stream at a path with its query, after the event `last`. The head of the answer has been read.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn open(gate: &Running, who: &str, path: &str, last: Option<&str>) -> Self {
        let connection = TcpStream::connect(gate.url.trim_start_matches("http://")).await.expect("connected");
        let mut stream = Self { connection, text: String::new() };
        let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
        // Of this version answers are not cut into chunks.
        let head =
            format!("GET {path} HTTP/1.0\r\nhost: gate\r\nauthorization: Bearer {}\r\n{last}\r\n", gate.site.key(who));
        stream.connection.write_all(head.as_bytes()).await.expect("sent");
        while !stream.text.contains("\r\n\r\n") {
            assert!(stream.more().await, "{}", stream.text);
        }
        let end = stream.text.find("\r\n\r\n").expect("it is there") + 4;
        let head: String = stream.text.drain(..end).collect();
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        for header in ["content-type: text/event-stream", "cache-control: no-store"] {
            assert!(head.contains(header), "{head}");
        }
        stream
    }

    /// Reads more; false at the end.
    async fn more(&mut self) -> bool {
        let mut bytes = [0; 64 * 1024];
        let count = tokio::time::timeout(PATIENCE, self.connection.read(&mut bytes)).await.expect("something comes");
        let count = count.expect("read");
        self.text.push_str(std::str::from_utf8(&bytes[..count]).expect("ASCII here"));
        count > 0
    }

    /// The next event; comments, bare ids and `retry` are passed over.
    ///
    /// # Panics
    /// When none comes in time, the stream ends, or what comes is no JSON.
    pub async fn next(&mut self) -> Shown {
        loop {
            let Some(end) = self.text.find("\n\n") else {
                assert!(self.more().await, "the stream ended");
                continue;
            };
            let event: String = self.text.drain(..end + 2).collect();
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            let data = field("data: ");
            if !data.is_empty() {
                let data = serde_json::from_str(data).expect("JSON");
                return Shown { id: field("id: ").to_owned(), kind: field("event: ").to_owned(), data };
            }
        }
    }

    /// All that comes until it ends, as it came.
    pub async fn rest(&mut self) -> String {
        while self.more().await {}
        std::mem::take(&mut self.text)
    }
}
