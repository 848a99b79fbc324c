//! A medium that no memory could hold: it goes through the native door, and only its disk sees all of it.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tests::harness::{Endpoint, Gate, GateProcess, intents};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::erasure::cast;
use crate::samples::id;

const ACCOUNT: &str = "acme-mastodon";
const GIBIBYTE: u64 = 1 << 30;
const BLOCK: usize = 1 << 20;
const GROWTH_KIB_MAX: u64 = 64 * 1024;

/// A block of the film; every block is the same, and begins as a film does.
fn block() -> Vec<u8> {
    let mut block: Vec<u8> = (0..BLOCK as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    block[..16].copy_from_slice(b"\0\0\0\x20ftypisom\0\0\x02\0");
    block
}

/// A network that takes any upload and looks at every byte of it.
struct Looking {
    url: String,
    good_bytes: Arc<AtomicU64>,
}

impl Endpoint for Looking {
    fn address(&self) -> &str {
        &self.url
    }
}

impl Looking {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let good_bytes = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&good_bytes);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&counted)));
            }
        });
        Self { url, good_bytes }
    }
}

/// Reads one request: head, form, film, end of the form. Anything but an upload is not found.
async fn take(stream: TcpStream, good_bytes: Arc<AtomicU64>) -> Option<()> {
    let mut stream = BufReader::with_capacity(BLOCK, stream);
    let head = until_blank(&mut stream).await?;
    let length = head
        .to_ascii_lowercase()
        .split_once("content-length: ")
        .and_then(|(_, rest)| rest.split("\r\n").next()?.parse::<u64>().ok());
    let Some(length) = length.filter(|_| head.starts_with("POST /api/v2/media")) else {
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await.ok()?;
        return Some(());
    };
    let mut part = until_blank(&mut stream).await?;
    let mut fields = part.len() as u64;
    while !part.contains("filename=") {
        part = until_blank(&mut stream).await?;
        fields += part.len() as u64;
    }
    let (block, mut seen) = (block(), vec![0; BLOCK]);
    for _ in 0..GIBIBYTE / BLOCK as u64 {
        stream.read_exact(&mut seen).await.ok()?;
        good_bytes.fetch_add(if seen == block { BLOCK as u64 } else { 0 }, Ordering::Relaxed);
    }
    let mut rest = vec![0; usize::try_from(length - fields - GIBIBYTE).ok()?];
    stream.read_exact(&mut rest).await.ok()?;
    let answer = r#"{"id":"4711","type":"video","url":"https://social.example/4711.mp4"}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
    stream.write_all(format!("{head}{answer}").as_bytes()).await.ok()
}

async fn until_blank(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// Kibibytes of a process by their name in `/proc/PID/status`.
fn memory_kib(gate: &GateProcess, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.process_id())).expect("a process");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// SHA-256 of the film, by a program that knows nothing of the gateway.
fn digest() -> String {
    let mut sum = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sha256sum");
    let (mut input, block) = (sum.stdin.take().expect("a pipe"), block());
    for _ in 0..GIBIBYTE / BLOCK as u64 {
        input.write_all(&block).expect("written");
    }
    drop(input);
    let output = sum.wait_with_output().expect("an end");
    String::from_utf8_lossy(&output.stdout).split(' ').next().expect("a digest").to_owned()
}

async fn send(gate: &GateProcess) -> String {
    let address = gate.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let before =
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\nContent-Type: video/mp4\r\n\r\n";
    let after = "\r\n--x\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\nA long film\r\n--x--\r\n";
    let length = before.len() as u64 + GIBIBYTE + after.len() as u64;
    let head = format!(
        "POST /native/{ACCOUNT}/api/v2/media HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: multipart/form-data; boundary=x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{before}",
        gate.site.key("app:newsroom")
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let block = block();
    for _ in 0..GIBIBYTE / BLOCK as u64 {
        stream.write_all(&block).await.expect("sent");
    }
    stream.write_all(after.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_a_gibibyte_goes_through_in_little_memory() {
    let net = Looking::start().await;
    let gate = Gate::new()
        .account(ACCOUNT, &net)
        .govern(cast)
        .setting("limits.media_bytes_max", "2147483648")
        .setting("limits.media_unused_bytes_max", "4294967296")
        .spawn()
        .await;
    // What a first call makes: a compiled adapter, connections, the account's facts.
    gate.get(&format!("/native/{ACCOUNT}/api/v1/statuses/1")).await;
    let before = memory_kib(&gate, "VmRSS:");
    std::fs::write(format!("/proc/{}/clear_refs", gate.process_id()), "5").expect("the peak begins anew");
    let answer = send(&gate).await;
    let grown = memory_kib(&gate, "VmHWM:").saturating_sub(before);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("4711"), "{answer}");
    assert_eq!(net.good_bytes.load(Ordering::Relaxed), GIBIBYTE, "each byte arrived");
    println!("{GIBIBYTE} bytes, {grown} KiB more in memory than {before} KiB");
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB more in memory");
    // The log commits to the digest: two people may see it.
    let (index, intent) = intents(&gate.leaves()).remove(0);
    assert_eq!(intent.action, "media.upload");
    let (chief, second) = (gate.caller("person:chief-1"), gate.caller("person:editor-8"));
    let asked = chief.post("/v1/audit/reveals", &json!({"leaf": index, "reason": "which film"})).await.expect(201);
    let path = format!("/v1/audit/reveals/{}", id(&asked));
    second.post(&format!("{path}/confirmations"), &json!({})).await.expect(200);
    let shown: Value = chief.get(&path).await.expect(200);
    assert!(shown.to_string().contains(&digest()), "{shown}");
}
