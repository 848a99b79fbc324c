//! The program is killed while posts fall due on networks of every kind that there is: one that knows a repeated key for an hour,
//! one where the client names the record, one that can only be looked at, one that tells nothing. Answers are lost at random, and
//! some starts find the clock 61 minutes further. Nothing is forgotten, nothing stands twice, and a person is asked only about the
//! network that tells nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sample_network::{Fault, Plan, Silence};
use serde_json::{Value, json};
use tests::harness::{Gate, GateProcess, network};
use tests::networks::pds::{Pds, PostRecord};
use tests::networks::proxy::{Proxy, Vanish};

use crate::crash::{Random, check_log, setting};
use crate::samples::{STATUSES, id, post};

/// Kills in CI; `PRESSGATE_SOAK` says how many otherwise.
const KILLS: u64 = 8;
/// Posts that fall due around each kill, and within which time.
const POSTS_DUE: u64 = 7;
const DUE_WITHIN_MS: u64 = 1_500;
/// Every so many starts find the clock this much further: past the hour for which a network knows a key.
const MOVED_EVERY: u64 = 3;
const MOVED_BY: Duration = Duration::from_secs(61 * 60);
/// Later than this a strict post waits for a person; any other goes out whenever it can.
const STRICT_S: u64 = 120;
const PATIENT_S: u64 = 60 * 86_400;
/// How long all posts may take to come to rest.
const SETTLE: Duration = Duration::from_secs(180);

const KEYED: &str = "acme-mastodon";
const NAMED: &str = "acme-bluesky";
const LOOKED_UP: &str = "acme-look-up";
const MUTE: &str = "acme-none";
const ACCOUNTS: [&str; 4] = [KEYED, NAMED, LOOKED_UP, MUTE];
const CREATE_RECORD: &str = "/xrpc/com.atproto.repo.createRecord";

/// The networks behind the accounts.
struct Networks {
    samples: BTreeMap<&'static str, sample_network::Running>,
    pds: Pds,
    proxy: Proxy,
}

/// A post on a network.
struct Standing {
    text: String,
    /// The network's name for it.
    id: String,
    /// When it was made, where the client says that.
    made_at: Option<Timestamp>,
}

