//! People are told: by mails to a real mail server, and by signed webhooks.

pub mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pressgate::audit::RealDisk;
use pressgate::clock::{Clock, ManualClock};
use pressgate::config::Config;
use pressgate::egress::{Egress, EgressOptions};
use pressgate::model::{AccountId, PersonId, PostId};
use pressgate::notices::{Address, Kind, Notice, NoticeParts, Notices, tell_log};
use pressgate::records::NoticeState;
use pressgate::start::{Parts, Stores, open_stores};
use pressgate::stop::{Phase, Stop};
use pressgate::vault::create_kek_file;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::harness::smtp::{Mail, Mood, Smtp};
use tests::harness::until;
use tests::networks::siem::{self, Siem};
use tokio::task::JoinHandle;

/// The secret of the webhook.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// What opens something by itself, for an outside party.
const TOKEN: &str = "pgx_0123456789abcdef";

fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

/// A data folder and what its notices are sent by.
struct Bench {
    folder: TempDir,
    clock: Arc<ManualClock>,
    settings: String,
}

/// Notices that are being sent.
struct Running {
    notices: Arc<Notices>,
    stores: Stores,
    stop: Arc<Stop>,
    task: JoinHandle<()>,
}

impl Bench {
    fn new(settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("pressgate-notices-").tempdir().expect("a folder");
        let secret = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("private");
        };
        std::fs::create_dir_all(folder.path().join("data")).expect("the data folder");
        create_kek_file(&folder.path().join("data/kek")).expect("a key");
        secret("hook", SECRET);
        secret("password", "correct horse");
        let base = "base_url = \"https://gate.acme.example\"\nper_second = 100\ntimeout_ms = 500";
        let settings = format!("[audit]\nsegment_bytes = 1048576\nreserve_bytes = 0\n[notices]\n{base}\n{settings}\n");
        Self { folder, clock: Arc::new(ManualClock::at(start())), settings }
    }

    fn mailing(smtp: &Smtp) -> Self {
        Self::new(&format!("smtp = \"smtp://127.0.0.1:{}\"\nfrom = \"Pressgate <gate@acme.example>\"", smtp.port))
    }

    async fn run(&self) -> Running {
        let config = Config::parse(&self.settings, "pressgate.toml", self.folder.path()).expect("valid");
        let clock: Arc<dyn Clock> = self.clock.clone();
        let parts = Parts { config: config.clone(), clock: Arc::clone(&clock), disk: Arc::new(RealDisk) };
        let stores = open_stores(&parts).await.expect("they open");
        let egress = Egress::new(EgressOptions::default(), stores.vault.clone(), Arc::clone(&clock)).expect("egress");
        let book = |person: &PersonId| match person.as_str() {
            "evil-1" => Some("a@acme.example>\r\nRCPT TO:<victim@example.org".to_owned()),
            "silent-1" => None,
            known => Some(format!("{}@acme.example", known.replace(['\r', '\n', ' ', ':', '@'], "_"))),
        };
        let parts = NoticeParts {
            records: Arc::clone(&stores.records),
            clock: Arc::clone(&clock),
            egress: Arc::new(egress),
            book: Arc::new(book),
            tell: tell_log(stores.audit.clone(), clock),
        };
        let notices = Arc::new(Notices::open(config.notices.as_ref(), parts).expect("they open"));
        let stop = Arc::new(Stop::default());
        let (running, stopping) = (Arc::clone(&notices), Arc::clone(&stop));
        let task = tokio::spawn(async move { running.run(&stopping).await });
        Running { notices, stores, stop, task }
    }

    /// Everything in the log.
    fn log(&self) -> String {
        let mut all = String::new();
        let mut folders = vec![self.folder.path().join("data/audit")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    all += &String::from_utf8_lossy(&std::fs::read(&path).expect("readable"));
                }
            }
        }
        all
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }
}

impl Running {
    async fn put(&self, notices: Vec<Notice>) -> u64 {
        self.notices.put(notices).await.expect("kept")
    }

    async fn count(&self, state: NoticeState) -> usize {
        self.notices.list(state, 1_000_000).await.expect("readable").len()
    }

    async fn stop(self) {
        self.stop.advance(Phase::Stopped);
        self.task.await.expect("it ends");
        self.stores.audit.close();
    }

    /// As a process that dies: whatever is under way is lost.
    async fn kill(self) {
        self.task.abort();
        let Running { task, stores, notices, .. } = self;
        let _ = task.await;
        drop(notices);
        stores.audit.close();
    }
}

