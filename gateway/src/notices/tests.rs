//! What is put, what is sent when, and what is given up, with a clock that is moved.

use std::sync::Mutex;

use lettre::message::Mailbox;
use proptest::prelude::*;
use tempfile::TempDir;
use url::Url;

use super::{
    carry::{Carried, Failed},
    line::{PERMANENT_ATTEMPTS, Step, TRIED_S, pause},
    *,
};
use crate::{
    clock::ManualClock,
    egress::EgressOptions,
    records::{DueNotices, NoticeText, sqlite::SqliteRecords},
    stop::Phase,
    vault::tests::Fixture,
};

/// Seconds after the start, the addressee, the events.
type Seen = Arc<Mutex<Vec<(i64, String, Vec<String>)>>>;
type Script = Arc<Mutex<Box<dyn FnMut(&DueNotices) -> Result<(), Failed> + Send>>>;

struct Fake {
    clock: Arc<ManualClock>,
    seen: Seen,
    script: Script,
    at_once: u32,
}

impl Carrier for Fake {
    fn at_once(&self) -> u32 {
        self.at_once
    }

    fn carry<'a>(&'a self, due: &'a DueNotices) -> Carried<'a> {
        let seconds = self.clock.now().duration_since(start()).as_secs();
        let abouts = due.notices.iter().map(|notice| notice.text.about.clone()).collect();
        self.seen.lock().unwrap().push((seconds, due.addressee.clone(), abouts));
        let answer = (self.script.lock().unwrap())(due);
        Box::pin(async move { answer })
    }
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Notices over records in a folder, with a fake for each channel.
struct Bench {
    fixture: Fixture,
    folder: Arc<TempDir>,
    clock: Arc<ManualClock>,
    mails: Seen,
    hooks: Seen,
    script: Script,
    alarms: Arc<Mutex<Vec<(&'static str, bool)>>>,
    notices: Notices,
}

impl Bench {
    async fn new() -> Self {
        Self::over(Arc::new(tempfile::tempdir().unwrap()), start()).await
    }

    /// The process begins again at that time.
    async fn over(folder: Arc<TempDir>, now: Timestamp) -> Self {
        let fixture = Fixture::new().await;
        let clock = Arc::new(ManualClock::at(now));
        let (mails, hooks, alarms) = (Seen::default(), Seen::default(), Arc::<Mutex<Vec<_>>>::default());
        let script: Script = Arc::new(Mutex::new(Box::new(|_: &DueNotices| Ok(()))));
        let parts = parts(&fixture, &folder, &clock, &alarms);
        let fake = |seen: &Seen, at_once, script: &Script| -> Box<dyn Carrier> {
            let (clock, seen, script) = (Arc::clone(&clock), Arc::clone(seen), Arc::clone(script));
            Box::new(Fake { clock, seen, script, at_once })
        };
        let never: Script = Arc::new(Mutex::new(Box::new(|_: &DueNotices| Ok(()))));
        let carriers =
            vec![(NoticeChannel::Mail, fake(&mails, 500, &script)), (NoticeChannel::Webhook, fake(&hooks, 1, &never))];
        let notices = Notices::with(carriers, SignedDuration::from_secs(60), Duration::from_millis(20), parts);
        Self { fixture, folder, clock, mails, hooks, script, alarms, notices }
    }

    async fn again(self) -> Self {
        let (folder, now) = (Arc::clone(&self.folder), self.clock.now());
        drop(self);
        Self::over(folder, now).await
    }

