//! What is decided of posts: kept once, with all that follows from it.

use pressgate_workflow::{
    Life,
    ids::Actor,
    life::{Change, Content, Plan, Timing},
};

use super::*;

fn vote(approve: bool) -> Vote {
    Vote { person: PersonId::new("p"), approve, at: at(7), digest: "whole".to_owned(), note: Some("n".to_owned()) }
}

/// What a decision is kept with, where nothing else changes.
async fn next(store: &impl Records, post: PostId, seconds: i64) -> Advance {
    let record = store.post(post.clone()).await.unwrap().unwrap();
    let (life, from, events) = match record.life {
        Some(kept) => {
            let mut life = kept.life;
            let comment = u32::try_from(life.comments().len() + 1).unwrap();
            let change = Change::Commented { comment };
            let event = LifeEvent { seq: life.seq() + 1, at: at(seconds), by: Actor::Gate, why: None, change };
            let from = life.seq();
            life.apply(&event).unwrap();
            (life, from, vec![event])
        }
        None => {
            let targets = record.targets.iter().map(|target| target.account.as_str().into()).collect();
            let content = Content {
                digest: "d".into(),
                targets,
                labels: Default::default(),
                campaign: Some("canary".into()),
                plan: Plan::Now { until: None },
            };
            let (life, event) = Life::created(post.as_str().into(), content, Actor::Gate, at(seconds));
            (life, 0, vec![event])
        }
    };
    Advance {
        post,
        from,
        events,
        life,
        plan: None,
        wake_at: None,
        targets: Vec::new(),
        version: None,
        vote: None,
        comment: None,
        verdicts: None,
        openings: Vec::new(),
        links: Vec::new(),
        notices: Vec::new(),
        once: None,
        at: at(seconds),
    }
}

/// The same, of a post that is due then.
async fn timed(store: &impl Records, post: PostId, seconds: i64) -> Advance {
    let mut advance = next(store, post, 1).await;
    let due = at(seconds);
    let timing = Timing { due, earliest: due, latest: due, until: None, late_max_s: None, recurs: false };
    let content = Content { plan: Plan::At(timing), ..advance.life.content().clone() };
    let (life, event) = Life::created(post_life(&advance), content, Actor::Gate, at(1));
    (advance.life, advance.events) = (life, vec![event]);
    advance
}

fn post_life(advance: &Advance) -> pressgate_workflow::ids::PostId {
    advance.post.as_str().into()
}

fn moved(account: &AccountId, state: TargetState, retry_at: Option<Timestamp>) -> TargetMove {
    TargetMove { account: account.clone(), state, retry_at, published: None, anew: None }
}

/// Moves the held targets of a post.
pub(in super::super) async fn decide(
    store: &impl Records,
    post: PostId,
    to: TargetState,
    vote: Option<Vote>,
    seconds: i64,
) {
    let record = store.post(post.clone()).await.unwrap().unwrap();
    let held = record.targets.iter().filter(|target| target.state == TargetState::Held);
    let targets = held.map(|target| moved(&target.account, to, None)).collect();
    let advance = Advance { targets, vote, ..next(store, post, seconds).await };
    assert!(store.advance(advance).await.unwrap());
}

/// Moves the targets that are in a state, from a time on.
pub(in super::super) async fn decide_from(
    store: &impl Records,
    post: PostId,
    from: TargetState,
    to: TargetState,
    seconds: i64,
    retry_at: Option<Timestamp>,
) {
    let record = store.post(post.clone()).await.unwrap().unwrap();
    let those = record.targets.iter().filter(|target| target.state == from);
    let targets = those.map(|target| moved(&target.account, to, retry_at)).collect();
    assert!(store.advance(Advance { targets, ..next(store, post, seconds).await }).await.unwrap());
}

