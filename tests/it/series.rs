//! Posts that recur: in calendars with all their times, in blackouts, and ended by somebody's word only.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use pressgate::audit::Event;
use pressgate::clock::Clock;
use pressgate_calendar::{Zone, ics};
use serde_json::{Value, json};
use tests::harness::{Gate, gate, network, problem, until};

use crate::samples::{id, post, texts};

const ACCOUNT: &str = "acme-mastodon";

fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn daily(text: &str, first: Timestamp, count: u32) -> Value {
    let mut body = post(ACCOUNT, text);
    body["schedule"] = json!({"local": local(first), "zone": "UTC", "rule": format!("FREQ=DAILY;COUNT={count}")});
    body
}

fn due(posts: &Value) -> Vec<Timestamp> {
    let posts = posts["posts"].as_array().expect("posts");
    posts.iter().map(|post| post["due_at"].as_str().expect("a time").parse().expect("RFC 3339")).collect()
}

#[tokio::test]
async fn every_time_of_a_series_is_in_the_calendar() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).start().await;
    let now = gate.gateway().clock.now();
    let day =
        |days: i64, minutes: i64| now + SignedDuration::from_hours(24 * days) + SignedDuration::from_mins(minutes);
    let series = id(&gate.publish(&daily("every day", day(1, 0), 10)).await.expect(202));
    let mut single = post(ACCOUNT, "once");
    single["schedule"] = json!({"at": day(3, 30).to_string()});
    gate.publish(&single).await.expect(202);
    let within = |from: Timestamp, until: Timestamp| format!("/v1/calendar?from={from}&until={until}");
    // Its next time lies before what is asked for.
    let shown = gate.get(&within(day(3, -1), day(6, -1))).await.expect(200);
    let seconds = |times: Vec<Timestamp>| times.into_iter().map(Timestamp::as_second).collect::<Vec<_>>();
    assert_eq!(seconds(due(&shown)), seconds(vec![day(3, 0), day(3, 30), day(4, 0), day(5, 0)]), "{shown}");
    assert_eq!(shown["posts"][0]["state"], "scheduled");
    assert_eq!((&shown["posts"][0]["recurs"], &shown["posts"][1]["recurs"]), (&json!(true), &json!(false)));
    let all = gate.get("/v1/calendar").await.expect(200);
    assert_eq!((due(&all).len(), &all["more"]), (11, &json!(false)));
    let feed = gate.get("/v1/calendar.ics").await;
    let text = feed.text();
    let read = ics::read(text.as_bytes(), &Zone::utc()).expect("a calendar");
    assert_eq!(read.events.len(), 11);
    let uids: std::collections::BTreeSet<&str> = text.lines().filter(|line| line.starts_with("UID:")).collect();
    assert_eq!(uids.len(), 11, "each is an event of its own: {uids:?}");
    gate.post(&format!("/v1/posts/{series}/cancel"), &json!({})).await.expect(200);
    assert_eq!(due(&gate.get("/v1/calendar").await.expect(200)).len(), 2, "what is cancelled has no later times");
    // A thousand entries, and no more.
    for number in 0..3 {
        gate.publish(&daily(&format!("long {number}"), day(1, number), 400)).await.expect(202);
    }
    let far = gate.get(&within(now, day(500, 0))).await.expect(200);
    assert_eq!((due(&far).len(), &far["more"]), (1_000, &json!(true)));
}

#[tokio::test]
async fn a_calendar_that_ends_before_it_begins_is_refused() {
    let gate = Gate::new().account(ACCOUNT, &network().await).start().await;
    let (from, until) = ("from=2027-03-02T00:00:00Z", "until=2027-03-01T00:00:00Z");
    for path in ["calendar", "calendar.ics"] {
        let told = problem(&gate.get(&format!("/v1/{path}?{from}&{until}")).await, "invalid-request");
        assert_eq!(told["errors"][0]["code"], "parameter-until", "{told}");
        assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("is before `from`")), "{told}");
    }
    let one = gate.get("/v1/calendar?from=2027-03-01T00:00:00Z&until=2027-03-01T00:00:00Z").await;
    assert_eq!(one.expect(200)["posts"], json!([]));
}

#[tokio::test]
async fn occurrences_in_a_blackout_are_told_when_the_series_is_made() {
    let (net, clock) = (network().await, gate::clock());
    let now = clock.now();
    let stamp = |hours: i64| (now + SignedDuration::from_hours(hours)).strftime("%Y%m%dT%H%M%SZ").to_string();
    let calendar = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20270101T000000Z\r\n\
         SUMMARY:Quiet days\r\nDTSTART:{}\r\nDTEND:{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        stamp(60),
        stamp(110)
    );
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).govern(|it| {
        let entry = "[[blackout]]\nname = \"quiet\"\nfile = \"calendars/quiet.ics\"\nbrands = [\"acme\"]\n";
        it.file("calendars.toml", entry);
        it.file("calendars/quiet.ics", &calendar);
    });
    let gate = gate.start().await;
    let hours = |hours: i64| now + SignedDuration::from_hours(hours);
    // At 24, 48, 72, 96 and 120 hours: two of them are blocked.
    let made = gate.publish(&daily("every day", hours(24), 5)).await.expect(202);
    let warned = |view: &Value| -> Vec<i64> {
        let warnings = view["warnings"].as_array().expect("warnings");
        assert!(warnings.iter().all(|warning| warning["message"].as_str().expect("a text").contains("Quiet days")));
        warnings
            .iter()
            .map(|warning| warning["at"].as_str().expect("a time").parse::<Timestamp>().expect("RFC 3339").as_second())
            .collect()
    };
    let expected = vec![hours(72).as_second(), hours(96).as_second()];
    assert_eq!(warned(&made), expected, "{made}");
    let post = id(&made);
    assert_eq!(warned(&gate.read(&post).await), expected);
    let other = json!({"schedule": {"local": local(hours(48)), "zone": "UTC", "rule": "FREQ=DAILY;COUNT=2"}});
    let moved = gate.post(&format!("/v1/posts/{post}/schedule"), &other).await.expect(200);
    assert_eq!(warned(&moved), [hours(72).as_second()]);
    let single = gate.publish(&daily("first blocked", hours(72), 4)).await;
    let told = problem(&single, "time-invalid");
    assert!(told["detail"].as_str().expect("a detail").contains("Quiet days"), "{told}");
}

