//! How often, and since when, a target is tried by itself.

use jiff::Timestamp;

use crate::{model::TargetState, records::Attempt, refusal::problem};

/// The attempts that the next one goes on from: those since the target came to an end, or was set aside for a person or a freeze. What
/// a person sends again, and another occurrence of a recurring post, begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// How many were used up. An outage of log or records is no fault of the post, and uses up none.
    pub used: usize,
    /// How many ended because the network was still at work on what was prepared; they use up none either.
    pub waits: usize,
    /// When the first ended; none before that.
    pub begun_at: Option<Timestamp>,
}

impl Series {
    /// What follows these attempts, oldest first.
    pub fn of(attempts: &[Attempt]) -> Self {
        let goes_on = |state| matches!(state, TargetState::Accepted | TargetState::Publishing | TargetState::Unknown);
        let end = attempts.iter().rposition(|attempt| !goes_on(attempt.state)).map_or(0, |end| end + 1);
        let series = attempts.get(end..).unwrap_or_default();
        let waits = series.iter().filter(|attempt| is_wait(attempt)).count();
        let used = series.iter().filter(|attempt| !is_outage(attempt) && !is_wait(attempt)).count();
        Self { used, waits, begun_at: series.first().map(|first| first.at) }
    }
}

fn is_wait(attempt: &Attempt) -> bool {
    attempt.problem.as_deref() == Some(problem::NOT_READY.slug)
}

fn is_outage(attempt: &Attempt) -> bool {
    let outages = [problem::AUDIT_UNAVAILABLE.slug, problem::STATE_UNAVAILABLE.slug];
    attempt.code.as_deref().is_some_and(|code| outages.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u32, state: TargetState, code: &str) -> Attempt {
        Attempt {
            number,
            at: Timestamp::from_second(i64::from(number) * 100).unwrap(),
            state,
            status: None,
            code: Some(code.to_owned()),
            problem: None,
            retry: true,
            message: None,
            body: None,
        }
    }

    #[test]
    fn what_came_to_an_end_begins_anew() {
        use TargetState::{Failed, Frozen, Held, Publishing, Unknown};
        let series = |states: &[(TargetState, &str)]| {
            let attempts: Vec<_> =
                (1..).zip(states).map(|(number, (state, code))| attempt(number, *state, code)).collect();
            let Series { used, begun_at, .. } = Series::of(&attempts);
            (used, begun_at.map(Timestamp::as_second))
        };
        assert_eq!(series(&[]), (0, None));
        assert_eq!(series(&[(Publishing, "x"), (Unknown, "x")]), (2, Some(100)));
        for end in [Failed, Held, Frozen, TargetState::Published, TargetState::Recalled] {
            assert_eq!(series(&[(Publishing, "x"), (end, "x")]), (0, None));
            assert_eq!(series(&[(Publishing, "x"), (end, "x"), (Publishing, "x")]), (1, Some(300)));
        }
        assert_eq!(series(&[(Publishing, "audit-unavailable"), (Publishing, "x")]), (1, Some(100)));
    }

    #[test]
    fn a_wait_for_the_network_uses_up_no_attempt() {
        let waits = |problem: &str| Attempt {
            problem: Some(problem.to_owned()),
            ..attempt(1, TargetState::Publishing, "media-processing")
        };
        let series = Series::of(&[waits("not-ready"), waits("platform-unavailable"), waits("not-ready")]);
        assert_eq!((series.used, series.waits), (1, 2));
    }
}
