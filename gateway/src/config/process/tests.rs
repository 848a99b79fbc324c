//! Tests of `pressgate.toml`: defaults, paths, faults, and that every key is documented.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Config, Vec<String>> {
    Config::parse(text, "pressgate.toml", Path::new("/etc/pressgate"))
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn only(text: &str, line: usize, part: &str) {
    let faults = parse(text).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with(&format!("pressgate.toml:{line}: ")) && faults[0].contains(part), "{faults:?}");
}

#[test]
fn without_any_key_everything_has_a_usable_value() {
    let config = parse("").unwrap();
    assert_eq!(config.listen.address, "127.0.0.1:8420".parse().unwrap());
    assert_eq!(config.listen.operator, "127.0.0.1:8421".parse().unwrap());
    assert_eq!(config.data, Path::new("/etc/pressgate/data"));
    assert_eq!(config.kek, Kek::File("/etc/pressgate/data/kek".into()));
    assert_eq!(config.audit.dir, Path::new("/etc/pressgate/data/audit"));
    assert_eq!(config.plugin_cache_dir(), Path::new("/etc/pressgate/data/plugin-cache"));
    assert_eq!((config.limits.json_bytes_max, config.limits.media_bytes_max), (1_048_576, 536_870_912));
    assert_eq!((config.limits.calls_per_minute, config.limits.burst), (600, 60));
    assert_eq!((config.log.format, config.log.filter.as_str()), (LogFormat::Text, "info"));
    assert_eq!(parse("[kek]\n[limits]\n").unwrap(), config);
}

#[test]
fn the_emergency_reserve_is_four_segments_and_256_mib_at_most() {
    let reserve = |text: &str| parse(text).unwrap().audit.reserve_bytes;
    assert_eq!(reserve(""), 256 << 20);
    assert_eq!(reserve("[audit]\nsegment_bytes = 1048576\n"), 4 << 20);
    assert_eq!(reserve("[audit]\nsegment_bytes = 1073741824\n"), 256 << 20);
    assert_eq!(reserve("[audit]\nreserve_bytes = 0\n"), 0);
}

#[test]
fn relative_paths_start_at_the_file_and_absolute_ones_stay() {
    let text = "data = \"/var/lib/pressgate\"\ngovernance = \"rules\"\n[audit]\ndir = \"/audit\"\n\
                [egress]\nextra_roots = [\"ca.pem\", \"/ca2.pem\"]\n";
    let config = parse(text).unwrap();
    assert_eq!(config.governance, Path::new("/etc/pressgate/rules"));
    assert_eq!(config.audit.dir, Path::new("/audit"));
    assert_eq!(config.kek, Kek::File("/var/lib/pressgate/kek".into()));
    assert_eq!(config.egress.extra_roots, [Path::new("/etc/pressgate/ca.pem"), Path::new("/ca2.pem")]);
    assert_eq!(config.vault_dir(), Path::new("/var/lib/pressgate/vault"));
}

#[test]
fn faults_name_their_line() {
    only("data = 1\n", 1, "string");
    only("\n[listen]\nadress = \"127.0.0.1:1\"\n", 3, "unknown field `adress`");
    only("[listen]\naddress = \"localhost:8420\"\n", 2, "not an IP address with a port");
    only("[listen]\noperator = \"127.0.0.1:8420\"\n", 2, "different ports");
    only("[forward]\naddr = \"localhost:1\"\n", 2, "forward.addr: `localhost:1` is not an IP address with a port");
    only("[forward]\naddr = \"127.0.0.1:8421\"\n", 2, "forward.addr: 127.0.0.1:8421 is taken by `listen.operator`");
    only("[listen]\naddress = \"127.0.0.1:8421\"\n", 2, "listen.operator: 127.0.0.1:8421 is taken by `listen.address`");
    only("[listen]\naddress = \"0.0.0.0:8421\"\n", 2, "two listeners need different ports");
    only(
        "[native.listeners]\nacme = \"127.0.0.1:8420\"\n",
        2,
        "native.listeners.acme: 127.0.0.1:8420 is taken by `listen.address`",
    );
    let two = "[native.listeners]\nacme = \"127.0.0.1:9001\"\nother = \"[::]:9001\"\n";
    only(two, 3, "native.listeners.other: [::]:9001 is taken by `native.listeners.acme`");
    assert!(parse("[native.listeners]\nacme = \"127.0.0.1:0\"\nother = \"127.0.0.1:0\"\n").is_ok());
    assert!(parse("[native.listeners]\nacme = \"127.0.0.1:9001\"\nother = \"127.0.0.2:9001\"\n").is_ok());
    for address in ["127.0.0.1", "10.1", "social.7"] {
        only(
            &format!("[native]\ndomain = \"{address}\"\n"),
            2,
            "is an IP address, and no account has a name below one",
        );
    }
    only("[limits]\n\nburst = 0\n", 3, "limits.burst: 0 is not within 1 and");
    only("[limits]\njson_bytes_max = -1\n", 2, "not within");
    only("[audit]\nsegment_bytes = 1\n", 2, "not within");
    only("[posts]\nunattempted_alarm_seconds = 0\n", 2, "posts.unattempted_alarm_seconds: 0 is not within 1 and 86400");
    only("[audit]\nheartbeat_seconds = 0\n", 2, "audit.heartbeat_seconds: 0 is not within 1 and 3600");
    only("[audit]\nlow_disk_percent = 51\n", 2, "not within");
    only("[audit]\nblocked_ms = 99\n", 2, "not within");
    only("[kek]\nfile = \"a\"\nenv = \"B\"\n", 1, "only one of");
    only("[kek]\nenv = \"A=B\"\n", 2, "environment variable");
    only("[kek]\ncommand = []\n", 2, "must name a program");
    only("[log]\nformat = \"xml\"\n", 2, "unknown variant `xml`");
    only("[log]\nfilter = \"pressgate=loud\"\n", 2, "log.filter");
    only("[log\n", 1, "");
    only("governance = \"\"\n", 1, "must not be empty");
    let several = parse("[limits]\nburst = 0\ncalls_per_minute = 0\n[egress]\ntimeout_ms = 1\n").unwrap_err();
    assert_eq!(several.len(), 3, "{several:?}");
}

