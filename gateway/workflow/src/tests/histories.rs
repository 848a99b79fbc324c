//! Random histories of a post: edits, votes, freezes, crashes, jumps of the clock, leases that end, two nodes at once. Whatever
//! happens, the reference must find nothing wrong. `COUNT` raises how many there are.

use super::{
    reference::{Given, LATE_MAX, Reference},
    world::{Dice, Flight, World, at, governance, person, seconds},
};
use crate::{
    decide::{Command, Finding, Outcome, Resolution, Verdict, create},
    facts::{Facts, Governance},
    freeze::{FreezeEvent, Scope, Statements},
    ids::{AccountId, Actor, Digest, LinkId},
    life::{Change, Content, Holds, Life, Plan, PublishedPart, Timing, Wait},
    plant::{Plant, plant},
    state::TargetState,
};

const COUNT: u64 = 100_000;
const STEPS: u64 = 34;
const EVERYBODY: [&str; 8] = ["author", "editor", "a1", "a2", "a3", "sub", "legal", "chief"];

/// What happened in histories, to show that they reach what they are for.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    sent: u64,
    votes: u64,
    edits: u64,
    frozen: u64,
    unknown: u64,
    lapsed: u64,
    overdue: u64,
    expired: u64,
    again: u64,
}

struct History<'a> {
    world: World<'a>,
    reference: Reference,
    dice: Dice,
    seen: Seen,
    versions: u32,
    links: u32,
    freezes: u32,
    recurs: bool,
}

impl<'a> History<'a> {
    fn begin(seed: u64, governances: &'a [Governance]) -> Self {
        let mut dice = Dice::new(seed);
        let rules = dice.below(governances.len() as u64) as u8;
        let governance = &governances[rules as usize];
        let recurs = dice.one_in(4);
        let is_launch = dice.one_in(2);
        let by = if dice.one_in(2) {
            person("author")
        } else {
            Actor::App { app: "cms".into(), on_behalf_of: Some("author".into()) }
        };
        let content = content(&mut dice, 1, 0, recurs, is_launch);
        let (freezes, none) = (Default::default(), Default::default());
        let working = Default::default();
        let facts = Facts { now: at(0), by: &by, governance, freezes: &freezes, operators: &none, working: &working };
        let event = create("post".into(), content, &facts).unwrap();
        let mut reference = Reference { rules, author: "author".into(), is_launch, ..Reference::default() };
        reference.editors.insert("d1".into(), "author".into());
        let world = World::new(governance, Life::begin(&event).unwrap());
        Self { world, reference, dice, seen: Seen::default(), versions: 1, links: 0, freezes: 0, recurs }
    }

    fn run(&mut self, by: &Actor, command: Command) -> bool {
        let node = self.dice.below(2) as usize;
        let Some(events) = self.world.run(node, &mut self.dice, by, command) else { return false };
        for event in &events {
            match &event.change {
                Change::Lost { .. } => self.seen.unknown += 1,
                Change::Lapsed { .. } => self.seen.lapsed += 1,
                Change::Frozen { .. } => self.seen.frozen += 1,
                Change::Held { wait: Wait::Overdue, .. } => self.seen.overdue += 1,
                Change::Expired { .. } => self.seen.expired += 1,
                _ => {}
            }
        }
        true
    }

    fn step(&mut self) -> Result<(), String> {
        match self.dice.below(20) {
            0 => self.edit(),
            1 => self.review(),
            2..=4 => self.votes(),
            5 => self.comments(),
            6 => self.freeze(),
            7 => self.lift(),
            8 => self.people(),
            9 => return self.jump(),
            10..=11 => {
                let by = 60 * (1 + self.dice.below(40) as i64);
                return self.advance(by);
            }
            12 => self.next(),
            13 => return self.unknown(),
            _ => return self.work(),
        }
        Ok(())
    }

