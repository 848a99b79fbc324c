//! How things are, and what is to be told of it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use pressgate_workflow::{
    Facts, Governance as Rules, Life,
    approval::{Explanation, explain},
    ids::Actor,
    life::{Change, Event, Wait},
};

use super::{
    super::{Address, Kind, Notice},
    sight::Sight,
    whom,
};
use crate::{
    config::Governance,
    gateway::Gateway,
    model::{AccountId, PersonId, PostId, TargetState},
    posts::life,
    records::{PostRecord, TargetRecord},
};

/// Events of a post that are looked at, from the last one back.
const EVENTS_MAX: u64 = 64;
/// What is older is no news, whatever else happens to the post. Notices are remembered for longer than this.
const NEWS_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The code of an attempt after which nobody knows what became of an earlier one.
const CANNOT_KNOW: &str = "cannot-know";
/// An effect that no network can look up, as its adapter declared it.
const NO_LOOK_UP: &str = "none";
/// Attempts after which a person is asked what became of an effect that can be looked up.
const LOOKED_UP_ENOUGH: usize = 5;
/// Accounts that a sentence names.
const NAMED_MAX: usize = 3;

/// Everything that somebody should have been told by now.
///
/// # Errors
/// The stores', as a sentence.
pub(super) async fn at(gateway: &Arc<Gateway>, sight: &Sight) -> Result<Vec<Notice>, String> {
    match sight {
        Sight::Post(id) => post(gateway, id).await,
        Sight::Connection(name) => connection(gateway, name).await,
        Sight::Unattempted(account, at_ms) => Ok(unattempted(gateway, account, *at_ms)),
    }
}

async fn connection(gateway: &Gateway, name: &str) -> Result<Vec<Notice>, String> {
    let Some((account, label)) = name.split_once('/') else { return Ok(Vec::new()) };
    let account = AccountId::new(account);
    let found = gateway.vault.connection(&account, label).await.map_err(|error| error.to_string())?;
    let Some(since) = found.and_then(|connection| connection.reconnect_since) else { return Ok(Vec::new()) };
    let notice = |operator| Notice {
        to: Address::Person(operator),
        kind: Kind::Reconnect,
        post: None,
        account: Some(account.clone()),
        about: format!("{name}/reconnect-{}", since.as_millisecond()),
        line: format!(
            "Nothing can be published to {account} until it is connected again: pressgate credential connect."
        ),
        link_path: "/people".to_owned(),
        at: since,
    };
    Ok(whom::operators(&gateway.governance.load()).into_iter().map(notice).collect())
}

/// For those who look after the brand, who know what should have gone out, and the operators, who can find out why it did not.
fn unattempted(gateway: &Gateway, account: &AccountId, at_ms: i64) -> Vec<Notice> {
    let governance = gateway.governance.load();
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let old = gateway.clock.now().checked_sub(NEWS_FOR).unwrap_or(Timestamp::MIN);
    let mut people = whom::approvers(&governance, std::slice::from_ref(account));
    people.extend(whom::operators(&governance));
    let notice = |person| Notice {
        to: Address::Person(person),
        kind: Kind::NeedsAttention,
        post: None,
        account: Some(account.clone()),
        about: format!("{account}/unattempted-{at_ms}"),
        line: format!(
            "Posts for {account} are due and were not attempted; an operator finds out more with: pressgate doctor."
        ),
        link_path: "/people".to_owned(),
        at,
    };
    people.into_iter().filter(|_| at >= old).map(notice).collect()
}

