//! Who is told of what: each person once for each event, whatever becomes of the process.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use pressgate::clock::Clock;
use pressgate::records::NoticeState;
use sample_network::{Fault, Plan};
use serde_json::{Value, json};
use tests::harness::gate::clock;
use tests::harness::smtp::{Mail, Mood, Smtp};
use tests::harness::{Caller, Gate, network, until};

use crate::cli::run_as;
use crate::samples::{STATUSES, id, post};

/// After this everything was looked at for the last time.
pub const LOOKED_AGAIN: Duration = Duration::from_millis(4_500);
/// What no notice may hold.
const CONTENT: &str = "cheap crisps";
/// Two who approve for everything, two who write, one who runs the gateway and answers for the apps.
const PEOPLE: [(&str, &str); 5] = [
    ("chief-1", "roles = [\"approver\"]\napproves = [\"acme\"]"),
    ("chief-drinks", "roles = [\"approver\"]\napproves = [\"acme\"]"),
    ("editor-7", "roles = [\"author\"]"),
    ("editor-8", "roles = [\"author\"]"),
    ("ops-1", "roles = [\"operator\"]"),
];

/// Tells everybody of the cast by this server, at once.
pub fn telling(gate: Gate, smtp: &Smtp) -> Gate {
    let person =
        |(id, roles): (&str, &str)| format!("[[person]]\nid = {id:?}\n{roles}\nemail = \"{id}@acme.example\"\n");
    gate.setting("notices.base_url", "\"https://gate.acme.example\"")
        .setting("notices.smtp", &format!("\"smtp://127.0.0.1:{}\"", smtp.port))
        .setting("notices.from", "\"gate@acme.example\"")
        .setting("notices.gather_seconds", "0")
        .setting("notices.per_second", "100")
        .govern(|it| {
            it.file("people.toml", &PEOPLE.map(person).concat());
            let actions = ["post.create", "post.read"];
            it.grant("editor-writes", "person:editor-7", "brand:acme", &actions);
        })
}

fn asking(gate: Gate, rule: &str) -> Gate {
    let rule = format!("[[rule]]\nname = \"all\"\nbrands = [\"acme\"]\n{rule}\n");
    gate.govern(|it| {
        it.file("approvals.toml", &rule);
    })
}

/// Whom a mail was to, and each notice in it: title and link.
fn notices(mails: &[Mail]) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for mail in mails {
        let (to, text) = (mail.to[0].split('@').next().expect("a name").to_owned(), mail.text());
        assert!(!text.contains(CONTENT), "a notice holds nothing of what a post says: {text}");
        for paragraph in text.split("\n\n") {
            let lines: Vec<&str> = paragraph.lines().collect();
            if let [title, _, link] = lines.as_slice()
                && let Some(path) = link.strip_prefix("https://gate.acme.example")
            {
                let title = title.split(" (").next().expect("a title");
                all.push((to.clone(), title.to_owned(), path.to_owned()));
            }
        }
    }
    all.sort();
    all
}

