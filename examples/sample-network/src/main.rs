//! Starts the sample network and prints its address on the first line.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use sample_network::{Config, SampleNetwork};

/// A small network that speaks a part of the Mastodon API, for demonstrations and tests.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; only 127.0.0.1 is possible, port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Token that clients must present.
    #[arg(long, env = "SAMPLE_NETWORK_TOKEN", hide_env_values = true)]
    token: String,
    /// Title of the web page.
    #[arg(long, default_value = "Sample network")]
    page_title: String,
    /// Name of the account.
    #[arg(long, default_value = "acme")]
    username: String,
    /// Longest text in characters.
    #[arg(long, default_value_t = 500)]
    text_limit: usize,
    /// How often a medium is answered 206 before it is ready.
    #[arg(long, default_value_t = 1)]
    media_polls: u32,
    /// Requests allowed in five minutes.
    #[arg(long, default_value_t = 300)]
    rate_limit: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.listen.ip().is_loopback() || !arguments.listen.is_ipv4() {
        eprintln!("sample-network: --listen must be an address of 127.0.0.1, for example 127.0.0.1:0");
        return ExitCode::from(2);
    }
    let config = Config {
        port: arguments.listen.port(),
        token: arguments.token,
        page_title: arguments.page_title,
        username: arguments.username,
        text_limit: arguments.text_limit,
        media_polls: arguments.media_polls,
        rate_limit: arguments.rate_limit,
    };
    let running = match SampleNetwork::start(config).await {
        Ok(running) => running,
        Err(error) => {
            eprintln!("sample-network: cannot listen on {}: {error}", arguments.listen);
            return ExitCode::FAILURE;
        }
    };
    let mut out = std::io::stdout();
    if writeln!(out, "{}", running.url).and_then(|()| out.flush()).is_err() {
        return ExitCode::FAILURE;
    }
    running.wait().await;
    ExitCode::SUCCESS
}