    fn answer(&self, script: impl FnMut(&DueNotices) -> Result<(), Failed> + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// Does everything that is due on the channel.
    async fn work(&self, channel: NoticeChannel) {
        let line = self.notices.lines.iter().find(|line| line.channel() == channel).unwrap();
        while line.step().await.unwrap() == Step::Tried {}
    }

    /// Lets time pass, in steps, and sends mails meanwhile.
    async fn pass(&self, seconds: i64, step: i64) {
        for _ in 0..seconds / step {
            self.clock.advance(SignedDuration::from_secs(step));
            self.work(NoticeChannel::Mail).await;
        }
    }

    fn mails(&self) -> Vec<(i64, String, Vec<String>)> {
        std::mem::take(&mut *self.mails.lock().unwrap())
    }

    async fn counts(&self) -> (u64, u64) {
        let counts = self.notices.records.notice_counts(NoticeChannel::Mail).await.unwrap();
        (counts.waiting, counts.given_up)
    }
}

fn parts(
    fixture: &Fixture,
    folder: &TempDir,
    clock: &Arc<ManualClock>,
    alarms: &Arc<Mutex<Vec<(&'static str, bool)>>>,
) -> NoticeParts {
    let clock: Arc<dyn Clock> = clock.clone();
    let egress = Egress::new(EgressOptions::default(), fixture.vault.clone(), Arc::clone(&clock)).unwrap();
    let alarms = Arc::clone(alarms);
    NoticeParts {
        records: Arc::new(SqliteRecords::open(&folder.path().join("records.sqlite")).unwrap()),
        clock,
        egress: Arc::new(egress),
        book: Arc::new(|person| (!person.as_str().starts_with("silent")).then(|| format!("{person}@acme.example"))),
        tell: Arc::new(move |channel, raised| {
            alarms.lock().unwrap().push((channel, raised));
            Box::pin(std::future::ready(()))
        }),
    }
}

fn notice(person: &str, about: &str) -> Notice {
    Notice {
        to: Address::Person(PersonId::new(person)),
        kind: Kind::VoteWanted,
        post: Some(PostId::new("post_1")),
        account: None,
        about: about.to_owned(),
        line: "A post for acme-example waits for you.".to_owned(),
        link_path: "/people/posts/post_1".to_owned(),
        at: start(),
    }
}

fn refused(permanent: bool) -> Result<(), Failed> {
    Err(Failed::Refused { permanent, why: "the mail server answered 450".to_owned() })
}

fn down() -> Result<(), Failed> {
    Err(Failed::Down { why: "the connection to the mail server broke".to_owned(), asked: None })
}

#[tokio::test]
async fn what_waits_together_goes_in_one_mail() {
    let bench = Bench::new().await;
    let many = (0..400).map(|number| notice("a", &format!("{number:03}"))).collect();
    assert_eq!(bench.notices.put(many).await.unwrap(), 400);
    bench.pass(59, 1).await;
    assert_eq!(bench.mails(), [], "more may come");
    bench.notices.put(vec![notice("a", "last"), notice("b", "x")]).await.unwrap();
    bench.pass(1, 1).await;
    let mails = bench.mails();
    let [(60, to, abouts)] = mails.as_slice() else { panic!("{mails:?}") };
    assert_eq!((to.as_str(), abouts.len(), abouts.last().unwrap().as_str()), ("person:a", 401, "last"));
    assert!(abouts.is_sorted(), "in order");
    bench.pass(120, 1).await;
    assert_eq!(bench.mails(), [(119, "person:b".to_owned(), vec!["x".to_owned()])]);
    bench.work(NoticeChannel::Webhook).await;
    assert_eq!(bench.hooks.lock().unwrap().len(), 402, "the webhook gets each for itself");
}

#[tokio::test]
async fn once_for_each_addressee_and_event() {
    let bench = Bench::new().await;
    assert_eq!(bench.notices.put(vec![notice("a", "x"), notice("a", "x"), notice("b", "x")]).await.unwrap(), 2);
    let bench = bench.again().await;
    assert_eq!(bench.notices.put(vec![notice("a", "x"), notice("a", "y")]).await.unwrap(), 1);
    bench.pass(60, 60).await;
    assert_eq!(bench.mails().len(), 2);
    let bench = bench.again().await;
    assert_eq!(bench.notices.put(vec![notice("a", "x"), notice("a", "y"), notice("b", "x")]).await.unwrap(), 0);
    bench.pass(600, 60).await;
    assert_eq!(bench.mails(), []);
}

#[tokio::test]
async fn who_is_told_how() {
    let bench = Bench::new().await;
    let link = "/external/votes/secret-token".to_owned();
    let external = Address::External { party: "agency-1".into(), place: 1, address: "agency@example.org".into(), link };
    assert!(!format!("{external:?}").contains("agency@") && !format!("{external:?}").contains("secret-token"));
    let outside = Notice { to: external, ..notice("a", "x") };
    assert_eq!(bench.notices.put(vec![outside, notice("silent-1", "x")]).await.unwrap(), 2);
    let waiting = bench.notices.list(NoticeState::Waiting, 10).await.unwrap();
    assert!(!format!("{waiting:?}").contains("secret-token"));
    bench.pass(60, 60).await;
    bench.work(NoticeChannel::Webhook).await;
    assert_eq!(bench.mails(), [(60, "external:agency-1/1".to_owned(), vec!["x".to_owned()])]);
    assert_eq!(bench.hooks.lock().unwrap().as_slice(), [(60, "person:silent-1".to_owned(), vec!["x".to_owned()])]);
    for sent in bench.notices.list(NoticeState::Sent, 10).await.unwrap() {
        assert!(sent.text.address.is_none() && !sent.text.link_path.contains("secret"), "{:?}", sent.text);
    }
}

#[tokio::test]
async fn a_refusal_waits_longer_each_time_and_not_for_ever() {
    let bench = Bench::new().await;
    bench.notices.put(vec![notice("a", "x")]).await.unwrap();
    bench.answer(|_| refused(false));
    bench.pass(60, 10).await;
    bench.notices.put(vec![notice("a", "later"), notice("b", "x")]).await.unwrap();
    bench.answer(|due| if due.addressee == "person:b" { Ok(()) } else { refused(false) });
    bench.pass(TRIED_S, 10).await;
    let (of_b, of_a): (Vec<_>, Vec<_>) = bench.mails().into_iter().partition(|(_, to, _)| to == "person:b");
    assert_eq!(of_b.len(), 1, "another's refusal holds nobody up");
    let times: Vec<i64> = of_a.iter().map(|(at, ..)| *at).collect();
    assert_eq!(times[..5], [60, 70, 90, 130, 210]);
    let gaps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.is_sorted() && gaps.ends_with(&[3_600, 3_600]), "{gaps:?}");
    assert!(of_a[1..].iter().all(|(_, _, abouts)| abouts[..] == ["x", "later"]), "in order, and none overtakes");
    assert_eq!(bench.counts().await, (2, 0));
    bench.pass(4_000, 10).await;
    assert_eq!(bench.counts().await, (0, 2));
    assert_eq!(*bench.alarms.lock().unwrap(), [("mail", true)], "told once");
    bench.notices.put(vec![notice("b", "y")]).await.unwrap();
    bench.pass(60, 10).await;
    assert_eq!(*bench.alarms.lock().unwrap(), [("mail", true), ("mail", false)]);
    let why = bench.notices.list(NoticeState::GivenUp, 10).await.unwrap()[0].why.clone();
    assert_eq!(why.as_deref(), Some("the mail server answered 450"));
}

#[tokio::test]
async fn a_permanent_refusal_is_believed_soon() {
    let bench = Bench::new().await;
    bench.notices.put(vec![notice("a", "x")]).await.unwrap();
    bench.answer(|_| refused(true));
    bench.pass(3_600, 10).await;
    assert_eq!(bench.mails().len(), PERMANENT_ATTEMPTS as usize);
    assert_eq!(bench.counts().await, (0, 1));
    bench.notices.put(vec![notice("a", "y")]).await.unwrap();
    bench.answer(|_| Ok(()));
    bench.pass(60, 60).await;
    assert_eq!(bench.mails().len(), 1, "the next one is tried anew");
}

#[tokio::test]
async fn a_server_that_is_away_is_not_hammered_and_loses_nothing() {
    let bench = Bench::new().await;
    let many = (0..50).map(|number| notice(&format!("p{number:02}"), "x")).collect();
    bench.notices.put(many).await.unwrap();
    bench.answer(|_| down());
    bench.pass(7_200, 10).await;
    let tries = bench.mails().len();
    assert!((20..=35).contains(&tries), "{tries} in two hours, of 50 people");
    assert_eq!(bench.counts().await, (50, 0));
    bench.answer(|_| Ok(()));
    bench.pass(300, 10).await;
    let (mut told, counts): (Vec<String>, _) =
        (bench.mails().into_iter().map(|(_, to, _)| to).collect(), bench.counts().await);
    told.sort();
    told.dedup();
    assert_eq!((told.len(), counts), (50, (0, 0)));

    bench.notices.put((0..50).map(|number| notice(&format!("p{number:02}"), "y")).collect()).await.unwrap();
    bench.answer(|_| down());
    bench.pass(TRIED_S, 60).await;
    assert_eq!(bench.counts().await, (50, 0));
    bench.pass(600, 60).await;
    assert_eq!(bench.counts().await, (0, 50), "72 hours are enough");
    assert_eq!(*bench.alarms.lock().unwrap(), [("mail", true)]);
}

#[tokio::test]
async fn what_was_not_kept_as_sent_goes_again_with_the_same_id() {
    let bench = Bench::new().await;
    bench.notices.put(vec![notice("a", "x"), notice("a", "y")]).await.unwrap();
    bench.clock.advance(SignedDuration::from_secs(60));
    let ids = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ids);
    let note = move |due: &DueNotices| {
        seen.lock().unwrap().push(compose::id(&due.notices));
        Ok(())
    };
    bench.answer(note.clone());
    // The process dies after the server's answer: nothing of it is kept.
    let due = bench.notices.records.due_notices(NoticeChannel::Mail, bench.clock.now(), 500).await.unwrap().unwrap();
    note.clone()(&due).unwrap();
    let bench = bench.again().await;
    bench.answer(note);
    bench.work(NoticeChannel::Mail).await;
    let ids = ids.lock().unwrap().clone();
    assert_eq!((ids.len(), ids.first() == ids.last()), (2, true));
    assert_eq!(bench.counts().await, (0, 0));
}

#[tokio::test]
async fn it_runs_at_its_pace_until_the_stop() {
    let bench = Bench::new().await;
    bench.notices.put((0..30).map(|number| notice(&format!("p{number:02}"), "x")).collect()).await.unwrap();
    bench.clock.advance(SignedDuration::from_secs(60));
    let (stop, begun) = (Stop::default(), std::time::Instant::now());
    let work = async {
        while bench.mails.lock().unwrap().len() < 30 || bench.hooks.lock().unwrap().len() < 30 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let took = begun.elapsed();
        stop.advance(Phase::Stopped);
        took
    };
    let ((), took) = tokio::join!(bench.notices.run(&stop), work);
    assert!(took >= Duration::from_millis(28 * 20), "{took:?}");
    let mut page = Page::default();
    bench.notices.show(&mut page);
    assert!(page.families().any(|(name, _)| name == "pressgate_notices_sent_total"));
}

#[tokio::test]
async fn without_a_word_in_the_configuration_nothing_is_kept() {
    let bench = Bench::new().await;
    let other = tempfile::tempdir().unwrap();
    let none = Notices::open(None, parts(&bench.fixture, &other, &bench.clock, &bench.alarms)).unwrap();
    assert_eq!(none.put(vec![notice("a", "x")]).await.unwrap(), 0);
    none.run(&Stop::default()).await;
}

#[test]
fn pauses_grow_to_a_bound() {
    let pauses: Vec<i64> = (0..12).map(|failures| pause(failures, 3_600).as_secs()).collect();
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600, 3_600]);
    assert_eq!(pause(u32::MAX, 300).as_secs(), 300);
}

