//! What an author of a plugin does with the documents alone, outside of this repository.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use pressgate::host::{MediaFiles, PluginFault, PluginGrant};
use pressgate::model::Outcome;
use serde_json::{Value, json};
use tests::harness::built;
use tests::{made, plugins, samples};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("it is there")
}

/// A project as `pressgate plugin new` makes it.
fn begun(kind: &str, name: &str, folder: &Path) -> PathBuf {
    let told = pressgate(folder, &["plugin", "new", kind, name]).expect("a new project");
    assert!(told.contains("cargo test"), "{told}");
    folder.join(name)
}

/// Runs the program as an author does. Versions of other crates are the repository's, so that nothing is downloaded.
fn pressgate(package: &Path, arguments: &[&str]) -> Result<String, String> {
    run(&mut Command::new(built::program()), package, arguments)
}

fn run(program: &mut Command, package: &Path, arguments: &[&str]) -> Result<String, String> {
    fs::copy(repository().join("Cargo.lock"), package.join("Cargo.lock")).expect("copied");
    let target = plugins::folder().parent().expect("cargo's folder").to_owned();
    let output = program
        .args(arguments)
        .current_dir(package)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .expect("the program runs");
    let told = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let (out, faults) = (told(output.stdout), told(output.stderr));
    if output.status.success() { Ok(out) } else { Err(out + &faults) }
}

/// The package's own tests, natively.
fn own_tests(package: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let told = run(&mut Command::new(cargo), package, &["test", "--lib"]).expect("the documents hold");
    assert!(told.contains("1 passed"), "{told}");
}

fn build(package: &Path) -> Result<String, String> {
    pressgate(package, &["plugin", "build", ".", "--out", "built"])
}

/// Changes a file of the package for the time of one build, and answers what the build said against it.
fn refused(package: &Path, file: &str, from: &str, to: &str) -> String {
    let path = package.join(file);
    let good = fs::read_to_string(&path).expect("a file");
    assert!(good.contains(from), "{from} is not in {file}");
    fs::write(&path, good.replace(from, to)).expect("written");
    let refused = build(package).expect_err(to);
    fs::write(&path, good).expect("written");
    refused
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_first_policy_builds_and_judges_and_what_can_not_serve_is_not_built() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = begun("policy", "no-shouting", folder.path());
    own_tests(&package);
    let told = build(&package).expect("the documents hold");
    assert!(told.contains("no-shouting.wasm"), "{told}");
    let told = pressgate(&package, &["plugin", "test", ".", "--conformance"]).expect("the scenario holds");
    assert!(told.contains("ok      loud: ") && told.contains("1 scenarios hold"), "{told}");
    let told = pressgate(&package, &["plugin", "check", "built/no-shouting.wasm"]).expect("it holds");
    for line in [
        "no-shouting 0.1.0, policy",
        "runs on gateways with the contract 0.1.0 or a later 0.1.x",
        "ok      self-test: 2 vectors",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }

    let host = samples::host(None);
    let wasm = fs::read(package.join("built/no-shouting.wasm")).expect("built");
    let config = json!({ "loud": ["sensation"] });
    let policy = host.load(&wasm, &PluginGrant::default(), &config).expect("it loads");
    for (text, expected) in
        [("A quiet word.", Outcome::Allow), ("BUY NOW", Outcome::Deny), ("What a sensation!", Outcome::Deny)]
    {
        let draft = samples::draft(&[text]);
        let (outcome, _) = policy.review(&draft, &samples::context(), &MediaFiles::none()).await.expect("judged");
        assert_eq!(outcome, expected, "{text}");
    }

    for (file, from, to, said) in [
        ("src/lib.rs", "pressgate_sdk::export_policy!(NoShouting);", "", "export_policy!"),
        ("plugin.toml", "kind = \"policy\"", "kind = \"adapter\"\nnetworks = [\"x\"]", "export_adapter!"),
        ("plugin.toml", "[config]", "[limits]\nmemory_bytes = 65536\n\n[config]", "memory"),
        ("plugin.toml", "[config]", "[limits]\nguest_ms = 99999999\n\n[config]", "write 2000 or less"),
        ("plugin.toml", "0.1.0", "0.0.9", "plugin.toml: line 5: `plugin.wit`"),
        ("plugin.toml", "\"/loud\"", "\"/nothing\"", "nothing at `/nothing`"),
        ("config.schema.json", "\"object\"", "\"objekt\"", "config.schema.json is not a valid JSON Schema"),
    ] {
        let fault = refused(&package, file, from, to);
        assert!(fault.contains(said), "{to}: {fault}");
    }

    // Without the set the policy panics, which denies; its words are in the gateway's log.
    let path = package.join("plugin.toml");
    let manifest = fs::read_to_string(&path).expect("a manifest");
    fs::write(&path, manifest.split("[[match]]").next().expect("a head")).expect("written");
    build(&package).expect("a set is not demanded");
    let wasm = fs::read(package.join("built/no-shouting.wasm")).expect("built");
    let policy = host.load(&wasm, &PluginGrant::default(), &config).expect("it loads");
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let failed = policy.review(&samples::draft(&["A quiet word."]), &samples::context(), &MediaFiles::none()).await;
    drop(logging);
    assert!(matches!(failed.expect_err("no verdict").fault, PluginFault::Trapped { .. }));
    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("UTF-8");
    assert!(log.contains("ERROR") && log.contains("panicked at src/lib.rs:"), "{log}");
    assert!(log.contains("plugin.toml declares the set `loud`: ") && log.contains("no-shouting 0.1.0"), "{log}");
}

