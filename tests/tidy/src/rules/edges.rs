//! Which module of the gateway may name which: the direction of the code, and what only one place may know.
//!
//! Production code only: a test may reach for what it needs. The table says what a module *may* use; a line that nothing uses
//! any more is no fault, but take it out.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Fault, Source, Tree, source::word_end};

const ROOT: &str = "gateway/src";

/// May use every module.
const ALL: &[&str] = &["*"];

/// Each module at the top of the gateway, in reading order, and the modules that it may name.
///
/// `gateway` holds what serves calls and `start` makes it; the path of a call is `doors`, `posts`, `call`; what it stands on knows
/// nothing of it. The host reaches the network only through a trait that `call` implements with `egress`.
const TABLE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &[]),
    ("refusal", &["model"]),
    ("config", &["model"]),
    ("folders", &[]),
    // It is told of calls and knows nothing of them; what it gathers leaves by egress.
    ("telemetry", &["clock", "config", "egress", "metrics", "vault"]),
    ("gateway", HELD),
    ("start", ALL),
    ("stop", &[]),
    ("listen", &["metrics", "stop"]),
    (
        "doors",
        &[
            // Their answers are views of what is kept, and readiness tells how the log is.
            "records",
            "audit",
            // A part of the log to take away is in the form of the exports.
            "export",
            "model",
            "clock",
            "refusal",
            "config",
            "telemetry",
            "gateway",
            // The forward door speaks with its certificates.
            "authority",
            "call",
            "posts",
            // What happens to posts, told.
            "events",
            "host",
            "index",
            "keys",
            "limits",
            "listen",
            "media",
            // Pages of people rest on it.
            "people",
            "feeds",
            "freezes",
            "reveals",
            "stop",
        ],
    ),
    ("call", STAGES),
    (
        "posts",
        &[
            "model",
            "clock",
            "refusal",
            "config",
            "gateway",
            "call",
            // The snapshot of plugins that an attempt uses.
            "host",
            "audit",
            "records",
            "openings",
            "media",
            "stop",
            "pulse",
            "connections",
            "freezes",
            "limits",
            "notices",
            // What is due and was not attempted is measured.
            "metrics",
            "telemetry",
        ],
    ),
    // What every effect asks before it starts; people and operators begin and lift.
    ("freezes", &["model", "refusal", "config", "gateway", "audit", "records"]),
    // Who reads the calendar without a key; whom a feed reads as, authenticate says.
    ("feeds", &["model", "clock", "refusal", "gateway", "call", "keys", "audit", "records"]),
    ("reveals", &["model", "clock", "refusal", "config", "gateway", "call", "audit", "records", "openings"]),
    ("host", &["model", "clock", "records", "telemetry"]),
    // Whose plugins may run.
    ("trust", &["model", "config", "host"]),
    ("plugins", &["model", "clock", "config", "host", "trust"]),
    // Which release serves where; who changes that, and the log of it, is the operators' matter.
    ("releases", &["model", "config", "folders", "host", "metrics", "plugins", "records", "trust"]),
    ("egress", &["model", "clock", "vault"]),
    // Who shows a token of a company's own issuer.
    ("identity", &["model", "clock", "egress"]),
    // Who signs in there, with which devices, and what they passed.
    ("people", &["model", "clock", "config", "gateway", "identity", "egress", "keys", "vault", "audit", "records"]),
    // What goes beyond one request with an account's tokens: who connects one, what is renewed, what is told.
    ("connections", &["model", "clock", "gateway", "call", "egress", "vault", "audit", "metrics", "stop"]),
    ("vault", &["model", "clock", "records"]),
    // It makes certificates; what it may be for it reads in manifests.
    ("authority", &["model", "host"]),
    ("keys", &["model", "clock", "records"]),
    // At first they lie beside the leaves that commit to them.
    ("openings", &["model", "clock", "records", "vault", "audit"]),
    ("limits", &["model", "clock", "config", "host"]),
    ("media", &["model", "clock", "folders", "host", "records"]),
    ("audit", &["model", "clock", "metrics"]),
    ("export", &["model", "clock", "config", "folders", "stop", "egress", "vault", "audit"]),
    // What apps are told of posts, from the log.
    (
        "events",
        &["model", "clock", "config", "folders", "gateway", "stop", "egress", "vault", "audit", "records", "export"],
    ),
    // The same handed to other systems by plugins, through the wire of a call.
    ("connectors", &["model", "config", "gateway", "call", "events", "host", "egress", "audit"]),
    // People are told that something waits for them; what, the log and how posts and connections stand say.
    (
        "notices",
        &[
            "model",
            "clock",
            "config",
            "gateway",
            "posts",
            "connections",
            "stop",
            "egress",
            "vault",
            "audit",
            "metrics",
            "records",
        ],
    ),
    ("witness", &["clock", "config", "folders", "metrics", "stop", "egress", "vault", "audit", "export"]),
    // It stands alone: a witness knows nothing of a gateway.
    ("cosigner", &["model", "clock", "folders", "listen", "stop"]),
    ("index", &["model", "audit"]),
    // Copies both stores at one point, and puts them back.
    ("backup", &["model", "config", "folders", "audit", "records"]),
    ("records", &["model"]),
    ("metrics", &[]),
    // What the log says of the gateway as a whole, at an even pace.
    ("pulse", &["clock", "gateway", "audit", "export", "index", "metrics", "stop"]),
    ("retention", &["model", "clock", "gateway", "audit", "config", "export", "records", "stop"]),
    ("operator", ALL),
    ("cli", ALL),
    ("lib", ALL),
    ("main", ALL),
];

