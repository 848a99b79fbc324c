//! The first five minutes with Pressgate: a gateway, a network and three calls by two apps.
//!
//! Everything is real: the program `pressgate`, its plugins, HTTP, the log. Only the network is a small one of ours, so that nothing
//! leaves this machine. `make demo` builds what this needs and runs it.

mod calls;
mod children;
mod http;
mod log;
mod site;
mod tell;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::log::Log;
use crate::site::Site;

/// Starts a gateway and a sample network, makes three calls, tells what happened, and stays up until it is stopped.
#[derive(Debug, Parser)]
struct Arguments {
    /// End once the post is seen on the network's timeline.
    #[arg(long)]
    once: bool,
    /// Where the demo keeps its data; made anew at each start.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/demo"))]
    folder: PathBuf,
}

/// Why the demo ends early, in a sentence for whoever started it.
pub(crate) type Failed = String;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Listened to from the beginning, so that the children end with this program whenever it is stopped.
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        eprintln!("demo: this machine gives no signals");
        return ExitCode::FAILURE;
    };
    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    match demo(&arguments, stopped).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\ndemo: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(arguments: &Arguments, stopped: impl Future<Output = ()>) -> Result<(), Failed> {
    let mut stopped = std::pin::pin!(stopped);
    let site = Site::make(&arguments.folder)?;
    println!("Pressgate demo\n");
    let begin = async {
        let running = children::start(&site).await?;
        let story = calls::make(&site, &running).await?;
        Ok::<_, Failed>((running, story))
    };
    let (mut running, story) = tokio::select! {
        begun = begin => begun?,
        () = &mut stopped => return Ok(()),
    };
    let mut log = Log::open(&site.folder.join("data/audit"));
    tell::happened(&site, &running, &story, &mut log)?;
    if arguments.once {
        calls::only_post(&running, &story).await?;
        println!("\nThe timeline holds this post and no other.");
    } else {
        tell::try_it(&site, &running, &story);
        tokio::select! {
            why = running.ended() => return Err(why),
            why = tell::follow(log) => return Err(why),
            () = stopped => {}
        }
    }
    running.stop().await
}
