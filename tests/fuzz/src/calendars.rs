//! Any bytes: a calendar is read or refused, and what is read says at every instant what blocks.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pressgate_calendar::{Blackouts, Calendar, Rule, Zone, ics, parse_instant};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(rule) = Rule::parse(text) {
            assert_eq!(Rule::parse(&rule.to_string()).as_ref(), Ok(&rule));
        }
    }
    let Ok(ics) = ics::read(bytes, &Zone::utc()) else { return };
    let blackouts = Blackouts::new(vec![Calendar::new("any", ics)]);
    let at = parse_instant("2027-03-01T09:00:00Z").expect("an instant");
    if let Some(free) = blackouts.next_free(at) {
        assert!(free >= at && blackouts.blocked_at(free).is_none());
    }
});