    fn edit(&mut self) {
        if self.dice.one_in(3) {
            return;
        }
        let (saw, number) = (self.saw(), self.versions + 1);
        let by = *self.dice.pick(&["author", "editor", "a1"]);
        let content = content(&mut self.dice, number, self.world.now, self.recurs, self.reference.is_launch);
        if self.run(&person(by), Command::Edit { saw, content }) {
            self.versions = number;
            self.seen.edits += 1;
            self.reference.editors.insert(format!("d{number}"), by.to_owned());
            self.reference.held = false;
        }
        let saw = self.world.life.version().number;
        self.run(&person("author"), Command::Submit { saw });
        self.review();
    }

    fn saw(&mut self) -> u32 {
        let current = self.world.life.version().number;
        if self.dice.one_in(15) { current.saturating_sub(1) } else { current }
    }

    fn review(&mut self) {
        let version = self.world.life.version().number;
        let held = self.dice.one_in(4);
        let holds: Holds = if held { [("words".into(), ["price".to_owned()].into())].into() } else { Holds::new() };
        let in_review = self.world.life.targets().iter().any(|target| target.state() == TargetState::Review);
        // Policies are asked again only while something waits; here only about what was submitted.
        if in_review && self.run(&Actor::Gate, Command::Reviewed { version, verdict: Verdict::Pass(holds) }) {
            self.reference.held = held;
        }
    }

    fn votes(&mut self) {
        if self.dice.one_in(3) {
            return self.all_who_are_asked();
        }
        for _ in 0..1 + self.dice.below(4) {
            let saw = self.saw();
            let digest = self.world.life.content().digest.to_string();
            if self.dice.one_in(6) {
                self.external(saw, digest);
                continue;
            }
            let name = *self.dice.pick(&EVERYBODY);
            let approve = !self.dice.one_in(40);
            let by = if self.dice.one_in(20) {
                Actor::App { app: "cms".into(), on_behalf_of: Some(name.into()) }
            } else {
                person(name)
            };
            if self.run(&by, Command::Vote { saw, approve }) && approve {
                let voter = if matches!(by, Actor::App { .. }) { "app" } else { name };
                self.give(voter, digest);
            }
        }
    }

    fn all_who_are_asked(&mut self) {
        let (saw, digest) = (self.world.life.version().number, self.world.life.content().digest.to_string());
        for name in ["a1", "a2", "legal"] {
            if self.run(&person(name), Command::Vote { saw, approve: true }) {
                self.give(name, digest.clone());
            }
        }
        if self.reference.rules == 3 {
            self.external(saw, digest.clone());
            self.external(saw, digest);
        }
    }

    fn give(&mut self, voter: &str, digest: String) {
        self.seen.votes += 1;
        self.reference.given.push(Given { voter: voter.to_owned(), at: self.world.now, digest });
    }

    fn external(&mut self, saw: u32, digest: String) {
        let link = LinkId::from(format!("link{}", self.links));
        if self.links == 0 || self.dice.one_in(2) {
            let next = LinkId::from(format!("link{}", self.links + 1));
            let expires_at = at(self.world.now + 1800);
            let invite = Command::Invite { saw, link: next, external: "agency-x".into(), expires_at };
            if self.run(&person("author"), invite) {
                self.links += 1;
            }
            return;
        }
        if self.run(&Actor::Link { link: link.clone() }, Command::Vote { saw, approve: true }) {
            self.give(link.as_str(), digest);
        }
    }

    fn comments(&mut self) {
        let open = self.world.life.comments().iter().find(|comment| comment.open).cloned();
        match open {
            Some(comment) if !self.dice.one_in(3) => {
                let digest = format!("d{}", comment.version);
                if self.run(&person("author"), Command::CloseComment { comment: comment.number }) {
                    *self.reference.comments.entry(digest).or_default() -= 1;
                }
            }
            _ => {
                let (saw, digest) = (self.saw(), self.world.life.content().digest.to_string());
                if self.dice.one_in(3) && self.run(&person("a1"), Command::Comment { saw }) {
                    *self.reference.comments.entry(digest).or_default() += 1;
                }
            }
        }
    }

