//! Freezes: what is stopped, what passes, and that nothing of what was stopped goes out by itself.

mod beside;
mod doors;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use pressgate::audit::{Event, leaf::Changed};
use pressgate::clock::ManualClock;
use sample_network::{Fault, Plan};
use serde_json::{Value, json};
use tests::harness::caller::{JSON, WAIT};
use tests::harness::{Caller, Gate, Running, gate, intents, network, problem, until};
use tests::http::Answer;

use crate::samples::{STATUSES, id, post, texts};

/// The account that is frozen, and that of another brand.
const FROZEN: &str = "snacks-mastodon";
const OTHER: &str = "drinks-mastodon";
/// Connections for each door and brand.
const CONNECTIONS: usize = 2;
/// Time within which anything that would leave leaves.
const A_WHILE: Duration = Duration::from_millis(700);

fn plan(frozen: &sample_network::Running, other: &sample_network::Running) -> Gate {
    Gate::new()
        .account_of("acme/snacks", FROZEN, frozen)
        .account_of("acme/drinks", OTHER, other)
        .grant("careers-too", "app:careers", "brand:acme", &["post.create", "post.read"])
        .setting("limits.calls_per_minute", "1000000")
        .setting("limits.burst", "100000")
        .govern(|governance| {
            let limits = governance.files()["limits.toml"].clone();
            let urgent = "[urgent]\npercent = 10\nlabels = [\"holding\"]\napps = [\"newsroom\"]\n";
            governance.file("limits.toml", &format!("{limits}\n{urgent}"));
        })
}

async fn freeze(caller: &Caller, scope: &str) -> Value {
    let wish = json!({"scope": scope, "reason": "data-leak", "permit_labels": ["holding"]});
    caller.post("/v1/freezes", &wish).await.expect(201)
}

async fn lift(caller: &Caller, freeze: &Value, wish: Value) -> Answer {
    caller.post(&format!("/v1/freezes/{}/lift", id(freeze)), &wish).await
}

fn labelled(account: &str, text: &str) -> Value {
    let mut body = post(account, text);
    body["labels"] = json!(["holding"]);
    body
}

/// Sends through one door until it is told to stop; counts what was refused as frozen, and what failed otherwise.
struct Load {
    stop: Arc<AtomicBool>,
    frozen: Arc<AtomicUsize>,
    errors: Arc<AtomicUsize>,
    tasks: tokio::task::JoinSet<()>,
}

