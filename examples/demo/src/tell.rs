//! What the demo prints: what happened, where to look, what to try.

use std::time::Duration;

use crate::Failed;
use crate::calls::{Call, Story};
use crate::children::{ACCOUNT, Running};
use crate::log::Log;
use crate::site::{Site, shown};

/// How often the log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What happened.
pub(crate) fn happened(site: &Site, running: &Running, story: &Story, log: &mut Log) -> Result<(), Failed> {
    let Story { published, ungranted, stopped } = story;
    let Running { timeline, apps, .. } = running;
    println!("\nThree calls: POST {apps}/v1/posts, to {ACCOUNT}\n");
    headline(1, published, "published");
    println!("     post      {}", published.said("/id"));
    println!("     appeared  {}", published.said("/targets/0/url"));
    for call in [(2, ungranted), (3, stopped)] {
        headline(call.0, call.1, call.1.said("/type").trim_start_matches("/problems/"));
        println!("     stage     {}", call.1.said("/stage"));
        println!("     why       {}", call.1.said("/detail"));
        if let Some(verdict) = call.1.body.pointer("/verdicts/0") {
            let text = |pointer| verdict.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
            println!("     finding   {}: {}", text("/findings/0/code"), text("/findings/0/message"));
        }
        println!("     page      {apps}{}", call.1.said("/type"));
    }
    println!("\nWhat the audit log says of them ({})\n", site.shown("data/audit"));
    for line in log.news()? {
        println!("  {line}");
    }
    println!("\nWhere to look\n");
    println!("  {timeline:<37} the network's timeline, for people");
    println!("  {:<37} every kind of refusal, and what to do", format!("{apps}/problems"));
    println!("  {:<37} the API", format!("{apps}/v1/openapi.json"));
    println!("  {:<37} operators; health at /readyz, keys with ops-1's key", running.operators);
    Ok(())
}

fn headline(number: u8, call: &Call, outcome: &str) {
    println!("  {number}  {:<9} {} {outcome}\n     text      {}", call.app, call.status, call.text);
}

/// What to try next, ready to paste.
pub(crate) fn try_it(site: &Site, running: &Running, story: &Story) {
    let Running { apps, .. } = running;
    let key = |holder: &str| format!("-H \"Authorization: Bearer $(cat {})\"", site.shown(&format!("keys/{holder}")));
    let post = |text: &str| format!(r#"{{"accounts":["{ACCOUNT}"],"content":{{"text":"{text}","language":"en"}}}}"#);
    let send = |path: &str, wait: &str, text: &str| {
        let json = "-H 'Content-Type: application/json'";
        println!("  curl -s {wait}{apps}{path} {json} {} \\\n    -d '{}'\n", key("newsroom"), post(text));
    };
    println!("\nTry it, in another terminal\n");
    println!("  curl -s {apps}/v1/posts/{} {}\n", story.published.said("/id"), key("newsroom"));
    println!("  curl -s {apps}/v1/me {}\n", key("careers"));
    println!("  # Another post; the answer waits for the network's.");
    send("/v1/posts", "-H 'Prefer: wait=10' ", "Out now: the second batch.");
    println!("  # What would happen, and nothing does.");
    send("/v1/validate", "", "Guaranteed results, or your money back.");
    println!("  # This one waits for a person; chief-1 may approve it, the newsroom may not.");
    send("/v1/posts", "", "Product recall: oat biscuits of lot 7. Details: https://acme.example/lot7");
    println!(
        "  {} --config {} --key-file {} post approve POST --saw 1\n",
        shown(&site.pressgate),
        site.shown("pressgate.toml"),
        site.shown("keys/chief-1")
    );
    println!("Everything is in {}. Ctrl-C ends it. What the log says from here on:\n", site.shown(""));
}

/// Prints what the log says as it grows.
pub(crate) async fn follow(mut log: Log) -> Failed {
    loop {
        match log.news() {
            Ok(lines) => lines.iter().for_each(|line| println!("  {line}")),
            Err(why) => return why,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