async fn post(gateway: &Arc<Gateway>, id: &PostId) -> Result<Vec<Notice>, String> {
    // One that was refused, or is not kept yet: then there is another look.
    let Some(post) = gateway.records.post(id.clone()).await.map_err(|error| error.to_string())? else {
        return Ok(Vec::new());
    };
    let life = life::of(&post);
    let known = life::Known::of(gateway, &post, &life);
    let governance = gateway.governance.load_full();
    let mut matter = Matter { post: &post, life: &life, governance: &governance, told: Vec::new() };
    matter.votes(&known.facts(&Actor::Gate));
    let events = life::lately(gateway, &post, EVENTS_MAX).await.map_err(|refusal| refusal.to_string())?;
    let old = known.now().checked_sub(NEWS_FOR).unwrap_or(Timestamp::MIN);
    events.iter().filter(|event| event.at >= old).for_each(|event| matter.event(event));
    post.targets.iter().for_each(|target| matter.unknown(target));
    Ok(matter.told)
}

/// A post, and what is to be told of it.
struct Matter<'a> {
    post: &'a PostRecord,
    life: &'a Life,
    governance: &'a Governance,
    told: Vec<Notice>,
}

impl Matter<'_> {
    fn tell(
        &mut self,
        to: impl IntoIterator<Item = PersonId>,
        (kind, about, line): (Kind, &str, &str),
        accounts: &[AccountId],
        at: Timestamp,
    ) {
        let (post, line) = (&self.post.id, line.replace("{}", &named(accounts)));
        let account = match accounts {
            [only] => Some(only.clone()),
            _ => None,
        };
        self.told.extend(to.into_iter().map(|person| Notice {
            to: Address::Person(person),
            kind,
            post: Some(post.clone()),
            account: account.clone(),
            about: format!("{post}/{about}"),
            line: line.clone(),
            link_path: format!("/people/posts/{post}"),
            at,
        }));
    }

    /// Whose votes are wanted now. For each round of asking, and each stage of it, a person is told once.
    fn votes(&mut self, facts: &Facts<'_>) {
        let waiting: Vec<AccountId> = self.held_for(Wait::Votes);
        let Some(asked_at) = self.life.asked_at().filter(|_| !waiting.is_empty()) else { return };
        let wanted = stages(&explain(self.life, facts));
        let escalated = facts.governance.rules.rules.iter().any(|rule| self.life.escalations(&rule.name) > 0);
        let at_first = match escalated.then(|| without_escalations(facts.governance)) {
            Some(rules) => stages(&explain(self.life, &Facts { governance: &rules, ..*facts })),
            None => wanted.clone(),
        };
        let (version, round) = (self.life.version().number, asked_at.as_microsecond());
        for (person, stage) in wanted {
            let about = format!("v{version}/{round}/stage-{stage}");
            let what = if at_first.contains_key(&person) {
                (Kind::VoteWanted, about.as_str(), "A post for {} waits for your vote.")
            } else {
                (
                    Kind::Escalated,
                    about.as_str(),
                    "A post for {} waits for your vote: others did not give theirs in time.",
                )
            };
            self.tell([person], what, &waiting, asked_at);
        }
    }

    /// What happened, as far as somebody is told of it.
    fn event(&mut self, event: &Event) {
        let all: Vec<AccountId> = self.post.targets.iter().map(|target| target.account.clone()).collect();
        let (numbered, writers) = (format!("e{}", event.seq), whom::writers(self.governance, self.life));
        match &event.change {
            Change::Rejected => {
                let what = (Kind::Rejected, numbered.as_str(), "A post for {} was rejected.");
                self.tell(writers, what, &all, event.at);
            }
            Change::Denied { .. } => {
                let what = (Kind::Rejected, numbered.as_str(), "A policy does not let a post for {} go out.");
                self.tell(writers, what, &all, event.at);
            }
            Change::Held { accounts, wait } => {
                let Some(line) = why_held(*wait) else { return };
                let mut held = self.held_for(*wait);
                held.retain(|account| accounts.iter().any(|known| known.as_str() == account.as_str()));
                if !held.is_empty() {
                    self.attention((Kind::NeedsAttention, &numbered, line), &held, event.at);
                }
            }
            Change::Failed { account, .. } if matches!(event.by, Actor::Gate) => {
                let account = AccountId::new(account.as_str());
                let target = self.post.targets.iter().find(|target| target.account == account);
                // Without an attempt the time is that of the last change of anything, which moves.
                let tried = target.is_some_and(|target| !target.attempts.is_empty());
                let when = if tried { event.at.as_microsecond() } else { 0 };
                let about = format!("{account}/failed-{when}");
                let line = "A post could not be published to {}, and is not tried again.";
                self.attention((Kind::NeedsAttention, &about, line), &[account], event.at);
            }
            _ => {}
        }
    }

    /// What only a person can find out.
    fn unknown(&mut self, target: &TargetRecord) {
        let Some(step) = target.unknown_step.as_ref().filter(|_| target.state == TargetState::Unknown) else { return };
        let Some(last) = target.attempts.last() else { return };
        let in_vain = last.code.as_deref() == Some(CANNOT_KNOW)
            && (step.safety == NO_LOOK_UP || target.attempts.len() >= LOOKED_UP_ENOUGH);
        let needs_person = self.life.target(&target.account.as_str().into()).is_some_and(|known| known.needs_person());
        if !in_vain && !needs_person {
            return;
        }
        let about = format!("{}/unknown-{}", target.account, step.intent);
        let line = "Nobody knows whether a post was published to {}: look there, and say what became of it.";
        self.attention((Kind::NeedsAttention, &about, line), std::slice::from_ref(&target.account), last.at);
    }

    /// For the author, and those who look after the brands.
    fn attention(&mut self, what: (Kind, &str, &str), accounts: &[AccountId], at: Timestamp) {
        let mut people = whom::approvers(self.governance, accounts);
        people.extend(whom::author(self.governance, self.life));
        self.tell(people, what, accounts, at);
    }

    fn held_for(&self, wait: Wait) -> Vec<AccountId> {
        let held = self.life.targets().iter().filter(|target| target.wait() == Some(wait));
        held.map(|target| AccountId::new(target.account().as_str())).collect()
    }
}

