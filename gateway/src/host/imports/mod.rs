//! What plugins may ask of the host while they run. Nothing else is linked: no WASI, no clock of the machine, no files.

mod http;
mod seeded;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use wasmtime::component::{HasSelf, Linker, WasmStr};
use wasmtime::{Engine, StoreContextMut};

pub(super) use http::{Exchange, Purpose};
pub(super) use seeded::Seeded;

use super::bindings::{clock, log, match_, media, random, state, types};
use super::code::{LOG_LINES_PER_S, Plugin};
use super::convert;
use super::media::MediaFiles;
use super::memory::MemoryBudget;
use super::meter::Meter;
use super::patterns::{self, FoldCache};
use super::settings::Settings;
use super::usage::Used;

/// A note's longest.
pub(super) const NOTE_BYTES_MAX: usize = 64 << 10;
const MEDIA_READ_BYTES_MAX: u32 = 64 << 10;
const RANDOM_BYTES_MAX: u32 = 4096;
const LOG_LINE_BYTES_MAX: usize = 1024;
/// The last one is kept for an error: a panic's message is a call's last line.
const LOG_LINES_PER_CALL_MAX: u32 = 32;

/// The host could not do what a plugin rightly asked; the plugin is not to blame.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct HostFailed(String);

impl HostFailed {
    fn reading(id: &str, error: &std::io::Error) -> Self {
        Self(format!("the medium {id} can't be read: {error}"))
    }
}

/// What a call's instance sees.
pub(super) struct CallState {
    pub(super) plugin: Arc<Plugin>,
    pub(super) settings: Arc<Settings>,
    pub(super) memory: MemoryBudget,
    pub(super) meter: Arc<Meter>,
    pub(super) world: CallWorld,
    folds: FoldCache,
    open_medium: Option<(String, File)>,
    log_lines: u32,
    log_lines_dropped: u32,
    host_calls: u64,
    sent_bytes: u64,
    received_bytes: u64,
}

/// The part of what an instance sees that differs from call to call.
pub(super) struct CallWorld {
    pub(super) media: MediaFiles,
    pub(super) time: Time,
    pub(super) exchange: Option<Box<Exchange>>,
}

/// Where a call's time and randomness come from.
pub(super) enum Time {
    /// The gateway's clock and the system's randomness.
    Real,
    /// The same at every attempt.
    Replayed { now_ms: u64, random: Seeded },
}

impl CallWorld {
    /// A call that sees nothing but its arguments.
    pub(super) fn pure(media: MediaFiles) -> Self {
        Self { media, time: Time::Real, exchange: None }
    }
}

impl CallState {
    pub(super) fn new(plugin: Arc<Plugin>, settings: Arc<Settings>, meter: Arc<Meter>, world: CallWorld) -> Self {
        let memory = MemoryBudget::new(plugin.manifest.limits.memory_bytes);
        Self {
            plugin,
            settings,
            memory,
            meter,
            world,
            folds: FoldCache::default(),
            open_medium: None,
            log_lines: 0,
            log_lines_dropped: 0,
            host_calls: 0,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    /// The call begins, in an instance that was made ahead of it: what it sees is the call's, what it holds stays counted.
    pub(super) fn begin(&mut self, settings: Arc<Settings>, meter: Arc<Meter>, world: CallWorld) {
        (self.settings, self.meter, self.world) = (settings, meter, world);
    }

    /// What the call used up so far.
    pub(super) fn used(&self) -> Used {
        Used {
            guest_ns: self.meter.spent_ns(),
            memory_peak_bytes: self.memory.held_bytes() as u64,
            host_calls: self.host_calls,
            sent_bytes: self.sent_bytes,
            received_bytes: self.received_bytes,
        }
    }

    /// Says at the end of a call how many lines of its log were dropped.
    pub(super) fn tell_dropped_lines(&self) {
        if self.log_lines_dropped > 0
            && let Some(lines) = self.plugin.log_allowance.dropped(self.log_lines_dropped)
        {
            let plugin = &self.plugin.label;
            tracing::warn!(target: "pressgate::plugin", plugin, "{lines} more lines dropped: a call may log {LOG_LINES_PER_CALL_MAX} lines, and a plugin {LOG_LINES_PER_S} in a second");
        }
    }
}

/// Links what an adapter gets.
pub(super) fn adapter_linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = policy_linker(engine)?;
    super::bindings::http::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    state::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    random::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    Ok(linker)
}

/// Links what a connector gets: what an adapter does, without media.
pub(super) fn connector_linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = base_linker(engine)?;
    super::bindings::http::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    state::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    random::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    Ok(linker)
}

/// Links what a policy gets.
pub(super) fn policy_linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = base_linker(engine)?;
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    media::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    Ok(linker)
}

/// Links what every plugin gets.
fn base_linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    // These two are called most, with the longest texts: they are linked by hand, so that no text is copied on the way.
    linker.instance("pressgate:plugin/config@0.1.0")?.func_wrap("get", config_get)?;
    let mut matching = linker.instance("pressgate:plugin/match@0.1.0")?;
    matching.func_wrap("scan", match_scan)?;
    matching.func_wrap("scripts", match_scripts)?;
    Ok(linker)
}