pub(in super::super) async fn votes_move_posts<P: Place>(place: P) {
    let store = place.open();
    for (number, approve, state, sum) in [
        (1, true, TargetState::Accepted, PostState::Publishing),
        (2, false, TargetState::Rejected, PostState::Rejected),
    ] {
        let targets = vec![target("a", TargetState::Held), target("b", TargetState::Held)];
        store.accept_post(new_post(number, targets)).await.unwrap();
        let claimed = store.claim_target(post_id(number), account("a"), ClaimFor::Publish, at(1), at(2), None).await;
        assert!(claimed.unwrap().is_none(), "held is not sent");
        decide(&store, post_id(number), state, Some(vote(approve)), 7).await;
        let post = the_post(&store, number).await;
        assert_eq!((post.state, post.updated_at, post.votes.as_slice()), (sum, at(7), &[vote(approve)][..]));
        assert!(post.targets.iter().all(|target| target.state == state) && voted(&post, &PersonId::new("p")));
    }
    let mut due = store.due(at(8), 10).await.unwrap();
    due.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let both = ["a", "b"].map(|name| (post_id(1), account(name), ClaimFor::Publish));
    assert_eq!(due, both, "the approved one waits for work");
    let missing = Advance { post: post_id(3), ..next(&store, post_id(1), 9).await };
    assert!(!store.advance(missing).await.unwrap_or(false), "no such post");
}

