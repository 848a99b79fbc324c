//! The alarm on what is due and was not attempted.

use jiff::{SignedDuration, Timestamp};
use pressgate::audit::leaf;
use serde_json::json;
use tests::harness::gate::clock;
use tests::harness::smtp::Smtp;
use tests::harness::{Gate, Running, network, until};

use crate::notices::told::telling;
use crate::samples::{STATUSES, post};

const ACCOUNT: &str = "acme-mastodon";
/// More than a start takes up in some seconds.
const POSTS: u64 = 40;

/// Alarms of the log: raised, and over.
fn alarms(gate: &Running) -> Vec<(String, bool)> {
    let leaves = gate.leaves();
    let alarms = leaves.iter().filter_map(|leaf| match &leaf.event {
        leaf::Event::Alarm(alarm) if alarm.code == "due-unattempted" => Some((alarm.subject.clone(), alarm.raised)),
        _ => None,
    });
    alarms.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_and_not_attempted_is_an_alarm_until_it_is() {
    let (smtp, net, clock) = (Smtp::start().await, network().await, clock());
    let gate = telling(Gate::new().account(ACCOUNT, &net), &smtp).setting("posts.unattempted_alarm_seconds", "1");
    let mut gate = gate.clock(&clock).start().await;
    let due = gate.gateway().clock.now().as_second() + 600;
    for number in 0..POSTS {
        let mut body = post(ACCOUNT, &format!("post {number}"));
        body["schedule"] = json!({"at": Timestamp::from_second(due).expect("a time").to_string()});
        gate.publish(&body).await.expect(202);
    }
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(alarms(&gate), [], "nothing is due");
    gate.stop().await;
    clock.advance(SignedDuration::from_secs(900));
    gate.restart().await;
    until("the alarm is raised", || async { (!alarms(&gate).is_empty()).then_some(()) }).await;
    let page = gate.gateway().metrics.render();
    assert!(page.contains("pressgate_posts_due_unattempted_seconds 300"), "{page}");
    until("whatever was due is out, and the alarm over", || async {
        let told = alarms(&gate) == [(ACCOUNT.to_owned(), true), (ACCOUNT.to_owned(), false)];
        (told && net.count("POST", STATUSES).await == POSTS).then_some(())
    })
    .await;
    until("the metric says so", || async {
        gate.gateway().metrics.render().contains("pressgate_posts_due_unattempted 0").then_some(())
    })
    .await;
    until("people were told once", || async {
        let mails: Vec<String> = smtp.taken().iter().map(|mail| format!("{} {}", mail.to[0], mail.text())).collect();
        let of =
            |who: &str| mails.iter().filter(|mail| mail.starts_with(who) && mail.contains("not attempted")).count();
        (of("chief-1") == 1 && of("ops-1") == 1 && of("editor-7") == 0).then_some(())
    })
    .await;
}