/// What `plugin check`, `plugin new` and `plugin sdk` say of what is wrong.
fn checked_on_the_way(package: &Path) {
    let good = fs::read(package.join("built/tinynet.wasm")).expect("built");
    let lying = made::with_manifest(&good, |manifest| manifest["plugin"]["wit"] = json!("9.9.9"));
    let vector =
        br#"{"vectors": [{"name": "lies", "check": {"text": "x"}, "expect": {"findings": ["no-such-code"]}}]}"#;
    let vain = made::with_section(&made::without_section(&good, "pressgate:self-test"), "pressgate:self-test", vector);
    for (component, said) in [
        (b"hello".to_vec(), "failed  verify"),
        (good[..good.len() / 2].to_vec(), "failed  verify"),
        (lying, "built for the contract 9.9.9"),
        (vain, "failed  self-test: `lies`: findings should be `no-such-code` and is ``"),
    ] {
        fs::write(package.join("built/bad.wasm"), component).expect("written");
        let told = pressgate(package, &["plugin", "check", "built/bad.wasm"]).expect_err(said);
        assert!(told.contains(said), "{said}: {told}");
    }
    for (line, said) in [
        (&["plugin", "check", "built/none.wasm"][..], "No such file"),
        (&["plugin", "new", "adapter", "Tiny Net"], "must start with a lower-case letter"),
        (&["plugin", "new", "policy", "again", "--dir", "src"], "name another folder with --dir"),
        (&["plugin", "sdk", "src"], "has no folder sdk/rust"),
    ] {
        let told = pressgate(package, line).expect_err(said);
        assert!(told.contains(said), "{said}: {told}");
    }
    fs::remove_file(package.join("sdk/rust/src/lib.rs")).expect("there");
    pressgate(package, &["plugin", "sdk", "."]).expect("the SDK is there again");
    assert!(package.join("sdk/rust/src/lib.rs").is_file());
}

#[test]
fn the_first_adapter_builds_and_stray_files_are_in_nobodys_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = begun("adapter", "tinynet", folder.path());
    own_tests(&package);
    build(&package).expect("the documents hold");
    let told = pressgate(&package, &["plugin", "check", "built/tinynet.wasm"]).expect("it holds");
    for line in [
        "asks    POST below /api/posts of the account's own server",
        "asks    the credential `token` (bearer)",
        "4 vectors answered",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    checked_on_the_way(&package);

    let shelf = package.join("plugins");
    fs::create_dir_all(shelf.join("folder.wasm")).expect("made");
    let whole = fs::read(package.join("built/tinynet.wasm")).expect("built");
    fs::write(shelf.join("cut.wasm"), &whole[..whole.len() / 2]).expect("written");
    fs::write(shelf.join("text.wasm"), "hello").expect("written");
    fs::write(shelf.join("core.wasm"), b"\0asm\x01\0\0\0").expect("written");
    fs::write(shelf.join("notes.txt"), "not looked at").expect("written");
    let governance = package.join("governance");
    fs::create_dir_all(&governance).expect("made");
    let account = "[[account]]\nid = \"acme\"\nbrand = \"acme\"\nnetwork = \"tinynet\"\nadapter = \"tinynet\"\n\
                   endpoint = \"https://tiny.example\"\n";
    fs::write(governance.join("brands.toml"), "[[brand]]\nid = \"acme\"\nname = \"Acme\"\n").expect("written");
    fs::write(governance.join("accounts.toml"), account).expect("written");

    let check = |expected: bool| {
        let told = pressgate(&package, &["check"]);
        assert_eq!(told.is_ok(), expected, "{told:?}");
        let (Ok(told) | Err(told)) = told;
        told
    };
    let told = check(false);
    assert!(told.contains("accounts.toml:5: ") && told.contains("put tinynet.wasm into"), "{told}");
    fs::write(shelf.join("tinynet.wasm"), &whole[..whole.len() / 2]).expect("written");
    assert!(check(false).contains("tinynet.wasm: not a whole WebAssembly component"));

    fs::write(shelf.join("tinynet.wasm"), &whole).expect("written");
    let told = check(true);
    for stray in ["cut.wasm", "text.wasm", "core.wasm", "folder.wasm"] {
        assert!(told.contains(&format!("{stray}: not ")), "{stray}: {told}");
    }
    assert!(!told.contains("notes.txt"), "{told}");
    let listed: Value =
        serde_json::from_str(&pressgate(&package, &["plugin", "list", "--json"]).expect("a list")).unwrap();
    let faulty = |entry: &&Value| !entry["fault"].is_null();
    let entries = listed.as_array().expect("a list");
    assert_eq!((entries.len(), entries.iter().filter(faulty).count()), (5, 4), "{listed:#}");

    fs::write(shelf.join("again.wasm"), &whole).expect("written");
    let told = check(false);
    assert!(
        told.contains("again.wasm and ") && told.contains("tinynet.wasm both carry the plugin `tinynet`"),
        "{told}"
    );
}

#[test]
fn the_first_connector_builds() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = begun("connector", "tinydesk", folder.path());
    build(&package).expect("it builds");
    let told = pressgate(&package, &["plugin", "check", "built/tinydesk.wasm"]).expect("it holds");
    for line in
        ["tinydesk 0.1.0, connector", "asks    POST below /api/notes", "asks    the credential `token` (bearer)"]
    {
        assert!(told.contains(line), "{line}: {told}");
    }
}
