//! Working hours, and who is on call outside of them.

use jiff::{
    Timestamp,
    civil::{DateTime, Time, Weekday},
    tz::TimeZone,
};

use crate::ids::PersonId;

/// Hours of some weekdays in a zone.
#[derive(Debug, Clone)]
pub struct Hours {
    /// The zone; whoever reads the file resolves its name.
    pub zone: TimeZone,
    /// Weekdays.
    pub days: Vec<Weekday>,
    /// First minute.
    pub from: Time,
    /// First minute after. Not after `from` means across midnight, counted to the day on which it begins; equal is the whole day.
    pub until: Time,
}

impl Hours {
    /// True where the instant lies within.
    pub fn contains(&self, at: Timestamp) -> bool {
        let local = self.zone.to_datetime(at);
        let (today, time) = (local.weekday(), local.time());
        if self.from < self.until {
            return self.days.contains(&today) && self.from <= time && time < self.until;
        }
        (self.days.contains(&today) && time >= self.from)
            || (self.days.contains(&today.previous()) && time < self.until)
    }
}

/// People who take turns outside working hours.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// In the order of their turns.
    pub people: Vec<PersonId>,
    /// Length of a turn in hours of the zone's wall clock, so that a turn begins at the same time of day all year.
    pub period_h: u32,
    /// When the first one's turn began, on the wall clock of the zone of `hours`.
    pub anchor: DateTime,
    /// Working hours: within them nobody is on call.
    pub hours: Hours,
}

impl Rotation {
    /// Who is on call; nobody within working hours.
    pub fn on_call(&self, at: Timestamp) -> Option<&PersonId> {
        if self.hours.contains(at) {
            return None;
        }
        let local = self.hours.zone.to_datetime(at);
        let seconds = local.duration_since(self.anchor).as_secs();
        let turn = seconds.div_euclid(i64::from(self.period_h.max(1)) * 3600);
        let count = i64::try_from(self.people.len()).ok().filter(|count| *count > 0)?;
        self.people.get(usize::try_from(turn.rem_euclid(count)).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};

    fn office(from: Time, until: Time) -> Hours {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let days = vec![Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
        Hours { zone, days, from, until }
    }

    #[test]
    fn hours_are_local_and_may_cross_midnight() {
        let (day, night) = (office(time(9, 0, 0, 0), time(17, 0, 0, 0)), office(time(22, 0, 0, 0), time(6, 0, 0, 0)));
        let table = [
            ("2027-03-01T08:00:00Z", true, false),  // Monday 09:00
            ("2027-03-01T16:00:00Z", false, false), // Monday 17:00
            ("2027-07-05T07:00:00Z", true, false),  // Monday 09:00 in summer
            ("2027-03-06T10:00:00Z", false, false), // Saturday
            ("2027-03-01T21:30:00Z", false, true),  // Monday 22:30
            ("2027-03-06T03:00:00Z", false, true),  // Saturday 04:00, of Friday's night
            ("2027-03-01T03:00:00Z", false, false), // Monday 04:00, of Sunday's night
        ];
        for (at, in_day, in_night) in table {
            let at: Timestamp = at.parse().unwrap();
            assert_eq!((day.contains(at), night.contains(at)), (in_day, in_night), "{at}");
        }
    }

    #[test]
    fn turns_begin_at_the_same_time_of_day_all_year() {
        let rotation = Rotation {
            people: ["a", "b", "c"].map(PersonId::from).to_vec(),
            period_h: 168,
            anchor: date(2027, 3, 22).at(18, 0, 0, 0),
            hours: office(time(9, 0, 0, 0), time(17, 0, 0, 0)),
        };
        let table = [
            ("2027-03-22T16:59:00Z", Some("c")), // a minute before the anchor, winter
            ("2027-03-22T17:00:00Z", Some("a")),
            ("2027-03-29T15:59:00Z", Some("a")), // summer began on the 28th
            ("2027-03-29T16:00:00Z", Some("b")),
            ("2027-04-06T10:00:00Z", None),
            ("2027-04-12T16:00:00Z", Some("a")),
        ];
        for (at, person) in table {
            assert_eq!(rotation.on_call(at.parse().unwrap()).map(PersonId::as_str), person, "{at}");
        }
    }
}
