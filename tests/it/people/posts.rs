//! The pages of posts: what waits, what a post says, and what people do with it, without a script.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::harness::caller::JSON;
use tests::harness::{Gate, Governance, network, until};
use tests::http::Answer;

use super::House;
use super::browser::Browser;
use crate::samples::{PNG, STATUSES, id, texts};

pub(super) const ACCOUNT: &str = "acme-mastodon";
const LIST: &str = "/people/approvals";

/// The editor, who signs in, is asked about launches, and the agency after them.
pub(super) fn rules(governance: &mut Governance, more: &str) {
    let text = format!(
        "[[rule]]\nname = \"launch\"\nlabels = [\"launch\"]\nopen_comments_block = true\nstages = [{{ n = 1, people = [\"editor-7\"] }}{more}]\n\
         [external.agency-x]\naddresses = [\"approvals@agency-x.example\"]\n"
    );
    governance.file("approvals.toml", &text);
    governance.grant("chief-writes", "person:chief-1", "brand:acme", &["post.create", "post.read"]);
}

pub(super) fn launch(text: &str) -> Value {
    json!({"accounts": [ACCOUNT], "labels": ["launch"], "campaign": "spring", "content": {"text": text}})
}

/// The form of a page that does this.
fn form(page: &Answer, what: &str) -> (String, BTreeMap<String, String>) {
    let html = page.text();
    let mark = format!("name=\"do\" value=\"{what}\"");
    let one = html.split("<form").skip(1).find(|form| form.contains(&mark));
    let one = one.unwrap_or_else(|| panic!("no form to {what} in {html}"));
    super::browser::form(&format!("<form{one}"))
}

async fn send(browser: &mut Browser, page: &Answer, what: &str, typed: &[(&str, &str)]) -> Answer {
    let (action, mut fields) = form(page, what);
    fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    browser.post(&action, &fields).await
}

fn has(page: &Answer, what: &str) -> bool {
    page.text().contains(&format!("name=\"do\" value=\"{what}\""))
}