const HELD: &[&str] = &[
    "model",
    "clock",
    "refusal",
    "config",
    "telemetry",
    "stop",
    "listen",
    "call",
    "posts",
    "host",
    "index",
    "plugins",
    "releases",
    "egress",
    "connections",
    "vault",
    "identity",
    "people",
    "authority",
    "keys",
    "limits",
    "media",
    "audit",
    "export",
    "events",
    "connectors",
    "notices",
    "witness",
    "records",
    "openings",
    "reveals",
    "freezes",
    "metrics",
];

const STAGES: &[&str] = &[
    "model",
    "clock",
    "refusal",
    "config",
    "gateway",
    "host",
    "egress",
    "vault",
    "identity",
    // Courses that the one who acts has passed.
    "people",
    "keys",
    "limits",
    "media",
    "audit",
    "records",
    "openings",
    "freezes",
    "telemetry",
];

/// A word of the code, the modules that may have it, and why.
const WORDS: &[(&str, &[&str], &str)] = &[
    (
        "axum",
        &["doors", "operator", "listen", "cosigner"],
        "only the doors, the operator API and a witness know HTTP in",
    ),
    ("lettre", &["notices", "egress", "config"], "only the notices write mails, and only egress sends them"),
    ("rcgen", &["authority"], "only the authority makes certificates"),
    ("wasmtime", &["host"], "only the host knows the engine of the plugins"),
    ("ExposeSecret", &["egress", "vault", "keys"], "only these see a secret in plain text"),
    ("expose_secret", &["egress", "vault", "keys"], "only these see a secret in plain text"),
    ("rusqlite", &["records", "index"], "only the records and the search index know a database"),
];

/// The edges and words that the tables do not have.
pub fn faults(tree: &Tree) -> Vec<Fault> {
    let tests = test_files(tree);
    let mut faults = Vec::new();
    for (path, text) in tree.under(ROOT, ".rs") {
        if tests.iter().any(|test| path == test || path.starts_with(&format!("{}/", test.trim_end_matches(".rs")))) {
            continue;
        }
        let source = Source::scan(text).without_tests();
        let module = module(path);
        let Some((name, allowed)) = TABLE.iter().find(|(name, _)| *name == module[0]) else {
            faults.push(Fault::new(
                path,
                0,
                format!("`{}` is not in the table of tests/tidy/src/rules/edges.rs", module[0]),
            ));
            continue;
        };
        for (target, line) in edges(&source, module.len()) {
            if target != *name && !allowed.contains(&target.as_str()) && *allowed != ALL && known(&target) {
                faults.push(Fault::new(
                    path,
                    line,
                    format!("`{name}` may not use `{target}`: {}", advice(name, allowed)),
                ));
            }
        }
        for (at, word) in source.words() {
            for (_, owners, why) in WORDS.iter().filter(|(banned, owners, _)| *banned == word && !owners.contains(name))
            {
                faults.push(Fault::new(
                    path,
                    source.line(at),
                    format!("`{word}` in `{name}`, not in {}: {why}", owners.join(", ")),
                ));
            }
        }
    }
    faults
}

fn known(module: &str) -> bool {
    TABLE.iter().any(|(name, _)| *name == module)
}

fn advice(name: &str, allowed: &[&str]) -> String {
    match allowed {
        [] => format!("`{name}` stands on nothing of ours"),
        _ => format!("it may use {}", allowed.join(", ")),
    }
}

/// The modules that a file is in, from the top: `gateway/src/call/send/wire.rs` is `call`, `send`, `wire`.
fn module(path: &str) -> Vec<&str> {
    let inside = path.strip_prefix(ROOT).unwrap_or(path).trim_start_matches('/');
    inside.trim_end_matches(".rs").trim_end_matches("/mod").split('/').collect()
}

