//! Keeps the memory of this process out of files.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Makes the process undumpable and forbids core files (design §4, promise 4). `main` calls it before a secret is read.
///
/// # Errors
/// What the kernel answered; the gateway should not start then.
pub fn harden_process() -> std::io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    fn no_core_and_not_dumpable() {
        super::harden_process().expect("hardened");
        assert_eq!(dumpable_behavior().expect("known"), DumpableBehavior::NotDumpable);
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        super::harden_process().expect("twice does no harm");
    }
}
