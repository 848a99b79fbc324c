//! The `pressgate` command.
fn main() {
    let dirs: Vec<std::path::PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    let (out, dirs) = dirs.split_first().unwrap();
    for built in pressgate::cli::plugin::build_all(dirs, out).unwrap() { println!("{built:?}"); }
}
