//! What a ticket says of an event: ids and codes, no text of a post.

use std::fmt::Write as _;

use pressgate_sdk::connector::Event;

/// The subject of a ticket.
pub fn subject(event: &Event, post: &str) -> String {
    let place = event.brand.as_deref().unwrap_or("several brands");
    format!("{} of {place} ({post})", event.kind)
}

/// An event for people.
pub fn told(event: &Event) -> String {
    let mut text = format!("{}\n", event.kind);
    let mut line = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            // Writing to a text does not fail.
            let _ = writeln!(text, "{name}: {value}");
        }
    };
    line("post", event.post.as_deref());
    line("brand", event.brand.as_deref());
    line("accounts", Some(&event.accounts.join(", ")));
    line("campaign", event.campaign.as_deref());
    line("made by", event.app.as_deref().or(event.person.as_deref()));
    line("because of", event.detail.as_deref());
    line("codes", Some(&event.codes.join(", ")));
    line("on the network", Some(&event.platform_ids.join(", ")));
    line("event", Some(&event.id));
    text
}
