//! An adapter that misbehaves as the draft's text tells it to. Written on the bare contract, without the SDK: nobody forces a
//! plugin's author to use that.
#![allow(unsafe_code, missing_docs, clippy::all, reason = "generated bindings and a hostile author")]

wit_bindgen::generate!({ path: "../../../wit", world: "adapter" });

use exports::pressgate::plugin::adapter_api::*;
use pressgate::plugin::http::{Body, Error, Header, Kind, Safety};
use pressgate::plugin::{clock, config, http, log, media, random, state};

struct Hostile;
export!(Hostile);

/// What this release does besides. Tests write another letter here, and have another release of the same plugin that way.
#[used]
static PLAN: [u8; 16] = *b"pressgate-plan:0";

fn plan() -> u8 {
    unsafe { core::ptr::read_volatile(&raw const PLAN[15]) }
}

fn published(id: &str) -> Published {
    Published { platform_id: id.into(), url: None, extra: vec![] }
}

fn done(parts: Vec<Published>) -> Result<Performed, Failure> {
    Ok(Performed { parts, extra: vec![] })
}

fn get(url: &str) -> Request {
    Request { method: "GET".into(), url: url.into(), headers: vec![], body: Body::None, credential: None }
}

fn post(url: &str, text: &str) -> Request {
    Request { method: "POST".into(), body: Body::Bytes(text.as_bytes().to_vec()), ..get(url) }
}

fn told(message: impl ToString) -> Failure {
    Failure::Rejected(Rejection { status: None, code: "told".into(), message: message.to_string() })
}

fn why(error: Error) -> Failure {
    match error {
        Error::Denied(reason) => told(format!("denied: {reason}")),
        Error::NotSent(reason) => told(format!("not-sent: {reason}")),
        Error::Unknown(_) => Failure::Unknown("post".into()),
        Error::TooLarge => told("too-large"),
    }
}

fn spin() -> ! {
    let mut number = 1u64;
    loop {
        number = core::hint::black_box(number.wrapping_mul(6364136223846793005).wrapping_add(1));
    }
}

fn spin_in_host_calls() -> ! {
    loop {
        core::hint::black_box(clock::now_ms());
        core::hint::black_box(random::bytes(4096));
        core::hint::black_box(config::get(""));
    }
}

fn eat_memory() -> ! {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(core::hint::black_box(vec![1; 256 << 10]));
    }
}

fn dive(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 32]);
    if depth == u64::MAX { 0 } else { dive(depth + 1) + frame[(depth % 32) as usize] }
}