pub(in super::super) async fn of_two_decisions_one_is_kept<P: Place>(place: P) {
    let store = place.open();
    keep(&store, 1, TargetState::Held).await;
    let first = next(&store, post_id(1), 1).await;
    assert!(store.advance(first.clone()).await.unwrap());
    assert!(!store.advance(first).await.unwrap(), "the same again is not the next");
    let (one, other) = (next(&store, post_id(1), 2).await, next(&store, post_id(1), 3).await);
    let said = |text: &str| Some(CommentRecord { number: 1, person: None, text: text.to_owned() });
    assert!(store.advance(Advance { comment: said("one"), ..one }).await.unwrap());
    let late = moved(&account("a"), TargetState::Accepted, None);
    let other = Advance { comment: said("other"), targets: vec![late], ..other };
    assert!(!store.advance(other).await.unwrap());
    let comments = store.comments(post_id(1)).await.unwrap();
    assert_eq!(comments.iter().map(|comment| comment.text.as_str()).collect::<Vec<_>>(), ["one"]);
    let post = the_post(&store, 1).await;
    assert_eq!(post.targets[0].state, TargetState::Held, "nothing of it was kept");
    let events = store.life_events(post_id(1), 0, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(post.life.unwrap().life, Life::replay(&events).unwrap(), "the life is the sum of its events");
    assert_eq!(store.life_events(post_id(1), 1, 10).await.unwrap().len(), 1);
}

pub(in super::super) async fn an_edit_takes_the_place_of_what_was<P: Place>(place: P) {
    let store = place.open();
    let targets = vec![target("a", TargetState::Held), target("b", TargetState::Held)];
    store.accept_post(new_post(1, targets)).await.unwrap();
    let mut kept = target("b", TargetState::Draft);
    kept.draft.parts[0].text = "Good evening".to_owned();
    kept.digest = "d2".to_owned();
    let version = NewContent {
        digest: "other".to_owned(),
        salt: "pepper".to_owned(),
        request: "{}".to_owned(),
        targets: vec![target("c", TargetState::Draft), kept],
        media: Vec::new(),
    };
    let moves = ["c", "b"].map(|name| moved(&account(name), TargetState::Review, None)).to_vec();
    let advance = Advance { version: Some(version), targets: moves, ..next(&store, post_id(1), 3).await };
    assert!(store.advance(advance).await.unwrap());
    let post = the_post(&store, 1).await;
    assert_eq!((post.digest.as_str(), post.salt.as_str(), post.state), ("other", "pepper", PostState::Review));
    let accounts: Vec<_> = post.targets.iter().map(|target| target.account.as_str()).collect();
    assert_eq!(accounts, ["c", "b"], "in the order of the new version");
    assert_eq!(post.targets[1].draft.parts[0].text, "Good evening");
}

pub(in super::super) async fn another_occurrence_begins_anew<P: Place>(place: P) {
    let store = place.open();
    keep(&store, 1, TargetState::Publishing).await;
    store.journal_step(post_id(1), account("a"), step("create", 1, "x")).await.unwrap();
    let published = vec![PublishedPart { platform_id: "9".to_owned(), url: None }];
    let done = TargetFinish { published, ..finish(1, TargetState::Published, 2) };
    store.finish_target(post_id(1), account("a"), done).await.unwrap();
    let before = the_post(&store, 1).await.targets[0].call_key.clone();
    let anew = TargetMove { anew: Some("11".repeat(32)), ..moved(&account("a"), TargetState::Scheduled, None) };
    assert!(store.advance(Advance { targets: vec![anew], ..next(&store, post_id(1), 3).await }).await.unwrap());
    let target = the_post(&store, 1).await.targets[0].clone();
    assert!(target.published.is_empty() && target.call_key != before && target.attempts.len() == 1);
    assert!(store.due(at(1_000), 10).await.unwrap().is_empty(), "it waits for its time");
    decide_from(&store, post_id(1), TargetState::Scheduled, TargetState::Accepted, 4, None).await;
    let claim =
        store.claim_target(post_id(1), account("a"), ClaimFor::Publish, at(5), at(60), None).await.unwrap().unwrap();
    assert_eq!((claim.attempt, claim.steps.len()), (2, 0), "what was answered before counts no more");
}

pub(in super::super) async fn what_goes_with_a_decision_is_kept_with_it_or_not_at_all<P: Place>(place: P) {
    let store = place.open();
    keep(&store, 1, TargetState::Held).await;
    let text = NoticeText {
        addressee: "external:agency-x".to_owned(),
        about: "post/v1/link/1".to_owned(),
        kind: "vote-wanted".to_owned(),
        post: Some(post_id(1)),
        account: None,
        line: "x".to_owned(),
        link_path: "/approve/secret".to_owned(),
        address: Some("a@agency-x.example".to_owned()),
        at: at(1),
    };
    let notice = NewNotice { text, channels: vec![(NoticeChannel::Mail, at(1))], put_at: at(1) };
    let key = IdempotencyKey { scope: "person:p post.comment".to_owned(), key: "k".to_owned() };
    let once = IdempotencyUse { key: key.clone(), fingerprint: "f".to_owned() };
    let wish = Advance { notices: vec![notice], once: Some(once.clone()), ..next(&store, post_id(1), 1).await };
    let late = Advance { from: 7, ..wish.clone() };
    assert!(!store.advance(late).await.unwrap(), "another was first");
    assert!(store.due_notices(NoticeChannel::Mail, at(9), 9).await.unwrap().is_none());
    assert!(store.repeated(once.clone()).await.unwrap().is_none());
    assert!(store.advance(wish).await.unwrap());
    assert!(store.due_notices(NoticeChannel::Mail, at(9), 9).await.unwrap().is_some());
    let found = store.repeated(once.clone()).await.unwrap();
    assert!(matches!(found, Some(Accepted::Repeated { post, answer: None }) if post == post_id(1)));
    // Another part of the same request.
    assert!(store.advance(Advance { once: Some(once.clone()), ..next(&store, post_id(1), 2).await }).await.unwrap());
    store.save_answer(key, StoredAnswer { status: 200, body: "{}".to_owned() }).await.unwrap();
    assert!(matches!(store.repeated(once).await.unwrap(), Some(Accepted::Repeated { answer: Some(_), .. })));
}

pub(in super::super) async fn what_waits_for_time_is_found<P: Place>(place: P) {
    let store = place.open();
    for (number, wake) in [(1, 30), (2, 10), (3, 20)] {
        keep(&store, number, TargetState::Held).await;
        let advance = Advance { wake_at: Some(at(wake)), ..next(&store, post_id(number), 1).await };
        assert!(store.advance(advance).await.unwrap());
    }
    keep(&store, 4, TargetState::Published).await;
    assert!(store.to_wake(at(-1), at(9), 10).await.unwrap().is_empty());
    assert_eq!(store.to_wake(at(-1), at(20), 10).await.unwrap(), [post_id(2), post_id(3)]);
    assert_eq!(store.to_wake(at(-1), at(30), 1).await.unwrap(), [post_id(2)], "the longest waiting first");
    assert_eq!(store.to_wake(at(10), at(30), 9).await.unwrap(), [post_id(3), post_id(1)], "after a time");
    assert!(store.unattempted(at(1_000), 10).await.unwrap().is_empty(), "what waits for people is not late");
    keep(&store, 5, TargetState::Scheduled).await;
    let timed = Advance { wake_at: Some(at(40)), ..timed(&store, post_id(5), 40).await };
    assert!(store.advance(timed).await.unwrap());
    keep(&store, 6, TargetState::Accepted).await;
    decide_from(&store, post_id(6), TargetState::Accepted, TargetState::Accepted, 30, Some(at(35))).await;
    assert_eq!(store.unattempted(at(35), 10).await.unwrap(), []);
    assert_eq!(store.unattempted(at(36), 10).await.unwrap(), [(account("a"), at(35))]);
    assert_eq!(store.unattempted(at(41), 10).await.unwrap(), [(account("a"), at(35)), (account("a"), at(40))]);
    assert_eq!(store.unattempted(at(41), 1).await.unwrap(), [(account("a"), at(35))], "the longest waiting first");
    assert_eq!(store.wake_waiting(at(5)).await.unwrap(), 3);
    assert_eq!(store.to_wake(at(-1), at(5), 9).await.unwrap().len(), 3);
    assert_eq!(store.held_posts(None, 2).await.unwrap().len(), 2);
    let second = store.held_posts(None, 2).await.unwrap().pop();
    assert_eq!(store.held_posts(second, 10).await.unwrap().len(), 1);
    assert_eq!(store.planned(at(0), at(1_000), 10).await.unwrap(), [post_id(5)], "no other has a time");
}

pub(in super::super) async fn what_was_said_is_erased<P: Place>(place: P) {
    let store = place.open();
    keep(&store, 1, TargetState::Held).await;
    let said = CommentRecord { number: 1, person: Some(PersonId::new("chief-1")), text: "canary".to_owned() };
    let mut advance = next(&store, post_id(1), 1).await;
    for event in &mut advance.events {
        event.why = Some("canary".to_owned());
        event.by = Actor::Person { person: "chief-1".into() };
    }
    assert!(store.advance(Advance { comment: Some(said), ..advance }).await.unwrap());
    assert!(store.knows_subject("person:chief-1".to_owned()).await.unwrap());
    let erasure = ErasureRecord {
        id: "e1".to_owned(),
        subject: "person:chief-1".to_owned(),
        basis: "request".to_owned(),
        asked_by: PersonId::new("ops-1"),
        asked_at: at(2),
        confirmed: None,
        log_from: 0,
        erased: ErasedCounts::default(),
        leaf: None,
    };
    store.ask_erasure(erasure).await.unwrap();
    assert!(store.confirm_erasure("e1".to_owned(), PersonId::new("ops-2"), at(3), 1).await.unwrap());
    let part = ErasePart { id: "e1".to_owned(), keep_key: None, limit: 100 };
    while store.erase_part(part.clone()).await.unwrap() {}
    assert_eq!(store.comments(post_id(1)).await.unwrap()[0].text, "");
    let events = store.life_events(post_id(1), 0, 10).await.unwrap();
    assert!(events.iter().all(|event| event.why.is_none()), "{events:?}");
}

pub(in super::super) async fn links_are_found_by_their_secret(place: impl Place) {
    let store = place.open();
    keep(&store, 1, TargetState::Held).await;
    let link = |secret: u8, id: &str, until: i64| LinkRecord {
        secret: [secret; 32],
        id: id.to_owned(),
        post: post_id(1),
        party: "agency-x".to_owned(),
        expires_at: at(until),
    };
    let (old, new) = (link(1, "link_1", 60), link(2, "link_2", 8_000_000));
    let advance = Advance { links: vec![old.clone(), new.clone()], ..next(&store, post_id(1), 5).await };
    assert!(store.advance(advance).await.unwrap());
    let again = Advance { links: vec![link(3, "link_1", 60)], ..next(&store, post_id(1), 6).await };
    assert!(store.advance(again).await.is_err(), "an id is one link's");
    drop(store);
    let store = place.open();
    assert_eq!(store.link([1; 32]).await.unwrap(), Some(old));
    assert_eq!(store.link([2; 32]).await.unwrap(), Some(new.clone()));
    assert_eq!(store.link([3; 32]).await.unwrap(), None);
    // Long after its end nobody knows that there was one.
    let later = Advance { links: vec![link(4, "link_4", 9_000_000)], ..next(&store, post_id(1), 7_900_000).await };
    assert!(store.advance(later).await.unwrap());
    assert_eq!(store.link([1; 32]).await.unwrap(), None);
    assert_eq!(store.link([2; 32]).await.unwrap(), Some(new));
}
