//! How plugins fail: when the host starts, when a plugin is loaded, when it is called.

use std::path::PathBuf;

use super::manifest::ManifestError;

/// The host can't start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The engine refuses its settings on this machine.
    #[error("the plugin engine can't start: {0}")]
    Engine(String),
    /// The folder of the compiled-code cache is not fit.
    #[error("the folder {folder} can't hold compiled plugins: {reason}")]
    CacheFolder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
}

/// A plugin or its configuration is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Longer than the host accepts.
    #[error("the plugin has {size_bytes} bytes; {max_bytes} are allowed")]
    TooLarge {
        /// Its length.
        size_bytes: usize,
        /// The longest that is accepted.
        max_bytes: usize,
    },
    /// Not a component at all.
    #[error("this is not a WebAssembly component: {0}. Build it with `pressgate plugin build`")]
    NotAComponent(String),
    /// The section that `plugin build` embeds is not there.
    #[error("the component carries no manifest. Build it with `pressgate plugin build`")]
    NoManifest,
    /// The manifest has a fault.
    #[error("the plugin's manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// Built against another version of the contract.
    #[error("the plugin was built for the contract {wanted}, and this gateway takes {offered}. {advice}")]
    Contract {
        /// What the plugin wants.
        wanted: String,
        /// What the host takes.
        offered: String,
        /// What helps.
        advice: &'static str,
    },
    /// It imports what its kind does not get.
    #[error("the plugin imports `{0}`, which a plugin of its kind does not get")]
    Import(String),
    /// It does not fit the world of its kind.
    #[error(
        "the plugin does not fit the contract of its kind: {0}. An adapter is exported with `export_adapter!`, a policy with \
         `export_policy!`, and `kind` in plugin.toml says the same"
    )]
    World(String),
    /// The compiler refuses it.
    #[error("the plugin can't be compiled: {0}")]
    Compile(String),
    /// Its needs do not fit the engine.
    #[error("the plugin needs more than the host gives an instance: {0}")]
    Resources(String),
    /// Its configuration schema is not a JSON Schema.
    #[error("the plugin's configuration schema is not valid: {0}")]
    Schema(String),
    /// The configuration does not fit the schema.
    #[error("the plugin's configuration does not fit its schema: {}", faults.iter().map(|f| f.to_string()).collect::<Vec<_>>().join("; "))]
    Config {
        /// Each fault.
        faults: Vec<ConfigFault>,
    },
    /// A pattern set can't be built.
    #[error("the plugin's patterns: {0}")]
    Patterns(String),
    /// The adapter does not describe itself as the contract says.
    #[error("the adapter's description of itself is not accepted: {0}")]
    Describe(PluginError),
    /// A trial instance failed.
    #[error("a trial instance of the plugin failed: {0}")]
    Trial(PluginError),
}

/// The steps of a release's way, by the words that operators read.
pub mod step {
    /// The bytes are a component with a manifest.
    pub const VERIFY: &str = "verify";
    /// It fits the contract of its kind.
    pub const CONTRACT: &str = "contract";
    /// The host can give an instance what it needs.
    pub const FIT: &str = "fit";
    /// It was compiled, within bounds of time and memory.
    pub const COMPILE: &str = "compile";
    /// An instance starts, and an adapter describes itself.
    pub const INSTANTIATE: &str = "instantiate";
    /// It answers its own test vectors as they say.
    pub const SELF_TEST: &str = "self-test";
    /// It may do no more than what serves, or a person accepted it.
    pub const CAPABILITIES: &str = "capabilities";
    /// Its configuration fits, and instances are warm.
    pub const PREWARM: &str = "prewarm";
}

impl LoadError {
    /// The step that was not passed.
    pub fn step(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::NotAComponent(_) | Self::NoManifest | Self::Manifest(_) => step::VERIFY,
            Self::Contract { .. } | Self::Import(_) | Self::World(_) | Self::Schema(_) => step::CONTRACT,
            Self::Resources(_) => step::FIT,
            Self::Compile(_) => step::COMPILE,
            Self::Describe(_) | Self::Trial(_) => step::INSTANTIATE,
            Self::Config { .. } | Self::Patterns(_) => step::PREWARM,
        }
    }
}

/// One place where a configuration does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct ConfigFault {
    /// JSON pointer into the configuration; empty for the whole.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// A call into a plugin failed. The instance is gone; nothing of it reaches another call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{plugin}: {fault}")]
pub struct PluginError {
    /// Name and version: `guidelines 0.1.0`.
    pub plugin: String,
    /// What happened.
    pub fault: PluginFault,
}

/// What happened in a failed call. The texts may be shown to callers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginFault {
    /// It trapped: a panic, a fault of memory, a stack without end.
    #[error("the plugin crashed: {reason}")]
    Trapped {
        /// The engine's name for it.
        reason: String,
    },
    /// It computed for longer than it may. Waiting for a network does not count.
    #[error("the plugin computed for more than {budget_ms} ms")]
    CpuBudget {
        /// What it may.
        budget_ms: u64,
    },
    /// The whole call took longer than it may.
    #[error("the plugin did not finish within {deadline_ms} ms")]
    WallDeadline {
        /// What it may.
        deadline_ms: u64,
    },
    /// It crashed after it was refused more memory.
    #[error("the plugin needed more than its {limit_bytes} bytes of memory")]
    Memory {
        /// What it may have, summed over its memories and tables.
        limit_bytes: usize,
    },
    /// One call to or from the host carried too much.
    #[error("the plugin handed over more than {limit_bytes} bytes at once")]
    HostCallBytes {
        /// What it may.
        limit_bytes: usize,
    },
    /// As many calls run as the plugin or the host takes.
    #[error("the plugin works at its limit; try again in {retry_after_ms} ms")]
    Busy {
        /// When a repetition makes sense.
        retry_after_ms: u64,
    },
    /// It failed again and again, and is left alone for a while.
    #[error("the plugin failed too often and is not asked for the moment; it is tried again in {retry_after_ms} ms")]
    Broken {
        /// When it is tried again.
        retry_after_ms: u64,
    },
    /// It answered what the contract does not allow.
    #[error("the plugin's answer makes no sense: {0}")]
    BadAnswer(String),
    /// The host failed.
    #[error("the plugin host failed: {0}")]
    Internal(String),
}

impl PluginFault {
    /// What happened, in a word that holds nothing of the call.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Trapped { .. } => "trapped",
            Self::CpuBudget { .. } => "cpu-budget",
            Self::WallDeadline { .. } => "wall-deadline",
            Self::Memory { .. } => "memory",
            Self::HostCallBytes { .. } => "host-call-bytes",
            Self::BadAnswer(_) => "bad-answer",
            Self::Busy { .. } => "busy",
            Self::Broken { .. } => "broken",
            Self::Internal(_) => "internal",
        }
    }
}
