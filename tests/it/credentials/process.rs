//! The program itself: its commands, and `kill -9` between the answer of the token endpoint and the disk.

use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::harness::{GateProcess, built, network, problem, until};
use tests::http;
use tests::networks::issuer::{Issuer, plugins};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::{ACCOUNT, ENDPOINTS, gate, told};
use crate::cli::{key_file, run_as};
use crate::samples::post;

struct Setting {
    _net: sample_network::Running,
    issuer: Issuer,
    gate: GateProcess,
    _plugins: TempDir,
}

impl Setting {
    async fn new() -> Option<Self> {
        let net = network().await;
        let issuer = Issuer::start(&net.url).await?;
        let folder = plugins(ENDPOINTS);
        let gate = gate(&issuer, &folder).spawn().await;
        let setting = Self { _net: net, issuer, gate, _plugins: folder };
        setting.connect().await;
        Some(setting)
    }

    fn command(&self, line: &str) -> Value {
        run_as(&self.gate, "person:ops-1", &format!("{line} --json"), "").json(0)
    }

    async fn connect(&self) {
        let begun = self.command(&format!("credential connect {ACCOUNT} --no-wait"));
        let callback = self.issuer.browse(begun["authorization_url"].as_str().expect("an address")).await;
        assert_eq!(http::get(&callback, "").await.status, 200);
    }

