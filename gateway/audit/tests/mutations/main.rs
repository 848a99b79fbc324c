//! An evil log maker: thousands of logs that somebody has changed, and who finds it.
//!
//! `PRESSGATE_SOAK=<count>` sets how many there are of each class, `PRESSGATE_SEED=<seed>` tells the same ones again.

mod beside;
mod files;
mod past;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

/// Logs of each class, at least.
const CLASS_LEAST: usize = 3_300;

/// How often each kind was made and found.
#[derive(Default)]
struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    fn add(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    fn print(&self, class: &str, least: usize) {
        let total: usize = self.0.values().sum();
        println!("{class}: {total} changed logs, all found");
        self.0.iter().for_each(|(kind, count)| println!("  {count:>6}  {kind}"));
        assert!(total >= least, "{total} of {least}");
    }
}
