//! What else the machine does: figures of a busy machine say less.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One line: processors, load, whether that is too much to measure well.
pub fn state(when: &str) -> String {
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let loads = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = loads.split(' ').next().unwrap_or("?");
    format!("{when}: {processors} processors, load {load} over the last minute")
}

/// Lets this process, and what it starts, have as many open files as it may, and tells how many that is.
pub fn files_max() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let _as_it_was = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// User and system time of a process so far, in seconds; none where the system does not tell.
pub fn cpu_s(process_id: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).ok()?;
    // The name in parentheses may hold anything; user and system time are the 12th and 13th field after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The same for a process and its children: a server may leave its work to them.
pub fn family_cpu_s(process_id: u32) -> Option<f64> {
    let children =
        std::fs::read_to_string(format!("/proc/{process_id}/task/{process_id}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| cpu_s(child.parse().ok()?));
    Some(cpu_s(process_id)? + children.sum::<f64>())
}

/// What a process has in memory, as the system counts it; none where it does not tell.
pub fn memory_bytes(process_id: u32) -> Option<f64> {
    let pages = std::fs::read_to_string(format!("/proc/{process_id}/statm")).ok()?;
    let resident: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
    Some((resident * rustix::param::page_size() as u64) as f64)
}

/// Of what kind that memory is, in MiB: the program's own, and pages of files.
pub fn memory_kinds(process_id: u32) -> Option<String> {
    let rollup = std::fs::read_to_string(format!("/proc/{process_id}/smaps_rollup")).ok()?;
    let mib = |name: &str| {
        let line = rollup.lines().find(|line| line.starts_with(name))?;
        let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib / 1024.0)
    };
    let (all, own) = (mib("Rss:")?, mib("Anonymous:")?);
    Some(format!("{all:.1} MiB, {own:.1} of it its own, {:.1} of files", all - own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_time_grows() {
        let before = cpu_s(std::process::id()).expect("a time");
        let start = std::time::Instant::now();
        while start.elapsed() < std::time::Duration::from_millis(100) {
            std::hint::spin_loop();
        }
        let spent = cpu_s(std::process::id()).expect("a time") - before;
        assert!(spent > 0.0 && spent < 10.0, "{spent}");
    }
}
