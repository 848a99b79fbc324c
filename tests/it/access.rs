//! The access review: rights beside what the log tells of their use.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use pressgate::audit::Event;
use pressgate::clock::{Clock, ManualClock};
use pressgate::model::PersonId;
use pressgate::operator::access::{AccessRequest, AccessRow, AccessView, Finding, RightKind, RightState};
use pressgate::operator::{By, Ops, OpsError};
use serde_json::{Value, json};
use tests::harness::governance::USUAL_ACTIONS;
use tests::harness::{Gate, Governance, Running, network};

use crate::cli::{run, run_as};
use crate::samples::{id, post};

fn at(clock: &ManualClock, days: i64) -> String {
    clock.now().checked_add(SignedDuration::from_hours(24 * days)).expect("a time").to_string()
}

fn pass(clock: &ManualClock, days: i64) {
    clock.advance(SignedDuration::from_hours(24 * days));
}

async fn review(gate: &Running, wish: &AccessRequest) -> Result<AccessView, OpsError> {
    let gateway = gate.gateway();
    let governance = gateway.governance.load_full();
    Ops::running(gateway).access(&By::Person(PersonId::new("ops-1")), &governance, wish).await
}

async fn all(gate: &Running) -> AccessView {
    review(gate, &AccessRequest::default()).await.expect("a review")
}

fn row<'v>(view: &'v AccessView, grant: &str, account: Option<&str>) -> &'v AccessRow {
    let found = view.rows.iter().find(|row| row.grant.as_deref() == Some(grant) && row.account.as_deref() == account);
    found.unwrap_or_else(|| panic!("no {grant} on {account:?} in {:#?}", view.rows))
}

fn role(view: &AccessView, kind: RightKind, holder: &str) -> AccessRow {
    view.rows.iter().find(|row| row.kind == kind && row.holder == holder).cloned().expect("a row")
}