    fn freeze(&mut self) {
        if !self.dice.one_in(3) {
            return;
        }
        self.freezes += 1;
        let (scope, of) = match self.dice.below(3) {
            0 => (Scope::Account("one".into()), Some("one".to_owned())),
            1 => (Scope::Brand("acme/drinks".into()), Some("two".to_owned())),
            _ => (Scope::Org, None),
        };
        let (id, by) = (format!("f{}", self.freezes).into(), person("chief"));
        let event = self.world.freezes.begin(id, scope, Statements::default(), (&by, at(self.world.now), "crisis"));
        self.world.freezes.apply(&event.unwrap());
        self.reference.frozen.push((of, Default::default()));
        self.reference.was_frozen = true;
    }

    fn lift(&mut self) {
        let Some(freeze) = self.world.freezes.on().first().map(|freeze| freeze.id.clone()) else { return };
        let name = *self.dice.pick(&["chief", "a1"]);
        let event = self.world.freezes.lift(&freeze, &person(name), at(self.world.now), "over");
        if let Ok(event) = event {
            self.world.freezes.apply(&event);
            assert!(!matches!(event, FreezeEvent::Began { .. }));
        }
        self.reference.frozen[0].1.insert(name.to_owned());
        if self.reference.frozen[0].1.len() == 2 {
            self.reference.frozen.remove(0);
        }
    }

    /// What people say about what waits or failed.
    fn people(&mut self) {
        let (saw, account) = (self.saw(), self.account());
        let by = person("author");
        match self.dice.below(6) {
            0 if self.dice.one_in(4) => self.run(&by, Command::Cancel { saw }),
            1 if self.dice.one_in(2) => self.run(&by, Command::Retry { account }),
            2 => self.run(&by, Command::Reopen { saw }) && self.run(&by, Command::Submit { saw }),
            3 => self.run(&Actor::Gate, Command::Release { account, at: at(self.world.now + 600) }),
            _ => self.run(&by, Command::Confirm { saw, account }),
        };
    }

    fn account(&mut self) -> AccountId {
        (*self.dice.pick(&["one", "two"])).into()
    }

    fn next(&mut self) {
        // A calendar that knows nothing of what was fired: the next full two hours after now, or the one just before.
        let now = self.world.now;
        let slot = now.div_euclid(7200) * 7200 + if self.dice.one_in(2) { 0 } else { 7200 };
        self.run(&Actor::Gate, Command::Next { due: at(slot) });
    }

    fn jump(&mut self) -> Result<(), String> {
        self.land_all()?;
        let by = *self.dice.pick(&[-3600, -3600, -7200, 3660, 86_400]);
        if by > 4000 && !self.dice.one_in(3) {
            return Ok(());
        }
        self.world.now += by;
        self.reference.latest = self.reference.latest.max(self.world.now);
        if self.recurs {
            self.next();
        }
        Ok(())
    }

    /// Time goes on. A request ends within its lease.
    fn advance(&mut self, by: i64) -> Result<(), String> {
        let now = self.world.now + by;
        let over = |history: &Self, flight: &Flight| {
            let target = history.world.life.target(&flight.attempt.account);
            target.and_then(|target| target.lease()).is_none_or(|lease| seconds(lease.until) <= now)
        };
        while let Some(index) = self.world.flights.iter().position(|flight| over(self, flight)) {
            self.land(index, true)?;
        }
        self.world.now = now;
        self.reference.latest = self.reference.latest.max(now);
        Ok(())
    }

    fn land_all(&mut self) -> Result<(), String> {
        while !self.world.flights.is_empty() {
            self.land(0, true)?;
        }
        Ok(())
    }

