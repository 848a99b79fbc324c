//! Each part by table: what people are told, and what becomes of what they do.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;

use super::world::{at, governance, person, rule};
use crate::{
    approval::{Proposer, Reason, Stage, Who, explain, unsatisfiable},
    decide::{Attempt, Command, Finding, Outcome, Resolution, Verdict, create, decide},
    facts::{Facts, Governance},
    freeze::{
        Effect, EffectKind, FreezeRefused, Freezes, PostEffect, Release, Scope, Spacing, Statements, may_send, release,
    },
    ids::{AccountId, Actor, Digest, PersonId},
    life::{Change, Content, Event, Failure, Holds, Life, Plan, PublishedPart, Timing, Wait},
    refused::Refused,
    state::{PostState, TargetState},
};

struct Desk {
    governance: Governance,
    freezes: Freezes,
    operators: BTreeSet<PersonId>,
    now: i64,
    life: Life,
    events: Vec<Event>,
}

impl Desk {
    /// A draft of `author` for both accounts under the rules of that number.
    fn new(rules: u8, plan: Plan) -> Self {
        let (governance, freezes, by) = (governance(rules), Freezes::default(), person("author"));
        let none = (BTreeSet::new(), BTreeSet::new());
        let facts = Facts {
            now: at(0),
            by: &by,
            governance: &governance,
            freezes: &freezes,
            operators: &none.0,
            working: &none.1,
        };
        let event = create("post".into(), content("d1", plan), &facts).unwrap();
        let life = Life::begin(&event).unwrap();
        Self { governance, freezes, operators: ["a3".into()].into(), now: 0, life, events: vec![event] }
    }

    fn say(&mut self, by: &Actor, command: Command, why: Option<&str>) -> Result<(), Refused> {
        let working = BTreeSet::new();
        let (now, operators) = (at(self.now), &self.operators);
        let facts =
            Facts { now, by, governance: &self.governance, freezes: &self.freezes, operators, working: &working };
        let events = decide(&self.life, command, why, &facts)?;
        for event in events {
            self.life.apply(&event).unwrap();
            self.events.push(event);
        }
        Ok(())
    }

    fn gate(&mut self, command: Command) -> Result<(), Refused> {
        self.say(&Actor::Gate, command, None)
    }

    fn submit(&mut self) {
        let saw = self.life.version().number;
        self.say(&person("author"), Command::Submit { saw }, None).unwrap();
        self.gate(Command::Reviewed { version: saw, verdict: Verdict::Pass(Holds::new()) }).unwrap();
    }

    fn vote(&mut self, name: &str) -> Result<(), Refused> {
        let saw = self.life.version().number;
        self.say(&person(name), Command::Vote { saw, approve: true }, None)
    }

    fn claim(&mut self, account: &str, node: &str) -> Result<Attempt, Refused> {
        self.gate(Command::Claim { account: account.into(), node: node.into(), lease_s: 60 })?;
        let number = self.life.target(&account.into()).unwrap().attempt();
        Ok(Attempt { account: account.into(), node: node.into(), number, digest: self.life.content().digest.clone() })
    }

    fn begin(&mut self, attempt: &Attempt) -> Result<(), Refused> {
        self.gate(Command::Begin { attempt: attempt.clone(), step: "create".into() })
    }

    fn target(&self, account: &str) -> TargetState {
        self.life.target(&account.into()).unwrap().state()
    }
}

fn content(digest: &str, plan: Plan) -> Content {
    let targets = ["one", "two"].map(AccountId::from).to_vec();
    Content { digest: Digest::from(digest), targets, labels: Default::default(), campaign: None, plan }
}

fn now() -> Plan {
    Plan::Now { until: None }
}

fn done() -> Outcome {
    Outcome::Done { parts: vec![PublishedPart { id: "1".into(), url: None }] }
}