/// Grants of every kind: used, unused, ending soon, denied, for no account, through a person.
fn rights(governance: &mut Governance, clock: &ManualClock, forbidden: &str) {
    let soon = at(clock, 200);
    governance
        .grant("careers-all", "app:careers", "brand:acme", &USUAL_ACTIONS)
        .grant_until("agency-soon", "app:agency", "account:acme-mastodon", &["post.create"], &soon, &["editor-7"])
        .grant("editor-own", "person:editor-7", "account:acme-mastodon", &["post.create", "post.delete"])
        .grant("drinks-only", "app:newsroom", "brand:acme/drinks", &["post.create"])
        .deny("no-deletes", "person:editor-7", "brand:acme", &["post.delete"])
        .deny("nothing", "app:careers", &format!("account:{forbidden}"), &[])
        .auditor("log-all", "person:chief-1", &["audit:read"], None)
        .auditor("log-drinks", "person:chief-drinks", &["audit:read", "audit:export"], Some("acme/drinks"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_shown_with_their_last_use_as_time_goes_by() {
    let net = network().await;
    let clock: Arc<ManualClock> = tests::harness::gate::clock();
    let gate = Gate::new().account("acme-mastodon", &net).account("acme-second", &net).clock(&clock);
    let gate = gate.govern(|governance| rights(governance, &clock, "acme-second")).start().await;
    let begun = clock.now();
    gate.publish(&post("acme-mastodon", "one")).await.expect(201);
    let for_editor = json!({"accounts": ["acme-mastodon"], "content": {"text": "two"}, "on_behalf_of": "editor-7"});
    gate.caller("app:agency").publish(&for_editor).await.expect(201);
    // No right: counted on the account that was asked for.
    gate.caller("person:editor-8").publish(&post("acme-mastodon", "three")).await.expect(403);
    gate.caller("app:careers").publish(&post("acme-second", "four")).await.expect(403);
    gate.caller("person:chief-1").get("/v1/audit?limit=1").await.expect(200);

    let view = all(&gate).await;
    assert_eq!((view.days, view.soon_days, view.log.missing), (90, 30, 0));
    assert!(view.log.leaves > 5 && view.log.since.is_some(), "{:?}", view.log);
    let used = row(&view, "newsroom-all", Some("acme-mastodon"));
    let to_ms = |at: Timestamp| Timestamp::from_millisecond(at.as_millisecond()).expect("a time");
    assert_eq!((used.last_used_at, used.uses, used.findings.as_slice()), (Some(to_ms(begun)), 1, &[][..]));
    assert_eq!((used.owner.as_deref(), used.live_keys, used.state), (Some("chief-1"), 1, RightState::Live));
    assert_eq!(row(&view, "newsroom-all", Some("acme-second")).findings, [Finding::NeverUsed]);
    let agency = row(&view, "agency-soon", Some("acme-mastodon"));
    assert_eq!((agency.uses, agency.act_for.as_slice()), (1, &["editor-7".to_owned()][..]));
    // The person's own grant was needed for it, though the log names the app's.
    let own = row(&view, "editor-own", Some("acme-mastodon"));
    assert_eq!((own.uses, own.denied.as_slice()), (1, &["post.delete".to_owned()][..]));
    assert_eq!(own.findings, []);
    let denied = row(&view, "careers-all", Some("acme-second"));
    assert_eq!(denied.findings, [Finding::NeverUsed, Finding::Denied]);
    assert_eq!((denied.refused, denied.denied.len()), (1, USUAL_ACTIONS.len()));
    assert_eq!(row(&view, "drinks-only", None).findings, [Finding::NeverUsed, Finding::NoAccount]);
    assert_eq!(
        (row(&view, "log-all", None).uses, row(&view, "log-drinks", None).findings.as_slice()),
        (1, &[Finding::NeverUsed][..])
    );
    assert_eq!(role(&view, RightKind::Approver, "person:chief-1").actions, ["vote"]);
    assert!(!view.rows.iter().any(|row| row.kind == RightKind::Approver && row.holder == "person:chief-drinks"));
    // Each review is work of the operator, so the next one shows it.
    assert_eq!(role(&view, RightKind::Operator, "person:ops-1").findings, [Finding::NeverUsed]);
    assert_eq!(role(&all(&gate).await, RightKind::Operator, "person:ops-1").uses, 1);

    pass(&clock, 89);
    assert_eq!(row(&all(&gate).await, "newsroom-all", Some("acme-mastodon")).findings, []);
    pass(&clock, 2);
    let view = all(&gate).await;
    let unused = row(&view, "newsroom-all", Some("acme-mastodon"));
    assert_eq!(
        (unused.findings.as_slice(), unused.uses, unused.last_used_at),
        (&[Finding::Unused][..], 0, Some(to_ms(begun)))
    );
    let longer = AccessRequest { days: Some(120), ..AccessRequest::default() };
    assert_eq!(
        row(&review(&gate, &longer).await.expect("a review"), "newsroom-all", Some("acme-mastodon")).findings,
        []
    );
    pass(&clock, 80);
    let ending = all(&gate).await;
    let ending = row(&ending, "agency-soon", Some("acme-mastodon"));
    assert_eq!(
        (ending.state, ending.findings.as_slice()),
        (RightState::Expiring, &[Finding::ExpiresSoon, Finding::Unused][..])
    );
    pass(&clock, 30);
    let ended = all(&gate).await;
    let ended = row(&ended, "agency-soon", Some("acme-mastodon"));
    assert_eq!((ended.state, ended.findings.as_slice()), (RightState::Expired, &[Finding::Expired][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_narrowed_and_is_in_the_log() {
    let net = network().await;
    let clock: Arc<ManualClock> = tests::harness::gate::clock();
    let gate = Gate::new().account("acme-mastodon", &net).account_of("acme/drinks", "acme-drinks", &net).clock(&clock);
    let gate = gate.govern(|governance| rights(governance, &clock, "acme-mastodon")).start().await;
    let narrowed = AccessRequest { brand: Some("acme/drinks".into()), ..AccessRequest::default() };
    let view = review(&gate, &narrowed).await.expect("a review");
    assert!(view.rows.iter().all(|row| row.account.as_deref().is_none_or(|account| account == "acme-drinks")));
    assert!(view.rows.iter().any(|row| row.holder == "person:chief-drinks" && row.kind == RightKind::Approver));
    row(&view, "log-drinks", None);
    let narrowed = AccessRequest { account: Some("acme-mastodon".into()), ..AccessRequest::default() };
    let view = review(&gate, &narrowed).await.expect("a review");
    assert!(
        !view.rows.iter().any(|row| row.grant.as_deref() == Some("log-drinks")),
        "it reaches no leaf of that account"
    );
    row(&view, "log-all", None);
    let none = AccessRequest { account: Some("none".into()), ..AccessRequest::default() };
    assert!(matches!(review(&gate, &none).await, Err(OpsError::Missing(_))));
    let none = AccessRequest { days: Some(0), ..AccessRequest::default() };
    assert!(matches!(review(&gate, &none).await, Err(OpsError::Invalid(_))));
    let reads: Vec<_> = gate
        .leaves()
        .into_iter()
        .filter_map(|leaf| match leaf.event {
            Event::Read(read) if read.what == "access.report" => Some((read.person, read.filter)),
            _ => None,
        })
        .collect();
    let ops = Some("ops-1".to_owned());
    let of = |filter: &str| (ops.clone(), Some(filter.to_owned()));
    assert_eq!(reads, [of("days=90 brand=acme/drinks"), of("days=90 account=acme-mastodon")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_the_same_through_the_gateway_and_on_the_folder() {
    let net = network().await;
    let clock = tests::harness::gate::clock();
    let gate = Gate::new().account("acme-mastodon", &net).govern(|governance| {
        rights(governance, &clock, "acme-mastodon");
    });
    let mut gate = gate.spawn().await;
    let made = gate.publish(&post("acme-mastodon", "x")).await.expect(201);
    assert!(!id(&made).is_empty());
    let table = run_as(&gate, "person:ops-1", "access report", "");
    assert!(table.text(0).contains("newsroom-all") && table.out.contains("never used"), "{table:?}");
    assert!(table.out.starts_with("account        brand        right "), "{table:?}");
    let csv = run_as(&gate, "person:ops-1", "access report --format csv --account acme-mastodon", "");
    let lines: Vec<&str> = csv.text(0).lines().collect();
    assert!(lines[0].starts_with("kind,account,brand,holder,grant,actions"), "{csv:?}");
    assert!(
        lines.iter().any(|line| line.starts_with("grant,acme-mastodon,acme/snacks,app:newsroom,newsroom-all,")),
        "{csv:?}"
    );
    let through = run_as(&gate, "person:ops-1", "access report --format json", "").json(0);
    for (holder, code) in [("person:chief-1", 1), ("app:newsroom", 1)] {
        assert_eq!(run_as(&gate, holder, "access report", "").code, Some(code), "{holder}");
    }
    assert!(run_as(&gate, "person:ops-1", "access report --days 0", "").text(1).contains("`days`"));
    assert_eq!(gate.terminate().await, Some(0));
    let on_folder = run(gate.site.folder(), "access report --json", "").json(0);
    let grants = |view: &Value| -> Vec<Value> {
        let rows = view["rows"].as_array().expect("rows").iter();
        rows.filter(|row| row["kind"] != "operator").cloned().collect()
    };
    assert_eq!(grants(&through), grants(&on_folder));
    assert!(grants(&through).iter().any(|row| row["grant"] == "newsroom-all" && row["uses"] == 1));
}