/// What was asked for: text by post, and account.
#[derive(Default)]
struct Asked(BTreeMap<String, (&'static str, String)>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_counted_kill9_while_posts_fall_due_forgets_none_and_repeats_none() {
    let kills = setting("PRESSGATE_SOAK").unwrap_or(KILLS);
    println!("{kills} kills");
    let mut random = Random::seeded();
    let Some(networks) = Networks::start().await else { return };
    let mut gate = networks.gate().await;
    let mut asked = Asked::default();
    for round in 0..kills {
        networks.spoil(&mut random).await;
        for number in 0..POSTS_DUE {
            asked.one(&gate, &mut random, format!("due {round} {number}")).await;
        }
        tokio::time::sleep(Duration::from_millis(random.below(DUE_WITHIN_MS))).await;
        gate.kill9().await;
        if round % MOVED_EVERY == MOVED_EVERY - 1 {
            networks.move_clock(&mut gate).await;
        }
        gate.restart().await;
    }
    networks.heal().await;
    // Whoever waits for another attempt waits no longer.
    assert_eq!(gate.terminate().await, Some(0));
    networks.move_clock(&mut gate).await;
    gate.restart().await;
    let mut told = settle(&gate, &asked).await;
    println!("{told:?}");
    let unknown = std::mem::take(&mut told.unknown);
    resolve(&gate, &networks, &asked, &unknown).await;
    let told = settle(&gate, &asked).await;
    assert!(told.unknown.is_empty(), "{told:?}");
    check(&gate, &networks, &asked).await;
}

impl Networks {
    async fn start() -> Option<Self> {
        let pds = Pds::start().await?;
        let proxy = Proxy::start(&pds.url).await.expect("a free port");
        let samples = BTreeMap::from([(KEYED, network().await), (LOOKED_UP, network().await), (MUTE, network().await)]);
        Some(Self { samples, pds, proxy })
    }

    async fn gate(&self) -> GateProcess {
        let account = self.pds.account("acme.test");
        let named =
            vec![("identifier".to_owned(), account.handle.clone()), ("password".to_owned(), account.password.clone())];
        let token = || vec![("token".to_owned(), tests::harness::TOKEN.to_owned())];
        let mut gate = Gate::new().account(KEYED, &self.samples[KEYED]).setting("egress.timeout_ms", "3000");
        gate = gate.grant("editor-writes", "person:editor-7", "brand:acme", &["post.create", "post.read"]);
        gate = gate.account_on("bluesky", "acme/snacks", NAMED, &self.proxy.url, "session", named);
        for id in [LOOKED_UP, MUTE] {
            gate = gate.account_on("keyless", "acme/snacks", id, &self.samples[id].url, "token", token());
        }
        gate.spawn().await
    }

    /// Some of the next answers do not come, on each network or not.
    async fn spoil(&self, random: &mut Random) {
        self.heal().await;
        for net in self.samples.values() {
            let how = if random.below(2) == 0 { Silence::Hang } else { Silence::Close };
            let fault = Fault::NoAnswer { stored: random.below(2) == 0, how };
            let skip = u32::try_from(random.below(3)).expect("small");
            net.set_fault(Plan { skip, ..Plan::next(2, "POST", STATUSES, fault) }).await;
        }
        if random.below(2) == 0 {
            let how = if random.below(2) == 0 { Vanish::Hold } else { Vanish::Cut };
            self.proxy.vanish(CREATE_RECORD, 1, how);
        }
    }

    async fn heal(&self) {
        for net in self.samples.values() {
            net.clear_faults().await;
        }
    }

    async fn move_clock(&self, gate: &mut GateProcess) {
        gate.move_clock(MOVED_BY);
        for net in self.samples.values() {
            net.advance_clock(MOVED_BY).await;
        }
    }

    /// What stands on the network of an account.
    async fn standing(&self, account: &str) -> Vec<Standing> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        if account == NAMED {
            let records = self.pds.records(self.pds.account("acme.test")).await.into_iter();
            let standing = |record: PostRecord| Standing {
                text: text(&record.value["text"]),
                made_at: Some(text(&record.value["createdAt"]).parse().expect("a time")),
                id: record.uri,
            };
            return records.map(standing).collect();
        }
        let statuses = self.samples[account].timeline().await;
        let standing =
            |status: &Value| Standing { text: text(&status["text"]), id: text(&status["id"]), made_at: None };
        statuses.iter().map(standing).collect()
    }

    /// Requests that would publish, by text.
    async fn requests(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for net in self.samples.values() {
            let sent = net.requests().await.into_iter();
            let sent = sent.filter(|request| request.method == "POST" && request.path == STATUSES);
            texts.extend(sent.map(|request| field(&request.body, "/status")));
        }
        let sent = self.proxy.requests().into_iter().filter(|seen| seen.path == CREATE_RECORD);
        texts.extend(sent.map(|seen| field(&seen.body, "/record/text")));
        texts
    }
}

fn field(body: &[u8], pointer: &str) -> String {
    let body: Value = serde_json::from_slice(body).expect("JSON");
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {body}")).to_owned()
}

impl Asked {
    /// Has a post fall due soon on an account at random.
    async fn one(&mut self, gate: &GateProcess, random: &mut Random, text: String) {
        let account = ACCOUNTS[usize::try_from(random.below(4)).expect("small")];
        let at = gate.now() + SignedDuration::from_millis(500 + random.below(DUE_WITHIN_MS).cast_signed());
        let late_max_s = if random.below(4) == 0 { STRICT_S } else { PATIENT_S };
        let mut body = post(account, &text);
        body["schedule"] = json!({ "at": at.to_string(), "late_max_s": late_max_s });
        let made = gate.caller("app:newsroom").post("/v1/posts", &body).await;
        self.0.insert(id(&made.expect(202)), (account, text));
    }
}