/// The files that hold only tests: those that a parent declares under `#[cfg(test)]`. What lies below them is theirs.
fn test_files(tree: &Tree) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for (path, text) in tree.under(ROOT, ".rs") {
        let parent = match path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix("/lib.rs")) {
            Some(folder) => folder,
            None => path.trim_end_matches(".rs"),
        };
        for name in Source::scan(text).test_modules() {
            files.insert(format!("{parent}/{name}.rs"));
        }
    }
    files
}

/// The modules at the top that a file names, each with the first line that does. `depth` is how many `super` lead to the top.
fn edges(source: &Source, depth: usize) -> BTreeMap<String, usize> {
    let words = source.words();
    let mut edges = BTreeMap::new();
    let mut supers = 0;
    for (index, (at, word)) in words.iter().enumerate() {
        let follows = index > 0 && source.stands("::", words[index - 1].0 + words[index - 1].1.chars().count());
        supers = match word.as_str() {
            "super" if follows && supers > 0 => supers + 1,
            "super" => 1,
            _ => 0,
        };
        let end = at + word.chars().count();
        if (word == "crate" || (word == "super" && supers == depth)) && source.stands("::", end) {
            for target in heads(source, end + 2) {
                let line = source.line(target);
                let name = source.code[target..word_end(&source.code, target)].iter().collect();
                edges.entry(name).or_insert(line);
            }
        }
    }
    edges
}

/// The places of the first names of a path or a group: of `a::b` that of `a`; of `{a::b, c::{d, e}}` those of `a` and `c`.
fn heads(source: &Source, at: usize) -> Vec<usize> {
    let at = source.solid(at);
    if !source.stands("{", at) {
        return vec![at];
    }
    let last = source.close(at) - 1;
    let mut heads = vec![source.solid(at + 1)];
    let mut place = at + 1;
    while place < last {
        match source.code[place] {
            '{' => place = source.close(place),
            ',' => {
                heads.push(source.solid(place + 1));
                place += 1;
            }
            _ => place += 1,
        }
    }
    heads.retain(|head| *head < last);
    heads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        faults(&Tree::planted(files))
            .into_iter()
            .map(|fault| format!("{}:{} {}", fault.path, fault.line, fault.text))
            .collect()
    }

    #[test]
    fn wrong_directions_are_found() {
        let model =
            "//! a crate::host\nuse crate::{\n    records::{Post as P},\n    call::{Call, Permit},\n    host,\n};\n";
        let found = found(&[
            ("gateway/src/model/mod.rs", model),
            (
                "gateway/src/host/imports/http.rs",
                "//! b\nuse super::super::super::egress::Client;\nuse super::egress;\n",
            ),
            ("gateway/src/clock.rs", "//! c\nfn d() -> super::records::E { crate::clock::now() }\n"),
            ("gateway/src/main.rs", "//! d\nuse crate::vault;\n"),
            ("gateway/src/novelty.rs", "//! e\n"),
        ]);
        let starts: Vec<&str> = found.iter().filter_map(|text| text.split(": ").next()).collect();
        assert_eq!(
            starts,
            [
                "gateway/src/clock.rs:2 `clock` may not use `records`",
                "gateway/src/host/imports/http.rs:2 `host` may not use `egress`",
                "gateway/src/model/mod.rs:4 `model` may not use `call`",
                "gateway/src/model/mod.rs:5 `model` may not use `host`",
                "gateway/src/model/mod.rs:3 `model` may not use `records`",
                "gateway/src/novelty.rs:0 `novelty` is not in the table of tests/tidy/src/rules/edges.rs",
            ]
        );
    }

    #[test]
    fn words_in_the_wrong_place_are_found() {
        let found = found(&[
            ("gateway/src/call/mod.rs", "//! a\nuse axum::Router;\nlet a = wasmtime::Engine::default();\n"),
            ("gateway/src/doors/mod.rs", "//! b\nuse axum::Router;\n// rusqlite\n"),
            ("gateway/src/posts/mod.rs", "//! c\nuse secrecy::ExposeSecret;\nconst D: &str = \"axum\";\n"),
        ]);
        let starts: Vec<&str> = found.iter().filter_map(|text| text.split(',').next()).collect();
        assert_eq!(
            starts,
            [
                "gateway/src/call/mod.rs:2 `axum` in `call`",
                "gateway/src/call/mod.rs:3 `wasmtime` in `call`",
                "gateway/src/posts/mod.rs:2 `ExposeSecret` in `posts`",
            ]
        );
    }

    #[test]
    fn tests_may_reach_further() {
        let found = found(&[
            (
                "gateway/src/model/mod.rs",
                "//! a\n#[cfg(test)]\nmod suite;\n#[cfg(test)]\nmod tests { use crate::host::A; }\n",
            ),
            ("gateway/src/model/suite.rs", "//! b\nuse crate::host::A;\n"),
            ("gateway/src/model/suite/more.rs", "//! c\nuse crate::host::A;\n"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }
}