#[test]
fn who_may_vote() {
    let app = Actor::App { app: "cms".into(), on_behalf_of: Some("a1".into()) };
    let table: [(Actor, u32, Result<(), Refused>); 8] = [
        (person("author"), 1, Err(Refused::Own(crate::approval::Part::Author))),
        (person("a3"), 1, Err(Refused::Own(crate::approval::Part::Operates))),
        (person("editor"), 1, Err(Refused::NotWanted)),
        (app, 1, Err(Refused::NotAPerson)),
        (Actor::Link { link: "no".into() }, 1, Err(Refused::NoLink)),
        (person("a1"), 2, Err(Refused::Stale { saw: 2, current: 1 })),
        (person("legal"), 1, Err(Refused::NotYourTurn { rule: "two".into(), stage: 0 })),
        (person("sub"), 1, Ok(())),
    ];
    for (by, saw, expected) in table {
        let mut desk = Desk::new(2, now());
        desk.submit();
        assert_eq!(desk.say(&by, Command::Vote { saw, approve: true }, None), expected, "{by:?}");
    }
}

#[test]
fn a_substitute_and_the_one_who_is_away_are_one_voice() {
    let mut desk = Desk::new(2, now());
    desk.submit();
    desk.vote("sub").unwrap();
    desk.vote("a1").unwrap();
    assert_eq!(desk.vote("a1"), Err(Refused::AlreadyVoted));
    assert_eq!(desk.vote("legal"), Err(Refused::NotYourTurn { rule: "two".into(), stage: 0 }));
    desk.vote("a2").unwrap();
    desk.vote("legal").unwrap();
    assert_eq!(desk.life.state(), PostState::Publishing);
    let mut late = Desk::new(1, now());
    late.submit();
    late.now = 2 * 3600;
    assert_eq!(late.vote("sub"), Err(Refused::NotStandingIn));
}

#[test]
fn an_edit_voids_votes_and_a_no_needs_a_reason() {
    let mut desk = Desk::new(2, Plan::At(Timing::exactly(at(9000))));
    desk.submit();
    desk.vote("a1").unwrap();
    let reused = Command::Edit { saw: 1, content: content("d1", now()) };
    assert_eq!(desk.say(&person("a2"), reused, None), Err(Refused::SameDigest));
    desk.say(&person("a2"), Command::Edit { saw: 1, content: content("d2", now()) }, None).unwrap();
    assert_eq!(desk.life.state(), PostState::Review);
    desk.gate(Command::Tick).unwrap();
    assert_eq!(desk.life.state(), PostState::Review, "nobody lets go what policies have not seen");
    desk.gate(Command::Reviewed { version: 2, verdict: Verdict::Pass(Holds::new()) }).unwrap();
    assert_eq!(desk.vote("a2"), Err(Refused::Own(crate::approval::Part::Editor)));
    let stale = Command::Vote { saw: 1, approve: true };
    assert_eq!(desk.say(&person("a1"), stale, None), Err(Refused::Stale { saw: 1, current: 2 }));
    let no = || Command::Vote { saw: 2, approve: false };
    assert_eq!(desk.say(&person("a1"), no(), Some("  ")), Err(Refused::ReasonNeeded));
    desk.say(&person("a1"), no(), Some("wrong price")).unwrap();
    assert_eq!(desk.life.state(), PostState::Rejected);
    assert_eq!(desk.events.iter().filter_map(|event| event.why.as_deref()).collect::<Vec<_>>(), ["wrong price"; 2]);
}

#[test]
fn a_link_works_once_and_in_its_time() {
    let mut desk = Desk::new(3, now());
    let mut launch = content("d1", now());
    launch.labels.insert("launch".into());
    launch.digest = "d2".into();
    desk.say(&person("author"), Command::Edit { saw: 1, content: launch }, None).unwrap();
    desk.submit();
    for (link, ends) in [("l1", 100), ("l2", 50)] {
        let external = "agency-x".into();
        desk.say(
            &person("author"),
            Command::Invite { saw: 2, link: link.into(), external, expires_at: at(ends) },
            None,
        )
        .unwrap();
    }
    let by = |link: &str| Actor::Link { link: link.into() };
    let yes = || Command::Vote { saw: 2, approve: true };
    desk.now = 50;
    assert_eq!(desk.say(&by("l2"), yes(), None), Err(Refused::LinkExpired(at(50))));
    desk.say(&by("l1"), yes(), None).unwrap();
    assert_eq!(desk.say(&by("l1"), yes(), None), Err(Refused::LinkUsed));
    desk.say(&person("a2"), Command::Comment { saw: 2 }, Some("which price?")).unwrap();
    desk.vote("a1").unwrap();
    assert_eq!(desk.life.state(), PostState::Held, "an open comment blocks");
    desk.say(&person("author"), Command::CloseComment { comment: 1 }, None).unwrap();
    assert_eq!(desk.life.state(), PostState::Publishing);
}

