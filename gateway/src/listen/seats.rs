//! Who sits at a listener: so many connections in all, and so many of one source.
//!
//! When every place is taken, a connection that does nothing gives its place to the one that comes in: idle connections cost
//! little, and must not keep those out who have something to say.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::watch::Activity;

/// A connection keeps its place this long after it came in, and after each answer.
const UNUSED_LEAST: Duration = Duration::from_secs(1);
/// Places that are compared before the most useless of them is taken.
const COMPARED: usize = 64;
/// How often who waits looks for a place again: one becomes useless without a word.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The places of a listener.
pub(super) struct Seats {
    seats_max: usize,
    source_max: u32,
    table: Mutex<Table>,
    freed: Notify,
}

#[derive(Default)]
struct Table {
    places: Vec<Option<Arc<Activity>>>,
    free: Vec<usize>,
    sources: HashMap<IpAddr, u32>,
    hand: usize,
}

/// A place; it is free again when this is dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    place: usize,
    activity: Arc<Activity>,
    source: IpAddr,
}

impl Seats {
    pub(super) fn new(seats_max: u32, source_max: u32) -> Arc<Self> {
        let seats_max = usize::try_from(seats_max).unwrap_or(usize::MAX).max(1);
        Arc::new(Self { seats_max, source_max, table: Mutex::default(), freed: Notify::new() })
    }

    /// Waits for a place. None where the source has enough; true where somebody else had to go.
    pub(super) async fn take(self: &Arc<Self>, source: IpAddr, activity: &Arc<Activity>) -> Option<(Seat, bool)> {
        let source = network(source);
        loop {
            let freed = self.freed.notified();
            {
                let mut table = self.table();
                if table.sources.get(&source).copied().unwrap_or_default() >= self.source_max {
                    return None;
                }
                if let Some((place, evicted)) = table.place(self.seats_max, activity) {
                    *table.sources.entry(source).or_default() += 1;
                    drop(table);
                    let seat = Seat { seats: Arc::clone(self), place, activity: Arc::clone(activity), source };
                    return Some((seat, evicted));
                }
            }
            let _ = tokio::time::timeout(LOOK_EVERY, freed).await;
        }
    }

    /// Returns once every place is free.
    pub(super) async fn empty(&self) {
        loop {
            let freed = self.freed.notified();
            if self.table().sources.is_empty() {
                return;
            }
            let _ = tokio::time::timeout(LOOK_EVERY, freed).await;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// A free place, or one whose connection is of the least use. That one is ended.
    fn place(&mut self, most: usize, activity: &Arc<Activity>) -> Option<(usize, bool)> {
        if let Some(place) = self.free.pop() {
            self.sit(place, activity);
            return Some((place, false));
        }
        if self.places.len() < most {
            self.places.push(Some(Arc::clone(activity)));
            return Some((self.places.len() - 1, false));
        }
        let place = self.least_used()?;
        if let Some(gone) = self.sit(place, activity) {
            gone.end();
        }
        Some((place, true))
    }

    fn sit(&mut self, place: usize, activity: &Arc<Activity>) -> Option<Arc<Activity>> {
        self.places.get_mut(place)?.replace(Arc::clone(activity))
    }

    /// The place of a connection that serves nothing: one that never did rather than one that did, then one whose client takes nothing
    /// of an answer rather than one that waits for more of it, then the one that has been so the longest. Looks at a few, in turn, and at more only while it finds none.
    fn least_used(&mut self) -> Option<usize> {
        let mut best = None;
        for looked in 0..self.places.len() {
            if looked >= COMPARED && best.is_some() {
                break;
            }
            self.hand = (self.hand + 1) % self.places.len();
            let unused = self.places.get(self.hand).and_then(Option::as_ref).and_then(|activity| activity.unused());
            let candidate = unused.filter(|(_, since)| *since >= UNUSED_LEAST).map(|unused| (unused, self.hand));
            best = best.max(candidate);
        }
        best.map(|(_, place)| place)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.seats.table();
        if let Some(count) = table.sources.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                table.sources.remove(&self.source);
            }
        }
        // Whoever took the place over keeps it.
        let place = table.places.get_mut(self.place);
        if let Some(held) = place
            && held.as_ref().is_some_and(|held| Arc::ptr_eq(held, &self.activity))
        {
            *held = None;
            table.free.push(self.place);
        }
        drop(table);
        self.seats.freed.notify_waiters();
    }
}

