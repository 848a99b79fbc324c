//! What README.md tells a reader to type exists: make's targets, the commands of `pressgate`, the files behind links.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect("a page")
}

/// The program that was built beside the demo.
fn pressgate() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_demo")).with_file_name("pressgate");
    assert!(program.is_file(), "{} is not there; run `cargo build -p pressgate`", program.display());
    program
}

/// Each line of code in the text, fenced or between backticks. A line that ends in a backslash goes on in the next.
fn code(text: &str) -> Vec<String> {
    let mut code = Vec::new();
    let mut fenced = false;
    for line in text.replace("\\\n", " ").lines() {
        match (line.starts_with("```"), fenced) {
            (true, _) => fenced = !fenced,
            (false, true) => code.push(line.to_owned()),
            (false, false) => code.extend(line.split('`').skip(1).step_by(2).map(str::to_owned)),
        }
    }
    code
}

/// The words after `name` of each line of code that begins with that program, after a prompt or not.
fn commands(text: &str, name: &str) -> Vec<Vec<String>> {
    let lines = code(text).into_iter().filter_map(|line| {
        let line = line.split(" #").next().unwrap_or_default().trim().trim_start_matches("$ ").to_owned();
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next()?.rsplit('/').next() == Some(name)).then(|| words.collect())
    });
    lines.collect()
}

/// `key create` of `--config x key create --app y`.
fn path_of(words: &[String]) -> Vec<String> {
    let mut path = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if path.is_empty() && ["--config", "--key-file"].contains(&word.as_str()) {
            words.next();
        } else if word.chars().all(|letter| letter.is_ascii_lowercase()) {
            path.push(word.clone());
        } else if !path.is_empty() {
            break;
        }
    }
    path
}

#[test]
fn every_make_target_exists() {
    let words = commands(&page("README.md"), "make").into_iter().flatten();
    let targets: BTreeSet<String> = words.filter(|word| !word.contains('=')).collect();
    assert!(targets.contains("demo") && targets.contains("test"), "{targets:?}");
    for target in targets {
        let run =
            Command::new("make").args(["-n", &target, "COUNT=1"]).current_dir(root()).output().expect("make runs");
        assert!(run.status.success(), "make {target}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn every_command_of_pressgate_exists() {
    let text = page("README.md");
    let all = commands(&text, "pressgate");
    assert!(all.len() >= 3, "the README shows {} commands", all.len());
    for words in all {
        let path = path_of(&words);
        let told = Command::new(pressgate()).args(&path).arg("--help").output().expect("it runs");
        let help = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(told.status.success(), "pressgate {}: {}", path.join(" "), String::from_utf8_lossy(&told.stderr));
        // A group of commands has its usage in its name; a word that is no command would be taken for an argument.
        assert!(help.contains(&format!("Usage: pressgate {}", path.join(" "))), "pressgate {}: {help}", path.join(" "));
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option.as_str()), "pressgate {} has no {option}", path.join(" "));
        }
    }
}

#[test]
fn every_relative_link_leads_somewhere() {
    for name in ["README.md", "ARCHITECTURE.md"] {
        let text = page(name);
        let targets: Vec<&str> = text
            .match_indices("](")
            .filter_map(|(at, _)| text[at + 2..].split([')', '#']).next())
            .filter(|target| !target.is_empty() && !target.contains("://"))
            .collect();
        assert!(!targets.is_empty(), "{name} links to nothing");
        for target in targets {
            assert!(root().join(target).exists(), "{name} links to {target}, which is not there");
        }
    }
}

#[test]
fn commands_are_found_and_cut_to_their_names() {
    let text = "Type `make demo`.\n```sh\n$ pressgate --config a.toml key create \\\n --app x   # why\nmake soak COUNT=5\n```\n";
    assert_eq!(commands(text, "make"), [vec!["demo"], vec!["soak", "COUNT=5"]]);
    assert_eq!(path_of(&commands(text, "pressgate")[0]), ["key", "create"]);
}
