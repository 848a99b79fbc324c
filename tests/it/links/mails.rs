//! Links that go by mail: each address of a party gets its own and no other's.

use std::collections::{BTreeMap, BTreeSet};

use tests::harness::smtp::{Mail, Smtp};

use super::*;

const SECOND: &str = "second@agency-x.example";

/// Whom each mail was to, and the links in it.
fn mailed(smtp: &Smtp) -> Vec<(String, Vec<String>)> {
    let links = |mail: &Mail| -> Vec<String> {
        let text = mail.text();
        text.lines().filter_map(|line| line.strip_prefix("https://gate.acme.example")).map(str::to_owned).collect()
    };
    let to = |mail: &Mail| mail.to.join(" ");
    smtp.taken().iter().map(|mail| (to(mail), links(mail))).collect()
}

/// Two addresses must both agree to each of two posts; mails wait so long for more to tell.
async fn two_voices(gather_s: i64) {
    let (smtp, net, clock) = (Smtp::start().await, network().await, clock());
    let gate = Gate::new()
        .account(ACCOUNT, &net)
        .clock(&clock)
        .setting("notices.base_url", "\"https://gate.acme.example\"")
        .setting("notices.smtp", &format!("\"smtp://127.0.0.1:{}\"", smtp.port))
        .setting("notices.from", "\"gate@acme.example\"")
        .setting("notices.gather_seconds", &gather_s.to_string())
        .setting("notices.per_second", "100")
        .govern(|governance| rules(governance, "", 2, &[ADDRESS, SECOND]));
    let gate = gate.start().await;
    let posts = [held(&gate, &launch("crisps")).await, held(&gate, &launch("dips")).await];
    clock.advance(SignedDuration::from_secs(2));
    until("each address is asked", || async { (transitions(&gate, "invited").len() == 4).then_some(()) }).await;
    clock.advance(SignedDuration::from_secs(gather_s + 1));
    let all = || mailed(&smtp).iter().map(|(_, links)| links.len()).sum::<usize>();
    until("every link is mailed", || async { (all() == 4).then_some(()) }).await;

    let mails = mailed(&smtp);
    if gather_s > 0 {
        assert_eq!(mails.len(), 2, "what is for one address goes together: {mails:?}");
    }
    let mut links: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (to, paths) in mails {
        links.entry(to).or_default().extend(paths);
    }
    let of = |address: &str| links.get(address).cloned().unwrap_or_default();
    assert_eq!((links.len(), of(ADDRESS).len(), of(SECOND).len()), (2, 2, 2), "{links:?}");
    // What came to one mailbox is one voice for each post, and not enough.
    for path in of(ADDRESS) {
        says(&approve(&gate, &path).await, 200, "Thank you");
    }
    for post in &posts {
        assert_eq!(gate.read(post).await["state"], "held");
    }
    for path in of(SECOND) {
        says(&approve(&gate, &path).await, 200, "Thank you");
    }
    for post in &posts {
        gate.until_state(post, "published").await;
    }
    assert_eq!(smtp.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn each_address_gets_its_own_links_and_no_others() {
    two_voices(60).await;
}

#[tokio::test]
async fn so_it_does_where_mails_wait_for_nothing() {
    two_voices(0).await;
}
