//! Lines: events of the log, one after the other, to a receiver that may be away for a while.
//!
//! Each receiver has a line of its own that reads the log from a position of its own, so that none waits for another. What a receiver is
//! and how one event gets there is a [`Receiver`]'s matter. In reading order: `kept` is what a line remembers on disk, `told` how
//! line, operators and disk share it, `line` decides what comes next.

mod kept;
mod line;
mod told;

use std::{collections::BTreeMap, future::Future, marker::PhantomData, pin::Pin, sync::Arc, time::Duration};

use tokio::{sync::Mutex, task::JoinSet};

use self::line::Line;
pub use self::{
    kept::{Journal, KeptAnswer, KeptStep, Unsettled},
    line::alarm,
    told::{DeadView, Endpoint, Figures},
};
use super::Event;
use crate::{config::Governance, gateway::Gateway, model::EventType};

/// How often governance is looked at for new receivers.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What became of an attempt to deliver an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was taken.
    Done,
    /// It is not for this receiver.
    Passed,
    /// The receiver did not take this event; it may take others.
    Refused(String),
    /// It is given up at once: a repetition would be refused as well, or nobody can tell what became of it.
    Hopeless {
        /// Why.
        why: String,
        /// Something was sent, and nobody can tell what became of it.
        unknown: bool,
    },
    /// Nothing can be delivered there for now.
    Down(String, Option<Duration>),
    /// The receiver wants nothing any more.
    Gone,
}

/// What a receiver's delivery answers.
pub type Attempted<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where a line delivers to, as the governance of a moment says it.
pub trait Receiver: Clone + Send + Sync + 'static {
    /// What it is called in messages and in the name of its file.
    const WORD: &'static str;
    /// Code of the alarm for events that were given up.
    const DEAD_LETTER: &'static str;
    /// Code of the alarm for a receiver that wants nothing any more.
    const DISABLED: &'static str;
    /// The oldest of very many events that were given up is forgotten; else the line waits until a person looks at them.
    const FORGETS_DEAD: bool;

    /// The names of all.
    fn names(governance: &Governance) -> Vec<String>;
    /// The one of that name.
    fn find(governance: &Governance, id: &str) -> Option<Self>;
    /// Does it want events of this type?
    fn wants(&self, kind: EventType) -> bool;
    /// Delivers an event, where it is for this receiver.
    fn deliver<'a>(
        &'a self,
        gateway: &'a Arc<Gateway>,
        endpoint: &'a Arc<Endpoint>,
        event: &'a Event,
    ) -> Attempted<'a, Attempt>;
    /// An event was given up.
    fn given_up<'a>(&'a self, gateway: &'a Arc<Gateway>, event: &'a Event, unknown: bool) -> Attempted<'a, ()>;
}

/// The lines of all receivers of one kind.
pub struct Lines<R> {
    open: Mutex<BTreeMap<String, Arc<Endpoint>>>,
    of: PhantomData<fn() -> R>,
}

impl<R> Default for Lines<R> {
    fn default() -> Self {
        Self { open: Mutex::default(), of: PhantomData }
    }
}

impl<R: Receiver> Lines<R> {
    /// Delivers until the gateway stops.
    pub async fn run(&self, gateway: &Arc<Gateway>) {
        let mut lines = JoinSet::new();
        let mut running = BTreeMap::new();
        loop {
            while let Some(ended) = lines.try_join_next() {
                if let Err(error) = ended {
                    tracing::error!(%error, "the line of a {} ended by itself and begins anew", R::WORD);
                }
            }
            running.retain(|_, task: &mut tokio::task::AbortHandle| !task.is_finished());
            let wanted = R::names(&gateway.governance.load());
            for id in wanted.into_iter().filter(|id| !running.contains_key(id)).collect::<Vec<_>>() {
                match self.endpoint(gateway, &id).await {
                    Ok(endpoint) => {
                        let line = Line::<R>::new(Arc::clone(gateway), endpoint);
                        running.insert(id, lines.spawn(line.run()));
                    }
                    Err(why) => tracing::error!(id, why, "a {} can't begin", R::WORD),
                }
            }
            tokio::select! {
                () = gateway.stopping.wait() => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        while lines.join_next().await.is_some() {}
    }

    /// What there is of a receiver, read from disk where it was not yet.
    ///
    /// # Errors
    /// A sentence, where what is kept of it can't be read.
    pub async fn endpoint(&self, gateway: &Gateway, id: &str) -> Result<Arc<Endpoint>, String> {
        // Held until it is there: two that open one file would each remember something else.
        let mut open = self.open.lock().await;
        if let Some(endpoint) = open.get(id) {
            return Ok(Arc::clone(endpoint));
        }
        let (dir, name) = (gateway.config.export_dir(), id.to_owned());
        let (origin, next) = (gateway.audit.origin().to_owned(), gateway.audit.next_index());
        let opened = tokio::task::spawn_blocking(move || Endpoint::open(&dir, R::WORD, &name, &origin, next));
        let opened = Arc::new(opened.await.map_err(|error| error.to_string())??);
        open.insert(id.to_owned(), Arc::clone(&opened));
        Ok(opened)
    }

    /// What was given up of a receiver, oldest first; none where there is no such receiver.
    ///
    /// # Errors
    /// A sentence, where what is kept of it can't be read.
    pub async fn dead(&self, gateway: &Gateway, id: &str) -> Result<Option<Vec<DeadView>>, String> {
        if R::find(&gateway.governance.load(), id).is_none() {
            return Ok(None);
        }
        Ok(Some(self.endpoint(gateway, id).await?.dead()))
    }

    /// Changes what is kept of a receiver, and ends the alarms that are over by that; none where there is no such receiver.
    ///
    /// # Errors
    /// A sentence, where what is kept of it can't be read.
    pub async fn change(
        &self,
        gateway: &Gateway,
        id: &str,
        change: impl FnOnce(&Endpoint) -> u64,
    ) -> Result<Option<u64>, String> {
        if R::find(&gateway.governance.load(), id).is_none() {
            return Ok(None);
        }
        let endpoint = self.endpoint(gateway, id).await?;
        let before = endpoint.stands();
        let count = change(&endpoint);
        endpoint.store().await;
        let after = endpoint.stands();
        if before.0 && !after.0 {
            alarm(gateway, R::DISABLED, id, false).await;
        }
        if before.1 && !after.1 {
            alarm(gateway, R::DEAD_LETTER, id, false).await;
        }
        Ok(Some(count))
    }
}