#[test]
fn a_file_is_read_from_disk_with_its_folder_as_base() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pressgate.toml");
    assert_eq!(Config::read(&path).unwrap_err()[0].line, 0);
    std::fs::write(&path, "data = \"d\"\n").unwrap();
    assert_eq!(Config::read(&path).unwrap().data, dir.path().join("d"));
    std::fs::write(&path, b"data = \"\xff\"\n").unwrap();
    assert!(Config::read(&path).is_err());
}

/// The keys as the parser itself lists them, when it meets one that it does not know.
fn keys_within(table: &str) -> Vec<String> {
    let header = match table {
        "" => String::new(),
        "export" | "witness" => format!("[[{table}]]\n"),
        _ => format!("[{table}]\n"),
    };
    let fault = parse(&format!("{header}no_such_key = 1\n")).unwrap_err().remove(0);
    let Some((_, listed)) = fault.split_once("expected") else { panic!("{fault}") };
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_key_is_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut keys = Vec::new();
    for top in keys_within("") {
        if ["export", "notices", "sign_in", "witness"].contains(&top.as_str()) || parse(&format!("[{top}]\n")).is_ok() {
            keys.extend(keys_within(&top).iter().map(|key| format!("{top}.{key}")));
        } else {
            keys.push(top);
        }
    }
    keys.extend(keys_within("limits.shared").iter().map(|key| format!("limits.shared.{key}")));
    assert!(keys.len() >= 18, "{keys:?}");
    let row = |key: &String| page.contains(&format!("\n| `{key}` |"));
    let missing: Vec<_> = keys.iter().filter(|key| !row(key)).collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks {missing:?}");
    let documented = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let stale: Vec<_> = documented.filter(|key| !keys.iter().any(|known| known == key)).collect();
    assert!(stale.is_empty(), "docs/configuration.md documents {stale:?}, which is no key");
}

#[test]
fn the_documented_sample_holds_the_defaults() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let sample = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(parse(sample).unwrap(), parse("").unwrap());
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "(\\[(listen|kek|limits|log)\\]\n|(address|file|burst|filter|data) = (1|\"[^\"]{0,6}\"|\\[\\])\n|.{0,6}){0,12}") {
        let _ = parse(&text);
    }
}

#[test]
fn shared_limits_have_an_address_without_a_password() {
    let parse = |text: &str| Config::parse(text, "pressgate.toml", Path::new("/"));
    let config =
        parse("[limits.shared]\nurl = \"redis://limits.internal:6379/0\"\nnodes = 3\npassword_env = \"LIMITS\"\n")
            .unwrap();
    let shared = config.limits.shared.unwrap();
    assert_eq!((shared.nodes, shared.timeout_ms, shared.password_env.as_deref()), (3, 100, Some("LIMITS")));
    for (url, part) in [
        ("https://limits.internal", "redis://host:port/0"),
        ("redis://:hunter2@limits.internal", "password_env"),
        ("unix:///run/limits?pass=hunter2", "password_env"),
    ] {
        let faults = parse(&format!("[limits.shared]\nurl = \"{url}\"\nnodes = 2\n")).unwrap_err();
        let told = faults.iter().map(ToString::to_string).collect::<String>();
        assert!(told.contains("pressgate.toml:2") && told.contains(part) && !told.contains("hunter2"), "{told}");
    }
    assert!(parse("[limits.shared]\nurl = \"unix:///run/limits\"\nnodes = 0\n").is_err());
}