    /// A request arrives, or is lost; its answer comes back, or not.
    fn land(&mut self, index: usize, answer_may_be_lost: bool) -> Result<(), String> {
        let flight = self.world.flights.remove(index);
        let account = flight.attempt.account.clone();
        let arrives = !self.dice.one_in(6);
        if arrives {
            self.seen.sent += 1;
            self.reference.arrives(account.as_str(), flight.due)?;
        }
        self.world.nodes[flight.node].attempts.remove(&account);
        if answer_may_be_lost && self.dice.one_in(3) {
            return Ok(());
        }
        let outcome = match (arrives, self.dice.below(4)) {
            (_, 0) => Outcome::Unanswered,
            (true, _) => Outcome::Done { parts: parts() },
            (false, 1) => Outcome::Refused { code: "no".into() },
            (false, _) => Outcome::Retry { at: at(self.world.now + 60) },
        };
        self.run(&Actor::Gate, Command::Finish { attempt: flight.attempt, outcome });
        Ok(())
    }

    /// A node looks for work: it ticks, claims, begins, sends; now and then it dies or stops in between.
    fn work(&mut self) -> Result<(), String> {
        let node = self.dice.below(2) as usize;
        self.run(&Actor::Gate, Command::Tick);
        if self.dice.one_in(25) {
            return self.die(node);
        }
        for _ in 0..1 + self.dice.below(3) {
            let account = self.account();
            let flying =
                self.world.flights.iter().position(|flight| flight.node == node && flight.attempt.account == account);
            if let Some(index) = flying {
                if self.dice.one_in(2) {
                    self.land(index, false)?;
                }
                continue;
            }
            match self.world.nodes[node].attempts.get(&account).cloned() {
                None => self.claim(node, account),
                Some(_) if self.dice.one_in(6) => {}
                Some(attempt) if self.dice.one_in(12) => {
                    self.world.nodes[node].attempts.remove(&account);
                    self.run(&Actor::Gate, Command::Finish { attempt, outcome: Outcome::Stopped });
                }
                Some(attempt) => {
                    let (digest, due) = (attempt.digest.to_string(), self.world.life.due());
                    let begin = Command::Begin { attempt: attempt.clone(), step: "create".into() };
                    if self.run(&Actor::Gate, begin) {
                        self.reference.leaves(account.as_str(), &digest)?;
                        self.world.flights.push(Flight { node, attempt, due: seconds(due.unwrap()) });
                    } else if self.dice.one_in(2) {
                        self.world.nodes[node].attempts.remove(&account);
                        self.run(&Actor::Gate, Command::Finish { attempt, outcome: Outcome::Stopped });
                    }
                }
            }
        }
        Ok(())
    }

    fn claim(&mut self, node: usize, account: AccountId) {
        let again = self.world.life.target(&account).is_some_and(|target| target.attempt() > 0);
        let digest = self.world.life.content().digest.clone();
        let claim = Command::Claim { account: account.clone(), node: format!("n{node}").into(), lease_s: 300 };
        let Some(events) = self.world.run(node, &mut self.dice, &Actor::Gate, claim) else { return };
        if let Some(attempt) = World::claimed(&events, &digest) {
            self.seen.again += u64::from(again);
            self.world.nodes[node].attempts.insert(account, attempt);
        }
    }

    fn die(&mut self, node: usize) -> Result<(), String> {
        while let Some(index) = self.world.flights.iter().position(|flight| flight.node == node) {
            let flight = self.world.flights.remove(index);
            if self.dice.one_in(2) {
                self.seen.sent += 1;
                self.reference.arrives(flight.attempt.account.as_str(), flight.due)?;
            }
        }
        self.world.nodes[node].attempts.clear();
        if self.dice.one_in(2) {
            self.run(&Actor::Gate, Command::ProcessEnded { node: format!("n{node}").into() });
        }
        Ok(())
    }