/// Recursion that needs no linear memory, only the engine's own stack.
#[inline(never)]
fn descend(depth: u64) -> u64 {
    if core::hint::black_box(depth) == u64::MAX { 0 } else { descend(depth + 1) ^ depth }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ordinary(call: &Call) -> Result<Performed, Failure> {
    let mut parts = Vec::new();
    for (index, part) in call.draft.parts.iter().enumerate() {
        let step = format!("post-{index}");
        let answer = http::send(&step, Kind::Effect(Safety::NativeKey(3600)), &post("/api/posts", &part.text));
        let answer = answer.map_err(why)?;
        parts.push(published(&String::from_utf8_lossy(&answer.body)));
    }
    done(parts)
}

fn send_get(url: &str) -> Result<Performed, Failure> {
    match http::send("post", Kind::Effect(Safety::None), &get(url)) {
        Ok(answer) => Err(told(format!("{} {}", answer.status, answer.body.len()))),
        Err(error) => Err(why(error)),
    }
}

fn twice() -> Result<Performed, Failure> {
    let _ = http::send("post", Kind::Read, &get("/api/a"));
    Err(why(http::send("post", Kind::Read, &get("/api/b")).unwrap_err()))
}

/// Asks for so many answers with the credential, keeps all of them, writes a mark to the very end of its memory and says how
/// many pages that has.
fn hoard(answers: u32) -> Result<Performed, Failure> {
    let ask =
        |step: &str, url: &str| http::send(step, Kind::Read, &Request { credential: Some("token".into()), ..get(url) });
    let kept: Vec<_> =
        (0..answers).map(|number| ask(&format!("look-{number}"), &format!("/api/look/{number}"))).collect();
    #[cfg(target_arch = "wasm32")]
    let pages = {
        let last = core::arch::wasm32::memory_grow::<0>(1);
        let end = ((last + 1) << 16) as *mut u8;
        for (back, letter) in b"the end of the memory".iter().rev().enumerate() {
            // The page is new, so nobody else writes there.
            unsafe { end.sub(back + 1).write_volatile(*letter) };
        }
        last + 1
    };
    #[cfg(not(target_arch = "wasm32"))]
    let pages = 0;
    let last = ask("end", &format!("/api/end?pages={pages}"));
    let answered = core::hint::black_box(kept).iter().chain([&last]).filter(|answer| answer.is_ok()).count();
    Err(told(format!("{answered} answers")))
}

fn headers(call: &Call) -> Result<Performed, Failure> {
    let name = call.draft.parts[1].text.clone();
    let request = Request { headers: vec![(name, "x".into())], ..get("/api") };
    match http::send("post", Kind::Read, &request) {
        Ok(_) => Err(told("sent")),
        Err(error) => Err(why(error)),
    }
}

fn read_medium(call: &Call) -> Result<Performed, Failure> {
    let id = &call.draft.parts[0].media[0].id;
    let mut bytes = Vec::new();
    loop {
        match media::read(id, bytes.len() as u64, u32::MAX) {
            Some(chunk) if !chunk.is_empty() => bytes.extend(chunk),
            Some(_) => break,
            None => return Err(told("no such medium")),
        }
    }
    let known = media::info("another").is_none() && media::read("another", 0, 1).is_none();
    Err(told(format!("{} {} {known}", bytes.len(), hex(&bytes[..4]))))
}

fn with_state() -> Result<Performed, Failure> {
    let before = state::get();
    let too_long = state::set(&vec![0; (64 << 10) + 1]);
    let kept = state::set(&[before.as_slice(), b"+"].concat());
    Err(told(format!("{} {too_long} {kept}", String::from_utf8_lossy(&before))))
}

impl Guest for Hostile {
    fn describe() -> Description {
        match plan() {
            b'd' => panic!("in describe"),
            b's' => spin(),
            _ => {}
        }
        let greeting = config::get("/greeting").unwrap_or_default();
        assert_ne!(greeting, "\"panic\"");
        Description {
            actions: vec![if greeting == "\"nonsense\"" { "post.explode" } else { "post.create" }.into()],
            rate_classes: vec![],
            client_token: vec![TokenPlace::Bearer],
            option_schema: if greeting == "\"no-schema\"" { "{\"type\":7}" } else { "{}" }.into(),
            client_headers: vec![],
            client_paths: vec![],
            client_media: vec![],
            limit_headers: None,
            extra: vec![],
        }
    }

    fn discover(_account: Account) -> Result<Facts, String> {
        let effect = http::send("limits", Kind::Effect(Safety::None), &get("/api/limits"));
        assert!(matches!(effect, Err(Error::Denied(_))));
        let answer = http::send("limits", Kind::Read, &get("/api/limits")).map_err(|_| "no answer")?;
        let json = String::from_utf8_lossy(&answer.body).into();
        Ok(Facts { json, fresh_s: 60, budgets: vec![], extra: vec![] })
    }

    fn check(_account: Account, draft: Draft, _facts: Option<Facts>) -> Vec<Finding> {
        match draft.parts[0].text.as_str() {
            "spin" => spin(),
            "send" => {
                let sent = http::send("a", Kind::Read, &get("/api"));
                assert!(matches!(sent, Err(Error::Denied(_))));
                assert!(!state::set(b"x"));
            }
            _ => {}
        }
        vec![]
    }

    fn classify(_account: Account, request: Request) -> Classification {
        let text = match &request.body {
            Body::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        };
        if request.url.ends_with("/login") {
            return Classification::Login(Login::Open);
        }
        Classification::Act(Classified {
            action: if text == "nonsense" { "post.explode" } else { "post.create" }.into(),
            target: None,
            text,
            texts: vec![],
            media: vec![],
            language: None,
            options: None,
            prepares: false,
            commits: None,
            extra: vec![],
        })
    }

    fn perform(call: Call) -> Result<Performed, Failure> {
        let text = call.draft.parts[0].text.clone();
        let (what, rest) = text.split_once(' ').unwrap_or((text.as_str(), ""));
        match what {
            "spin" => spin(),
            "spin-in-host-calls" => spin_in_host_calls(),
            "eat-memory" => eat_memory(),
            "panic" => panic!("as told"),
            "dive" => Err(told(dive(1))),
            "descend" => Err(told(descend(1))),
            "get" => send_get(rest),
            "gigabyte" => {
                // The pointer is good, the length is a lie that would cost the host a gigabyte.
                #[link(wasm_import_module = "pressgate:plugin/log@0.1.0")]
                unsafe extern "C" {
                    #[link_name = "write"]
                    fn raw_write(level: i32, line: i32, line_bytes: i32);
                }
                unsafe { raw_write(1, 0, 1 << 30) };
                done(vec![])
            }
            "much" => {
                let line = String::from_utf8(vec![b'x'; 3 << 19]).unwrap();
                log::write(log::Level::Info, &line);
                done(vec![])
            }
            "log" => {
                for number in 0..1000 {
                    log::write(log::Level::Info, &format!("line {number}\nforged line"));
                }
                done(vec![published("1")])
            }
            "other-text" => {
                http::send("post", Kind::Effect(Safety::None), &post("/api/posts", "not what was approved"))
                    .map_err(why)?;
                done(vec![published("1")])
            }
            "twice" => twice(),
            "hoard" => hoard(rest.parse().unwrap()),
            "header" => headers(&call),
            "credential" => {
                let request = Request { credential: Some(rest.into()), ..get("/api") };
                http::send("post", Kind::Read, &request).map_err(why)?;
                done(vec![published("1")])
            }
            "nobody-sent" => Err(Failure::Unknown("never".into())),
            "too-few" => done(vec![]),
            "no-id" => done(vec![published("")]),
            "many" => done(vec![published("1"); 10_000]),
            "seeds" => {
                let header: Header = ("x".into(), "y".into());
                let _ = header;
                let bytes = [random::bytes(5), random::bytes(40)].concat();
                Err(told(format!("{} {}", clock::now_ms(), hex(&bytes))))
            }
            "medium" => read_medium(&call),
            "state" => with_state(),
            "state-then-panic" => {
                state::set(b"lost");
                panic!("after the note")
            }
            _ => ordinary(&call),
        }
    }

    fn reconcile(_call: Call, step: String) -> Reconciliation {
        match http::send("look", Kind::Read, &get("/api/look")) {
            Ok(answer) if answer.status == 200 => Reconciliation::Happened(answer),
            Ok(answer) if answer.status == 404 => Reconciliation::DidNot,
            _ => Reconciliation::CannotKnow(step),
        }
    }

    fn observe(_method: String, _url: String, status: u16, headers: Vec<(String, String)>) -> Vec<Budget> {
        let remaining =
            headers.iter().find(|(name, _)| name == "x-remaining").and_then(|(_, value)| value.parse().ok());
        let class = if status == 299 { "Not A Class" } else { "posts" };
        vec![Budget { class: class.into(), limit: None, remaining, reset_at_ms: None }]
    }

    fn render_session(_account: Account, _login: Login, session: Session, _request: Request) -> Response {
        Response { status: 201, headers: vec![], body: session.access.unwrap_or_default().into_bytes() }
    }

    fn render_refusal(refusal: Refusal, _request: Request) -> Response {
        let status = if refusal.code == "nonsense" { 200 } else { refusal.status };
        Response { status, headers: vec![], body: refusal.message.into_bytes() }
    }
}