#[test]
fn nobody_answers_so_others_count_and_then_it_expires() {
    let mut desk = Desk::new(4, now());
    desk.submit();
    assert_eq!(desk.vote("chief"), Err(Refused::NotWanted));
    desk.now = 2 * 3600;
    desk.gate(Command::Tick).unwrap();
    desk.vote("chief").unwrap();
    let by = person("a1");
    let working = BTreeSet::new();
    let facts = Facts {
        now: at(desk.now),
        by: &by,
        governance: &desk.governance,
        freezes: &desk.freezes,
        operators: &desk.operators,
        working: &working,
    };
    let told = explain(&desk.life, &facts);
    assert_eq!(told.rules[0].stages[0].counted.len(), 1);
    assert_eq!(told.rules[0].stages[0].can_vote, ["a1", "a2"].map(PersonId::from));
    assert_eq!(told.next.iter().map(|next| next.at).collect::<Vec<Timestamp>>(), [at(6 * 3600)]);
    assert_eq!(told.waits, [("one".into(), Wait::Votes), ("two".into(), Wait::Votes)]);
    desk.now = 6 * 3600;
    desk.gate(Command::Tick).unwrap();
    assert_eq!(desk.life.state(), PostState::Expired);
}

#[test]
fn new_reasons_of_policies_void_votes() {
    let mut desk = Desk::new(1, Plan::At(Timing::exactly(at(9000))));
    desk.submit();
    desk.vote("a1").unwrap();
    assert_eq!(desk.life.state(), PostState::Scheduled);
    let holds: Holds = [("words".into(), ["price".to_owned()].into())].into();
    desk.gate(Command::Reviewed { version: 1, verdict: Verdict::Pass(holds.clone()) }).unwrap();
    assert_eq!(desk.life.state(), PostState::Held);
    desk.vote("a1").unwrap();
    desk.gate(Command::Reviewed { version: 1, verdict: Verdict::Pass(holds) }).unwrap();
    assert_eq!(desk.life.state(), PostState::Scheduled, "what was seen needs no second look");
    desk.gate(Command::Reviewed { version: 1, verdict: Verdict::Deny("words".into()) }).unwrap();
    assert_eq!(desk.life.state(), PostState::Denied);
}

#[test]
fn a_target_is_sent_by_one_attempt() {
    let mut desk = Desk::new(0, now());
    desk.submit();
    let first = desk.claim("one", "n1").unwrap();
    assert_eq!(desk.claim("one", "n2"), Err(Refused::Leased { node: "n1".into(), until: at(60) }));
    desk.begin(&first).unwrap();
    desk.now = 60;
    desk.gate(Command::Tick).unwrap();
    assert_eq!(desk.target("one"), TargetState::Unknown);
    assert_eq!(desk.gate(Command::Finish { attempt: first, outcome: done() }), Err(Refused::LeaseLost));
    desk.gate(Command::Reconcile { account: "one".into(), finding: Finding::CannotKnow }).unwrap();
    let gone = Command::Resolve { account: "one".into(), resolution: Resolution::NotPublished };
    assert_eq!(desk.gate(gone.clone()), Err(Refused::NotAPerson));
    assert_eq!(desk.say(&person("a1"), gone.clone(), None), Err(Refused::ReasonNeeded));
    desk.say(&person("a1"), gone, Some("I looked")).unwrap();
    assert_eq!(desk.target("one"), TargetState::Failed);
    desk.say(&person("a1"), Command::Retry { account: "one".into() }, None).unwrap();
    let second = desk.claim("one", "n2").unwrap();
    desk.begin(&second).unwrap();
    let empty = Command::Finish { attempt: second.clone(), outcome: Outcome::Done { parts: vec![] } };
    assert_eq!(desk.gate(empty), Err(Refused::NoId));
    desk.gate(Command::Finish { attempt: second, outcome: done() }).unwrap();
    assert_eq!((desk.target("one"), desk.life.state()), (TargetState::Published, PostState::Publishing));
    desk.say(&person("author"), Command::Recall { account: "one".into() }, None).unwrap();
    let freeze = desk.freezes.begin("f".into(), Scope::Org, Statements::default(), (&person("a1"), at(60), "crisis"));
    desk.freezes.apply(&freeze.unwrap());
    let third = desk.claim("one", "n1").unwrap();
    desk.begin(&third).unwrap();
    desk.gate(Command::Finish { attempt: third, outcome: Outcome::Done { parts: vec![] } }).unwrap();
    assert_eq!(desk.target("one"), TargetState::Recalled);
}

