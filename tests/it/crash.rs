//! The program is killed at any moment under load: nothing acknowledged is lost, nothing leaves unrecorded, nothing is
//! there twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pressgate::audit::{Event, Leaf};
use pressgate::clock::{Clock, SystemClock};
use serde_json::Value;
use tests::harness::caller::JSON;
use tests::harness::{Caller, Gate, GateProcess, intents, network};

use crate::samples::{STATUSES, id, post, texts};

/// Kills in CI; `PRESSGATE_SOAK` says how many otherwise.
const KILLS: u64 = 12;
const CONNECTIONS: u64 = 8;
/// The kill comes within this time after the load began.
const LOAD_MS: u64 = 700;

/// Texts that one sender posted, each with the post's id where it was acknowledged.
type Answers = Vec<(String, Option<String>)>;

/// Random numbers from a seed that the test prints (xorshift64*).
pub struct Random(u64);

impl Random {
    /// From `PRESSGATE_SEED`, else from the time of day.
    pub fn seeded() -> Self {
        let seed = setting("PRESSGATE_SEED").unwrap_or(SystemClock.now().as_millisecond().unsigned_abs());
        println!("PRESSGATE_SEED={seed}");
        Self(seed | 1)
    }

    /// A number from 0 to one less than `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

/// What a client knows of each of its requests; text and `Idempotency-Key` are the same.
#[derive(Default)]
struct Ledger {
    /// The id in a 201 or 202.
    acknowledged: BTreeMap<String, String>,
    /// Sent, and no answer came.
    unanswered: BTreeSet<String>,
}

/// A number from the environment.
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_counted_kill9_loses_nothing_and_repeats_nothing() {
    let kills = setting("PRESSGATE_SOAK").unwrap_or(KILLS);
    println!("{kills} kills");
    let mut random = Random::seeded();
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    let mut ledger = Ledger::default();
    for round in 0..kills {
        let again = some_of(&ledger.unanswered, &mut random);
        let load = start_load(&gate, round, again);
        tokio::time::sleep(Duration::from_millis(random.below(LOAD_MS))).await;
        gate.kill9().await;
        load.end(&mut ledger).await;
        gate.restart().await;
    }
    println!("{} acknowledged, {} unanswered", ledger.acknowledged.len(), ledger.unanswered.len());
    assert!(ledger.acknowledged.len() as u64 >= kills, "there was a load");
    settle(&gate, &mut ledger).await;
    check(&gate, &net, &ledger).await;
}

/// About half of those whose fate the client does not know are tried again at once, the others at the end.
fn some_of(unanswered: &BTreeSet<String>, random: &mut Random) -> Vec<String> {
    unanswered.iter().filter(|_| random.below(2) == 0).cloned().collect()
}

struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Answers>>,
}

/// Posts on eight connections until the gateway is gone.
fn start_load(gate: &GateProcess, round: u64, again: Vec<String>) -> Load {
    let stop = Arc::new(AtomicBool::new(false));
    let again = Arc::new(std::sync::Mutex::new(again));
    let tasks = (0..CONNECTIONS).map(|connection| {
        let (caller, stop, again) = (gate.caller("app:newsroom"), Arc::clone(&stop), Arc::clone(&again));
        tokio::spawn(async move {
            let mut told = Vec::new();
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let before = again.lock().expect("a whole list").pop();
                let text = before.unwrap_or_else(|| format!("{round}.{connection}.{number}"));
                // Half of the connections wait for the outcome.
                let answer = send(&caller, &text, connection % 2 == 0).await;
                let gone = answer.is_none();
                told.push((text, answer.flatten()));
                if gone {
                    break;
                }
            }
            told
        })
    });
    Load { tasks: tasks.collect(), stop }
}