    /// What is unknown is looked up; where the network can't say, a person looks.
    fn unknown(&mut self) -> Result<(), String> {
        for account in ["one", "two"].map(AccountId::from) {
            let Some(target) = self.world.life.target(&account) else { continue };
            if target.state() != TargetState::Unknown {
                continue;
            }
            let due = seconds(self.world.life.due().unwrap());
            let is_there = self.reference.arrived.contains_key(&(account.to_string(), due));
            if self.dice.one_in(4) {
                self.run(&Actor::Gate, Command::Reconcile { account: account.clone(), finding: Finding::CannotKnow });
                let found = if is_there { Resolution::Published(parts().remove(0)) } else { Resolution::NotPublished };
                self.run(&person("a1"), Command::Resolve { account, resolution: found });
            } else {
                let happened = Finding::Happened { parts: parts(), complete: true };
                let finding = if is_there { happened } else { Finding::DidNot };
                self.run(&Actor::Gate, Command::Reconcile { account, finding });
            }
        }
        Ok(())
    }

    /// The clock moves on and everybody works until nothing moves: what is left must say why.
    fn end(&mut self) -> Result<(), String> {
        self.land_all()?;
        for round in 0..12 {
            self.review();
            if self.dice.one_in(2) {
                self.all_who_are_asked();
            }
            for _ in 0..6 {
                self.work()?;
            }
            self.unknown()?;
            self.advance(if round == 1 { 86_400 } else { 600 })?;
            if round > 1 && self.all_said() {
                break;
            }
        }
        self.land_all()?;
        for _ in 0..40 {
            self.unknown()?;
            self.advance(400)?;
            let before = self.world.life.seq();
            self.work()?;
            self.land_all()?;
            if before == self.world.life.seq() && self.all_said() {
                break;
            }
        }
        for target in self.world.life.targets() {
            if let Some(fault) = self.unsaid(target.account()) {
                return Err(format!("{}: {fault}; at {}: {:?}", target.account(), self.world.now, self.world.life));
            }
        }
        Ok(())
    }

    fn all_said(&self) -> bool {
        self.world.flights.is_empty()
            && self.world.life.targets().iter().all(|target| self.unsaid(target.account()).is_none())
    }

    /// Why a target that was due is forgotten, if it is; and reasons that are not true.
    fn unsaid(&self, account: &AccountId) -> Option<String> {
        let (life, reference) = (&self.world.life, &self.reference);
        let target = life.target(account)?;
        let digest = life.content().digest.as_str();
        let late = life.due().is_some_and(|due| reference.latest > seconds(due) + LATE_MAX);
        let waits = |state| life.targets().iter().any(|other| other.state() == state);
        match (target.state(), target.wait()) {
            (TargetState::Held, Some(Wait::Votes)) => {
                reference.is_approved(digest).then(|| "waits for votes that were given".into())
            }
            (TargetState::Held, Some(Wait::Overdue)) => (!late).then(|| "is called overdue".into()),
            (TargetState::Held, Some(Wait::Thawed)) => (!reference.was_frozen).then(|| "was never frozen".into()),
            (TargetState::Frozen, _) => {
                // Before the first attempt a freeze of one account stops all.
                let any = ["one", "two"].iter().any(|account| reference.is_frozen(account));
                (!any).then(|| "is called frozen".into())
            }
            (TargetState::Accepted, _) if waits(TargetState::Held) || waits(TargetState::Frozen) => None,
            (TargetState::Published, _) => {
                let due = seconds(life.due()?);
                let there = reference.arrived.contains_key(&(account.to_string(), due));
                (!there).then(|| "is called published".into())
            }
            (TargetState::Draft | TargetState::Denied | TargetState::Rejected | TargetState::Expired, _)
            | (TargetState::Cancelled | TargetState::Failed, _) => None,
            (state, wait) => Some(format!("was due and is {state:?} {wait:?}")),
        }
    }
}

fn parts() -> Vec<PublishedPart> {
    vec![PublishedPart { id: "1".into(), url: None }]
}