#[tokio::test]
async fn a_series_ends_by_somebodys_word_only() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).start().await;
    let now = gate.gateway().clock.now();
    let at = |hours: i64| now + SignedDuration::from_hours(hours);
    let post = id(&gate.publish(&daily("every day", at(24), 5)).await.expect(202));
    let path = format!("/v1/posts/{post}/schedule");
    let once = json!({"schedule": {"at": at(30).to_string()}});
    let told = problem(&gate.post(&path, &once).await, "time-invalid");
    assert_eq!((&told["errors"][0]["code"], &told["errors"][0]["pointer"]), (&json!("recurs"), &json!("/repeat")));
    assert!(told["detail"].as_str().expect("a detail").contains("FREQ=DAILY;COUNT=5"), "{told}");
    assert_eq!(gate.read(&post).await["schedule"]["rule"], "FREQ=DAILY;COUNT=5", "nothing changed");
    let weekly = json!({"schedule": {"local": local(at(30)), "zone": "UTC", "rule": "FREQ=WEEKLY;COUNT=3"}});
    assert_eq!(gate.post(&path, &weekly).await.expect(200)["schedule"]["rule"], "FREQ=WEEKLY;COUNT=3");
    let mut ended = once.clone();
    ended["repeat"] = json!(false);
    let answer = gate.post(&path, &ended).await.expect(200);
    assert_eq!(answer["schedule"], json!({"at": at(30).to_string()}));
    gate.post(&path, &json!({"schedule": {"at": at(31).to_string()}})).await.expect(200);
}

/// The gateway is not there for a day: what it missed is passed over and told, and the series goes on.
#[tokio::test]
async fn a_series_goes_on_after_an_occurrence_that_was_missed() {
    let (net, clock) = (network().await, gate::clock());
    let mut gate = Gate::new().account(ACCOUNT, &net).clock(&clock).start().await;
    let first = gate.gateway().clock.now() + SignedDuration::from_mins(20);
    let post = id(&gate.publish(&daily("every day", first, 4)).await.expect(202));
    gate.stop().await;
    // Two are missed, 26 hours late and two.
    clock.advance(SignedDuration::from_hours(26) + SignedDuration::from_mins(20));
    gate.restart().await;
    let third = first + SignedDuration::from_hours(48);
    let passed = until("it is passed over", || async {
        let told = gate.get(&format!("/v1/posts/{post}/history")).await.expect(200);
        let events = told["events"].as_array().expect("events").clone();
        events.into_iter().find(|event| event["event"] == "rearmed")
    })
    .await;
    let instant = |value: &Value| value.as_str().expect("a time").parse::<Timestamp>().expect("RFC 3339").as_second();
    assert_eq!(instant(&passed["data"]["skipped"]), first.as_second(), "{passed}");
    let shown = gate.read(&post).await;
    assert_eq!((&shown["state"], instant(&shown["due_at"])), (&json!("scheduled"), third.as_second()), "{shown}");
    let leaves = gate.leaves();
    let told = leaves.iter().any(|leaf| {
        matches!(&leaf.event, Event::Transition(it) if it.transition == "rearmed" && it.detail.as_deref() == Some("passed-over"))
    });
    assert!(told, "the log tells it");
    assert!(texts(&net).await.is_empty(), "nothing that was missed is published");
    clock.advance(SignedDuration::from_hours(22));
    until("the third is out", || async { (texts(&net).await.len() == 1).then_some(()) }).await;
    // The last one has none after it: a person is asked.
    until("the last is planned", || async { (gate.read(&post).await["state"] == "scheduled").then_some(()) }).await;
    gate.stop().await;
    clock.advance(SignedDuration::from_hours(30));
    gate.restart().await;
    assert_eq!(gate.until_state(&post, "held").await["targets"][0]["waits_for"], "overdue");
}

/// Who gave a post less time than an hour is asked, as long as the hour is not over.
#[tokio::test]
async fn an_occurrence_that_is_later_than_it_may_be_by_less_than_an_hour_waits_for_a_person() {
    let (net, clock) = (network().await, gate::clock());
    let mut gate = Gate::new().account(ACCOUNT, &net).clock(&clock).start().await;
    let first = gate.gateway().clock.now() + SignedDuration::from_mins(20);
    let mut body = daily("punctual", first, 4);
    body["schedule"]["late_max_s"] = json!(60);
    let post = id(&gate.publish(&body).await.expect(202));
    gate.stop().await;
    clock.advance(SignedDuration::from_mins(50));
    gate.restart().await;
    assert_eq!(gate.until_state(&post, "held").await["targets"][0]["waits_for"], "overdue");
    assert!(texts(&net).await.is_empty());
}