/// None where no answer came; the post's id where it was acknowledged.
#[allow(clippy::option_option, reason = "no answer, an answer without an id, an id")]
async fn send(caller: &Caller, text: &str, wait: bool) -> Option<Option<String>> {
    let mut headers = vec![JSON, ("idempotency-key", text)];
    if wait {
        headers.push(("prefer", "wait=10"));
    }
    let answer = caller.try_send("POST", "/v1/posts", &headers, post("acme-mastodon", text).to_string()).await.ok()?;
    match answer.status {
        201 | 202 => Some(Some(id(&answer.json()))),
        409 | 503 => Some(None),
        other => panic!("{text}: {other}: {}", answer.text()),
    }
}

impl Load {
    async fn end(self, ledger: &mut Ledger) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            for (text, answer) in task.await.expect("no panic") {
                note(ledger, text, answer);
            }
        }
    }
}

fn note(ledger: &mut Ledger, text: String, answer: Option<String>) {
    match answer {
        Some(post) => {
            ledger.unanswered.remove(&text);
            let before = ledger.acknowledged.insert(text.clone(), post.clone());
            assert!(before.is_none_or(|before| before == post), "{text} was acknowledged as two posts");
        }
        None => {
            if !ledger.acknowledged.contains_key(&text) {
                ledger.unanswered.insert(text);
            }
        }
    }
}

/// Every client asks once more for what it does not know, and all posts come to rest.
async fn settle(gate: &GateProcess, ledger: &mut Ledger) {
    for text in ledger.unanswered.clone() {
        let told = tests::harness::until(&format!("{text} is acknowledged"), || async {
            send(gate, &text, true).await.flatten()
        })
        .await;
        note(ledger, text, Some(told));
    }
    for (text, post) in &ledger.acknowledged {
        let view = gate.until_state(post, "published").await;
        let parts = view["targets"][0]["parts"].as_array().map(Vec::len);
        assert_eq!(parts, Some(1), "{text}: {view}");
    }
}

async fn check(gate: &GateProcess, net: &sample_network::Running, ledger: &Ledger) {
    // No post twice, and none that nobody asked for.
    let stands = texts(net).await;
    let unique: BTreeSet<_> = stands.iter().cloned().collect();
    assert_eq!(unique.len(), stands.len(), "a post stands twice");
    assert_eq!(unique, ledger.acknowledged.keys().cloned().collect::<BTreeSet<_>>());
    // What the records say is what stands.
    for status in net.timeline().await {
        let view = gate.read(&ledger.acknowledged[status["text"].as_str().expect("a text")]).await;
        assert_eq!(view["targets"][0]["platform_id"], status["id"], "{view}");
    }
    // Each request that the network counted has its intent in the log.
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for request in net.requests().await {
        if request.method == "POST" && request.path == STATUSES {
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            let text = body["status"].as_str().expect("a text");
            *counted.entry(ledger.acknowledged[text].clone()).or_default() += 1;
        }
    }
    check_log(&gate.leaves(), &counted);
}

/// The log accounts for what reached the networks: no more requests for a post than it has intents, and each intent has its
/// outcome.
pub fn check_log(leaves: &[Leaf], requests: &BTreeMap<String, usize>) {
    let mut intended: HashMap<String, usize> = HashMap::new();
    for (_, intent) in intents(leaves) {
        *intended.entry(intent.post).or_default() += 1;
    }
    for (post, count) in requests {
        let intended = intended.get(post).copied().unwrap_or(0);
        assert!(*count <= intended, "{post}: {count} requests at the network, {intended} intents in the log");
    }
    let mut open: BTreeSet<u64> = intents(leaves).into_iter().map(|(index, _)| index).collect();
    let all = open.clone();
    for leaf in leaves {
        if let Event::Outcome(outcome) = &leaf.event {
            assert!(all.contains(&outcome.intent), "an outcome of no intent: {outcome:?}");
            open.remove(&outcome.intent);
        }
    }
    assert!(open.is_empty(), "intents without an outcome: {open:?}");
    println!("{} leaves, {} requests, {} posts", leaves.len(), requests.values().sum::<usize>(), requests.len());
}
