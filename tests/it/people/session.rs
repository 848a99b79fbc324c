//! A session at terminals, as docs/terminal-session.md shows it: editing, voting, commenting and rejecting with the program itself.
//!
//! `UPDATE_EXPECT=1` writes the page's transcript anew. The recording is `target/terminal-session.cast`.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use pressgate::clock::{Clock, ManualClock, SystemClock};
use tests::harness::smtp::Smtp;
use tests::harness::{Gate, Running, built, network, until};
use tests::http;
use tests::networks::issuer::Issuer;
use tests::typed::{Masks, Recording, Terminal};

use super::browser::Browser;
use super::gate;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/terminal-session.md");
const FENCE: &str = "```text\n";
/// What the times of the session stand for.
const MONDAY: &str = "2027-03-01T09:00:00Z";
/// How long it takes at most, and how long links and devices are good.
const MINUTES_MAX: i64 = 150;
const LINK_HOURS: i64 = 48;
const DEVICE_HOURS: i64 = 90 * 24;
const RULES: &str = r#"[[rule]]
name = "launch"
labels = ["launch"]
stages = [{ n = 2, role = "approver" }, { n = 1, external = "agency-x" }]
[[rule]]
name = "prices"
labels = ["price"]
stages = [{ n = 1, people = ["chief-1"] }]
escalate = [{ after = "1h", to = { people = ["chief-drinks"] } }]
[external.agency-x]
addresses = ["approvals@agency-x.example"]
"#;

#[derive(Debug, Clone, Copy)]
enum Who {
    Editor,
    Chief,
    Drinks,
}

/// The people of the session, at a terminal each.
struct Room {
    gate: Running,
    issuer: Issuer,
    smtp: Smtp,
    clock: Arc<ManualClock>,
    editor: Terminal,
    chief: Terminal,
    drinks: Terminal,
    recording: Recording,
    masks: Vec<(String, String)>,
}

async fn room(net: &sample_network::Running, folder: &Path, home: &Path) -> Option<Room> {
    let issuer = Issuer::start(&net.url).await?;
    let smtp = Smtp::start().await;
    let start = Timestamp::from_second(SystemClock.now().as_second()).expect("a time");
    let clock = Arc::new(ManualClock::at(start));
    let (plan, url) = gate(Gate::new().account_of("acme/drinks", "drinks-mastodon", net), &issuer.url, folder);
    let plan = plan
        .setting("notices.base_url", &format!("{url:?}"))
        .setting("notices.smtp", &format!("\"smtp://127.0.0.1:{}\"", smtp.port))
        .setting("notices.from", "\"gate@acme.example\"")
        .setting("notices.gather_seconds", "0")
        .setting("notices.per_second", "100")
        .govern(|it| {
            it.grant("editor-writes", "person:editor-7", "brand:acme", &["post.create", "post.read"]);
            it.file("approvals.toml", RULES);
            let people = it.files()["people.toml"].clone();
            let mailed = |people: String, id: &str| {
                people.replace(&format!("id = \"{id}\"\n"), &format!("id = \"{id}\"\nemail = \"{id}@acme.example\"\n"))
            };
            let people = ["chief-1", "chief-drinks"].into_iter().fold(people, mailed);
            it.file("people.toml", &people);
        });
    let gate = plan.clock(&clock).start().await;
    let recording = Recording::default();
    let path = format!(
        "{}:{}",
        built::program().parent().expect("a folder").display(),
        std::env::var("PATH").expect("a path")
    );
    let terminal = |name: &str, at: &Path, key: Option<&str>| {
        let home = home.display().to_string();
        let mut environment = vec![("PATH", path.as_str()), ("XDG_CONFIG_HOME", home.as_str())];
        environment.extend(key.map(|key| ("PRESSGATE_KEY", key)));
        Terminal::open(name, at, &environment, &recording)
    };
    let key = |who: &str| gate.site.key(who).to_owned();
    let editor = terminal("editor-7", home, None);
    let chief = terminal("chief-1", gate.folder(), Some(&key("person:chief-1")));
    let drinks = terminal("chief-drinks", gate.folder(), Some(&key("person:chief-drinks")));
    let mut masks =
        vec![(url, "https://gate.acme.example".to_owned()), (net.url.clone(), "https://social.example".into())];
    let monday: Timestamp = MONDAY.parse().expect("a time");
    masks.push((home.display().to_string(), "~/.config".to_owned()));
    // The clock stands still but where the session moves it: for so many minutes, from which links and devices have their end.
    for minutes in 0..MINUTES_MAX {
        for later in [0, LINK_HOURS, DEVICE_HOURS] {
            let by = SignedDuration::from_mins(minutes) + SignedDuration::from_hours(later);
            masks.push(((start + by).to_string(), (monday + by).to_string()));
        }
    }
    Some(Room { gate, issuer, smtp, clock, editor, chief, drinks, recording, masks })
}

