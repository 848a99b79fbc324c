//! Devices that somebody enrols (RFC 8628): a code that the device holds, a shorter one that a person types, and what becomes of them.
//!
//! In memory only: after a restart the device asks anew. The device's code is kept hashed; the person's can be guessed only by somebody
//! who is signed in, a few times.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::{hashed, user_code};
use crate::{
    keys::unguessable,
    model::PersonId,
    records::{Device, RecordsError},
};

/// How long the codes are good.
pub const CODES_FOR: SignedDuration = SignedDuration::from_mins(10);
/// How long it is remembered that they were.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(20);
/// How often a device may ask, in seconds; one that asks sooner gets so much more.
const INTERVAL_S: i64 = 5;
/// Codes at once, and those of one source.
const CODES_MAX: usize = 2_048;
const CODES_PER_SOURCE_MAX: usize = 16;
/// Wrong codes of one person within ten minutes.
const WRONG_MAX: u32 = 5;
const WRONG_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// All enrolments under way.
#[derive(Default)]
pub struct Codes(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    all: Vec<Enrolment>,
    wrong: HashMap<PersonId, (Timestamp, u32)>,
}

struct Enrolment {
    device_code: [u8; 32],
    user_code: String,
    name: String,
    source: IpAddr,
    began: Timestamp,
    interval_s: i64,
    polled: Option<Timestamp>,
    state: State,
}

enum State {
    Waiting,
    Approved(PersonId, String),
    Denied,
    Spent,
}

/// What a device is told when it begins.
pub struct Started {
    /// What it shows when it asks.
    pub device_code: SecretString,
    /// What its person types, as it is shown.
    pub user_code: String,
    /// How often it may ask, in seconds.
    pub interval_s: i64,
}

/// What a person is shown of a device before they decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The code, as it is shown.
    pub user_code: String,
    /// What the device calls itself.
    pub name: String,
    /// Where it asked from.
    pub source: IpAddr,
    /// When.
    pub began: Timestamp,
}

/// Why a code leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// No device waits for it: mistyped, too old, or decided.
    Unknown,
    /// The person typed too many wrong ones.
    TooMany,
}

/// What a device hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// Nobody has decided yet.
    Pending,
    /// It asks too often; from now on this many seconds apart.
    SlowDown(i64),
    /// The person said no.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// There is no such code, or it was used.
    Unknown,
    /// The person said yes. This is told once.
    Approved(PersonId, Device),
}

