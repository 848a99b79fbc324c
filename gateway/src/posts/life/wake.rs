//! When time alone may change something of a post.

use crate::posts::links;
use jiff::{SignedDuration, Timestamp};
use pressgate_workflow::{Facts, Life, TargetState as T, approval::explain, life::Wait};

/// While it waits for people it is looked at so often all the same: who they are may change.
const PEOPLE_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// While it is frozen; the end of a freeze wakes it at once.
const FROZEN_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// No sooner than this after a look.
const LOOK_MIN: SignedDuration = SignedDuration::from_secs(1);

/// The next time to look; none where only somebody can bring it on. Where the last look brought nothing (`news`), not at once again.
pub(super) fn wake_at(life: &Life, facts: &Facts<'_>, news: bool) -> Option<Timestamp> {
    let any = |state| life.targets().iter().any(|target| target.state() == state);
    let waits = |wait| life.targets().iter().any(|target| target.wait() == Some(wait));
    let after = |time: SignedDuration| facts.now.checked_add(time).ok();
    let mut times: Vec<Timestamp> = Vec::new();
    if any(T::Scheduled) {
        times.extend(life.due());
    }
    if waits(Wait::Votes) {
        times.extend(explain(life, facts).next.first().map(|next| next.at));
        times.extend(after(PEOPLE_EVERY));
        if !links::wanting(life, facts).is_empty() {
            times.push(facts.now);
        }
    }
    if any(T::Frozen) {
        times.extend(after(FROZEN_EVERY));
    }
    if [T::Held, T::Approved, T::Scheduled, T::Frozen].into_iter().any(any) {
        times.extend(life.content().plan.until());
    }
    let soonest = if news { facts.now } else { after(LOOK_MIN).unwrap_or(facts.now) };
    times.into_iter().min().map(|at| at.max(soonest))
}
