//! Plugins in a registry: Debian's `docker-registry` with a login, and registries that lie, stop half-way, or lead elsewhere.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tests::harness::{Gate, intents, network, until};
use tests::made;
use tests::plugins::plugin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::cli::{Ran, run, run_as, run_with};
use crate::samples::post;

const USER: (&str, &str) = ("PRESSGATE_REGISTRY_USER", "ops");
const PASSWORD: (&str, &str) = ("PRESSGATE_REGISTRY_PASSWORD", "registry-secret");
/// The password above, by bcrypt.
const HTPASSWD: &str = "ops:$2b$04$pcfFmEazvTQtJ4sKM6UvEuwkz2fFMKkEWbP.R0iO0hCzuAI4SU0/W\n";

/// A registry that ends with the test.
struct Registry {
    child: Child,
    host: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn registry(folder: &Path) -> Option<Registry> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    std::fs::write(folder.join("htpasswd"), HTPASSWD).expect("written");
    let config = json!({
        "version": 0.1,
        "log": { "level": "error" },
        "storage": { "filesystem": { "rootdirectory": folder.join("blobs") } },
        "http": { "addr": free.to_string() },
        "auth": { "htpasswd": { "realm": "here", "path": folder.join("htpasswd") } },
    });
    // What is JSON is YAML too.
    std::fs::write(folder.join("registry.yml"), config.to_string()).expect("written");
    let child = Command::new("docker-registry")
        .arg("serve")
        .arg(folder.join("registry.yml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let registry = match child {
        Ok(child) => Registry { child, host: free.to_string() },
        Err(_) => {
            tests::skip::skipped("there is no docker-registry");
            return None;
        }
    };
    until("the registry", || async { tokio::net::TcpStream::connect(free).await.ok() }).await;
    Some(registry)
}

fn known(folder: &Path, line: &str) -> Ran {
    run_with(folder, line, "", &[USER, PASSWORD])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_plugin_goes_through_a_registry_into_the_gateway() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(registry) = registry(folder.path()).await else { return };
    let (here, net) = (folder.path(), network().await);
    let file = here.join("new.wasm");
    std::fs::write(&file, made::another(&plugin("mastodon"), "2")).expect("written");
    let key = run(here, "plugin key --name acme-plugins --out signer.key --json", "").json(0)["key"].clone();
    run(here, "plugin sign new.wasm --key signer.key", "").text(0);
    let there = format!("{}/acme/mastodon:0.1.0", registry.host);

    let nobody = run(here, &format!("plugin push new.wasm {there} --plain-http"), "");
    assert!(nobody.text(1).contains("answers 401") && nobody.text(1).contains("docker login"), "{nobody:?}");
    let pushed = known(here, &format!("plugin push new.wasm {there} --plain-http --json")).json(0);
    let pinned = pushed["pinned"].as_str().expect("a reference").to_owned();
    assert!(pinned.starts_with(&format!("{}/acme/mastodon@sha256:", registry.host)), "{pushed}");
    let again = known(here, &format!("plugin push new.wasm {there} --plain-http --json")).json(0);
    assert_eq!(again["pinned"], pushed["pinned"], "the same component has the same manifest");

    let pulled = known(here, &format!("plugin pull {pinned} --plain-http --json")).json(0);
    assert_eq!(std::fs::read(here.join("mastodon.wasm")).expect("the file"), std::fs::read(&file).expect("the file"));
    assert_eq!((&pulled["path"], &pulled["component"]), (&json!("mastodon.wasm"), &pushed["component"]));
    let twice = known(here, &format!("plugin pull {there} --plain-http"));
    assert!(twice.text(1).contains("it is there already"), "{twice:?}");
    let none = known(here, &format!("plugin pull {}/acme/mastodon:9 --plain-http", registry.host));
    assert!(none.text(1).contains("answers 404"), "{none:?}");
    let tls = known(here, &format!("plugin pull {there}"));
    assert!(tls.text(3).contains("the registry at https://"), "without --plain-http it wants TLS: {tls:?}");

    let gate = Gate::new().account("acme-mastodon", &net).setting("plugins.trusted_keys", &format!("[{key}]"));
    let first = tempfile::tempdir().expect("a folder");
    let gate = gate.setting("plugins.dir", &format!("{:?}", first.path()));
    std::fs::copy(&file, first.path().join("mastodon.wasm")).expect("copied");
    let gate = gate.spawn().await;
    // Another one, which a person installs straight from the registry.
    std::fs::write(&file, made::another(&plugin("mastodon"), "3")).expect("written");
    let there = format!("{}/acme/mastodon:0.1.1", registry.host);
    known(here, &format!("plugin push new.wasm {there} --plain-http")).text(0);
    let docker = gate.site.folder().join("docker");
    std::fs::create_dir(&docker).expect("a folder");
    let auths = json!({ "auths": { &registry.host: { "auth": "b3BzOnJlZ2lzdHJ5LXNlY3JldA==" } } });
    std::fs::write(docker.join("config.json"), auths.to_string()).expect("written");
    let install = |reference: &str| {
        let key = crate::cli::key_file(&gate, "person:ops-1");
        let line = format!("plugin install oci://{reference} --plain-http --key-file {} --json", key.display());
        run_with(gate.site.folder(), &line, "", &[("DOCKER_CONFIG", docker.to_str().expect("a path"))])
    };
    let unsigned = install(&there);
    let unsigned = unsigned.json(1)["error"].as_str().expect("a sentence").to_owned();
    assert!(unsigned.contains("it is not signed") && unsigned.contains("@sha256:"), "{unsigned}");
    run(here, "plugin sign new.wasm --key signer.key", "").text(0);
    known(here, &format!("plugin push new.wasm {there} --plain-http")).text(0);
    let installed = install(&there).json(0);
    let release = installed[0]["release"].as_str().expect("a digest").to_owned();
    for step in [format!("canary {release} network:mastodon --share 50%"), "promote network:mastodon".to_owned()] {
        run_as(&gate, "person:ops-1", &format!("plugin {step}"), "").text(0);
    }
    gate.publish(&post("acme-mastodon", "from the registry")).await.expect(201);
    assert_eq!(intents(&gate.leaves()).pop().expect("an intent").1.adapter_digest, release);
}

/// What a registry of the test's own answers, by the path's end; and what it was asked, with `Authorization`.
#[derive(Default)]
struct Told {
    answers: Vec<(&'static str, String)>,
    asked: Vec<(String, Option<String>)>,
}

/// Serves these answers until the test ends; the address.
async fn liar(told: Arc<Mutex<Told>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read_exact(&mut byte).await.is_err() {
                    break;
                }
                head.extend(byte);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
            let shown = head.lines().find_map(|line| line.strip_prefix("authorization: ")).map(str::to_owned);
            let answer = {
                let mut told = told.lock().expect("no thread died");
                told.asked.push((path.clone(), shown.clone()));
                let fits = |(end, _): &&(&str, String)| path.contains(end);
                told.answers.iter().find(fits).map(|(_, answer)| answer.clone())
            };
            let answer = answer.unwrap_or_else(|| "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".into());
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = tokio::time::timeout(Duration::from_secs(1), stream.shutdown()).await;
        }
    });
    address
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn sha(bytes: &str) -> String {
    let hex = digest(&SHA256, bytes.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("sha256:{hex}")
}

fn manifest(kind: &str, digest: &str, size: u64) -> String {
    json!({ "schemaVersion": 2, "layers": [{ "mediaType": kind, "digest": digest, "size": size }] }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_lies_or_dies_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = Arc::new(Mutex::new(Told::default()));
    let host = liar(Arc::clone(&told)).await;
    let wasm = "application/wasm";
    let good = manifest(wasm, &sha("a component"), 11);
    let elsewhere = sha("another manifest");
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\na compo".to_owned();
    let two = json!({ "layers": [{}, {}] }).to_string();
    for (reference, answer, blob, why) in [
        (":1", ok(&good), ok("a c0mponent"), "is not what its digest says"),
        (":1", ok(&good), ok("a component and more"), "more than 11 bytes"),
        (":1", ok(&good), half, "ended before it was whole"),
        (":1", ok(&manifest(wasm, &sha("x"), 200 << 20)), ok("x"), "at most"),
        (":1", ok(&manifest("application/tar", &sha("x"), 1)), ok("x"), "is no component"),
        (":1", ok(&manifest(wasm, "md5:00", 1)), ok("x"), "no SHA-256"),
        (":1", ok(&two), ok("x"), "several layers"),
        (":1", ok("{}"), ok("x"), "no layers"),
        (":1", ok("<html>"), ok("x"), "is no JSON"),
        (elsewhere.as_str(), ok(&good), ok("a component"), "another manifest"),
        (":1", ok(&good), "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".into(), "answers 500"),
        (":1", "nonsense\r\n\r\n".into(), ok("x"), "the registry at"),
    ] {
        told.lock().expect("no thread died").answers = vec![("/manifests/", answer), ("/blobs/", blob)];
        let reference = if reference.starts_with(':') { reference.to_owned() } else { format!("@{reference}") };
        let ran = run(folder.path(), &format!("plugin pull {host}/acme/x{reference} --out x.wasm --plain-http"), "");
        assert!(ran.code == Some(1) || ran.code == Some(3), "{why}: {ran:?}");
        assert!(ran.err.contains(why), "{why}: {ran:?}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "{why}: nothing stays");
    }
    let text = run(folder.path(), "plugin push nothing.wasm acme/x:1", "");
    assert!(text.text(2).contains("registry.example/acme/square"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_and_shown_to_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (told, store) = (Arc::new(Mutex::new(Told::default())), Arc::new(Mutex::new(Told::default())));
    let (host, stored) = (liar(Arc::clone(&told)).await, liar(Arc::clone(&store)).await);
    let component = "a component";
    store.lock().expect("no thread died").answers = vec![("/store", ok(component))];
    let asked = format!(
        "HTTP/1.1 401 No\r\nwww-authenticate: Bearer realm=\"http://{host}/token\",service=\"s\",scope=\"repository:acme/x:pull,push\"\r\ncontent-length: 0\r\n\r\n"
    );
    told.lock().expect("no thread died").answers = vec![("/manifests/", asked), ("/token", ok(r#"{"token":"t0"}"#))];
    let pull = || known(folder.path(), &format!("plugin pull {host}/acme/x:1 --out x.wasm --plain-http"));
    let refused = pull();
    assert!(refused.text(1).contains("answers 401"), "a token that does not help: {refused:?}");
    let basic = Some("Basic b3BzOnJlZ2lzdHJ5LXNlY3JldA==".to_owned());
    let seen = std::mem::take(&mut told.lock().expect("no thread died").asked);
    let token = seen.iter().find(|(path, _)| path.starts_with("/token")).expect("it asked for a token");
    assert_eq!(token.1, basic);
    assert!(
        token.0.contains("service=s") && token.0.contains("scope=repository%3Aacme%2Fx%3Apull%2Cpush"),
        "{token:?}"
    );
    assert_eq!(seen.last().expect("a request").1.as_deref(), Some("Bearer t0"));

    let moved = format!("HTTP/1.1 307 There\r\nlocation: http://{stored}/store\r\ncontent-length: 0\r\n\r\n");
    let whole = manifest("application/wasm", &sha(component), component.len() as u64);
    told.lock().expect("no thread died").answers = vec![("/manifests/", ok(&whole)), ("/blobs/", moved)];
    pull().text(0);
    let seen = store.lock().expect("no thread died").asked.clone();
    assert_eq!(seen, [("/store".to_owned(), None)], "who keeps the blobs sees no token");
    let file: Value = json!(std::fs::read_to_string(folder.path().join("x.wasm")).expect("the file"));
    assert_eq!(file, component);
}
