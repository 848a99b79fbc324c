//! Instances that are made ahead of the calls that will use them, each used once: for plugins that carry the engine of a language,
//! which takes long to set up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::code::Code;
use super::entry::Ready;
use super::imports::CallWorld;
use super::media::MediaFiles;
use super::meter::Meter;
use super::settings::Settings;

/// Instances that are kept ready for one plugin.
pub(super) const READY_PER_PLUGIN: usize = 4;

/// The places of an engine's pool that may be taken by instances which wait for a call.
#[derive(Debug)]
pub(super) struct Places {
    free: AtomicUsize,
}

impl Places {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { free: AtomicUsize::new(count) })
    }

    fn take(self: &Arc<Self>) -> Option<Place> {
        let taken = self.free.fetch_update(Relaxed, Relaxed, |free| free.checked_sub(1));
        taken.is_ok().then(|| Place(Arc::clone(self)))
    }
}

/// One such place, free again when it is dropped.
struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, Relaxed);
    }
}

/// The instances of one plugin that are ready.
pub(super) struct Warm {
    places: Arc<Places>,
    kept: Mutex<VecDeque<(Ready, Place)>>,
    /// Ready or being made.
    count: AtomicUsize,
}

impl Warm {
    pub(super) fn new(places: &Arc<Places>) -> Self {
        Self { places: Arc::clone(places), kept: Mutex::default(), count: AtomicUsize::new(0) }
    }

    /// The one that has waited longest. Its place is the call's now, which has a permit of its own.
    pub(super) fn take(&self) -> Option<Ready> {
        let (ready, _) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?;
        self.count.fetch_sub(1, Relaxed);
        Some(ready)
    }

    /// Has what is missing made beside the call that asks.
    pub(super) fn refill(&self, code: &Arc<Code>, settings: &Arc<Settings>) {
        if self.count.load(Relaxed) >= READY_PER_PLUGIN {
            return;
        }
        // Outside of a runtime nothing is called often.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (code, settings) = (Arc::downgrade(code), Arc::clone(settings));
        runtime.spawn(async move {
            while let Some(code) = code.upgrade() {
                if !matches!(&code.warm, Some(warm) if warm.add(&code, &settings).await) {
                    break;
                }
            }
        });
    }

    /// Makes one more; false where there are enough, or where it can't be made: a call that makes its own then says why.
    pub(super) async fn add(&self, code: &Arc<Code>, settings: &Arc<Settings>) -> bool {
        let counted =
            self.count.fetch_update(Relaxed, Relaxed, |count| (count < READY_PER_PLUGIN).then_some(count + 1));
        if counted.is_err() {
            return false;
        }
        let made = match self.places.take() {
            Some(place) => make(code, settings).await.map(|ready| (ready, place)),
            None => None,
        };
        match made {
            Some(made) => self.kept.lock().unwrap_or_else(PoisonError::into_inner).push_back(made),
            None => {
                self.count.fetch_sub(1, Relaxed);
                return false;
            }
        }
        true
    }
}

async fn make(code: &Arc<Code>, settings: &Arc<Settings>) -> Option<Ready> {
    let limits = &code.plugin.manifest.limits;
    let meter = Arc::new(Meter::new(limits.guest_ms, Arc::clone(&code.house.lane)));
    let mut store = code.store(settings, &meter, CallWorld::pure(MediaFiles::none()));
    let instance =
        meter.run(Duration::from_millis(limits.wall_ms), code.entry.instance(&mut store)).await.ok()?.ok()?;
    Some(Ready { store, instance: Some(instance) })
}