#[test]
fn a_freeze_of_one_account_stops_all_before_the_first() {
    let mut desk = Desk::new(0, now());
    desk.submit();
    let one = desk.claim("one", "n1").unwrap();
    let by = person("a1");
    let freeze =
        desk.freezes.begin("f".into(), Scope::Account("two".into()), Statements::default(), (&by, at(0), "crisis"));
    desk.freezes.apply(&freeze.unwrap());
    desk.begin(&one).unwrap();
    desk.gate(Command::Tick).unwrap();
    assert_eq!(desk.target("two"), TargetState::Frozen);
    for name in ["a1", "a1", "a2"] {
        match desk.freezes.lift(&"f".into(), &person(name), at(1), "over") {
            Ok(event) => desk.freezes.apply(&event),
            Err(refused) => assert_eq!((name, refused), ("a1", FreezeRefused::AskedBefore)),
        }
    }
    assert!(desk.freezes.on().is_empty());
    desk.gate(Command::Tick).unwrap();
    assert_eq!(desk.life.target(&"two".into()).unwrap().wait(), Some(Wait::Thawed));
    assert_eq!(desk.gate(Command::Confirm { saw: 1, account: "two".into() }), Err(Refused::NotAPerson));
    desk.say(&by, Command::Confirm { saw: 1, account: "two".into() }, None).unwrap();
    assert!(desk.claim("two", "n1").is_ok());
}

#[test]
fn what_passes_a_freeze() {
    let (mut freezes, labels) = (Freezes::default(), BTreeSet::from(["holding".into()]));
    let statements = Statements { labels: labels.clone(), posts: [("p2".into(), 3)].into() };
    let event = freezes.begin("f".into(), Scope::Brand("acme".into()), statements, (&person("a1"), at(100), "crisis"));
    freezes.apply(&event.unwrap());
    let none = BTreeSet::new();
    let post = |id: &'static str, version, labels, approved: Option<i64>| (id, version, labels, approved.map(at));
    let table = [
        (EffectKind::Read, "acme/snacks", None, true),
        (EffectKind::DeleteOwn, "acme/snacks", None, true),
        (EffectKind::Change, "acme/snacks", None, false),
        (EffectKind::Change, "other", None, true),
        (EffectKind::Change, "acme", Some(post("p1", 1, &labels, Some(99))), true),
        (EffectKind::Change, "acme", Some(post("p1", 1, &labels, Some(100))), false),
        (EffectKind::Change, "acme", Some(post("p1", 1, &labels, None)), false),
        (EffectKind::Change, "acme", Some(post("p1", 1, &none, Some(99))), false),
        (EffectKind::Change, "acme", Some(post("p2", 3, &none, Some(200))), true),
        (EffectKind::Change, "acme", Some(post("p2", 4, &none, Some(200))), false),
    ];
    for (kind, brand, post, passes) in table {
        let id = post.as_ref().map_or("", |post| post.0).into();
        let of = post.as_ref().map(|(_, version, labels, approved_at)| PostEffect {
            id: &id,
            version: *version,
            labels,
            approved_at: *approved_at,
        });
        let effect = Effect { kind, account: &"one".into(), brand: &brand.into(), campaign: None, post: of };
        assert_eq!(may_send(&freezes, &effect).is_ok(), passes, "{effect:?}");
    }
}