/// What counts as one source: an IPv4 address, or the network that one subscriber of IPv6 has.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch::Watched;
    use super::*;

    fn v4(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    async fn sit(seats: &Arc<Seats>, source: IpAddr) -> Option<(Seat, bool)> {
        let activity = Arc::new(Activity::new());
        tokio::time::timeout(Duration::from_millis(500), seats.take(source, &activity)).await.ok()?
    }

    #[tokio::test(start_paused = true)]
    async fn one_source_has_its_share_and_gives_it_back() {
        let seats = Seats::new(10, 2);
        let first = sit(&seats, v4(1)).await.unwrap();
        let _second = sit(&seats, v4(1)).await.unwrap();
        assert!(sit(&seats, v4(1)).await.is_none());
        assert!(sit(&seats, "::ffff:127.0.0.1".parse().unwrap()).await.is_none(), "the same address");
        let _other = sit(&seats, v4(2)).await.unwrap();
        drop(first);
        assert!(sit(&seats, v4(1)).await.is_some());
        let six = |text: &str| text.parse::<IpAddr>().unwrap();
        let _a = sit(&seats, six("2001:db8:1:1::1")).await.unwrap();
        let _b = sit(&seats, six("2001:db8:1:1::2")).await.unwrap();
        assert!(sit(&seats, six("2001:db8:1:1:ffff::3")).await.is_none(), "one subscriber");
        assert!(sit(&seats, six("2001:db8:1:2::1")).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_an_answer_keeps_its_place_before_who_takes_nothing_of_one() {
        use tokio::io::AsyncWriteExt;
        let seats = Seats::new(3, 10);
        // Three answers come: the first two are quiet, or taken; of the third nothing more is taken.
        let mut held = Vec::new();
        for _ in 0..3 {
            let activity = Arc::new(Activity::new());
            let (seat, _) = seats.take(v4(1), &activity).await.unwrap();
            drop(activity.serve());
            let (ours, theirs) = tokio::io::duplex(64);
            let stream = Watched::new(ours, Arc::clone(&activity));
            let answering = activity.answer();
            held.push((seat, activity, stream, theirs, answering));
        }
        tokio::time::sleep(UNUSED_LEAST).await;
        held[2].2.write_all(&[0; 64]).await.unwrap();
        let stalls = tokio::time::timeout(Duration::from_millis(1), held[2].2.write_all(&[0; 64])).await;
        assert!(stalls.is_err(), "nobody reads");
        tokio::time::sleep(UNUSED_LEAST).await;
        held[1].2.write_all(b"taken").await.unwrap();
        let ended = |activity: &Arc<Activity>| {
            let activity = Arc::clone(activity);
            async move { tokio::time::timeout(Duration::ZERO, activity.ended()).await.is_ok() }
        };
        // The quiet one has been so the longest, and its client is not what it waits for.
        let (_fourth, evicted) = sit(&seats, v4(2)).await.unwrap();
        assert!(evicted && ended(&held[2].1).await && !ended(&held[0].1).await && !ended(&held[1].1).await);
        // Who has no other choice takes the place of the one that is quiet, never of one that moves.
        held[1].2.write_all(b"taken").await.unwrap();
        let (_fifth, evicted) = sit(&seats, v4(2)).await.unwrap();
        assert!(evicted && ended(&held[0].1).await && !ended(&held[1].1).await);
        // An answer that is over is of no use; what answers again is.
        drop(held.remove(1).4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_nothing_makes_place_and_who_works_does_not() {
        let seats = Seats::new(3, 10);
        let mut held = Vec::new();
        for _ in 0..3 {
            let activity = Arc::new(Activity::new());
            let (seat, evicted) = seats.take(v4(1), &activity).await.unwrap();
            assert!(!evicted);
            held.push((seat, activity));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The first works, the second has worked, the third never did.
        let _works = held[0].1.serve();
        drop(held[1].1.serve());
        assert!(sit(&seats, v4(2)).await.is_none(), "all are fresh");
        tokio::time::sleep(UNUSED_LEAST).await;
        let (_fourth, evicted) = sit(&seats, v4(2)).await.unwrap();
        assert!(evicted);
        let ended = |activity: &Arc<Activity>| {
            let activity = Arc::clone(activity);
            async move { tokio::time::timeout(Duration::ZERO, activity.ended()).await.is_ok() }
        };
        assert!(ended(&held[2].1).await && !ended(&held[1].1).await && !ended(&held[0].1).await);
        // Its place is another's now, and does not become free when it ends.
        drop(held.pop());
        let (_fifth, evicted) = sit(&seats, v4(2)).await.unwrap();
        assert!(evicted && ended(&held[1].1).await && !ended(&held[0].1).await);
        assert!(sit(&seats, v4(2)).await.is_none(), "one works and two are fresh");
    }
}
