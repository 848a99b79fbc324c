//! The program as the demo starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Ends the program with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sample-network"));
    command.args(arguments).env_remove("SAMPLE_NETWORK_TOKEN");
    command
}

#[expect(clippy::disallowed_methods, reason = "a client from outside")]
fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(request.as_bytes()).expect("a connection");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn the_first_line_is_the_address_and_the_page_is_there() {
    let arguments = ["--listen", "127.0.0.1:0", "--token", "secret", "--page-title", "Our town"];
    let mut child = Ended(program(&arguments).stdout(Stdio::piped()).spawn().expect("it starts"));
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("http://127.0.0.1:").map(|port| format!("127.0.0.1:{port}"));
    let address = address.unwrap_or_else(|| panic!("not an address: {line}"));

    let get = |path: &str, more: &str| {
        exchange(&address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n"))
    };
    assert!(get("/", "").contains("<h1>Our town</h1>"));
    let own = "/api/v1/accounts/verify_credentials";
    assert!(get(own, "").starts_with("HTTP/1.1 401"));
    assert!(get(own, "Authorization: Bearer secret\r\n").starts_with("HTTP/1.1 200"));
    assert!(get("/sample/counts", "").contains("\"GET /api/v1/accounts/verify_credentials\":2"));
}

#[test]
fn it_listens_to_this_machine_only() {
    let output = program(&["--listen", "0.0.0.0:0", "--token", "t"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("127.0.0.1"));
}