impl Room {
    /// A device is enrolled: the code that it shows is typed into a browser by who is signed in there.
    async fn enrol(&mut self) {
        self.editor.begin(&format!("pressgate login {} --name laptop", self.gate.url));
        let said = self.editor.wait_for("code");
        let said = if said.ends_with('\n') { said } else { self.editor.wait_for("\n") };
        let code = code(&said).unwrap_or_else(|| panic!("no code in {said}"));
        let mut browser = Browser::new(&self.gate.url);
        browser.sign_in(&self.issuer, "/people/device").await;
        let entry = browser.open("/people/device").await;
        let question = browser.submit(&entry, &[("code", &code)]).await;
        assert_eq!(browser.submit(&question, &[("decision", "approve")]).await.status, 200);
        let said = self.editor.end();
        assert!(said.contains("90 days"), "{said}");
        self.masks.push((code, "WDJB-MJHT".to_owned()));
    }

    /// A minute later somebody types a line.
    fn types(&mut self, who: Who, line: &str) -> String {
        self.clock.advance(SignedDuration::from_mins(1));
        let terminal = match who {
            Who::Editor => &mut self.editor,
            Who::Chief => &mut self.chief,
            Who::Drinks => &mut self.drinks,
        };
        terminal.run(line)
    }

    /// Makes a draft, and gives its id.
    fn draft(&mut self, label: &str, text: &str) -> String {
        let line = format!("pressgate post create --draft --account drinks-mastodon --label {label} --text '{text}'");
        let said = self.types(Who::Editor, &line);
        let at = said.find("post_").unwrap_or_else(|| panic!("no id in {said}"));
        said[at..at + 37].to_owned()
    }

    /// The path of the last link that the agency was mailed.
    async fn link(&self, count: usize) -> String {
        let to_agency = || {
            let mails = self.smtp.taken();
            mails.into_iter().filter(|mail| mail.to[0] == "approvals@agency-x.example").collect::<Vec<_>>()
        };
        let mails =
            until("a mail to the agency", || async { Some(to_agency()).filter(|mails| mails.len() >= count) }).await;
        let text = mails.last().expect("a mail").text();
        let at = text.find("/approve/").expect("a link");
        text[at..].split_whitespace().next().expect("a path").to_owned()
    }

    async fn agency_approves(&self, path: &str, version: u32) {
        let url = format!("{}{path}", self.gate.url);
        let page = http::call("GET", &url, &[], "").await;
        assert!(page.status == 200 && page.text().contains("Cider from our own trees"), "{}", page.text());
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", "null"),
            ("sec-fetch-site", "same-origin"),
        ];
        let body = format!("decision=approve&version={version}");
        assert_eq!(http::call("POST", &url, &headers, body).await.status, 200);
    }
}