#[track_caller]
fn says(answer: &Answer, status: u16, part: &str) {
    let text = answer.text();
    assert!(answer.status == status && text.contains(part), "{status} {part}: {} {text}", answer.status);
    assert!(!text.contains("<script") && text.contains("<html lang=\"en\">"));
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

/// Another page's form, another browser's, one without its token.
async fn forms_from_elsewhere_do_nothing(browser: &mut Browser, page: &Answer) {
    let url = browser.url.clone();
    let (action, fields) = form(page, "approve");
    for (fields, origin) in [
        (fields.clone(), "https://evil.example"),
        (fields.clone(), "null"),
        (
            BTreeMap::from([("do".to_owned(), "approve".to_owned()), ("version".to_owned(), "1".to_owned())]),
            url.as_str(),
        ),
    ] {
        assert_eq!(browser.post_from(&action, &fields, origin).await.status, 403);
    }
    assert_eq!(Browser::new(&url).post(&action, &fields).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_finds_reads_and_decides() {
    let net = network().await;
    let plan = Gate::new().account(ACCOUNT, &net).govern(|governance| rules(governance, ""));
    let Some(house) = House::open(plan, &net.url).await else { return };
    let gate = &house.gate;
    let medium = gate.upload("image/png", PNG).await;
    let mut body = launch("<script>alert(1)</script> & crisps");
    body["content"]["media"] = json!([{"id": medium, "alt": "<a pixel>"}]);
    let post = id(&gate.publish(&body).await.expect(202));
    let path = format!("/people/posts/{post}");
    // Who is not signed in is led there, and back.
    let mut browser = Browser::new(&gate.url);
    for to in [LIST, path.as_str()] {
        let answer = browser.get(to).await;
        let begin: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some(format!("/people/sign-in?to={begin}").as_str()))
        );
        assert_eq!(Browser::new(&gate.url).sign_in(&house.issuer, to).await, to);
    }
    assert_eq!(browser.sign_in(&house.issuer, LIST).await, LIST);
    let list = browser.open(LIST).await;
    says(&list, 200, &format!("href=\"{path}\""));
    says(&list, 200, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; crisps");
    says(&list, 200, "rule launch");
    says(&browser.open("/people").await, 200, &format!("href=\"{LIST}\""));
    let page = browser.open(&path).await;
    for part in [
        "&lt;script&gt;alert(1)&lt;/script&gt; &amp; crisps",
        "described as “&lt;a pixel&gt;”",
        "1 of editor-7; its turn now: editor-7",
        "<dt>Campaign</dt><dd>spring</dd>",
        "the app newsroom",
        "Version 1:",
    ] {
        says(&page, 200, part);
    }
    assert!(has(&page, "approve") && has(&page, "reject") && !has(&page, "cancel") && !has(&page, "confirm"));
    let picture = browser.get(&format!("{path}/media/{medium}")).await;
    assert_eq!((picture.status, picture.body.as_ref(), picture.header("content-type")), (200, PNG, Some("image/png")));
    says(&browser.get(&format!("{path}/media/nothing")).await, 404, "no such medium");
    forms_from_elsewhere_do_nothing(&mut browser, &page).await;
    // A no needs a reason; an open comment keeps it back; another version is said on the page.
    says(&send(&mut browser, &page, "reject", &[("reason", "  ")]).await, 422, "Say why you reject it");
    says(&send(&mut browser, &page, "comment", &[("text", "")]).await, 422, "Write something first");
    assert_eq!(send(&mut browser, &page, "comment", &[("text", "Is this <true>?")]).await.status, 303);
    let commented = browser.open(&path).await;
    says(&commented, 200, "Is this &lt;true&gt;?");
    assert!(!has(&commented, "resolve"), "who wrote the post resolves it");
    let edited = json!({"content": {"text": "better crisps"}}).to_string();
    gate.send("PATCH", &format!("/v1/posts/{post}"), &[JSON, ("if-match", "\"1\"")], edited).await.expect(200);
    let stale = send(&mut browser, &commented, "approve", &[]).await;
    says(&stale, 409, "role=\"alert\"");
    says(&stale, 409, "the post is at version 2 now");
    says(&stale, 409, "better crisps");
    assert_eq!(net.count("POST", STATUSES).await, 0);
    // The page that said so has the form for what there is now.
    let done = send(&mut browser, &stale, "approve", &[("reason", "fine")]).await;
    assert_eq!((done.status, done.header("location")), (303, Some(path.as_str())), "who voted reads on");
    gate.until_state(&post, "published").await;
    says(&browser.open(&path).await, 200, "published");
    says(&browser.open(LIST).await, 200, "Nothing waits for your vote");
    assert_eq!(texts(&net).await, ["better crisps"]);
    says(&browser.open("/people/posts/post_nobody").await, 404, "There is no post");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_submits_answers_and_cancels() {
    let net = network().await;
    let plan = Gate::new().account(ACCOUNT, &net).govern(|governance| {
        rules(governance, "");
        let text = governance.files()["approvals.toml"].replace("people = [\"editor-7\"]", "people = [\"chief-1\"]");
        governance.file("approvals.toml", &text);
        governance.grant("editor-writes", "person:editor-7", "brand:acme", &["post.create", "post.read"]);
    });
    let Some(house) = House::open(plan, &net.url).await else { return };
    let gate = &house.gate;
    let mut draft = launch("crisps");
    draft["draft"] = json!(true);
    let post = id(&gate.caller("person:editor-7").publish(&draft).await.expect(202));
    let path = format!("/people/posts/{post}");
    let mut browser = Browser::new(&gate.url);
    browser.sign_in(&house.issuer, "/people").await;
    let page = browser.open(&path).await;
    assert!(has(&page, "submit") && has(&page, "cancel") && !has(&page, "approve"), "{}", page.text());
    assert_eq!(send(&mut browser, &page, "submit", &[]).await.status, 303);
    says(&send(&mut browser, &page, "submit", &[]).await, 409, "can&#39;t be done now");
    let page = browser.open(&path).await;
    says(&page, 200, "1 of chief-1; its turn now: chief-1");
    assert!(!has(&page, "approve") && !has(&page, "reject"), "nobody decides on their own");
    // The form of somebody who may: the rules say no on the page.
    let (action, mut fields) = form(&page, "cancel");
    fields.insert("do".to_owned(), "approve".to_owned());
    says(&browser.post(&action, &fields).await, 403, "Nobody approves their own post");
    let chief = gate.caller("person:chief-1");
    chief.post(&format!("/v1/posts/{post}/comment"), &json!({"text": "Which crisps?"})).await.expect(200);
    let page = browser.open(&path).await;
    says(&page, 200, "Which crisps?");
    assert_eq!(send(&mut browser, &page, "resolve", &[]).await.status, 303);
    says(&send(&mut browser, &page, "resolve", &[]).await, 422, "no such open comment");
    says(&browser.open(&path).await, 200, "resolved, by chief-1");
    assert_eq!(send(&mut browser, &page, "cancel", &[("reason", "no crisps")]).await.status, 303);
    says(&browser.open(&path).await, 200, "<strong>cancelled</strong>");
    assert_eq!(net.count("POST", STATUSES).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_late_is_confirmed_on_its_page() {
    let net = network().await;
    let plan = Gate::new().account(ACCOUNT, &net).govern(|governance| {
        governance.grant("editor-writes", "person:editor-7", "brand:acme", &["post.create", "post.read"]);
    });
    let Some(mut house) = House::open(plan, &net.url).await else { return };
    let at = pressgate::clock::Clock::now(&*house.clock) + SignedDuration::from_hours(1);
    let mut body = json!({"accounts": [ACCOUNT], "content": {"text": "late crisps"}});
    body["schedule"] = json!({"at": at.to_string(), "late_max_s": 60});
    let post = id(&house.gate.publish(&body).await.expect(202));
    let path = format!("/people/posts/{post}");
    let mut browser = Browser::new(&house.gate.url);
    browser.sign_in(&house.issuer, "/people").await;
    assert!(!has(&browser.open(&path).await, "confirm"));
    house.gate.stop().await;
    house.clock.advance(SignedDuration::from_hours(3));
    house.gate.restart().await;
    let gate = &house.gate;
    let late = || async { (gate.read(&post).await["targets"][0]["waits_for"] == "overdue").then_some(()) };
    until("it waits for somebody's word", late).await;
    let page = browser.open(&path).await;
    says(&page, 200, "because it is late");
    assert_eq!(send(&mut browser, &page, "confirm", &[]).await.status, 303);
    gate.until_state(&post, "published").await;
    assert_eq!(texts(&net).await, ["late crisps"]);
}