#[test]
fn thawed_posts_go_one_by_one() {
    let waiting = [("b", 50), ("a", 50), ("old", 0), ("c", 60)].map(|(id, due)| (id.into(), at(due)));
    let spacing = Spacing { every_s: 30, late_max_s: 80 };
    let released: Vec<(String, Release)> =
        release(&waiting, Some(spacing), at(100)).into_iter().map(|(id, release)| (id.to_string(), release)).collect();
    let expected =
        [("old", Release::Confirm), ("a", Release::At(at(100))), ("b", Release::At(at(130))), ("c", Release::Confirm)];
    assert_eq!(released, expected.map(|(id, release)| (id.to_owned(), release)));
    assert!(release(&waiting, None, at(100)).iter().all(|(_, release)| *release == Release::Confirm));
}

#[test]
fn rules_that_nobody_can_satisfy_are_found() {
    let people = |names: &[&str]| Who::People(names.iter().copied().map(PersonId::from).collect());
    let stage = |n, who| Stage { n, who, on_call: None };
    let owner = Proposer { app: Some("cms".into()), brand: "acme".into(), people: ["legal".into()].into() };
    let table: [(Vec<Stage>, Vec<Reason>); 6] = [
        (vec![stage(3, Who::Role("approver".into()))], vec![]),
        (vec![stage(4, Who::Role("approver".into()))], vec![Reason::TooFew { wanted: 4, there: 3 }]),
        (vec![stage(1, people(&["a1"])), stage(1, people(&["a1"]))], vec![Reason::SamePeople]),
        (
            vec![stage(1, people(&["legal"]))],
            vec![Reason::Proposer { app: Some("cms".into()), without: vec!["legal".into()] }],
        ),
        (
            vec![stage(1, people(&["gone"]))],
            vec![Reason::UnknownPerson("gone".into()), Reason::TooFew { wanted: 1, there: 0 }],
        ),
        (
            vec![stage(2, Who::External("agency-x".into())), stage(1, Who::External("agency-y".into()))],
            vec![
                Reason::NoAddress { external: "agency-x".into(), wanted: 2, addresses: 1 },
                Reason::UnknownExternal("agency-y".into()),
            ],
        ),
    ];
    for (stages, reasons) in table {
        let mut governance = governance(0);
        governance.rules.rules = vec![rule("r", stages).into()];
        let found = unsatisfiable(&governance, &["acme/snacks".into(), "other".into()], std::slice::from_ref(&owner));
        assert_eq!(found.iter().map(|fault| fault.reason.clone()).collect::<Vec<_>>(), reasons);
        assert!(found.iter().all(|fault| fault.brand.as_str() == "acme/snacks"));
    }
}

#[test]
fn late_posts_wait_for_a_person_and_a_window_ends() {
    let timing = Timing { until: Some(at(20_000)), ..Timing::exactly(at(1000)) };
    let mut desk = Desk::new(0, Plan::At(timing));
    desk.submit();
    assert_eq!(desk.life.state(), PostState::Scheduled);
    assert_eq!(
        desk.say(&person("author"), Command::Reschedule { saw: 1, due: at(1001) }, None),
        Err(Refused::OutsideWindow(at(1001)))
    );
    desk.now = 1000 + 3601;
    desk.gate(Command::Tick).unwrap();
    assert_eq!(desk.life.target(&"one".into()).unwrap().wait(), Some(Wait::Overdue));
    desk.say(&person("author"), Command::Confirm { saw: 1, account: "one".into() }, None).unwrap();
    assert_eq!(desk.claim("one", "n1"), Err(Refused::Sibling("two".into())));
    desk.now = 20_000;
    desk.gate(Command::Tick).unwrap();
    assert_eq!(desk.life.state(), PostState::Expired);
}

#[test]
fn an_account_that_is_gone_fails_alone() {
    let mut desk = Desk::new(0, Plan::At(Timing::exactly(at(1000))));
    desk.submit();
    let gone = desk.governance.accounts.remove(&"two".into()).unwrap();
    desk.now = 1000;
    desk.gate(Command::Tick).unwrap();
    assert_eq!((desk.target("one"), desk.target("two")), (TargetState::Accepted, TargetState::Failed));
    assert_eq!(desk.life.target(&"two".into()).unwrap().failure(), Some(&Failure::AccountGone));
    desk.claim("one", "n1").unwrap();
    let retry = Command::Retry { account: "two".into() };
    assert_eq!(desk.say(&person("author"), retry.clone(), None), Err(Refused::AccountGone("two".into())));
    desk.governance.accounts.insert("two".into(), gone);
    desk.say(&person("author"), retry, None).unwrap();
    assert_eq!(desk.life.target(&"two".into()).unwrap().failure(), None);
}

