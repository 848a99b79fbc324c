//! Manifests as authors write them, right and wrong.

use proptest::prelude::*;

use super::*;

const ADAPTER: &str = r#"
[plugin]
name = "sample"
version = "0.1.0"
kind = "adapter"
wit = "0.1.0"
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
memory_bytes = 67108864
concurrent = 7

[[match]]
set = "phrases"
kind = "phrases"
pointer = "/phrases"
field = "text"
fold = "strict"

[config]
schema = "config.schema.json"
"#;

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
    "phrases":{"type":"array","items":{"type":"object","properties":{"text":{"type":"string"}}}}}}"#;

fn read(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::from_toml(text, |_| Ok(SCHEMA.into()))
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
    assert_eq!(manifest.config_schema, serde_json::from_str(SCHEMA).unwrap());
}

#[test]
fn what_a_component_carries_is_the_same_manifest() {
    let (manifest, json) = Manifest::source(ADAPTER, |_| Ok(SCHEMA.into())).unwrap();
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
        ("wit = \"0.1.0\"", "wit = \"0.0.9\"", "takes the contract `0.1.0`"),
        ("guest_ms = 50", "guest_ms = 99999999", "write 2000 or less"),
        ("concurrent = 7", "concurrent = 257", "write 256 or less"),
        ("pointer = \"/phrases\"", "pointer = \"/nothing\"", "has nothing at `/nothing`"),
        ("field = \"text\"", "field = \"phrase\"", "no field `phrase`"),
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
    let policy = "[plugin]\nname = \"p\"\nversion = \"0.1.0\"\nkind = \"policy\"\nwit = \"0.1.0\"\n";
    assert_eq!(read(policy).unwrap().kind, PluginKind::Policy);
    let http = "[[http]]\norigin = \"{account.endpoint}\"\nmethods = [\"GET\"]\npath_prefixes = [\"/\"]\n";
    let error = read(&format!("{policy}{http}")).unwrap_err();
    assert!(error.to_string().contains("no requests"), "{error}");
    let credential = "[[credential]]\nlabel = \"t\"\nscheme = \"bearer\"\nsecrets = [\"t\"]\n";
    assert!(read(&format!("{policy}{credential}")).unwrap_err().to_string().contains("no credentials"));
}

#[test]
fn a_component_that_wants_more_than_the_host_gives_gets_what_the_host_gives() {
    let (_, json) = Manifest::source(ADAPTER, |_| Ok(SCHEMA.into())).unwrap();
    let json = json.replace("67108864", "999999999999").replace("0.1.0", "0.0.9");
    let manifest = Manifest::from_json(json.as_bytes()).unwrap();
    assert_eq!(manifest.limits.memory_bytes, Limits::CEILING.memory_bytes);
    assert_eq!(manifest.wit, "0.0.9", "the loader compares it and says what to do");
}

