//! The pages in a real browser, which runs no scripts: what people would do.

use serde_json::{Value, json};
use tests::browser::drive;
use tests::harness::{Gate, network};

use super::House;
use super::posts::{ACCOUNT, launch, rules};
use crate::samples::{STATUSES, id, texts};

#[tokio::test(flavor = "multi_thread")]
async fn heavy_an_approver_and_an_agency_agree_in_a_browser() {
    let net = network().await;
    let plan = Gate::new()
        .account(ACCOUNT, &net)
        .govern(|governance| rules(governance, ", { n = 1, external = \"agency-x\" }"));
    let Some(house) = House::open(plan, &net.url).await else { return };
    let gate = &house.gate;
    let post = id(&gate.publish(&launch("crisps for everybody")).await.expect(202));
    let url = |path: &str| format!("{}{path}", gate.url);
    // The editor signs in at the issuer, finds the post, forgets the reason, comments, and agrees.
    let steps = [
        json!(["open", url("/people/approvals")]),
        json!(["click", "link", "crisps for everybody"]),
        json!(["fill", "Say something of version 1", "Looks good."]),
        json!(["click", "button", "Comment"]),
    ];
    let Some(seen) = drive(&steps).await else { return };
    assert!(seen[0].text.contains("crisps for everybody") && seen[0].url == url("/people/approvals"), "{:?}", seen[0]);
    assert_eq!(seen[1].url, url(&format!("/people/posts/{post}")));
    assert!(seen[3].status == 200 && seen[3].text.contains("Looks good."), "{:?}", seen[3]);
    // The comment keeps the post back until it is resolved by somebody who may write it.
    gate.caller("person:chief-1").post(&format!("/v1/posts/{post}/comment"), &json!({"resolves": 1})).await.expect(200);
    let steps = [
        json!(["open", url(&format!("/people/posts/{post}"))]),
        json!(["fill", "A note for the author (you may leave it empty)", "Go."]),
        json!(["click", "button", "Approve"]),
    ];
    let seen = drive(&steps).await.expect("a browser");
    assert!(seen[2].status == 200 && seen[2].text.contains("version 1 approved, by editor-7"), "{:?}", seen[2]);
    assert!(seen[2].text.contains("its turn now, by link"), "{:?}", seen[2]);
    assert_eq!(net.count("POST", STATUSES).await, 0, "the agency is to agree");
    for page in &seen {
        assert_eq!((page.language.as_deref(), page.headings.len(), page.unlabelled), (Some("en"), 1, 0), "{page:?}");
        assert!(page.refused.is_empty(), "the browser refused something: {page:?}");
    }
    // Somebody carries the link to the agency, which knows nothing of the company's issuer.
    let invited =
        gate.caller("person:chief-1").post(&format!("/v1/posts/{post}/invite"), &json!({"external": "agency-x"})).await;
    let invited: Value = invited.expect(201);
    let link = invited["links"][0]["url"].as_str().expect("an address").to_owned();
    assert!(link.starts_with(&url("/approve/")), "{link}");
    let steps = [json!(["open", link]), json!(["click", "button", "Approve the post"]), json!(["open", link])];
    let seen = drive(&steps).await.expect("a browser");
    assert!(seen[0].status == 200 && seen[0].text.contains("crisps for everybody"), "{:?}", seen[0]);
    assert_eq!((seen[0].language.as_deref(), seen[0].headings.len(), seen[0].unlabelled), (Some("en"), 1, 0));
    assert_eq!((seen[1].status, seen[1].headings.as_slice()), (200, &["Thank you".to_owned()][..]), "{:?}", seen[1]);
    assert_eq!((seen[2].status, seen[2].title.as_str()), (410, "Pressgate: This link was used"), "{:?}", seen[2]);
    assert!(seen.iter().all(|page| page.refused.iter().all(|told| told.contains("410"))), "{:?}", seen[2].refused);
    gate.until_state(&post, "published").await;
    assert_eq!(texts(&net).await, ["crisps for everybody"]);
}