#[test]
fn an_account_that_goes_while_people_are_asked_fails_alone() {
    let mut desk = Desk::new(0, Plan::At(Timing::exactly(at(1000))));
    desk.submit();
    desk.now = 1000 + 3601;
    desk.gate(Command::Tick).unwrap();
    desk.governance.accounts.remove(&"two".into());
    desk.say(&person("author"), Command::Confirm { saw: 1, account: "one".into() }, None).unwrap();
    desk.gate(Command::Tick).unwrap();
    assert_eq!(desk.target("two"), TargetState::Failed);
    desk.claim("one", "n1").unwrap();
}

#[test]
fn time_passes_over_only_an_occurrence_that_was_missed_as_a_whole() {
    let timing = Timing { latest: at(900_000), recurs: true, ..Timing::exactly(at(1000)) };
    let next = Command::Next { due: at(87_400) };
    let mut desk = Desk::new(0, Plan::At(timing.clone()));
    desk.submit();
    desk.now = 1000 + 3600;
    let waits = Err(Refused::WrongState(PostState::Scheduled));
    assert_eq!(desk.gate(next.clone()), waits, "it may be so late");
    desk.now += 1;
    desk.gate(next.clone()).unwrap();
    assert_eq!((desk.life.state(), desk.life.due()), (PostState::Scheduled, Some(at(87_400))));
    let last = desk.events.last().map(|event| event.change.clone());
    assert!(matches!(last, Some(Change::Rearmed { skipped: Some(missed), .. }) if missed == at(1000)), "{last:?}");
    // Of which something is out.
    let mut desk = Desk::new(0, Plan::At(timing));
    desk.submit();
    desk.now = 1000;
    desk.gate(Command::Tick).unwrap();
    let attempt = desk.claim("one", "n1").unwrap();
    desk.begin(&attempt).unwrap();
    desk.gate(Command::Finish { attempt, outcome: done() }).unwrap();
    desk.gate(Command::SetAside { account: "two".into() }).unwrap();
    desk.now = 50_000;
    assert!(desk.gate(next).is_err(), "a person was asked, and a part of it is out");
}

proptest! {
    /// A life is the sum of its events, through JSON too; an event that does not fit changes nothing.
    #[test]
    fn a_life_is_the_sum_of_its_events(said in proptest::collection::vec((0_usize..9, 0_usize..4, 0_i64..4000), 0..40)) {
        let mut desk = Desk::new(1, now());
        for (what, who, later) in said {
            let (saw, account) = (desk.life.version().number, AccountId::from(if who % 2 == 0 { "one" } else { "two" }));
            let by = person(["author", "a1", "a2", "editor"][who]);
            desk.now += later;
            let command = match what {
                0 => Command::Submit { saw },
                1 => Command::Reviewed { version: saw, verdict: Verdict::Pass(Holds::new()) },
                2 | 3 => Command::Vote { saw, approve: later % 7 != 0 },
                4 => Command::Edit { saw, content: content(&format!("d{}", saw + 1), now()) },
                5 => Command::Claim { account, node: "n1".into(), lease_s: 60 },
                6 => Command::Comment { saw },
                7 => Command::Cancel { saw },
                _ => Command::Tick,
            };
            let _ = desk.say(&by, command, Some("because"));
        }
        let json = serde_json::to_string(&desk.events).unwrap();
        let events: Vec<Event> = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&Life::replay(&events).unwrap(), &desk.life);
        let kept: Life = serde_json::from_str(&serde_json::to_string(&desk.life).unwrap()).unwrap();
        prop_assert_eq!(&kept, &desk.life);
        let before = desk.life.clone();
        prop_assert!(desk.life.apply(&events[0]).is_err());
        prop_assert_eq!(before, desk.life);
    }
}
