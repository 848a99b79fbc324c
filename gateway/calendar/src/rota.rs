//! On-call rotas: people who take turns.

use jiff::Timestamp;

use crate::limits::ROTA_PEOPLE_MAX;
use crate::rule::plus_days;
use crate::wall::WallTime;

/// How long a turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// So many days of the calendar.
    Days(u16),
    /// So many weeks.
    Weeks(u16),
}

/// People in order, each for a period, from an anchor on. Turns change at the anchor's local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rota {
    people: Vec<String>,
    days: i64,
    anchor: WallTime,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnCall<'a> {
    /// As given to [`Rota::new`].
    pub person: &'a str,
    /// Since when.
    pub since: Timestamp,
    /// Until when; the next person's begin.
    pub until: Timestamp,
}

/// Why a rota is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RotaError {
    /// Nobody is in it.
    #[error("the rota has nobody; name at least one person")]
    Nobody,
    /// Too many people.
    #[error("the rota has more than {ROTA_PEOPLE_MAX} people")]
    TooMany,
    /// A turn of no or too long time.
    #[error("a turn lasts from 1 to 366 days")]
    Period,
}

impl Rota {
    /// A rota whose first person begins at `anchor`. A person may stand in it more than once.
    ///
    /// # Errors
    /// For nobody, too many people, and turns of no or more than 366 days.
    pub fn new(people: Vec<String>, period: Period, anchor: WallTime) -> Result<Self, RotaError> {
        let days = match period {
            Period::Days(days) => i64::from(days),
            Period::Weeks(weeks) => i64::from(weeks) * 7,
        };
        if people.is_empty() {
            return Err(RotaError::Nobody);
        }
        if people.len() > ROTA_PEOPLE_MAX {
            return Err(RotaError::TooMany);
        }
        if (1..=366).contains(&days) { Ok(Self { people, days, anchor }) } else { Err(RotaError::Period) }
    }

    /// Who is on call at an instant. None before the anchor.
    pub fn on_call(&self, at: Timestamp) -> Option<OnCall<'_>> {
        let passed = self.anchor.zone.local(at).date().duration_since(self.anchor.local.date()).as_hours() / 24;
        let guess = passed.div_euclid(self.days);
        // The date alone does not tell: the turn may change later that day, and where clocks go back over midnight, tomorrow's has begun.
        let turn = [guess + 1, guess, guess - 1]
            .into_iter()
            .find(|turn| *turn >= 0 && self.begin(*turn).is_some_and(|begin| begin <= at))?;
        let index = usize::try_from(turn).ok()?.checked_rem(self.people.len())?;
        let person = self.people.get(index)?;
        Some(OnCall { person, since: self.begin(turn)?, until: self.begin(turn + 1)? })
    }

    fn begin(&self, turn: i64) -> Option<Timestamp> {
        let date = plus_days(self.anchor.local.date(), turn.checked_mul(self.days)?)?;
        self.anchor.zone.settle(date.to_datetime(self.anchor.local.time()))
    }
}