fn config_get(
    mut store: StoreContextMut<'_, CallState>,
    (pointer,): (WasmStr,),
) -> wasmtime::Result<(Option<Arc<str>>,)> {
    store.data_mut().host_calls += 1;
    let pointer = pointer.to_str(&store)?;
    Ok((store.data().settings.get(&pointer),))
}

type Scanned = Result<Vec<match_::Hit>, match_::ScanError>;

fn match_scan(
    mut store: StoreContextMut<'_, CallState>,
    (set, text): (WasmStr, WasmStr),
) -> wasmtime::Result<(Scanned,)> {
    store.data_mut().host_calls += 1;
    let mut folds = std::mem::take(&mut store.data_mut().folds);
    let (set, text) = (set.to_str(&store)?, text.to_str(&store)?);
    let hits = store.data().settings.patterns().scan(&set, &text, &mut folds);
    drop((set, text));
    store.data_mut().folds = folds;
    match hits {
        Ok(hits) => Ok((Ok(hits.into_iter().map(convert::hit).collect()),)),
        Err(patterns::ScanError::UnknownSet) => Ok((Err(match_::ScanError::UnknownSet),)),
        // Never "nothing found": the call fails, and a failing policy denies.
        Err(error @ patterns::ScanError::TextTooLong) => Err(wasmtime::Error::msg(error.to_string())),
    }
}

fn match_scripts(
    mut store: StoreContextMut<'_, CallState>,
    (text,): (WasmStr,),
) -> wasmtime::Result<(Vec<(String, u32)>,)> {
    store.data_mut().host_calls += 1;
    Ok((patterns::scripts(&text.to_str(&store)?),))
}

impl types::Host for CallState {}

impl media::Host for CallState {
    fn info(&mut self, id: String) -> wasmtime::Result<Option<types::MediaRef>> {
        self.host_calls += 1;
        Ok(self.world.media.get(&id).map(|(media, _)| convert::media_ref(media)))
    }

    fn read(&mut self, id: String, offset: u64, length: u32) -> wasmtime::Result<Option<Vec<u8>>> {
        self.host_calls += 1;
        let Some((media, path)) = self.world.media.get(&id) else { return Ok(None) };
        let left = media.size_bytes.saturating_sub(offset);
        let length = u64::from(length.min(MEDIA_READ_BYTES_MAX)).min(left);
        if self.open_medium.as_ref().is_none_or(|(open, _)| *open != id) {
            let file = File::open(path).map_err(|error| HostFailed::reading(&id, &error))?;
            self.open_medium = Some((id, file));
        }
        let mut bytes = vec![0; usize::try_from(length)?];
        if let Some((id, file)) = &self.open_medium {
            file.read_exact_at(&mut bytes, offset).map_err(|error| HostFailed::reading(id, &error))?;
        }
        Ok(Some(bytes))
    }

    fn public_url(&mut self, id: String) -> wasmtime::Result<Result<String, String>> {
        self.host_calls += 1;
        Ok(self.world.media.url(&id))
    }
}

impl log::Host for CallState {
    fn write(&mut self, level: log::Level, line: String) -> wasmtime::Result<()> {
        self.host_calls += 1;
        let kept_for_errors = u32::from(!matches!(level, log::Level::Error));
        if self.log_lines + kept_for_errors >= LOG_LINES_PER_CALL_MAX || !self.plugin.log_allowance.take() {
            self.log_lines_dropped = self.log_lines_dropped.saturating_add(1);
            return Ok(());
        }
        self.log_lines += 1;
        let cut = line.floor_char_boundary(LOG_LINE_BYTES_MAX);
        let line: String = line
            .get(..cut)
            .unwrap_or_default()
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        let plugin = &self.plugin.label;
        match level {
            log::Level::Debug => tracing::debug!(target: "pressgate::plugin", plugin, "{line}"),
            log::Level::Info => tracing::info!(target: "pressgate::plugin", plugin, "{line}"),
            log::Level::Warn => tracing::warn!(target: "pressgate::plugin", plugin, "{line}"),
            log::Level::Error => tracing::error!(target: "pressgate::plugin", plugin, "{line}"),
        }
        Ok(())
    }
}

impl state::Host for CallState {
    fn get(&mut self) -> wasmtime::Result<Vec<u8>> {
        self.host_calls += 1;
        Ok(self.world.exchange.as_ref().map(|exchange| exchange.note.clone()).unwrap_or_default())
    }

    fn set(&mut self, note: Vec<u8>) -> wasmtime::Result<bool> {
        self.host_calls += 1;
        match &mut self.world.exchange {
            Some(exchange) if exchange.purpose == Purpose::Perform && note.len() <= NOTE_BYTES_MAX => {
                exchange.note.clone_from(&note);
                exchange.new_note = Some(note);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

impl clock::Host for CallState {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        self.host_calls += 1;
        match &self.world.time {
            Time::Real => Ok(convert::millis(self.plugin.clock.now())),
            Time::Replayed { now_ms, .. } => Ok(*now_ms),
        }
    }
}

impl random::Host for CallState {
    fn bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        self.host_calls += 1;
        let mut bytes = vec![0; usize::try_from(length.min(RANDOM_BYTES_MAX))?];
        match &mut self.world.time {
            Time::Real => SystemRandom::new()
                .fill(&mut bytes)
                .map_err(|_| HostFailed("the system gives no random bytes".into()))?,
            Time::Replayed { random, .. } => random.fill(&mut bytes),
        }
        Ok(bytes)
    }
}