fn notice(person: &str, about: &str) -> Notice {
    Notice {
        to: Address::Person(PersonId::new(person)),
        kind: Kind::VoteWanted,
        post: Some(PostId::new("post_1")),
        account: Some(AccountId::new("acme-mastodon")),
        about: about.to_owned(),
        line: format!("Post {about} for acme-mastodon waits for your vote."),
        link_path: format!("/people/posts/{about}"),
        at: start(),
    }
}

async fn mails(smtp: &Smtp, count: usize) -> Vec<Mail> {
    until("the mails came", || async { (smtp.taken().len() >= count).then_some(()) }).await;
    smtp.taken()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_says_what_waits_and_where() {
    let smtp = Smtp::start().await;
    let mut bench = Bench::mailing(&smtp);
    bench.settings += "user = \"gate\"\nsecret = { file = \"password\" }\n";
    let running = bench.run().await;
    let external = Address::External {
        party: "agency-1".into(),
        place: 1,
        address: "agency@example.org".into(),
        link: format!("/external/{TOKEN}"),
    };
    let outside = Notice { to: external, kind: Kind::Escalated, ..notice("x", "3") };
    let told = vec![
        notice("editor-7", "1"),
        notice("silent-1", "1"),
        Notice { kind: Kind::Rejected, ..notice("editor-7", "2") },
        outside,
    ];
    assert_eq!(running.put(told.clone()).await, 3);
    assert_eq!(running.put(told).await, 0, "once");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(smtp.tried(), 0, "it waits for more to tell");
    bench.pass(60);
    let mut taken = mails(&smtp, 2).await;
    taken.sort_by(|one, other| other.to.cmp(&one.to));
    let [to_editor, to_agency] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!(
        (to_editor.from.as_str(), to_editor.to.as_slice()),
        ("gate@acme.example", &["editor-7@acme.example".to_owned()][..])
    );
    let read = to_editor.parsed();
    let from = read.from().and_then(|from| from.first()).expect("a sender");
    assert_eq!((from.name(), from.address()), (Some("Pressgate"), Some("gate@acme.example")));
    assert_eq!(read.to().and_then(|to| to.first()).and_then(|to| to.address()), Some("editor-7@acme.example"));
    assert_eq!(read.subject(), Some("Pressgate: 2 notices"));
    assert_eq!(read.date().expect("a date").to_timestamp(), bench.clock.now().as_second());
    assert_eq!(to_editor.field("Auto-Submitted"), "auto-generated");
    assert!(read.message_id().is_some_and(|id| id.starts_with("notice.") && id.ends_with("@gate.acme.example")));
    let expected = "Your vote is wanted (2026-03-01 12:00 UTC)\nPost 1 for acme-mastodon waits for your vote.\n\
        https://gate.acme.example/people/posts/1\n\nA post was rejected (2026-03-01 12:00 UTC)\n\
        Post 2 for acme-mastodon waits for your vote.\nhttps://gate.acme.example/people/posts/2\n\n\
        The links lead to pages of the gateway; you are asked to sign in there first.\n\n\
        -- \nSent by Pressgate at https://gate.acme.example. Nobody reads answers to this address.\n";
    assert_eq!(to_editor.text().trim_end(), expected.trim_end());
    assert_eq!(to_agency.parsed().subject(), Some("Pressgate: A vote was escalated to you"));
    assert!(to_agency.text().contains(&format!("\nhttps://gate.acme.example/external/{TOKEN}\n")));
    assert_eq!(smtp.faults(), Vec::<String>::new());
    assert_eq!(smtp.logins()[0], ("gate".to_owned(), "correct horse".to_owned()));
    until("it is kept as sent", || async { (running.count(NoticeState::Sent).await == 3).then_some(()) }).await;
    running.stop().await;
    for (what, text) in [("log", bench.log()), ("records", records(&bench.folder.path().join("data")))] {
        assert!(!text.contains(TOKEN) && !text.contains("agency@example.org"), "{what} has the link or the address");
    }
}

/// What the files of the records hold.
fn records(data: &Path) -> String {
    let files = std::fs::read_dir(data).expect("a folder").map(|entry| entry.expect("an entry").path());
    let ours = |path: &std::path::PathBuf| path.is_file() && path.to_string_lossy().contains("/records");
    let all: String = files
        .filter(ours)
        .map(|path| String::from_utf8_lossy(&std::fs::read(path).expect("readable")).into_owned())
        .collect();
    assert!(all.contains("acme-mastodon waits for your vote"), "this looks where notices are");
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_texts_do_no_harm() {
    let smtp = Smtp::start().await;
    let bench = Bench::mailing(&smtp);
    let running = bench.run().await;
    let lines = [
        "Hello\r\nBcc: victim@example.org\r\n\r\nNew body".to_owned(),
        "End\r\n.\r\nQUIT\r\nMAIL FROM:<evil@example.org>\r\n".to_owned(),
        ".".to_owned(),
        "..\n.".to_owned(),
        "Příliš žluťoučký kůň 🐎 \u{202e}gnp.exe =?utf-8?q?x?=".to_owned(),
        "ž".repeat(10 * 1024),
        "x".repeat(10 * 1024),
        "\0\u{1b}[2J".to_owned(),
        String::new(),
    ];
    let mut told: Vec<Notice> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let person = format!("p{number}\r\nBcc: victim@example.org");
        let about = format!("{number}\r\nX-Evil: 1{}", "y".repeat(1_000));
        told.push(Notice {
            line: line.clone(),
            about,
            link_path: format!("/x\r\nX-Evil: {number}"),
            ..notice(&person, "")
        });
    }
    told.push(notice("evil-1", "x"));
    assert_eq!(running.put(told).await, lines.len() as u64 + 1);
    bench.pass(60);
    let taken = mails(&smtp, lines.len()).await;
    until("all have ended", || async { (running.count(NoticeState::Waiting).await == 0).then_some(()) }).await;
    assert_eq!(smtp.faults(), Vec::<String>::new());
    assert_eq!(smtp.taken().len(), lines.len(), "and nothing to an address that is none");
    for mail in &taken {
        let [to] = mail.to.as_slice() else { panic!("one recipient: {:?}", mail.to) };
        assert!(to.ends_with("@acme.example") && !to.contains("RCPT"), "{to}");
        let read = mail.parsed();
        let names: BTreeSet<&str> = read.headers().iter().map(|header| header.name()).collect();
        assert!(!names.contains("Bcc") && !names.contains("X-Evil") && names.len() == 9, "{names:?}");
        assert!(mail.text().contains("\nhttps://gate.acme.example/\n"), "a link that is none leads to the front door");
    }
    let texts: Vec<String> = taken.iter().map(Mail::text).collect();
    assert!(texts.iter().any(|text| text.contains("\nHello  Bcc: victim@example.org    New body\n")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("\nPříliš žluťoučký kůň 🐎  gnp.exe =?utf-8?q?x?=\n")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains(&format!("\n{}…\n", "ž".repeat(400)))));
    assert_eq!(running.count(NoticeState::GivenUp).await, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_server_does_each_is_told_in_the_end() {
    let smtp = Smtp::start().await;
    let bench = Bench::mailing(&smtp);
    let running = bench.run().await;
    let moods = [
        Mood::Refuse("RCPT", 450),
        Mood::Refuse("RCPT", 550),
        Mood::Refuse("MAIL", 550),
        Mood::Refuse("EHLO", 421),
        Mood::Refuse("DATA", 451),
        Mood::Refuse(".", 552),
        Mood::Hang,
        Mood::Drop,
        Mood::Forget,
    ];
    for (number, mood) in moods.into_iter().enumerate() {
        let (person, before, tried) = (format!("p{number}"), smtp.taken().len(), smtp.tried());
        smtp.set(mood.clone());
        running.put(vec![notice(&person, "x")]).await;
        bench.pass(60);
        until("it was tried", || async { (smtp.tried() > tried).then_some(()) }).await;
        // Until the attempt is over; what hangs is left after half a second.
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(smtp.tried(), tried + 1, "{mood:?}: not at once again");
        smtp.set(Mood::Take);
        bench.pass(11);
        let (mood, expected) = (&mood, if mood == Mood::Forget { 2 } else { 1 });
        until("it came", || async { (smtp.taken().len() >= before + expected).then_some(()) }).await;
        until("it is kept as sent", || async { (running.count(NoticeState::Sent).await == number + 1).then_some(()) })
            .await;
        let taken = smtp.taken();
        assert_eq!(taken.len(), before + expected, "{mood:?}");
        let ids: BTreeSet<String> = taken[before..].iter().map(|mail| mail.field("Message-ID")).collect();
        assert_eq!(ids.len(), 1, "{mood:?}: a repetition can be told by its id");
    }
    assert_eq!(smtp.faults(), Vec::<String>::new());
    assert!(!bench.log().contains("notices-given-up"));

    smtp.set(Mood::RefuseOne("nobody@".to_owned(), 550));
    running.put(vec![notice("nobody", "x"), notice("somebody", "x")]).await;
    bench.pass(60);
    let before = smtp.taken().len();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        bench.pass(60);
    }
    until("it is given up", || async { (running.count(NoticeState::GivenUp).await == 1).then_some(()) }).await;
    assert!(smtp.taken().len() <= before + 1 && smtp.taken().iter().any(|mail| mail.to[0].starts_with("somebody@")));
    until("the log says so", || async { bench.log().contains("notices-given-up").then_some(()) }).await;
    running.stop().await;
    assert!(!bench.log().contains("nobody"), "no leaf names whom");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loses_nobody_s_notice() {
    let smtp = Smtp::start().await;
    let mut bench = Bench::mailing(&smtp);
    bench.settings = bench.settings.replace("per_second = 100", "per_second = 50");
    let told = |round: usize| -> Vec<Notice> {
        (0..40)
            .flat_map(|person| (0..5).map(move |about| notice(&format!("p{person}"), &format!("{round}-{about}"))))
            .collect()
    };
    let rounds = 5;
    for round in 0..rounds {
        let running = bench.run().await;
        assert_eq!(running.put(told(round)).await, 200);
        bench.pass(60);
        until("some went", || async { (smtp.taken().len() >= 8 * (round + 1)).then_some(()) }).await;
        running.kill().await;
    }
    let running = bench.run().await;
    for round in 0..rounds {
        assert_eq!(running.put(told(round)).await, 0, "put again after the crash");
    }
    until("all went", || async {
        bench.pass(30);
        (running.count(NoticeState::Waiting).await == 0).then_some(())
    })
    .await;
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for mail in smtp.taken() {
        if !ids.insert(mail.field("Message-ID")) {
            continue;
        }
        for line in mail.text().lines().filter(|line| line.starts_with("Post ")) {
            *seen.entry((mail.to[0].clone(), line.to_owned())).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), rounds * 200, "everybody was told everything");
    let twice = seen.values().filter(|count| **count > 1).count();
    assert!(twice <= rounds * 25, "only what was under way at a crash may come twice: {twice}");
    assert!(smtp.taken().len() <= rounds * 40 + 2 * rounds, "{} mails", smtp.taken().len());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_signed_and_hears_of_each() {
    let hook = Siem::start(siem::Mood::Refuse(503, vec![("retry-after".to_owned(), "90".to_owned())])).await;
    let url = &hook.url;
    let settings = format!("webhook = \"{url}/in\"\nwebhook_secret = {{ file = \"hook\" }}\nprivate_endpoint = true");
    let bench = Bench::new(&settings);
    let running = bench.run().await;
    let external =
        Address::External { party: "a".into(), place: 1, address: "a@example.org".into(), link: format!("/{TOKEN}") };
    let told = vec![notice("silent-1", "1"), notice("silent-1", "2"), Notice { to: external, ..notice("x", "1") }];
    assert_eq!(running.put(told).await, 2);
    until("it was tried", || async { (hook.tried() > 0).then_some(()) }).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    bench.pass(80);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(hook.tried(), 1, "the receiver asked for 90 seconds");
    hook.set(siem::Mood::Good(String::new()));
    bench.pass(11);
    until("both came", || async { (hook.taken().len() == 2).then_some(()) }).await;
    let judge = standardwebhooks::Webhook::new(SECRET).expect("a secret");
    for (number, delivery) in (1..).zip(hook.taken()) {
        let now = delivery.headers["webhook-timestamp"].to_str().expect("text").parse::<i64>().expect("a number");
        assert_eq!(now, bench.clock.now().as_second());
        let body: Value = serde_json::from_slice(&delivery.body).expect("JSON");
        let id = delivery.headers["webhook-id"].to_str().expect("text");
        let expected = json!({
            "id": id, "type": "vote-wanted", "time": "2026-03-01T12:00:00Z", "person": "silent-1", "post": "post_1",
            "account": "acme-mastodon", "line": format!("Post {number} for acme-mastodon waits for your vote."),
            "link": format!("https://gate.acme.example/people/posts/{number}"),
        });
        assert_eq!(body, expected, "in order, and nothing for an outside party");
        let signature = judge.sign(id, now, &delivery.body).expect("signed");
        assert_eq!(delivery.headers["webhook-signature"], signature, "as another implementation signs it");
    }
    running.stop().await;
}
