//! Who may do what: every case is a request, and the network counts those that got through.

use jiff::SignedDuration;
use pressgate::clock::Clock;
use sample_network::Running as Network;
use serde_json::{Value, json};
use tests::harness::governance::FAR;
use tests::harness::{Gate, Running, gate, intents, network, problem};

use crate::samples::{STATUSES, id, post, statuses};

/// What a case is expected to come to.
enum Expect {
    /// It goes through under this grant.
    Under(&'static str),
    /// It is refused with this problem.
    No(&'static str),
}
use Expect::{No, Under};

/// Key, person acted for, account, action, expectation.
type Case = (&'static str, Option<&'static str>, &'static str, &'static str, Expect);

const SNACKS: &str = "snacks-mastodon";
const DRINKS: &str = "drinks-mastodon";
const ACME: &str = "acme-mastodon";

fn governed(governance: &mut tests::harness::Governance, soon: &str) {
    let all = ["post.create", "comment.create", "post.delete", "post.read"];
    let create = ["post.create", "post.read"];
    governance
        .without_grants()
        // Inheritance: on the root, on a brand, on one account.
        .grant("root", "app:newsroom", "brand:acme", &all)
        .grant("snacks", "app:careers", "brand:acme/snacks", &create)
        .grant("one-account", "person:editor-8", &format!("account:{DRINKS}"), &["comment.create", "post.read"])
        // Acting for people.
        .grant_until(
            "for-seven",
            "app:agency",
            "brand:acme/snacks",
            &["post.create", "comment.create", "post.read"],
            FAR,
            &["editor-7", "chief-1"],
        )
        .grant("seven", "person:editor-7", "brand:acme", &create)
        // Expiry.
        .grant_until("brief", "person:ops-1", "brand:acme", &create, soon, &[])
        .grant_until("brief-too", "app:careers", &format!("account:{ACME}"), &create, soon, &[])
        // Deny entries on three levels.
        .deny("no-drinks-deletes", "everyone", "brand:acme/drinks", &["post.delete"])
        .deny("no-newsroom-at-acme", "app:newsroom", &format!("account:{ACME}"), &["comment.create"])
        .grant("chief-drinks", "person:chief-drinks", "brand:acme/drinks", &all)
        .deny("not-for-chief-drinks", "person:chief-drinks", "brand:acme", &[])
        .grant_until("for-chief-drinks", "app:agency", "brand:acme/drinks", &create, FAR, &["chief-drinks"]);
}

fn before_the_expiry() -> Vec<Case> {
    vec![
        // A grant on the root reaches down.
        ("app:newsroom", None, ACME, "post.create", Under("root")),
        ("app:newsroom", None, SNACKS, "post.create", Under("root")),
        ("app:newsroom", None, DRINKS, "post.create", Under("root")),
        ("app:newsroom", None, SNACKS, "comment.create", Under("root")),
        ("app:newsroom", None, DRINKS, "comment.create", Under("root")),
        ("app:newsroom", None, SNACKS, "post.delete", Under("root")),
        // Deny entries beat it.
        ("app:newsroom", None, ACME, "comment.create", No("denied")),
        ("app:newsroom", None, DRINKS, "post.delete", No("denied")),
        ("app:newsroom", None, ACME, "post.delete", Under("root")),
        // A grant on a brand reaches neither up nor sideways, and gives no other action.
        ("app:careers", None, SNACKS, "post.create", Under("snacks")),
        ("app:careers", None, DRINKS, "post.create", No("no-grant")),
        ("app:careers", None, SNACKS, "comment.create", No("no-grant")),
        ("app:careers", None, SNACKS, "post.delete", No("no-grant")),
        // A grant on one account.
        ("person:editor-8", None, DRINKS, "comment.create", Under("one-account")),
        ("person:editor-8", None, DRINKS, "post.create", No("no-grant")),
        ("person:editor-8", None, SNACKS, "comment.create", No("no-grant")),
        ("person:editor-8", None, ACME, "comment.create", No("no-grant")),
        // A person's own right.
        ("person:editor-7", None, ACME, "post.create", Under("seven")),
        ("person:editor-7", None, SNACKS, "post.create", Under("seven")),
        ("person:editor-7", None, DRINKS, "post.create", Under("seven")),
        ("person:editor-7", None, SNACKS, "comment.create", No("no-grant")),
        // Roles are not grants.
        ("person:chief-1", None, SNACKS, "post.create", No("no-grant")),
        // An app that acts for a person may do what both may.
        ("app:agency", None, SNACKS, "post.create", Under("for-seven")),
        ("app:agency", None, SNACKS, "comment.create", Under("for-seven")),
        ("app:agency", Some("editor-7"), SNACKS, "post.create", Under("for-seven")),
        ("app:agency", Some("editor-7"), SNACKS, "comment.create", No("no-grant")),
        ("app:agency", Some("editor-7"), DRINKS, "post.create", No("no-grant")),
        ("app:agency", Some("editor-7"), ACME, "post.create", No("no-grant")),
        ("app:agency", Some("chief-1"), SNACKS, "post.create", No("no-grant")),
        ("app:agency", Some("editor-8"), SNACKS, "post.create", No("no-grant")),
        ("app:agency", Some("nobody"), SNACKS, "post.create", No("no-grant")),
        ("app:newsroom", Some("editor-7"), SNACKS, "post.create", No("no-grant")),
        ("app:careers", Some("editor-7"), SNACKS, "post.create", No("no-grant")),
        ("person:editor-7", Some("editor-8"), SNACKS, "post.create", No("no-grant")),
        // A deny entry for a person also holds for whoever acts for them.
        ("person:chief-drinks", None, DRINKS, "post.create", No("denied")),
        ("person:chief-drinks", None, DRINKS, "comment.create", No("denied")),
        ("app:agency", Some("chief-drinks"), DRINKS, "post.create", No("denied")),
        ("app:agency", None, DRINKS, "post.create", Under("for-chief-drinks")),
        // Not yet expired.
        ("person:ops-1", None, ACME, "post.create", Under("brief")),
        ("person:ops-1", None, SNACKS, "post.create", Under("brief")),
        ("person:ops-1", None, SNACKS, "comment.create", No("no-grant")),
        ("app:careers", None, ACME, "post.create", Under("brief-too")),
    ]
}

fn after_the_expiry() -> Vec<Case> {
    vec![
        ("person:ops-1", None, ACME, "post.create", No("no-grant")),
        ("person:ops-1", None, SNACKS, "post.create", No("no-grant")),
        ("app:careers", None, ACME, "post.create", No("no-grant")),
        ("app:careers", None, SNACKS, "post.create", Under("snacks")),
        ("person:editor-7", None, ACME, "post.create", Under("seven")),
        ("app:agency", Some("editor-7"), SNACKS, "post.create", Under("for-seven")),
    ]
}

#[tokio::test]
async fn the_network_sees_exactly_the_allowed_cases() {
    let net = network().await;
    let clock = gate::clock();
    let soon = clock.now().checked_add(SignedDuration::from_hours(1)).expect("a time").to_string();
    let gate = Gate::new()
        .account_of("acme", ACME, &net)
        .account_of("acme/snacks", SNACKS, &net)
        .account_of("acme/drinks", DRINKS, &net)
        .clock(&clock)
        .govern(|governance| governed(governance, &soon))
        .start()
        .await;
    // Something of newsroom's to answer and something to delete on each account.
    let mut roots = Vec::new();
    for account in [ACME, SNACKS, DRINKS] {
        let to_answer = gate.publish(&post(account, "to answer")).await.expect(201);
        let to_delete = gate.publish(&post(account, "to delete")).await.expect(201);
        roots.push((account, to_answer, to_delete));
    }
    let (before, after) = (before_the_expiry(), after_the_expiry());
    assert!(before.len() + after.len() >= 40);
    let mut allowed = run(&gate, &net, &roots, before).await;
    clock.advance(SignedDuration::from_secs(3599));
    allowed += run(&gate, &net, &roots, vec![("person:ops-1", None, ACME, "post.create", Under("brief"))]).await;
    // From the instant of the expiry on it counts no more.
    clock.advance(SignedDuration::from_secs(1));
    allowed += run(&gate, &net, &roots, after).await;
    let counted = statuses(&net, "POST").await + statuses(&net, "DELETE").await;
    assert_eq!(counted, allowed + 2 * roots.len(), "the network's counter");
    assert_eq!(intents(&gate.leaves()).len(), counted, "and the log's");
}

/// Runs the cases one after the other and gives the number of those that were allowed.
async fn run(gate: &Running, net: &Network, roots: &[(&str, Value, Value)], cases: Vec<Case>) -> usize {
    let mut allowed = 0;
    for (number, (who, acting_for, account, action, expected)) in cases.into_iter().enumerate() {
        let name = format!("case {number}: {who} for {acting_for:?}, {account}, {action}");
        let (_, to_answer, to_delete) = roots.iter().find(|(known, ..)| *known == account).expect("a root");
        let (sent, leaves) = (statuses(net, "POST").await + statuses(net, "DELETE").await, gate.leaves().len());
        let caller = gate.caller(who);
        let answer = match action {
            "post.delete" => caller.delete(&format!("/v1/posts/{}", id(to_delete))).await,
            _ => {
                let mut body = post(account, &name);
                if action == "comment.create" {
                    body["reply_to"] = json!({"account": account, "ref": to_answer["targets"][0]["platform_id"]});
                }
                if let Some(person) = acting_for {
                    body["on_behalf_of"] = json!(person);
                }
                caller.publish(&body).await
            }
        };
        let sent = statuses(net, "POST").await + statuses(net, "DELETE").await - sent;
        let fresh = &gate.leaves()[leaves..];
        match expected {
            Under(grant) => {
                assert!((200..300).contains(&answer.status), "{name}: {}", answer.text());
                let intents = intents(fresh);
                assert_eq!((sent, intents.len()), (1, 1), "{name}");
                let intent = &intents[0].1;
                assert_eq!((intent.grant.as_str(), intent.action.as_str()), (grant, action), "{name}");
                assert_eq!(intent.on_behalf_of.as_deref(), acting_for, "{name}");
                let named = intent
                    .app
                    .as_deref()
                    .map(|app| format!("app:{app}"))
                    .or(intent.person.as_deref().map(|person| format!("person:{person}")));
                assert_eq!(named.as_deref(), Some(who), "{name}");
                allowed += 1;
            }
            No(slug) => {
                let told = problem(&answer, slug);
                assert_eq!(
                    (&told["status"], &told["stage"], &told["blame"]),
                    (&json!(403), &json!("authorise"), &json!("rule")),
                    "{name}"
                );
                assert_eq!((sent, intents(fresh).len()), (0, 0), "{name}");
                let refused = tests::harness::leaves::refusals(fresh);
                assert_eq!(refused.len(), 1, "{name}");
                assert_eq!(
                    (refused[0].account.as_deref(), refused[0].action.as_deref()),
                    (Some(account), Some(action)),
                    "{name}"
                );
            }
        }
    }
    allowed
}

#[tokio::test]
async fn a_post_that_waited_is_judged_by_the_rights_of_its_moment() {
    let net = network().await;
    let clock = gate::clock();
    let soon = clock.now().checked_add(SignedDuration::from_mins(5)).expect("a time").to_string();
    let rule = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .guidelines(&rule)
        .clock(&clock)
        .govern(|governance| {
            governance.grant_until("brief", "app:careers", "brand:acme", &["post.create", "post.read"], &soon, &[]);
        })
        .start()
        .await;
    let held = gate.caller("app:careers").publish(&post("acme-mastodon", "cheap")).await.expect(202);
    clock.advance(SignedDuration::from_mins(6));
    gate.caller("person:chief-1").vote(&id(&held), "approve").await.expect(200);
    let stopped = || async {
        let post = gate.read(&id(&held)).await;
        (post["targets"][0]["waits_for"] == "attention").then_some(post)
    };
    let stopped = tests::harness::until("it waits for who can mend it", stopped).await;
    assert_eq!(stopped["targets"][0]["attempts"][0]["code"], "no-grant", "{stopped}");
    assert_eq!(net.count("POST", STATUSES).await, 0);
}