impl Codes {
    /// Begins an enrolment. None where too many are under way, of this source or of all.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn begin(&self, name: &str, source: IpAddr, now: Timestamp) -> Result<Option<Started>, RecordsError> {
        let (device_code, user_code) = (unguessable()?, user_code::fresh()?);
        let mut inner = self.lock();
        inner.all.retain(|enrolment| now.duration_since(enrolment.began) < REMEMBERED);
        let live = inner.all.iter().filter(|enrolment| enrolment.is_live(now));
        let of_source = live.filter(|enrolment| enrolment.source == source).count();
        let taken = inner.all.iter().any(|enrolment| enrolment.user_code == user_code);
        if of_source >= CODES_PER_SOURCE_MAX || inner.all.len() >= CODES_MAX || taken {
            return Ok(None);
        }
        let shown = user_code::shown(&user_code);
        inner.all.push(Enrolment {
            device_code: hashed(&device_code),
            user_code,
            name: name.to_owned(),
            source,
            began: now,
            interval_s: INTERVAL_S,
            polled: None,
            state: State::Waiting,
        });
        let device_code = SecretString::from(device_code);
        Ok(Some(Started { device_code, user_code: shown, interval_s: INTERVAL_S }))
    }

    /// The device that waits for what a person typed.
    ///
    /// # Errors
    /// [`Wrong`]; a wrong code counts.
    pub fn find(&self, typed: &str, person: &PersonId, now: Timestamp) -> Result<Shown, Wrong> {
        let mut inner = self.lock();
        inner.waiting(typed, person, now).map(|enrolment| enrolment.shown())
    }

    /// Decides: yes with who the person is at the issuer, no with none.
    ///
    /// # Errors
    /// [`Wrong`]; a wrong code counts.
    pub fn decide(
        &self,
        typed: &str,
        person: &PersonId,
        identity: Option<String>,
        now: Timestamp,
    ) -> Result<Shown, Wrong> {
        let mut inner = self.lock();
        let enrolment = inner.waiting(typed, person, now)?;
        enrolment.state = identity.map_or(State::Denied, |identity| State::Approved(person.clone(), identity));
        Ok(enrolment.shown())
    }

    /// A device asks what became of it.
    pub fn poll(&self, device_code: &str, now: Timestamp) -> Polled {
        let hash = hashed(device_code);
        let mut inner = self.lock();
        let Some(enrolment) = inner.all.iter_mut().find(|enrolment| enrolment.device_code == hash) else {
            return Polled::Unknown;
        };
        if matches!(enrolment.state, State::Spent) {
            return Polled::Unknown;
        }
        if !enrolment.is_live(now) {
            return Polled::Expired;
        }
        // The wait between two questions is measured in whole: a clock that was set back does not shut a device out.
        let since = enrolment.polled.map(|polled| now.duration_since(polled));
        let soon = since.is_some_and(|since| !since.is_negative() && since.as_secs() < enrolment.interval_s);
        enrolment.polled = Some(now);
        if soon {
            enrolment.interval_s += INTERVAL_S;
            return Polled::SlowDown(enrolment.interval_s);
        }
        match std::mem::replace(&mut enrolment.state, State::Spent) {
            State::Waiting => {
                enrolment.state = State::Waiting;
                Polled::Pending
            }
            State::Denied => Polled::Denied,
            State::Approved(person, identity) => {
                Polled::Approved(person, Device { name: enrolment.name.clone(), identity })
            }
            State::Spent => Polled::Unknown,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The enrolment that waits for this code. Who typed too many wrong ones hears nothing of any.
    fn waiting(&mut self, typed: &str, person: &PersonId, now: Timestamp) -> Result<&mut Enrolment, Wrong> {
        self.wrong.retain(|_, (since, _)| now.duration_since(*since) < WRONG_WITHIN);
        if self.wrong.get(person).is_some_and(|(_, count)| *count >= WRONG_MAX) {
            return Err(Wrong::TooMany);
        }
        let code = user_code::typed(typed).unwrap_or_default();
        let waits = |enrolment: &&mut Enrolment| {
            enrolment.user_code == code && enrolment.is_live(now) && matches!(enrolment.state, State::Waiting)
        };
        match self.all.iter_mut().find(waits) {
            Some(enrolment) => Ok(enrolment),
            None => {
                self.wrong.entry(person.clone()).or_insert((now, 0)).1 += 1;
                Err(Wrong::Unknown)
            }
        }
    }
}

impl Enrolment {
    fn is_live(&self, now: Timestamp) -> bool {
        now.duration_since(self.began) < CODES_FOR
    }

    fn shown(&self) -> Shown {
        let user_code = user_code::shown(&self.user_code);
        Shown { user_code, name: self.name.clone(), source: self.source, began: self.began }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::reveal;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn editor() -> PersonId {
        PersonId::new("editor-7")
    }

    fn begin(codes: &Codes, seconds: i64) -> (String, String) {
        let started = codes.begin("laptop", HERE, at(seconds)).unwrap().unwrap();
        (reveal(&started.device_code).to_owned(), started.user_code)
    }

    #[test]
    fn a_device_hears_yes_once() {
        let codes = Codes::default();
        let (device, user) = begin(&codes, 0);
        assert_eq!(codes.poll(&device, at(0)), Polled::Pending);
        assert_eq!(codes.find(&user.to_lowercase(), &editor(), at(1)).unwrap().name, "laptop");
        codes.decide(&user, &editor(), Some("i".into()), at(2)).unwrap();
        assert_eq!(codes.decide(&user, &editor(), None, at(2)), Err(Wrong::Unknown), "decided once");
        let yes = Polled::Approved(editor(), Device { name: "laptop".into(), identity: "i".into() });
        assert_eq!(codes.poll(&device, at(5)), yes);
        assert_eq!(codes.poll(&device, at(10)), Polled::Unknown, "replayed");
        assert_eq!(codes.poll("another", at(10)), Polled::Unknown);
    }

    #[test]
    fn who_asks_too_often_waits_longer() {
        let codes = Codes::default();
        let (device, _) = begin(&codes, 0);
        assert_eq!(codes.poll(&device, at(0)), Polled::Pending);
        assert_eq!(codes.poll(&device, at(4)), Polled::SlowDown(10));
        assert_eq!(codes.poll(&device, at(13)), Polled::SlowDown(15));
        assert_eq!(codes.poll(&device, at(28)), Polled::Pending);
        assert_eq!(codes.poll(&device, at(20)), Polled::Pending, "the clock was set back");
    }

    #[test]
    fn codes_end() {
        let codes = Codes::default();
        let (late, user) = begin(&codes, 0);
        let (denied, other) = begin(&codes, 0);
        codes.decide(&other, &editor(), None, at(1)).unwrap();
        assert_eq!(codes.poll(&denied, at(1)), Polled::Denied);
        assert_eq!(codes.find(&user, &editor(), at(600)), Err(Wrong::Unknown));
        assert_eq!(codes.poll(&late, at(600)), Polled::Expired);
        begin(&codes, 1200);
        assert_eq!(codes.poll(&late, at(1200)), Polled::Unknown, "forgotten");
    }

    #[test]
    fn guesses_are_few_for_each_person() {
        let codes = Codes::default();
        let (_, user) = begin(&codes, 0);
        for _ in 0..WRONG_MAX {
            assert_eq!(codes.find("BBBB-BBBB", &editor(), at(1)), Err(Wrong::Unknown));
        }
        assert_eq!(codes.find(&user, &editor(), at(2)), Err(Wrong::TooMany), "the right one too");
        assert_eq!(codes.decide(&user, &editor(), Some("i".into()), at(2)), Err(Wrong::TooMany));
        assert!(codes.find(&user, &PersonId::new("editor-8"), at(2)).is_ok());
        let (_, user) = begin(&codes, 601);
        assert!(codes.find(&user, &editor(), at(602)).is_ok(), "after a while");
    }

    #[test]
    fn one_source_begins_only_so_many() {
        let codes = Codes::default();
        for _ in 0..CODES_PER_SOURCE_MAX {
            begin(&codes, 0);
        }
        assert!(codes.begin("laptop", HERE, at(0)).unwrap().is_none());
        assert!(codes.begin("laptop", IpAddr::from([10, 0, 0, 1]), at(0)).unwrap().is_some());
        assert!(codes.begin("laptop", HERE, at(600)).unwrap().is_some());
    }

    proptest! {
        /// Whatever happens in whatever order, nobody gets a token without a yes in time, and nobody two.
        #[test]
        fn no_token_without_a_yes(steps in prop::collection::vec((0..4_u8, 0..120_i64), 1..40)) {
            let codes = Codes::default();
            let (device, user) = begin(&codes, 0);
            let (mut now, mut agreed, mut given) = (0, false, 0);
            for (step, wait) in steps {
                now += wait;
                match step {
                    0 => agreed |= codes.decide(&user, &editor(), Some("i".into()), at(now)).is_ok(),
                    1 if !agreed => drop(codes.decide(&user, &editor(), None, at(now))),
                    2 => drop(codes.find("BBBBBBBB", &editor(), at(now))),
                    _ => if matches!(codes.poll(&device, at(now)), Polled::Approved(..)) {
                        prop_assert!(agreed && now < 600);
                        given += 1;
                    },
                }
            }
            prop_assert!(given <= 1);
        }
    }
}