fn content(dice: &mut Dice, number: u32, now: i64, recurs: bool, is_launch: bool) -> Content {
    let targets: &[&str] = if dice.one_in(2) { &["one", "two"] } else { &["one"] };
    let plan = if recurs {
        let due = at((now.div_euclid(7200) + 1) * 7200);
        let (earliest, latest) = (at(-86_400 * 9), at(86_400 * 30));
        Plan::At(Timing { due, earliest, latest, until: None, late_max_s: None, recurs: true })
    } else if dice.one_in(3) {
        Plan::Now { until: None }
    } else {
        let due = at(now + 600 * (1 + dice.below(12) as i64));
        let until = dice.one_in(4).then(|| at(seconds(due) + 5400));
        Plan::At(Timing { until, ..Timing::exactly(due) })
    };
    Content {
        digest: Digest::from(format!("d{number}")),
        targets: targets.iter().copied().map(AccountId::from).collect(),
        labels: is_launch.then(|| "launch".into()).into_iter().collect(),
        campaign: None,
        plan,
    }
}

fn history(seed: u64, governances: &[Governance]) -> Result<Seen, String> {
    let mut history = History::begin(seed, governances);
    let told = |fault: String| format!("history {seed}: {fault}");
    if !history.dice.one_in(8) {
        history.run(&person("author"), Command::Submit { saw: 1 });
        history.review();
        history.votes();
    }
    for _ in 0..STEPS {
        history.step().map_err(told)?;
    }
    history.end().map_err(told)?;
    Ok(history.seen)
}

fn histories(seeds: impl Iterator<Item = u64>) -> Result<(u64, Seen), String> {
    let governances: Vec<Governance> = (0..5).map(governance).collect();
    let (mut count, mut sum) = (0, Seen::default());
    for seed in seeds {
        let seen = history(seed, &governances)?;
        count += 1;
        sum.sent += u64::from(seen.sent > 0);
        sum.votes += seen.votes;
        sum.edits += seen.edits;
        sum.frozen += seen.frozen;
        sum.unknown += seen.unknown;
        sum.lapsed += seen.lapsed;
        sum.overdue += seen.overdue;
        sum.expired += seen.expired;
        sum.again += seen.again;
    }
    Ok((count, sum))
}

#[test]
fn no_history_breaks_a_promise() {
    let count = std::env::var("COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(COUNT).max(COUNT);
    let halves =
        [0, 1].map(|half| std::thread::spawn(move || histories((0..count).filter(move |seed| seed % 2 == half))));
    let mut total = 0;
    for half in halves {
        let (count, seen) = half.join().unwrap().unwrap();
        println!("{count} histories: {seen:?}");
        total += count;
        // Otherwise the histories would show nothing.
        assert!(seen.sent * 4 > count, "{seen:?}");
        for often in
            [seen.votes, seen.edits, seen.frozen, seen.unknown, seen.lapsed, seen.overdue, seen.expired, seen.again]
        {
            assert!(often * 50 > count, "{seen:?}");
        }
    }
    println!("{total} histories");
    assert!(total >= COUNT);
}

/// Each planted mistake is found, by the promise that it breaks.
#[test]
fn planted_mistakes_are_found() {
    let table = [
        (Plant::VoteSurvives, "without the approvals"),
        (Plant::FreezeAtClaim, "while frozen"),
        (Plant::LeaseIgnored, "sent 2 times"),
        (Plant::FiresAgain, "sent 2 times"),
        (Plant::SubstituteLate, "without the approvals"),
    ];
    for (mistake, broken) in table {
        plant(Some(mistake));
        let found = histories(0..COUNT);
        plant(None);
        let fault = found.expect_err(&format!("{mistake:?} was not found"));
        println!("{mistake:?}: {fault}");
        assert!(fault.contains(broken), "{mistake:?}: {fault}");
    }
}