    /// Lets a call need new tokens, and kills the gateway `delay_ms` after the answer left, or, without, before it could read it.
    async fn kill_at_refresh(&mut self, delay_ms: Option<u64>) {
        let before = self.issuer.seen().await.refreshes().len();
        self.issuer.refuse_access().await;
        let plan = json!({"mode": "kill", "pid": self.gate.process_id(), "delayMs": delay_ms});
        self.issuer.set(&json!({ "token": plan })).await;
        let newsroom = self.gate.caller("app:newsroom");
        let body = post(ACCOUNT, "at the kill").to_string();
        let json = [("content-type", "application/json")];
        let call = tokio::spawn(async move { newsroom.try_send("POST", "/v1/posts", &json, body).await });
        let answered = || async { (self.issuer.seen().await.refreshes().len() > before).then_some(()) };
        until("the issuer has answered", answered).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let _broken = call.await;
        assert_eq!(self.gate.terminate().await, None, "it was killed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_refresh_token_before_is_still_there() {
    let Some(mut setting) = Setting::new().await else { return };
    setting.gate.publish(&post(ACCOUNT, "before")).await.expect(201);
    // An issuer that does not rotate: nothing at all is lost.
    setting.issuer.set(&json!({"rotate": false})).await;
    setting.kill_at_refresh(None).await;
    setting.gate.restart().await;
    setting.gate.publish(&post(ACCOUNT, "after")).await.expect(201);
    let seen = setting.issuer.seen().await;
    let connected = seen.token[0].issued_refresh.clone();
    let refreshes = seen.refreshes();
    assert!(connected.is_some() && refreshes.iter().all(|refresh| refresh.refresh == connected), "{seen:?}");
    assert_eq!(refreshes.iter().map(|refresh| refresh.status).collect::<Vec<_>>(), [Some(200), Some(200)]);
    assert_eq!(setting.command("credential status")[0]["state"], "connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_issuer_rotates_the_operator_hears_of_it_and_connects_again() {
    let Some(mut setting) = Setting::new().await else { return };
    setting.gate.publish(&post(ACCOUNT, "before")).await.expect(201);
    setting.kill_at_refresh(None).await;
    setting.gate.restart().await;
    // The token before is shown again: the issuer takes that for theft and ends the grant (RFC 9700 section 4.14).
    let refused = || async {
        let answer = setting.gate.publish(&post(ACCOUNT, "after")).await;
        (answer.status != 201).then_some(answer)
    };
    let answer = until("the reuse is refused", refused).await;
    problem(&answer, "credential-refused");
    let seen = setting.issuer.seen().await;
    let [kept, reused] = seen.refreshes()[..] else { panic!("{seen:?}") };
    assert_eq!((&kept.refresh, kept.status), (&seen.token[0].issued_refresh, Some(200)));
    assert_eq!(
        (&reused.refresh, reused.error.as_deref()),
        (&kept.refresh, Some("invalid_grant")),
        "the one before was kept"
    );

    let alarm = "reconnect-needed acme-mastodon/token true".to_owned();
    until("the alarm", || async { told(&setting.gate.leaves()).contains(&alarm).then_some(()) }).await;
    let status = run_as(&setting.gate, "person:ops-1", "credential status acme-mastodon", "");
    assert_eq!(status.code, Some(1), "{status:?}");
    assert!(
        status.out.contains("reconnect-needed since")
            && status.out.contains("pressgate credential connect acme-mastodon")
    );
    // It is known over a restart, and told once.
    assert_eq!(setting.gate.terminate().await, Some(0));
    setting.gate.restart().await;
    let told_now = problem(&setting.gate.publish(&post(ACCOUNT, "still")).await, "credential-refused");
    assert_eq!(told_now["stage"], "clear", "{told_now}");
    setting.connect().await;
    setting.gate.publish(&post(ACCOUNT, "again")).await.expect(201);
    let ended = "reconnect-needed acme-mastodon/token false".to_owned();
    until("its end", || async { told(&setting.gate.leaves()).contains(&ended).then_some(()) }).await;
    let alarms: Vec<_> =
        told(&setting.gate.leaves()).into_iter().filter(|told| told.starts_with("reconnect")).collect();
    assert_eq!(alarms, [alarm, ended]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_is_killed_there_is_a_token_or_a_person_is_asked() {
    let Some(mut setting) = Setting::new().await else { return };
    setting.gate.publish(&post(ACCOUNT, "before")).await.expect(201);
    let (mut kept, mut asked) = (0, 0);
    for delay_ms in [0, 1, 2, 4, 8, 30] {
        setting.kill_at_refresh(Some(delay_ms)).await;
        setting.gate.restart().await;
        let answer = setting.gate.publish(&post(ACCOUNT, &format!("after {delay_ms}"))).await;
        if answer.status == 201 {
            kept += 1;
        } else {
            problem(&answer, "credential-refused");
            assert_eq!(setting.command("credential list")[0]["state"], "reconnect-needed");
            setting.connect().await;
            asked += 1;
        }
        setting.gate.publish(&post(ACCOUNT, &format!("good {delay_ms}"))).await.expect(201);
        let seen = setting.issuer.seen().await;
        let issued: Vec<_> = seen.token.iter().filter_map(|request| request.issued_refresh.clone()).collect();
        assert!(
            seen.refreshes().iter().all(|refresh| refresh.refresh.as_ref().is_some_and(|shown| issued.contains(shown)))
        );
    }
    assert_eq!(kept + asked, 6);
    assert!(kept >= 1, "30 ms are enough for the disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_waits_for_the_answer_and_says_how_it_went() {
    let Some(setting) = Setting::new().await else { return };
    for (decline, code, state) in [(true, 1, "failed"), (false, 0, "connected")] {
        setting.issuer.set(&json!({ "decline": decline })).await;
        let mut child = Command::new(built::program())
            .args(["credential", "connect", ACCOUNT, "--json", "--key-file"])
            .arg(key_file(&setting.gate, "person:ops-1"))
            .current_dir(setting.gate.site.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let begun = lines.next_line().await.expect("text").expect("a line");
        let begun: Value = serde_json::from_str(&begun).expect("JSON");
        let callback = setting.issuer.browse(begun["authorization_url"].as_str().expect("an address")).await;
        http::get(&callback, "").await;
        let mut ended = String::new();
        while let Some(line) = lines.next_line().await.expect("text") {
            ended.push_str(&line);
        }
        let ended: Value = serde_json::from_str(&ended).expect("JSON");
        assert_eq!(ended["state"], state, "{ended}");
        assert_eq!(child.wait().await.expect("a state").code(), Some(code));
    }
    let revoked = setting.command(&format!("credential revoke {ACCOUNT}"));
    assert_eq!((&revoked["revoked"], &revoked["network"]), (&json!(true), &json!("revoked")), "{revoked}");
    let missing = run_as(&setting.gate, "person:ops-1", &format!("credential connect {ACCOUNT}"), "");
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.err.contains("pressgate credential set acme-mastodon"), "{missing:?}");
}
