//! The memory of the plugins that run in this process, looked at from outside while they wait for an answer.
//!
//! The engine maps a module's data from a file of its own name into each place where an instance can live, and leaves unmapped
//! what lies between the places. So the whole of a linear memory is the stretch that can be written around such a mapping.
//! That this is so is held against a guest that marks the last bytes of its memory.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// What the engine calls the files that it maps.
const IMAGE: &str = "/memfd:wasm-memory-image";
const PAGE_BYTES: usize = 4096;

/// What lies in one place: the linear memory of the instance that lives there, or what the last one left.
pub struct LinearMemory(Vec<u8>);

impl LinearMemory {
    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is in it.
    pub fn holds(&self, text: &str) -> bool {
        let used = self.used();
        aho_corasick::AhoCorasick::new([text]).expect("a needle").is_match(&used)
    }

    /// All but the pages that nobody has written to.
    pub fn used(&self) -> Vec<u8> {
        self.0.chunks(PAGE_BYTES).filter(|page| **page != [0; PAGE_BYTES][..page.len()]).collect::<Vec<_>>().concat()
    }
}

/// Reads every place.
pub fn linear_memories() -> Vec<LinearMemory> {
    let memory = File::open("/proc/self/mem").expect("the process may look at itself");
    let read = |(from, to): (u64, u64)| {
        let mut bytes = vec![0; usize::try_from(to - from).expect("a length")];
        memory.read_exact_at(&mut bytes, from).expect("readable");
        LinearMemory(bytes)
    };
    places().into_iter().map(read).collect()
}

/// Where they begin and end.
fn places() -> Vec<(u64, u64)> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
    let mut places: Vec<(u64, u64, bool)> = Vec::new();
    for line in maps.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (from, to) = words[0].split_once('-').expect("a range");
        let address = |text: &str| u64::from_str_radix(text, 16).expect("an address");
        let (from, to) = (address(from), address(to));
        let name = words.get(5).copied().unwrap_or("");
        if words[1] != "rw-p" || !(name.is_empty() || name.starts_with(IMAGE)) {
            continue;
        }
        match places.last_mut() {
            Some((_, end, image)) if *end == from => (*end, *image) = (to, *image || name.starts_with(IMAGE)),
            _ => places.push((from, to, name.starts_with(IMAGE))),
        }
    }
    places.into_iter().filter(|(.., image)| *image).map(|(from, to, _)| (from, to)).collect()
}
