//! Courses that people passed, in memory; the records keep them.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use jiff::Timestamp;

use crate::{model::PersonId, records::TrainingRecord};

/// All courses of all people.
#[derive(Default)]
pub struct Training(RwLock<HashMap<PersonId, Vec<TrainingRecord>>>);

/// How a person stands with a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Passed, and it holds.
    Holds,
    /// Passed, and it lapsed then.
    Lapsed(Timestamp),
    /// Never passed.
    Missing,
}

impl Training {
    /// Of what the records keep.
    pub fn of(records: Vec<TrainingRecord>) -> Self {
        let training = Self::default();
        training.add(records);
        training
    }

    /// Adds what was kept. The same person, course and time again changes when it ends.
    pub fn add(&self, records: Vec<TrainingRecord>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            let held = all.entry(record.person.clone()).or_default();
            held.retain(|known| (&known.course, known.passed_at) != (&record.course, record.passed_at));
            held.push(record);
        }
    }

    /// How a person stands with a course at `now`.
    pub fn standing(&self, person: &PersonId, course: &str, now: Timestamp) -> Standing {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let passed = |record: &&TrainingRecord| record.course == course && record.passed_at <= now;
        let mut standing = Standing::Missing;
        for record in all.get(person).into_iter().flatten().filter(passed) {
            match (record.expires_at, standing) {
                (None, _) => return Standing::Holds,
                (Some(end), _) if now < end => return Standing::Holds,
                (Some(end), Standing::Lapsed(before)) => standing = Standing::Lapsed(end.max(before)),
                (Some(end), _) => standing = Standing::Lapsed(end),
            }
        }
        standing
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn passed(course: &str, passed_at: i64, expires_at: Option<i64>) -> TrainingRecord {
        TrainingRecord {
            person: PersonId::new("editor-7"),
            course: course.to_owned(),
            passed_at: at(passed_at),
            expires_at: expires_at.map(at),
        }
    }

    #[test]
    fn a_course_holds_until_it_lapses_and_again_when_it_is_passed_again() {
        let training = Training::of(vec![passed("basics", 10, Some(20)), passed("basics", 40, Some(50))]);
        let standing = |now| training.standing(&PersonId::new("editor-7"), "basics", at(now));
        for (now, expected) in [
            (9, Standing::Missing),
            (10, Standing::Holds),
            (20, Standing::Lapsed(at(20))),
            (40, Standing::Holds),
            (50, Standing::Lapsed(at(50))),
        ] {
            assert_eq!(standing(now), expected, "{now}");
        }
        assert_eq!(training.standing(&PersonId::new("editor-8"), "basics", at(10)), Standing::Missing);
        assert_eq!(training.standing(&PersonId::new("editor-7"), "crisis", at(10)), Standing::Missing);
        training.add(vec![passed("basics", 40, None)]);
        assert_eq!(standing(1_000), Standing::Holds);
        training.add(vec![passed("basics", 40, Some(45))]);
        assert_eq!(standing(46), Standing::Lapsed(at(45)), "corrected");
    }
}
