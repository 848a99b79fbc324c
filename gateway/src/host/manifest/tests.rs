//! Manifests as authors write them, right and wrong.

use proptest::prelude::*;

use super::*;

const ADAPTER: &str = r#"
[plugin]
name = "sample"
version = "0.1.0"
kind = "adapter"
wit = "0.1.0-draft"
networks = ["sample"]

[[http]]
origin = "{account.endpoint}"
methods = ["GET", "POST"]
path_prefixes = ["/api/v1/"]

[[http]]
origin = "https://cdn.example:8443"
methods = ["GET"]
path_prefixes = ["/"]

[[credential]]
label = "token"
scheme = "session"
secrets = ["identifier", "password"]
[credential.session]
login = { method = "POST", path = "/login", body = { identifier = "{identifier}", password = "{password}" } }
refresh = { method = "POST", path = "/refresh", bearer = "{refresh}" }
access_pointer = "/access"
refresh_pointer = "/refresh"
expired = { statuses = [400], pointer = "/error", values = ["ExpiredToken"] }

[limits]
guest_ms = 50
memory_bytes = 999999999999

[[match]]
set = "phrases"
kind = "phrases"
pointer = "/phrases"
field = "text"
fold = "strict"

[config]
schema = "config.schema.json"
"#;

fn read(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::from_toml(text, |_| Ok(r#"{"type":"object"}"#.into()))
}

/// The line, from 1, on which `part` ends.
fn line_of(text: &str, part: &str) -> usize {
    text[..text.find(part).unwrap() + part.len()].lines().count()
}

#[test]
fn a_whole_manifest_is_understood() {
    let manifest = read(ADAPTER).unwrap();
    assert_eq!(manifest.label(), "sample 0.1.0");
    assert_eq!(manifest.http[0].origin, Origin::AccountEndpoint);
    assert_eq!(manifest.http[0].path_prefixes, ["/api/v1"]);
    assert_eq!(manifest.http[1].origin, Origin::Fixed("https://cdn.example:8443".into()));
    assert!(matches!(&manifest.credentials[0].scheme, CredentialScheme::Session(s) if s.refresh.is_some()));
    assert_eq!(manifest.limits.guest_ms, 50);
    assert_eq!(manifest.limits.memory_bytes, Limits::CEILING.memory_bytes);
    assert_eq!(manifest.limits.wall_ms, 30_000);
    assert_eq!(manifest.matches[0].fold, Fold::Strict);
    assert_eq!(manifest.config_schema, Some(serde_json::json!({"type": "object"})));
}

#[test]
fn what_a_component_carries_is_the_same_manifest() {
    let (manifest, json) = Manifest::source(ADAPTER, |_| Ok(r#"{"type":"object"}"#.into())).unwrap();
    assert_eq!(Manifest::from_json(json.as_bytes()).unwrap(), manifest);
}

#[test]
fn each_fault_is_found_at_its_line() {
    for (from, to, part) in [
        ("kind = \"adapter\"", "kind = \"adaptor\"", "unknown variant"),
        ("name = \"sample\"", "name = \"Sample\"", "lower-case"),
        ("version = \"0.1.0\"", "version = \"1\"", "version"),
        ("networks = [\"sample\"]", "networks = []", "speaks"),
        ("[limits]", "[limits]\nguest_sm = 5", "guest_sm"),
        ("guest_ms = 50", "guest_ms = 0", "more than 0"),
        ("\"/api/v1/\"", "\"/api/../v1\"", "path"),
        ("\"/api/v1/\"", "\"api\"", "path"),
        ("methods = [\"GET\", \"POST\"]", "methods = [\"GET\", \"CONNECT\"]", "CONNECT"),
        ("https://cdn.example:8443", "http://cdn.example", "https"),
        ("https://cdn.example:8443", "https://a@cdn.example", "https"),
        ("https://cdn.example:8443", "https://cdn.example/x", "https"),
        ("\"{password}\"", "\"{passwort}\"", "passwort"),
        ("bearer = \"{refresh}\"", "bearer = \"{password}\"", "{refresh}"),
        ("statuses = [400]", "statuses = [200]", "statuses"),
        ("pointer = \"/phrases\"", "pointer = \"phrases\"", "pointer"),
        ("fold = \"strict\"", "fold = \"loose\"", "loose"),
    ] {
        assert!(ADAPTER.contains(from), "{from}");
        let text = ADAPTER.replacen(from, to, 1);
        let error = read(&text).unwrap_err();
        assert_eq!(error.line, Some(line_of(&text, to)), "{to}: {error}");
        assert!(error.to_string().contains(part), "{to}: {error}");
    }
}

#[test]
fn a_policy_reaches_no_network() {
    let policy = "[plugin]\nname = \"p\"\nversion = \"0.1.0\"\nkind = \"policy\"\nwit = \"0.1.0-draft\"\n";
    assert_eq!(read(policy).unwrap().kind, PluginKind::Policy);
    let http = "[[http]]\norigin = \"{account.endpoint}\"\nmethods = [\"GET\"]\npath_prefixes = [\"/\"]\n";
    let error = read(&format!("{policy}{http}")).unwrap_err();
    assert!(error.to_string().contains("no requests"), "{error}");
    let credential = "[[credential]]\nlabel = \"t\"\nscheme = \"bearer\"\nsecrets = [\"t\"]\n";
    assert!(read(&format!("{policy}{credential}")).unwrap_err().to_string().contains("no credentials"));
}

#[test]
fn a_missing_schema_file_is_a_fault_of_its_line() {
    let error = Manifest::from_toml(ADAPTER, |file| Err(format!("{file} is not there"))).unwrap_err();
    let line = line_of(ADAPTER, "schema = ");
    assert_eq!((error.line, error.message.as_str()), (Some(line), "config.schema.json is not there"));
}

#[test]
fn the_section_is_found_at_the_top_level_only() {
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    assert_eq!(extract(&component), Ok(None));
    embed(&mut component, &"x".repeat(300));
    assert_eq!(extract(&component).unwrap().map(<[u8]>::len), Some(300));
    let mut nested = b"\0asm\x0d\0\x01\0".to_vec();
    nested.push(4);
    let inner_bytes = component.len();
    nested.push((inner_bytes & 0x7f) as u8 | 0x80);
    nested.push((inner_bytes >> 7) as u8);
    nested.extend_from_slice(&component);
    assert_eq!(extract(&nested), Ok(None));
    embed(&mut component, "y");
    assert!(extract(&component).unwrap_err().contains("twice"));
    assert!(extract(b"\0asm\x01\0\0\0").is_err());
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[plugin\\]\n)?([a-z.]{1,8} = [\"\\[\\]{}a-z0-9é]{0,12}\n){0,6}") {
        let _ = read(&text);
    }

    #[test]
    fn no_bytes_make_the_section_reader_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = extract(&bytes);
        let mut with_header = b"\0asm\x0d\0\x01\0".to_vec();
        with_header.append(&mut bytes);
        let _ = extract(&with_header);
    }
}
