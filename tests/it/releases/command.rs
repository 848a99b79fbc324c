//! The same on the command line, with the program itself: its child compiles, and it may be killed.

use tests::harness::{Gate, GateProcess, intents, network, problem};
use tests::http;
use tests::made;
use tests::plugins::plugin;

use crate::cli::{Ran, run_as};
use crate::samples::post;

fn plugin_command(gate: &GateProcess, line: &str) -> Ran {
    run_as(gate, "person:ops-1", &format!("plugin {line}"), "")
}

fn component(gate: &GateProcess, name: &str, bytes: &[u8]) -> String {
    let path = gate.site.path(name);
    std::fs::write(&path, bytes).expect("written");
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_file_to_a_release_that_outlives_a_kill() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    let file = component(&gate, "new.wasm", &made::another(&plugin("mastodon"), "2"));
    let made = plugin_command(&gate, &format!("install {file} --json")).json(0);
    let release = made[0]["release"].as_str().expect("a digest").to_owned();
    let compiled = made[0]["steps"].as_array().and_then(|steps| steps.iter().find(|step| step["step"] == "compile"));
    assert_eq!(compiled.map(|step| step["note"].clone()), Some("compiled".into()), "by the child");
    let text = plugin_command(&gate, &format!("canary {release} network:mastodon --share 10%"));
    assert!(text.text(0).contains("10 % of the calls") && text.out.contains("version  1"), "{text:?}");
    let text = plugin_command(&gate, "promote network:mastodon");
    assert!(text.text(0).contains(&format!("active   mastodon 0.1.0 ({})", &release[..12])), "{text:?}");
    let stale = plugin_command(&gate, "rollback network:mastodon --saw 1");
    assert!(stale.text(1).contains("at version 2 by now, and you saw version 1"), "{stale:?}");
    gate.kill9().await;
    gate.restart().await;
    gate.publish(&post("acme-mastodon", "hello")).await.expect(201);
    assert_eq!(intents(&gate.leaves()).pop().expect("an intent").1.adapter_digest, release);
    let shown = plugin_command(&gate, &format!("show {}", &release[..10]));
    for line in ["network:mastodon (active)", "ok      self-test", "ok      capabilities", "ready", "by ops-1"] {
        assert!(shown.text(0).contains(line), "{line}: {shown:?}");
    }
    let performed = shown.out.lines().find(|line| line.trim_start().starts_with("perform ")).expect("what it used");
    assert!(performed.contains("1 calls, 0 failed, 0 refused") && performed.contains(" bytes out, "), "{performed}");
    // One text of 5 letters, and an answer that names it.
    let page = tests::http::get(&format!("{}/metrics", gate.operations_url()), "").await.text();
    let meter = |name: &str, function: &str| -> f64 {
        let of = |line: &&str| {
            line.starts_with(name) && line.contains(&release) && line.contains(&format!("\"{function}\""))
        };
        let line = page.lines().find(of).unwrap_or_else(|| panic!("{name} of {function}: {page}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    };
    assert_eq!(meter("pressgate_plugin_calls_total", "perform"), 1.0);
    assert_eq!(meter("pressgate_plugin_sent_bytes_total", "check"), 0.0);
    assert!(meter("pressgate_plugin_sent_bytes_total", "perform") >= 5.0);
    assert!(meter("pressgate_plugin_received_bytes_total", "perform") > 20.0);
    assert!(meter("pressgate_plugin_host_calls_total", "perform") >= 1.0);
    assert!((1.0..2e6).contains(&meter("pressgate_plugin_cpu_microseconds_total", "perform")));
    assert!((65_536.0..=33_554_432.0).contains(&meter("pressgate_plugin_memory_peak_bytes", "perform")));
    let listed = plugin_command(&gate, "list");
    assert!(listed.text(0).contains(&release[..12]) && listed.out.contains("parked"), "{listed:?}");
    plugin_command(&gate, "rollback network:mastodon").text(0);
    gate.publish(&post("acme-mastodon", "again")).await.expect(201);
    assert_ne!(intents(&gate.leaves()).pop().expect("an intent").1.adapter_digest, release);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_takes_no_giant_and_answers_a_late_swap_with_409() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    let (url, ops) = (gate.operations_url(), gate.operations("person:ops-1"));
    let wasm = [("content-type", "application/wasm")];
    let giant = ops.try_send("POST", "/operator/plugins/releases", &wasm, vec![0_u8; 200 << 20]).await;
    // It is refused before all of it came; whoever still writes may find the connection closed.
    assert!(giant.is_err() || giant.is_ok_and(|answer| answer.status == 413));
    let wish = serde_json::json!({"slot": "network:mastodon", "version": 7});
    let late = problem(&ops.post("/operator/plugins/rollbacks", &wish).await, "routing-changed");
    assert_eq!(late["status"], 409);
    let newsroom = gate.operations("app:newsroom");
    assert_eq!(newsroom.send("POST", "/operator/plugins/releases", &wasm, "x").await.status, 403);
    assert_eq!(http::get(&format!("{url}/livez"), "").await.status, 200);
    gate.publish(&post("acme-mastodon", "hello")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compile_that_takes_for_ever_or_all_memory_is_ended() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).setting("plugins.compile_ms_max", "10000");
    let gate = gate.setting("plugins.compile_bytes_max", "536870912").spawn().await;
    let file = component(&gate, "bomb.wasm", &bomb());
    let refused = plugin_command(&gate, &format!("install {file}"));
    let ended = refused.err.contains("takes longer than 10000 ms") || refused.err.contains("the compiler ended with");
    assert!(refused.text(1).contains("rejected at compile") && ended, "{refused:?}");
    gate.publish(&post("acme-mastodon", "hello")).await.expect(201);
}

/// The adapter with a module more: thousands of loops in each other, each of which carries thousands of values.
fn bomb() -> Vec<u8> {
    const LOOPS: usize = 4_000;
    const LOCALS: usize = 6_000;
    let mut body = vec![1];
    body.extend(leb128(LOCALS));
    body.push(0x7f);
    body.extend([0x03, 0x40].repeat(LOOPS));
    for local in 0..LOCALS {
        // local = local + 1
        body.push(0x20);
        body.extend(leb128(local));
        body.extend([0x41, 1, 0x6a, 0x21]);
        body.extend(leb128(local));
    }
    body.extend([0x20, 0, 0x0d, 0, 0x0b].repeat(LOOPS));
    body.push(0x0b);
    let mut code = vec![1];
    code.extend(leb128(body.len()));
    code.extend(body);
    let mut module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a".to_vec();
    module.extend(leb128(code.len()));
    module.extend(code);
    let mut component = plugin("mastodon");
    component.push(1);
    component.extend(leb128(module.len()));
    component.extend(module);
    component
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}