fn record(notice: Notice) -> NoticeRecord {
    NoticeRecord {
        id: 1,
        channel: NoticeChannel::Mail,
        text: text::safe(notice),
        state: NoticeState::Waiting,
        put_at: start(),
        ended_at: None,
        why: None,
    }
}

proptest! {
    /// Whatever a caller gives, a mail has these headers, these lines of ours, and no byte outside ASCII.
    #[test]
    fn no_text_changes_the_shape_of_a_mail(line in "\\PC*|(.|\r|\n|\0){0,600}", about in "(.|\r|\n){0,300}", path in "(/|.|\r|\n){0,40}") {
        let hostile = Notice { line, about, link_path: path, ..notice("a", "x") };
        let kept: NoticeText = record(hostile.clone()).text;
        prop_assert!(!kept.line.contains(['\r', '\n', '\0']));
        let from: Mailbox = "Pressgate <gate@acme.example>".parse().unwrap();
        let base = Url::parse("https://gate.acme.example").unwrap();
        let notices = [record(hostile)];
        let mail = compose::mail(&from, "a@acme.example".parse().unwrap(), &base, &notices, start()).unwrap();
        let bytes = mail.formatted();
        prop_assert!(bytes.is_ascii());
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut names: Vec<&str> = head.split("\r\n").filter(|line| !line.starts_with(' ')).filter_map(|line| Some(line.split_once(':')?.0)).collect();
        names.sort_unstable();
        prop_assert_eq!(names, ["Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"]);
        prop_assert!(body.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    }
}