/// Waits until so many notices came, and then whether more do.
async fn exactly(smtp: &Smtp, expected: &[(&str, &str, &str)]) {
    let expected: Vec<(String, String, String)> =
        expected.iter().map(|(to, title, path)| ((*to).to_owned(), (*title).to_owned(), (*path).to_owned())).collect();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while notices(&smtp.taken()).len() < expected.len() {
        assert!(tokio::time::Instant::now() < deadline, "{:#?}", notices(&smtp.taken()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(LOOKED_AGAIN).await;
    assert_eq!(notices(&smtp.taken()), expected);
}

/// Says no, with the reason that a no needs.
async fn reject(caller: &Caller, held: &Value) {
    let vote = json!({"decision": "reject", "note": "not now"});
    caller.post(&format!("/v1/posts/{}/votes", id(held)), &vote).await.expect(200);
}

const WANTED: &str = "Your vote is wanted";
const ESCALATED: &str = "A vote was escalated to you";
const REJECTED: &str = "A post was rejected";
const ATTENTION: &str = "A post needs attention";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_agree_and_who_wrote_hear_of_it_once() {
    let (smtp, net) = (Smtp::start().await, network().await);
    let plan = telling(Gate::new().account("acme-mastodon", &net), &smtp);
    let mut gate = asking(plan, "stages = [{ n = 2, role = \"approver\" }]").start().await;
    let held = gate.publish(&post("acme-mastodon", CONTENT)).await.expect(202);
    let link = format!("/people/posts/{}", id(&held));
    exactly(&smtp, &[("chief-1", WANTED, &link), ("chief-drinks", WANTED, &link)]).await;
    gate.restart().await;
    // One of two: the stage stays open for the other, who knows.
    gate.caller("person:chief-1").vote(&id(&held), "approve").await.expect(200);
    exactly(&smtp, &[("chief-1", WANTED, &link), ("chief-drinks", WANTED, &link)]).await;
    reject(&gate.caller("person:chief-drinks"), &held).await;
    let all = [("chief-1", WANTED, link.as_str()), ("chief-drinks", WANTED, &link), ("ops-1", REJECTED, &link)];
    exactly(&smtp, &all).await;
    gate.restart().await;
    exactly(&smtp, &all).await;
    assert_eq!(smtp.faults(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_that_nobody_gives_is_escalated_and_a_later_stage_asks_others() {
    let (smtp, net, clock) = (Smtp::start().await, network().await, clock());
    let rule = "stages = [{ n = 1, people = [\"chief-1\"] }, { n = 1, people = [\"editor-8\"] }]\n\
        escalate = [{ after = \"4h\", to = { people = [\"chief-drinks\"] } }]";
    let plan = telling(Gate::new().account("acme-mastodon", &net), &smtp).clock(&clock);
    let mut gate = asking(plan, rule).start().await;
    let held = gate.caller("person:editor-7").publish(&post("acme-mastodon", CONTENT)).await.expect(202);
    let link = format!("/people/posts/{}", id(&held));
    exactly(&smtp, &[("chief-1", WANTED, &link)]).await;
    clock.advance(SignedDuration::from_mins(239));
    exactly(&smtp, &[("chief-1", WANTED, &link)]).await;
    clock.advance(SignedDuration::from_mins(1));
    let escalated = [("chief-1", WANTED, link.as_str()), ("chief-drinks", ESCALATED, &link)];
    exactly(&smtp, &escalated).await;
    gate.restart().await;
    exactly(&smtp, &escalated).await;
    gate.caller("person:chief-1").vote(&id(&held), "approve").await.expect(200);
    // Whom it was escalated to counts in the stage that waits, whichever that is.
    let all = [
        ("chief-1", WANTED, link.as_str()),
        ("chief-drinks", ESCALATED, &link),
        ("chief-drinks", ESCALATED, &link),
        ("editor-8", WANTED, &link),
    ];
    exactly(&smtp, &all).await;
    reject(&gate.caller("person:editor-8"), &held).await;
    let mut with_author = all.to_vec();
    with_author.insert(3, ("editor-7", REJECTED, &link));
    exactly(&smtp, &with_author).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stopped_is_told_to_its_author_and_those_who_approve() {
    let (smtp, net, clock) = (Smtp::start().await, network().await, clock());
    let plan = telling(Gate::new().account("acme-mastodon", &net), &smtp).clock(&clock);
    let mut gate = plan.start().await;
    net.set_fault(Plan::next(1, "POST", STATUSES, Fault::Status { status: 422, stored: false })).await;
    let failed = gate.post("/v1/posts", &post("acme-mastodon", CONTENT)).await.expect(202);
    gate.until_state(&id(&failed), "failed").await;
    let first = format!("/people/posts/{}", id(&failed));
    let to = |person, link| (person, ATTENTION, link);
    let told = ["chief-1", "chief-drinks", "ops-1"].map(|person| to(person, first.as_str()));
    exactly(&smtp, &told).await;

    // Due while nobody looked, and later than it may be.
    let mut body = post("acme-mastodon", CONTENT);
    body["schedule"] = json!({"at": (clock.now() + SignedDuration::from_hours(1)).to_string()});
    let late = gate.caller("person:editor-7").post("/v1/posts", &body).await.expect(202);
    gate.stop().await;
    clock.advance(SignedDuration::from_hours(10));
    gate.restart().await;
    let second = format!("/people/posts/{}", id(&late));
    let mut all = told.to_vec();
    all.extend(["chief-1", "chief-drinks", "editor-7"].map(|person| to(person, second.as_str())));
    all.sort_unstable();
    exactly(&smtp, &all).await;
    gate.restart().await;
    exactly(&smtp, &all).await;
    assert_eq!(net.count("POST", STATUSES).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_that_can_not_be_sent_are_listed_without_addresses() {
    let (smtp, net) = (Smtp::start().await, network().await);
    smtp.set(Mood::Refuse("RCPT", 450));
    let plan = telling(Gate::new().account("acme-mastodon", &net), &smtp);
    let gate = asking(plan, "stages = [{ n = 1, role = \"approver\" }]").spawn().await;
    let held = gate.publish(&post("acme-mastodon", CONTENT)).await.expect(202);
    let listed = until("they wait", || async {
        let listed = run_as(&gate, "person:ops-1", "notices list --json", "").json(0);
        (listed.as_array().map(Vec::len) == Some(2)).then_some(listed)
    })
    .await;
    let mut to: Vec<&str> = listed.as_array().expect("a list").iter().filter_map(|row| row["to"].as_str()).collect();
    to.sort_unstable();
    assert_eq!(to, ["person:chief-1", "person:chief-drinks"]);
    let row = &listed[0];
    let told = (&row["state"], &row["channel"], &row["kind"], &row["post"], &row["account"]);
    let expected = (&json!("waiting"), &json!("mail"), &json!("vote-wanted"), &held["id"], &json!("acme-mastodon"));
    assert_eq!(told, expected);
    assert!(!listed.to_string().contains('@') && !listed.to_string().contains("/people/"), "{listed}");
    let text = run_as(&gate, "person:ops-1", "notices list", "");
    assert!(text.text(0).contains("vote-wanted") && !text.text(0).contains('@'), "{text:?}");
    let metrics = tests::http::get(&format!("{}/metrics", operators(&gate)), "").await.text();
    assert!(metrics.contains("pressgate_notices_waiting{channel=\"mail\"}"), "{metrics}");
}

fn operators(gate: &tests::harness::GateProcess) -> String {
    let told = std::fs::read_to_string(gate.site.path("data/listening.json")).expect("a word where it listens");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    format!("http://{}", told["operator"].as_str().expect("an address"))
}

/// Killed again and again while posts begin to wait: each approver has one notice of each post, and was mailed of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_the_log_and_the_notice_loses_none_and_doubles_none() {
    const KILLS: u64 = 8;
    const POSTS: usize = 6;
    let (smtp, net) = (Smtp::start().await, network().await);
    let plan = telling(Gate::new().account("acme-mastodon", &net), &smtp);
    let mut gate = asking(plan, "stages = [{ n = 1, role = \"approver\" }]").spawn().await;
    let mut posts = Vec::new();
    for kill in 0..KILLS {
        for number in 0..POSTS {
            let held = gate.publish(&post("acme-mastodon", &format!("{CONTENT} {kill} {number}"))).await.expect(202);
            posts.push(id(&held));
        }
        tokio::time::sleep(Duration::from_millis(kill * 37 % 300)).await;
        gate.kill9().await;
        gate.restart().await;
    }
    let mailed = || {
        let mut mailed: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (to, _, link) in notices(&smtp.taken()) {
            *mailed.entry((to, link)).or_default() += 1;
        }
        mailed
    };
    until("all were told", || async { (mailed().len() == 2 * posts.len()).then_some(()) }).await;
    tokio::time::sleep(LOOKED_AGAIN).await;
    assert_eq!(mailed().len(), 2 * posts.len(), "nobody else was told of anything else");
    gate.terminate().await;
    let stores = gate.site.stores().await;
    let sent = stores.records.notices(NoticeState::Sent, 10_000).await.expect("readable");
    let mut kept: BTreeMap<(String, String), usize> = BTreeMap::new();
    for notice in &sent {
        let post = notice.text.post.as_ref().expect("a post").to_string();
        *kept.entry((notice.text.addressee.clone(), post)).or_default() += 1;
    }
    assert_eq!(kept.len(), 2 * posts.len());
    assert!(kept.values().all(|count| *count == 1), "one notice for each person and event: {kept:?}");
    stores.audit.close();
    let twice = mailed().values().filter(|count| **count > 1).count();
    let under_way = usize::try_from(KILLS).expect("few") * 2 * POSTS;
    assert!(twice < under_way, "only a mail that was under way at a crash may come again: {twice}");
}
