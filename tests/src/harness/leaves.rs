//! What the log says, in a form that a test can compare.

use pressgate::audit::{Event, Leaf, leaf};

/// One line for each leaf, without what differs from run to run: ids, times, digests.
///
/// ```text
/// intent acme-mastodon post.create part-0 #1
/// outcome part-0 answered 200 -> published
/// refused authorise no-grant acme-mastodon
/// held acme-mastodon | vote chief-1 approve | change governance apply | lifecycle start
/// ```
///
/// Heartbeats and the log's own states are left out: they come with time, and belong to no call; and so are transitions that follow by
/// rule from what is there.
pub fn story(leaves: &[Leaf]) -> Vec<String> {
    let of_time = |leaf: &&Leaf| match &leaf.event {
        Event::Heartbeat(_) | Event::State(_) => true,
        Event::Transition(transition) => {
            transition.app.is_none() && transition.person.is_none() && transition.link.is_none()
        }
        _ => false,
    };
    leaves.iter().filter(|leaf| !of_time(leaf)).map(line).collect()
}

/// Every intent with its index.
pub fn intents(leaves: &[Leaf]) -> Vec<(u64, leaf::Intent)> {
    let numbered = (0..).zip(leaves);
    numbered
        .filter_map(|(index, leaf)| match &leaf.event {
            Event::Intent(intent) => Some((index, (**intent).clone())),
            _ => None,
        })
        .collect()
}

/// Every refusal.
pub fn refusals(leaves: &[Leaf]) -> Vec<leaf::Refused> {
    let refused = leaves.iter().filter_map(|leaf| match &leaf.event {
        Event::Refused(refused) => Some((**refused).clone()),
        _ => None,
    });
    refused.collect()
}

fn line(leaf: &Leaf) -> String {
    let name = |value: &dyn std::fmt::Debug| kebab(&format!("{value:?}"));
    match &leaf.event {
        Event::Intent(i) => format!("intent {} {} {} #{}", i.account, i.action, i.step, i.attempt),
        Event::Outcome(o) => {
            let status = o.status.map(|status| format!(" {status}")).unwrap_or_default();
            let state = o.target_state.as_deref().map(|state| format!(" -> {state}")).unwrap_or_default();
            let recovered = if o.recovered { " (recovered)" } else { "" };
            format!("outcome {} {}{status}{state}{recovered}", o.step, name(&o.result))
        }
        Event::Refused(r) => {
            let account = r.account.as_deref().map(|account| format!(" {account}")).unwrap_or_default();
            format!("refused {} {}{account}", r.stage, r.problem)
        }
        Event::Finished(f) => {
            let code = f.code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
            format!("finished {} {}{code}", f.account, f.target_state)
        }
        Event::Held(h) => format!("held {}", h.accounts.join(",")),
        Event::Withdrawal(w) => format!("withdrawal {}", w.app.as_deref().or(w.person.as_deref()).unwrap_or_default()),
        Event::Transition(t) => format!("{} {}", t.transition, t.version),
        Event::Vote(v) => format!("vote {} {}", v.person, v.decision),
        Event::Change(c) => format!("change {} {}", name(&c.what), c.action),
        Event::Unauthenticated(u) => format!("unauthenticated {}", u.count),
        Event::Lifecycle(l) => format!("lifecycle {}", name(&l.event)),
        Event::Recovery(_) => "recovery".to_owned(),
        Event::Read(r) => format!("read {}", r.what),
        Event::Heartbeat(h) => format!("heartbeat {}/{}/{}/{}", h.accepted, h.denied, h.sent, h.failed),
        Event::State(s) => format!("state {} -> {} {}", s.before, s.state, s.code),
        Event::Alarm(a) => format!("alarm {} {}", a.code, if a.raised { "raised" } else { "ended" }),
        Event::Delivery(d) => format!("delivery {} {} {:?}", d.connector, d.event_kind, d.result),
        Event::Erasure(e) => format!("erasure {}", e.values),
        Event::Retention(r) => format!("retention {}", r.below),
        Event::KeyChange(k) => format!("key-change {}", k.by),
        Event::KeyHandover(k) => format!("key-handover {}", k.change),
        Event::Unknown => "unknown".to_owned(),
    }
}

fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