#[test]
fn a_schema_that_is_none_is_named_with_its_file() {
    let error = Manifest::from_toml(ADAPTER, |_| Ok(r#"{"type":"strng"}"#.into())).unwrap_err();
    assert_eq!(error.line, Some(line_of(ADAPTER, "schema = ")));
    assert!(error.message.starts_with("config.schema.json is not a valid JSON Schema: "), "{error}");
}

#[test]
fn a_credential_without_named_values_has_those_of_its_scheme_and_all_are_secret() {
    let secrets_of = |credential: &str| {
        let (head, _) = ADAPTER.split_once("[[credential]]").unwrap();
        let manifest = read(&format!("{head}[[credential]]\nlabel = \"token\"\n{credential}\n")).unwrap();
        assert!(manifest.credentials[0].public.is_empty());
        manifest.credentials[0].secrets.clone()
    };
    assert_eq!(secrets_of("scheme = \"bearer\""), ["token"]);
    assert_eq!(secrets_of("scheme = \"header\"\nname = \"x-key\""), ["token"]);
    assert_eq!(secrets_of("scheme = \"basic\""), ["user", "password"]);
    let session = "scheme = \"session\"\n[credential.session]\naccess_pointer = \"/a\"\n\
        login = { method = \"POST\", path = \"/l\", body = { id = \"{name}\", pass = \"{code}\", kind = \"app\" } }";
    assert_eq!(secrets_of(session), ["code", "name"]);
    let (head, _) = ADAPTER.split_once("[[credential]]").unwrap();
    let public = "[[credential]]\nlabel = \"t\"\nscheme = \"basic\"\npublic = [\"user\"]\n";
    assert!(read(&format!("{head}{public}")).unwrap_err().to_string().contains("only a session"));
    let none = ADAPTER.replace("secrets = [\"identifier\", \"password\"]", "secrets = []");
    assert!(read(&none).unwrap_err().to_string().contains("must name"));
}

/// A credential that a person connects, in place of the session.
fn connecting() -> String {
    let (head, rest) = ADAPTER.split_once("[[credential]]").unwrap();
    let (_, tail) = rest.split_once("[limits]").unwrap();
    format!(
        "{head}[[credential]]\nlabel = \"token\"\nscheme = \"oauth2\"\n[credential.oauth2]\n\
         authorization_endpoint = \"{{account.endpoint}}/auth\"\ntoken_endpoint = \"https://api.example/token\"\n\
         scopes = [\"read\"]\nclient_authentication = \"client_secret_basic\"\n[limits]{tail}"
    )
}

#[test]
fn a_connection_names_where_tokens_are_got_and_nothing_else() {
    let text = connecting();
    let manifest = read(&text).unwrap();
    let declared = &manifest.credentials[0];
    assert_eq!(
        (declared.secrets.as_slice(), declared.public.as_slice()),
        (&["client_id".into(), "client_secret".into()][..], &["client_id".into()][..])
    );
    assert!(declared.scheme.connects());
    let public = text.replace("client_secret_basic", "none");
    assert_eq!(read(&public).unwrap().credentials[0].secrets, ["client_id"]);
    for (from, to) in [
        ("scheme = \"oauth2\"", "scheme = \"bearer\""),
        ("scheme = \"oauth2\"", "scheme = \"oauth2\"\nsecrets = [\"x\"]"),
        ("scheme = \"oauth2\"", "scheme = \"oauth2\"\nname = \"x\""),
        ("scopes = [\"read\"]", "scopes = [\"read write\"]"),
        ("client_secret_basic", "private_key_jwt"),
        ("https://api.example/token", "http://api.example/token"),
        ("client_authentication", "issuer = \"nobody\"\nclient_authentication"),
    ] {
        assert!(text.contains(from) && read(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
}

/// The keys that a table may have: an unknown one is answered with the list.
fn keys_of(table: &str, start: &str) -> Vec<String> {
    let whole = if table.contains("oauth2") { connecting() } else { ADAPTER.to_owned() };
    let text =
        whole.replacen(start, &format!("{start} no_such_key = 1{}", if start.ends_with('{') { "," } else { "" }), 1);
    let text = text.replacen("] no_such_key", "]\nno_such_key", 1);
    let fault = read(&text).unwrap_err().to_string();
    let Some((_, listed)) = fault.split_once("expected") else { panic!("{table}: {fault}") };
    listed.split('`').skip(1).step_by(2).map(|key| format!("{table}{key}")).collect()
}

#[test]
fn every_key_is_documented() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins/manifest.md");
    let page = std::fs::read_to_string(page).unwrap();
    let tables = [
        ("plugin.", "[plugin]"),
        ("http.", "[[http]]"),
        ("credential.", "[[credential]]"),
        ("credential.session.", "[credential.session]"),
        ("credential.session.login.", "login = {"),
        ("credential.session.refresh.", "refresh = {"),
        ("credential.session.expired.", "expired = {"),
        ("credential.oauth2.", "[credential.oauth2]"),
        ("limits.", "[limits]"),
        ("match.", "[[match]]"),
        ("config.", "[config]"),
    ];
    let keys: Vec<String> = tables.iter().flat_map(|(table, start)| keys_of(table, start)).collect();
    assert!(keys.len() >= 39, "{keys:?}");
    let row = |key: &str| page.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
    let missing: Vec<_> = keys.iter().filter(|key| row(key).is_none()).collect();
    assert!(missing.is_empty(), "docs/plugins/manifest.md lacks {missing:?}");
    let documented = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let stale: Vec<_> = documented.filter(|key| key.contains('.') && !keys.iter().any(|known| known == key)).collect();
    assert!(stale.is_empty(), "docs/plugins/manifest.md documents {stale:?}, which is no key");
    let cells = check::by_key(&Limits::default()).into_iter().zip(check::by_key(&Limits::CEILING));
    for ((key, default), (_, most)) in cells {
        let row = row(&format!("limits.{key}")).unwrap();
        assert!(row.contains(&format!("| {default} | {most} |")), "{row} lacks {default} and {most}");
    }
    let top = read(&format!("no_such_key = 1\n{ADAPTER}")).unwrap_err().to_string();
    let top: Vec<&str> = top.split_once("expected").unwrap().1.split('`').skip(1).step_by(2).collect();
    let covered = |key: &str| tables.iter().any(|(table, _)| table.split('.').next() == Some(key));
    assert!(top.len() == 6 && top.into_iter().all(covered), "a table of the manifest is not in this test");
}

#[test]
fn the_documented_manifest_can_be_built() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins/manifest.md");
    let page = std::fs::read_to_string(page).unwrap();
    let sample = |mark: &str| page.split(mark).nth(1).unwrap().split("```").next().unwrap().to_owned();
    let manifest = Manifest::from_toml(&sample("```toml\n"), |_| Err(String::new())).unwrap();
    assert_eq!(manifest.credentials.len(), 1);
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