impl Load {
    fn on(gate: &Running, account: &'static str) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            frozen: Arc::default(),
            errors: Arc::default(),
            tasks: tokio::task::JoinSet::new(),
        };
        for number in 0..3 * CONNECTIONS {
            let (caller, stop) = (gate.caller("app:newsroom"), Arc::clone(&load.stop));
            let (frozen, errors) = (Arc::clone(&load.frozen), Arc::clone(&load.errors));
            load.tasks.spawn(async move {
                for call in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let text = format!("load {number}.{call}");
                    let answer = match number % 3 {
                        0 => caller.post("/v1/posts", &post(account, &text)).await,
                        1 => caller.send("POST", "/v1/posts", &[JSON, WAIT], post(account, &text).to_string()).await,
                        _ => caller.post(&format!("/native/{account}{STATUSES}"), &json!({"status": text})).await,
                    };
                    match answer.status {
                        200..=202 => {}
                        423 => {
                            frozen.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => {
                            eprintln!("{}: {}", answer.status, answer.text());
                            errors.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        load
    }

    async fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        (self.frozen.load(Ordering::Relaxed), self.errors.load(Ordering::Relaxed))
    }
}

async fn sent(net: &sample_network::Running) -> u64 {
    net.count("POST", STATUSES).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_a_freeze_has_answered_nothing_of_its_brand_leaves_and_others_do_not_notice() {
    let (mine, theirs) = (network().await, network().await);
    let gate = plan(&mine, &theirs).start().await;
    let chief = gate.caller("person:chief-1");
    let before = gate.publish(&post(FROZEN, "to be deleted")).await.expect(201);
    let (load, other) = (Load::on(&gate, FROZEN), Load::on(&gate, OTHER));
    until("a load", || async { (sent(&mine).await >= 40 && sent(&theirs).await >= 40).then_some(()) }).await;

    let frozen = freeze(&chief, "brand:acme/snacks").await;
    let (at, others_at) = (sent(&mine).await, sent(&theirs).await);
    assert_eq!(frozen["under_way"], 0, "what had left was answered: {frozen}");
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(sent(&mine).await, at, "nothing leaves after the answer");
    until("the other brand goes on", || async { (sent(&theirs).await >= others_at + 40).then_some(()) }).await;

    // What passes: reads, deletions, statements of an app that may call them urgent.
    gate.read(&id(&before)).await;
    gate.delete(&format!("/v1/posts/{}", id(&before))).await.expect(200);
    gate.publish(&labelled(FROZEN, "We are looking into it")).await.expect(201);
    let refused = gate.caller("app:careers").publish(&labelled(FROZEN, "Me too")).await;
    let told = problem(&refused, "frozen");
    assert_eq!((refused.status, &told["retry"]), (423, &json!(false)));
    let detail = told["detail"].as_str().expect("a text");
    assert!(detail.contains("`data-leak`") && detail.contains("since 20") && detail.contains("`chief-1`"), "{detail}");
    let native = gate.post(&format!("/native/{FROZEN}{STATUSES}"), &json!({"status": "x"})).await;
    assert_eq!(native.expect(423)["error_description"], "frozen", "in the network's own shape");

    let (refused, errors) = load.end().await;
    assert!(refused > 0 && errors == 0, "{refused} refused, {errors} errors");
    assert_eq!(other.end().await, (0, 0), "the other brand sees nothing of it");
    assert_eq!(sent(&mine).await, at + 1, "the statement");

    // The log says the same: after the freeze only the deletion and the statement were begun.
    let leaves = gate.leaves();
    let is_freeze = |event: &Event| matches!(event, Event::Change(change) if change.what == Changed::Freeze);
    let freeze_at = leaves.iter().position(|leaf| is_freeze(&leaf.event)).expect("a leaf") as u64;
    let Event::Change(change) = &leaves[usize::try_from(freeze_at).unwrap()].event else { unreachable!() };
    assert_eq!((change.action.as_str(), change.by.as_str()), ("freeze", "chief-1"));
    assert_eq!(change.subject, format!("{} brand:acme/snacks data-leak", id(&frozen)));
    let later = intents(&leaves).into_iter().filter(|(index, intent)| *index > freeze_at && intent.account == FROZEN);
    assert_eq!(later.map(|(_, intent)| intent.action).collect::<Vec<_>>(), ["post.delete", "post.create"]);

    thaws_by_two(&gate, &frozen).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(sent(&mine).await, at + 1, "what was stopped does not go out by itself");
    gate.publish(&post(FROZEN, "as before")).await.expect(201);
}

async fn thaws_by_two(gate: &Running, frozen: &Value) {
    let (chief, ops) = (gate.caller("person:chief-1"), gate.caller("person:ops-1"));
    problem(&lift(&gate.caller("person:chief-drinks"), frozen, json!({})).await, "no-grant");
    problem(&lift(&gate.caller("app:newsroom"), frozen, json!({})).await, "no-grant");
    assert_eq!(lift(&chief, frozen, json!({})).await.expect(200)["state"], "lift-asked");
    problem(&lift(&chief, frozen, json!({})).await, "invalid-request");
    problem(&gate.publish(&post(FROZEN, "too early")).await, "frozen");
    let lifted = lift(&ops, frozen, json!({"reason": "all-clear"})).await.expect(200);
    assert_eq!((&lifted["state"], &lifted["lifted_by"]), (&json!("lifted"), &json!("ops-1")));
    problem(&lift(&ops, frozen, json!({})).await, "not-found");
}

/// The planted bug: a gateway that looks when a call is cleared only lets the second part out.
#[tokio::test]
async fn the_rest_of_a_thread_is_stopped_between_two_parts() {
    let (mine, theirs) = (network().await, network().await);
    let gate = plan(&mine, &theirs).start().await;
    mine.set_fault(Plan::next(1, "POST", STATUSES, Fault::Late { ms: 800 })).await;
    let mut thread = post(FROZEN, "x");
    thread["content"] = json!({"text": "one", "thread": [{"text": "two"}]});
    let made = gate.post("/v1/posts", &thread).await.expect(202);
    until("the first part is on its way", || async { (sent(&mine).await == 1).then_some(()) }).await;
    let frozen = freeze(&gate.caller("person:chief-1"), &format!("account:{FROZEN}")).await;
    assert_eq!(frozen["under_way"], 0, "the freeze waited for its answer");
    let stopped = gate.until_state(&id(&made), "frozen").await;
    assert_eq!(stopped["targets"][0]["attempts"][0]["code"], "frozen-begun", "{stopped}");
    assert_eq!(texts(&mine).await, ["one"]);
    problem(&gate.delete(&format!("/v1/posts/{}", id(&made))).await, "not-recallable");
    for who in ["person:chief-1", "person:ops-1"] {
        lift(&gate.caller(who), &frozen, json!({})).await.expect(200);
    }
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(texts(&mine).await, ["one"], "not by itself");
    assert_eq!(gate.read(&id(&made)).await["targets"][0]["waits_for"], "thawed");
    gate.caller("person:chief-1").vote(&id(&made), "approve").await.expect(200);
    gate.until_state(&id(&made), "published").await;
    assert_eq!(texts(&mine).await, ["one", "two"]);
}

#[tokio::test]
async fn a_freeze_tells_of_what_it_could_not_wait_for() {
    let (mine, theirs) = (network().await, network().await);
    let gate = plan(&mine, &theirs).start().await;
    mine.set_fault(Plan::next(1, "POST", STATUSES, Fault::Late { ms: 4000 })).await;
    gate.post("/v1/posts", &post(FROZEN, "slow")).await.expect(202);
    until("it is on its way", || async { (sent(&mine).await == 1).then_some(()) }).await;
    let frozen = freeze(&gate.caller("person:ops-1"), "org").await;
    assert_eq!(frozen["under_way"], 1, "{frozen}");
    problem(&gate.publish(&post(OTHER, "the whole organisation")).await, "frozen");
}

/// Posts that came due while they were frozen.
async fn waiting(gate: &Running, net: &sample_network::Running, clock: &ManualClock, texts: &[&str]) -> Vec<String> {
    let mut posts = Vec::new();
    for text in texts {
        net.set_fault(Plan::next(1, "POST", STATUSES, Fault::Status { status: 503, stored: false })).await;
        let made = gate.post("/v1/posts", &post(FROZEN, text)).await.expect(202);
        let again = format!("{text} will be tried again");
        until(&again, || async {
            let post = gate.read(&id(&made)).await;
            (post["targets"][0]["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty())).then_some(())
        })
        .await;
        posts.push(id(&made));
        // Ids have the order of their milliseconds.
        clock.advance(SignedDuration::from_millis(5));
    }
    posts
}

#[tokio::test]
async fn what_comes_due_is_held_and_goes_out_one_by_one() {
    let (mine, theirs) = (network().await, network().await);
    let clock = gate::clock();
    let mut gate = plan(&mine, &theirs).clock(&clock).start().await;
    let posts = waiting(&gate, &mine, &clock, &["first", "second", "third"]).await;
    let frozen = freeze(&gate.caller("person:chief-1"), "brand:acme/snacks").await;
    clock.advance(SignedDuration::from_secs(3601));
    gate.restart().await;
    let listed = gate.caller("person:chief-1").get("/v1/freezes").await.expect(200);
    assert_eq!(listed["freezes"][0]["id"], frozen["id"], "a restart does not thaw");
    for post in &posts {
        let stopped = gate.until_state(post, "frozen").await;
        assert_eq!(stopped["targets"][0]["attempts"].as_array().map(Vec::len), Some(1), "nothing was tried: {stopped}");
    }
    lift(&gate.caller("person:chief-1"), &frozen, json!({})).await.expect(200);
    let ops = gate.caller("person:ops-1");
    problem(&lift(&ops, &frozen, json!({"release_every_s": 0})).await, "invalid-request");
    let lifted = lift(&ops, &frozen, json!({"release_every_s": 30})).await.expect(200);
    assert_eq!(lifted["released"], 3, "{lifted}");
    gate.until_state(&posts[0], "published").await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(texts(&mine).await, ["first"]);
    clock.advance(SignedDuration::from_secs(30));
    gate.until_state(&posts[1], "published").await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(texts(&mine).await, ["first", "second"]);
    clock.advance(SignedDuration::from_secs(30));
    gate.until_state(&posts[2], "published").await;
}

#[tokio::test]
async fn who_may_freeze_and_what_is_asked_for() {
    let (mine, theirs) = (network().await, network().await);
    let gate = plan(&mine, &theirs).start().await;
    let ask = async |who: &str, scope: &str, reason: &str| {
        gate.caller(who).post("/v1/freezes", &json!({"scope": scope, "reason": reason})).await
    };
    for (who, scope) in [
        ("app:newsroom", "brand:acme/snacks"),
        ("person:editor-7", "brand:acme/snacks"),
        ("person:chief-drinks", "brand:acme/snacks"),
        ("person:chief-drinks", "brand:acme"),
        ("person:chief-drinks", "org"),
        ("person:chief-drinks", "campaign:spring"),
    ] {
        problem(&ask(who, scope, "drill").await, "no-grant");
    }
    for (scope, reason) in [
        ("brand:acme/snack", "drill"),
        ("account:nobody", "drill"),
        ("everything", "drill"),
        ("org", "He said: no"),
        ("org", ""),
    ] {
        problem(&ask("person:ops-1", scope, reason).await, "invalid-request");
    }
    ask("person:chief-drinks", &format!("account:{OTHER}"), "drill").await.expect(201);
    problem(&gate.publish(&post(OTHER, "x")).await, "frozen");
    gate.publish(&post(FROZEN, "x")).await.expect(201);
    ask("person:chief-1", "campaign:spring", "drill").await.expect(201);
    let mut campaign = post(FROZEN, "y");
    campaign["campaign"] = json!("spring");
    problem(&gate.publish(&campaign).await, "frozen");
    campaign["campaign"] = json!("autumn");
    gate.publish(&campaign).await.expect(201);
    let text = format!("{:?}", gate.leaves());
    assert!(text.contains("campaign drill") && !text.contains("spring"), "a campaign's name is in no leaf");
    assert_eq!(texts(&mine).await, ["x", "y"]);
    assert!(texts(&theirs).await.is_empty());
}

/// Subjects of the log's leaves about freezes, by their action.
fn told(gate: &Running, action: &str) -> Vec<(String, String)> {
    let change = |event| match event {
        Event::Change(change) if change.what == Changed::Freeze && change.action == action => {
            Some((change.subject, change.by))
        }
        _ => None,
    };
    gate.leaves().into_iter().filter_map(|leaf| change(leaf.event)).collect()
}

#[tokio::test]
async fn whoever_freezes_what_is_frozen_hears_by_whom_and_the_log_keeps_why() {
    let (mine, theirs) = (network().await, network().await);
    let gate = plan(&mine, &theirs).start().await;
    let (chief, ops) = (gate.caller("person:chief-1"), gate.caller("person:ops-1"));
    let first = freeze(&chief, "brand:acme/snacks").await;
    assert!(first["already"].is_null(), "{first}");
    let wish = |labels: Value| json!({"scope": "brand:acme/snacks", "reason": "lawsuit", "permit_labels": labels});
    let again = ops.post("/v1/freezes", &wish(json!(["holding", "more"]))).await.expect(200);
    assert_eq!((&again["already"], &again["id"]), (&json!(true), &first["id"]));
    let known = [("by", json!("chief-1")), ("reason", json!("data-leak")), ("permit_labels", json!(["holding"]))];
    for (field, value) in known {
        assert_eq!(again[field], value, "{again}");
    }
    assert_eq!(again["since"], first["since"]);
    let subject = format!("{} brand:acme/snacks lawsuit", id(&first));
    assert_eq!(told(&gate, "freeze-again"), [(subject, "ops-1".to_owned())]);
    // Who wants more stopped than the first freeze stops gets it.
    let stricter = ops.post("/v1/freezes", &wish(json!([]))).await.expect(201);
    assert_ne!(stricter["id"], first["id"]);
    problem(&gate.publish(&labelled(FROZEN, "We are looking into it")).await, "frozen");
}

#[tokio::test]
async fn a_statement_written_in_the_crisis_passes_by_the_word_of_another() {
    let (mine, theirs) = (network().await, network().await);
    let gate = plan(&mine, &theirs)
        .grant("editor-writes", "person:editor-7", "brand:acme", &["post.create", "post.read"])
        .grant("chief-writes", "person:chief-1", "brand:acme", &["post.create", "post.read"])
        .start()
        .await;
    let (chief, ops, editor) =
        (gate.caller("person:chief-1"), gate.caller("person:ops-1"), gate.caller("person:editor-7"));
    let scheduled = async |who: &Caller, text: &str| {
        let at = gate.gateway().clock.now().checked_add(SignedDuration::from_secs(1)).expect("a time");
        let mut body = post(FROZEN, text);
        body["schedule"] = json!({"at": at.to_string()});
        id(&who.post("/v1/posts", &body).await.expect(202))
    };
    let (statement, own) = (scheduled(&editor, "We are sorry").await, scheduled(&chief, "Mine").await);
    let frozen = freeze(&ops, "brand:acme/snacks").await;
    for post in [&statement, &own] {
        gate.until_state(post, "frozen").await;
    }
    let permit = async |who: &Caller, post: &str, version: Value| {
        who.post(&format!("/v1/freezes/{}/permit", id(&frozen)), &json!({"post": post, "version": version})).await
    };
    problem(&permit(&editor, &statement, Value::Null).await, "no-grant");
    problem(&permit(&gate.caller("app:newsroom"), &statement, Value::Null).await, "no-grant");
    problem(&permit(&chief, &own, Value::Null).await, "no-grant");
    problem(&permit(&chief, &statement, json!(2)).await, "content-changed");
    problem(&permit(&chief, "post_nobody", Value::Null).await, "not-found");
    let elsewhere = gate.publish(&post(OTHER, "of another brand")).await.expect(201);
    problem(&permit(&chief, &id(&elsewhere), Value::Null).await, "invalid-request");
    assert_eq!(mine.count("POST", STATUSES).await, 0);
    let view = permit(&chief, &statement, json!(1)).await.expect(200);
    assert_eq!(view["permit_posts"], json!([{"post": statement, "version": 1}]));
    gate.until_state(&statement, "published").await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(texts(&mine).await, ["We are sorry"], "and nothing else");
    assert_eq!(gate.read(&own).await["state"], "frozen");
    let subject = format!("{} brand:acme/snacks {statement} 1", id(&frozen));
    assert_eq!(told(&gate, "permit"), [(subject, "chief-1".to_owned())]);
}

#[tokio::test]
async fn people_freeze_by_the_command_line_with_their_own_keys() {
    let (mine, theirs) = (network().await, network().await);
    let gate = plan(&mine, &theirs).spawn().await;
    let command = async |who: &str, line: &str| {
        let run = tokio::process::Command::new(tests::harness::built::program())
            .args(line.split(' '))
            .current_dir(gate.site.folder())
            .env_remove("PRESSGATE_OPERATOR_KEY")
            .env("PRESSGATE_KEY", gate.site.key(who))
            .stdin(std::process::Stdio::null())
            .output();
        let output = run.await.expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let begin = "freeze begin --brand acme/snacks --reason drill";
    let (code, _, err) = command("person:editor-7", begin).await;
    assert!(code == Some(1) && err.contains("respond or approve"), "{err}");
    let (code, out, err) = command("person:chief-1", &format!("{begin} --json")).await;
    assert_eq!(code, Some(0), "{err}");
    let frozen: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(frozen["by"], "chief-1");
    problem(&gate.publish(&post(FROZEN, "x")).await, "frozen");
    let (code, out, err) = command("person:ops-1", &begin.replace("drill", "flood")).await;
    assert_eq!(code, Some(0), "{err}");
    for part in ["is frozen already, by chief-1 since 20", "(drill)", "(flood)", &id(&frozen)] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let (_, out, _) = command("person:chief-1", "freeze list").await;
    assert!(out.contains(&id(&frozen)) && out.contains("chief-1"), "{out}");
    for (who, says) in [("person:chief-1", "still frozen"), ("person:ops-1", "is thawed")] {
        let (code, out, err) = command(who, &format!("thaw {}", id(&frozen))).await;
        assert!(code == Some(0) && out.contains(says), "{out}{err}");
    }
    gate.publish(&post(FROZEN, "x")).await.expect(201);
}

#[tokio::test]
async fn operators_freeze_and_thaw_by_the_command_line() {
    let (mine, theirs) = (network().await, network().await);
    let gate = plan(&mine, &theirs).spawn().await;
    std::fs::write(gate.site.path("ops"), gate.site.key("person:ops-1")).expect("written");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(gate.site.path("ops"), std::fs::Permissions::from_mode(0o600)).expect("set");
    let command = async |line: &str| {
        let mut arguments: Vec<&str> = line.split(' ').collect();
        arguments.extend(["--key-file", "ops"]);
        gate.command(&arguments).await
    };
    let (code, out, err) = command("freeze begin --brand acme/snacks --reason drill --json").await;
    assert_eq!(code, Some(0), "{err}");
    let frozen: Value = serde_json::from_str(&out).expect("JSON");
    let newsroom = gate.caller("app:newsroom");
    problem(&newsroom.publish(&post(FROZEN, "x")).await, "frozen");
    let (_, out, _) = command("freeze list").await;
    assert!(out.contains(&id(&frozen)) && out.contains("brand:acme/snacks") && out.contains("drill"), "{out}");
    let (code, out, _) = command(&format!("thaw {}", id(&frozen))).await;
    assert!(code == Some(0) && out.contains("still frozen"), "{out}");
    let (code, _, err) = command(&format!("thaw {}", id(&frozen))).await;
    assert!(code == Some(1) && err.contains("another person"), "{err}");
    lift(&gate.caller("person:chief-1"), &frozen, json!({})).await.expect(200);
    newsroom.publish(&post(FROZEN, "x")).await.expect(201);
}