/// Where the posts came to rest.
#[derive(Debug, Default)]
struct Told {
    published: usize,
    /// Held for being late, and confirmed by a person.
    confirmed: usize,
    /// Those of the network that tells nothing.
    unknown: BTreeSet<String>,
}

/// Waits until every post is out, or a person is needed; the late ones a person confirms.
async fn settle(gate: &GateProcess, asked: &Asked) -> Told {
    let (mut told, mut open) = (Told::default(), asked.0.clone());
    let deadline = tokio::time::Instant::now() + SETTLE;
    while !open.is_empty() {
        let mut waiting = BTreeMap::new();
        for (post, (account, text)) in std::mem::take(&mut open) {
            let view = gate.read(&post).await;
            let target = &view["targets"][0];
            match (target["state"].as_str().expect("a state"), target["waits_for"].as_str()) {
                ("published", _) => told.published += 1,
                ("unknown", _) if account == MUTE && last(&target["attempts"])["code"] == "cannot-know" => {
                    told.unknown.insert(post);
                }
                ("held", Some("overdue")) => {
                    let chief = gate.caller("person:chief-1");
                    chief.post(&format!("/v1/posts/{post}/approve"), &json!({"version": 1})).await.expect(200);
                    told.confirmed += 1;
                    waiting.insert(post, (account, text));
                }
                _ => {
                    assert!(tokio::time::Instant::now() < deadline, "{text} does not come to rest: {view}");
                    waiting.insert(post, (account, text));
                }
            }
        }
        open = waiting;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    told
}

fn last(list: &Value) -> &Value {
    list.as_array().and_then(|list| list.last()).unwrap_or(&Value::Null)
}

/// A person looks at the network that tells the gateway nothing, and says what became of each post.
async fn resolve(gate: &GateProcess, networks: &Networks, asked: &Asked, unknown: &BTreeSet<String>) {
    let standing = networks.standing(MUTE).await;
    let standing: BTreeMap<_, _> = standing.iter().map(|one| (&one.text, &one.id)).collect();
    for post in unknown {
        let found = standing.get(&asked.0[post].1);
        let mut body = json!({"account": MUTE, "published": found.is_some(), "note": "I looked."});
        if let Some(id) = found {
            body["platform_id"] = json!(id);
        }
        let editor = gate.caller("person:editor-7");
        editor.post(&format!("/v1/posts/{post}/resolve"), &body).await.expect(200);
        if found.is_none() {
            let again = editor.post(&format!("/v1/posts/{post}/retry"), &json!({"account": MUTE})).await;
            again.expect(200);
        }
    }
}

async fn check(gate: &GateProcess, networks: &Networks, asked: &Asked) {
    for account in ACCOUNTS {
        let standing = networks.standing(account).await;
        let wanted: BTreeMap<_, _> =
            asked.0.iter().filter(|(_, (of, _))| *of == account).map(|(post, (_, text))| (text, post)).collect();
        let stands: BTreeMap<_, _> = standing.iter().map(|one| (&one.text, one)).collect();
        println!("{account}: {} due, {} stand", wanted.len(), standing.len());
        assert_eq!(stands.len(), standing.len(), "{account}: a post stands twice");
        assert_eq!(stands.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{account}");
        for (text, post) in wanted {
            let (view, stands) = (gate.read(post).await, stands[text]);
            let known = view["targets"][0]["platform_id"].as_str().unwrap_or_default();
            assert!(known.starts_with(&stands.id), "{view} is {}", stands.id);
            // It looks as young as it is, however long it waited.
            let due: Timestamp = view["due_at"].as_str().and_then(|at| at.parse().ok()).expect("a time");
            let young = stands.made_at.is_none_or(|made_at| made_at.as_millisecond() >= due.as_millisecond());
            assert!(young, "{text} was due at {due} and shows {:?}", stands.made_at);
        }
    }
    let by_text: BTreeMap<_, _> = asked.0.iter().map(|(post, (_, text))| (text, post)).collect();
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for text in networks.requests().await {
        *counted.entry(by_text[&text].clone()).or_default() += 1;
    }
    check_log(&gate.leaves(), &counted);
}