/// What a held post wants of a person; none where that is votes, of which others are told.
fn why_held(wait: Wait) -> Option<&'static str> {
    match wait {
        Wait::Votes => None,
        Wait::Overdue => Some("A post for {} is later than it may be: let it go on, or cancel it."),
        Wait::Thawed => Some("A freeze kept a post for {} back and is over: let it go on, or cancel it."),
        Wait::Attention => Some("A post for {} was stopped, for a reason that somebody can mend."),
    }
}

/// Who could vote now, and in which stage of the rule that is furthest on.
fn stages(explained: &Explanation) -> BTreeMap<PersonId, usize> {
    let mut wanted = BTreeMap::new();
    let rules = explained.rules.iter();
    for (index, stage) in rules.flat_map(|rule| rule.stages.iter().enumerate()).filter(|(_, stage)| stage.open) {
        for person in &stage.can_vote {
            let furthest = wanted.entry(PersonId::new(person.as_str())).or_insert(index);
            *furthest = index.max(*furthest);
        }
    }
    wanted
}

/// The same rules, and nobody else counts when nobody answers.
fn without_escalations(governance: &Rules) -> Rules {
    let mut without = governance.clone();
    for rule in &mut without.rules.rules {
        Arc::make_mut(rule).escalate.clear();
    }
    without
}

/// `acme-main`, `a, b and c`, `a, b, c and 4 more`.
fn named(accounts: &[AccountId]) -> String {
    let names: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
    match names.as_slice() {
        [] => "no account".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] if names.len() <= NAMED_MAX => format!("{} and {last}", first.join(", ")),
        all => {
            let (shown, rest) = all.split_at(NAMED_MAX.min(all.len()));
            format!("{} and {} more", shown.join(", "), rest.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_named_as_one_would_say_them() {
        let said = |names: &[&str]| named(&names.iter().map(|name| AccountId::new(*name)).collect::<Vec<_>>());
        assert_eq!(said(&["a"]), "a");
        assert_eq!(said(&["a", "b"]), "a and b");
        assert_eq!(said(&["a", "b", "c"]), "a, b and c");
        assert_eq!(said(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