/// `WDJB-MJHT` on its own.
fn code(said: &str) -> Option<String> {
    let is_code = |word: &&str| {
        let (one, other) = word.split_once('-').unwrap_or_default();
        one.len() == 4 && other.len() == 4 && word.bytes().all(|byte| byte == b'-' || byte.is_ascii_uppercase())
    };
    said.split_whitespace().find(is_code).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_at_terminals_is_what_the_page_shows() {
    let net = network().await;
    let (folder, home) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a home"));
    let Some(mut room) = room(&net, folder.path(), home.path()).await else { return };
    room.enrol().await;

    // Two approvers and an agency; an edit between the votes voids the first.
    let post = room.draft("launch", "Our own cider is here.");
    room.types(Who::Editor, &format!("pressgate post submit {post}"));
    room.types(Who::Chief, "pressgate approvals");
    room.types(Who::Chief, &format!("pressgate post approve {post} --saw 1"));
    room.types(Who::Drinks, &format!("pressgate post comment {post} 'From where? Say it.'"));
    room.types(Who::Editor, &format!("pressgate post edit {post} --text 'Cider from our own trees is here.'"));
    let told = room.types(Who::Editor, &format!("pressgate post explain {post}"));
    assert!(told.contains("Agreed: nobody."), "the vote is void: {told}");
    let late = room.types(Who::Chief, &format!("pressgate post approve {post} --saw 1"));
    assert!(late.contains("Version 2 was made by editor-7"), "{late}");
    let shown = room.types(Who::Chief, &format!("pressgate post show {post}"));
    assert!(shown.contains("comment 1 of chief-drinks") && shown.contains("void"), "{shown}");
    room.types(Who::Chief, &format!("pressgate post approve {post} --saw 2"));
    room.types(Who::Drinks, &format!("pressgate post approve {post} --saw 2 --note 'Better.'"));
    room.link(1).await;
    room.types(Who::Chief, &format!("pressgate post invite {post} agency-x"));
    let link = room.link(2).await;
    room.agency_approves(&link, 2).await;
    room.gate.until_state(&post, "published").await;
    room.types(Who::Editor, &format!("pressgate post history {post}"));

    // Nobody answers for an hour: somebody else is asked by mail, and says no.
    let price = room.draft("price", "Half price on Friday!");
    room.types(Who::Editor, &format!("pressgate post submit {price}"));
    room.clock.advance(SignedDuration::from_secs(3_660));
    until("a mail to the second", || async {
        let escalated = |mail: &tests::harness::smtp::Mail| {
            mail.to[0] == "chief-drinks@acme.example" && mail.text().contains("A vote was escalated to you")
        };
        room.smtp.taken().iter().any(escalated).then_some(())
    })
    .await;
    room.types(Who::Drinks, "pressgate approvals");
    room.types(Who::Drinks, &format!("pressgate post reject {price}"));
    let rejected = room.types(Who::Drinks, &format!("pressgate post reject {price} --note 'No prices before Friday.'"));
    assert!(rejected.contains("state   rejected"), "{rejected}");
    room.types(Who::Editor, &format!("pressgate post explain {price}"));
    room.types(Who::Editor, "pressgate logout");

    let Room { recording, masks, .. } = room;
    keep(&recording);
    is_what_the_page_shows(&Masks::new(&masks).mask(&recording.transcript()));
}

fn keep(recording: &Recording) {
    let program = built::program();
    let target = program.parent().and_then(Path::parent).expect("the target folder");
    std::fs::write(target.join("terminal-session.cast"), recording.asciicast()).expect("written");
}

fn is_what_the_page_shows(transcript: &str) {
    let page = std::fs::read_to_string(PAGE).expect("the page");
    let (before, rest) = page.split_once(FENCE).expect("a transcript");
    let (shown, after) = rest.split_once("```").expect("its end");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(PAGE, format!("{before}{FENCE}{transcript}```{after}")).expect("written");
        return;
    }
    let differs = transcript.lines().zip(shown.lines()).find(|(is, was)| is != was);
    assert!(
        transcript == shown,
        "{PAGE} shows another session; UPDATE_EXPECT=1 writes it anew. First: {differs:#?}\n{transcript}"
    );
}
