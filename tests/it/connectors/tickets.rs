//! Posts that need somebody are tickets in a real Request Tracker 5.

use serde_json::json;
use tests::harness::{Gate, GateProcess, network, until};
use tests::networks::proxy::{Proxy, Vanish};
use tests::networks::request_tracker::{QUEUE, RequestTracker};

use crate::samples::{id, post};

fn handing(net: &sample_network::Running, url: &str, token: &str) -> Gate {
    let rule = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}, {"phrase": "secret", "outcome": "deny"}]});
    let connectors = format!(
        "[[connector]]\nid = \"desk\"\nplugin = \"request-tracker\"\nendpoint = {url:?}\nprivate_endpoint = true\n\
         owner = \"ops-1\"\nconfig = {{ queue = {QUEUE:?} }}\n"
    );
    let gate = Gate::new().account_of("acme/snacks", "snacks", net);
    gate.guidelines(&rule).credential("desk", "token", &[("token", token)]).govern(|it| {
        it.file("connectors.toml", &connectors);
    })
}

/// The post's only ticket, once it has this status.
async fn ticket(rt: &RequestTracker, post: &str, status: &str) -> String {
    until(&format!("{post} has one {status} ticket"), || async {
        let tickets = rt.tickets(post).await;
        assert!(tickets.len() < 2, "{tickets:?}");
        tickets.into_iter().find(|(_, known)| known == status).map(|(id, _)| id)
    })
    .await
}

async fn caught_up(gate: &GateProcess) {
    until("everything was handed over", || async {
        let (_, out, _) = super::command(gate, &["connector", "status", "desk", "--json"]).await;
        let shown: serde_json::Value = serde_json::from_str(&out).ok()?;
        let desk = &shown["connector"];
        (desk["lag_leaves"] == 0 && desk["waiting"] == 0 && desk["dead"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_post_that_needs_somebody_is_one_ticket_until_its_end() {
    let Some(mut rt) = RequestTracker::start().await else { return };
    let net = network().await;
    let mut gate = handing(&net, &rt.url, &rt.token).spawn().await;
    let held = gate.publish(&post("snacks", "cheap crisps")).await.expect(202);
    let opened = ticket(&rt, &id(&held), "new").await;
    assert_eq!(rt.comments(&opened).await, Vec::<String>::new(), "its opening tells the event");
    let plain = gate.publish(&post("snacks", "crisps")).await.expect(201);
    // It is away for a while, and the gateway is killed meanwhile: nothing is lost, and nothing is there twice.
    rt.stop().await;
    gate.caller("person:chief-1").vote(&id(&held), "approve").await.expect(200);
    gate.until_state(&id(&held), "published").await;
    until("the desk is down", || async {
        super::command(&gate, &["connector", "list"]).await.1.contains("down").then_some(())
    })
    .await;
    gate.kill9().await;
    gate.restart().await;
    rt.restart().await;
    assert_eq!(ticket(&rt, &id(&held), "resolved").await, opened);
    caught_up(&gate).await;
    let comments = rt.comments(&opened).await;
    let mut once = comments.clone();
    once.dedup();
    assert_eq!((comments.len() >= 4, &once), (true, &comments), "each event is told once, in order");
    assert!(rt.tickets(&id(&plain)).await.is_empty(), "what needs nobody has no ticket");
    let told = format!("{:?}", gate.leaves());
    assert!(told.contains(&format!("ticket/{opened}")) && !told.contains(rt.token.trim_start_matches("token ")));
}

#[tokio::test]
async fn a_lost_answer_and_a_kill_make_no_second_ticket() {
    let Some(rt) = RequestTracker::start().await else { return };
    let net = network().await;
    let proxy = Proxy::start(&rt.url).await.expect("a free port");
    let mut gate = handing(&net, &proxy.url, &rt.token).spawn().await;
    for number in 0..3 {
        // It looks for a ticket first, then makes one.
        proxy.vanish("/REST/2.0/ticket", 2, Vanish::Hold);
        let held = gate.publish(&post("snacks", &format!("cheap {number}"))).await.expect(202);
        proxy.until_vanished(number + 1).await;
        assert_eq!(rt.tickets(&id(&held)).await.len(), 1);
        gate.kill9().await;
        gate.restart().await;
        caught_up(&gate).await;
        let opened = ticket(&rt, &id(&held), "new").await;
        assert!(rt.comments(&opened).await.is_empty(), "the ticket that was found is this event's own");
    }
}
