//! The rules, held against the repository: one test each, and each prints every fault that it finds.

use std::path::PathBuf;

use tidy::{Fault, Tree, rules};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn tree() -> Tree {
    Tree::tracked(&root()).expect("git lists the tracked files")
}

fn hold(rule: fn(&Tree) -> Vec<Fault>) {
    let mut faults = rule(&tree());
    faults.sort();
    let faults: Vec<String> = faults.iter().map(|fault| format!("  {fault}\n")).collect();
    assert!(faults.is_empty(), "{} to mend:\n{}", faults.len(), faults.concat());
}

#[test]
fn every_module_says_what_it_is_for() {
    hold(rules::opening::faults);
}

#[test]
fn no_file_is_too_long() {
    hold(rules::size::faults);
}

#[test]
fn no_function_becomes_too_long() {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let list = root().join(rules::functions::LIST);
        std::fs::write(list, rules::functions::shrunk(&tree())).expect("the list is written");
    }
    hold(rules::functions::faults);
}

#[test]
fn modules_use_only_what_lies_before_them() {
    hold(rules::edges::faults);
}

#[test]
fn packages_use_only_what_they_may() {
    hold(rules::packages::faults);
}

#[test]
fn the_gateway_and_the_sdk_name_no_network() {
    hold(rules::networks::faults);
}

#[test]
fn every_plugin_guest_and_example_has_a_test() {
    hold(rules::coverage::faults);
}

#[test]
fn nothing_names_a_machine() {
    hold(rules::machine::faults);
}

#[test]
fn the_top_of_the_repository_is_as_agreed() {
    hold(rules::folders::faults);
}

#[test]
fn links_lead_somewhere() {
    hold(rules::links::faults);
}

#[test]
fn dependencies_come_from_the_workspace() {
    hold(rules::manifests::faults);
}
