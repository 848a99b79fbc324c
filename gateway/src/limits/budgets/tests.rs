//! Budgets as a call meets them: reserved, given back, shared out between apps.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{
    clock::{Clock, ManualClock},
    config::{Limit, Urgent},
    limits::DefaultLimit,
    model::{AccountId, AppId, BrandPath, Part, PluginName},
};

struct Setting {
    limits: Limits,
    clock: Arc<ManualClock>,
    account: Account,
    classes: Vec<RateClass>,
    rules: LimitRules,
}

impl Setting {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
        let class = |name: &str, actions: &[Action], limit| RateClass {
            name: name.into(),
            actions: actions.to_vec(),
            limit,
            window_s: 300,
        };
        let (post, reply) = (Action::POST_CREATE, Action::COMMENT_CREATE);
        let all = [post, reply, Action::POST_DELETE, Action::MEDIA_UPLOAD];
        Self {
            limits: Limits::new(DefaultLimit { calls_per_minute: 1, burst: 1 }, Arc::clone(&clock) as _, None),
            clock,
            account: Account {
                id: AccountId::new("acme-one"),
                network: "somewhere".into(),
                adapter: PluginName::new("somewhere"),
                endpoint: "https://social.example".parse().unwrap(),
                private_endpoint: false,
                brand: BrandPath::new("acme"),
                handle: None,
                native_hold: Default::default(),
            },
            classes: vec![class("api", &all, 10), class("media", &[Action::MEDIA_UPLOAD], 3)],
            rules: LimitRules::default(),
        }
    }

    async fn reserve(&self, draft: &Draft) -> Result<Reservation, Busy> {
        self.reserve_for(draft, "newsroom").await
    }

    async fn reserve_for(&self, draft: &Draft, app: &str) -> Result<Reservation, Busy> {
        self.limits.reserve(self.ask(draft, &Principal::App(AppId::new(app))), None).await
    }

    fn ask<'a>(&'a self, draft: &'a Draft, principal: &'a Principal) -> Ask<'a> {
        Ask { account: &self.account, classes: &self.classes, draft, principal, rules: &self.rules }
    }

    async fn sent(&self, draft: &Draft) -> bool {
        self.reserve(draft).await.inspect(Reservation::leaves).is_ok()
    }

    async fn hears(&self, class: &str, limit: u32, remaining: u32, reset_s: i64) -> usize {
        let reset_at = self.clock.now().checked_add(SignedDuration::from_secs(reset_s)).ok();
        let budget = Budget { class: class.into(), limit: Some(limit), remaining: Some(remaining), reset_at };
        let app = Principal::App(AppId::new("newsroom"));
        self.limits.observe(self.ask(&post(1, 1), &app), &[budget]).await.len()
    }
}

fn post(parts: usize, media: usize) -> Draft {
    let medium = serde_json::json!({"id": "m", "media_type": "image/png", "size_bytes": 1, "width": null, "height": null, "digest": "", "alt": null});
    let medium: crate::model::MediaRef = serde_json::from_value(medium).unwrap();
    let part =
        |index| Part { text: "x".into(), media: if index == 0 { vec![medium.clone(); media] } else { Vec::new() } };
    Draft {
        action: Action::POST_CREATE,
        parts: (0..parts).map(part).collect(),
        language: None,
        target: None,
        options: serde_json::Map::new(),
        labels: Vec::new(),
        campaign: None,
    }
}

#[tokio::test]
async fn a_call_draws_on_every_budget_that_it_touches_or_on_none() {
    let here = Setting::new();
    // Two entries and two uploads are four requests; of uploads there is one left then.
    assert!(here.sent(&post(2, 2)).await);
    let busy = here.reserve(&post(1, 2)).await.err().unwrap();
    assert_eq!((busy.budget.as_str(), busy.never), ("acme-one.media", None));
    assert!((300..=310).contains(&busy.wait.as_secs()), "{:?}", busy.wait);
    assert!(here.sent(&post(6, 0)).await, "the refused one took nothing of the other budget");
    assert_eq!(here.reserve(&post(1, 0)).await.err().unwrap().budget, "acme-one.api");
    assert!(here.reserve(&post(11, 0)).await.err().unwrap().never.is_some(), "eleven never fit into ten");
    here.clock.advance(SignedDuration::from_secs(311));
    assert!(here.sent(&post(10, 0)).await);
}

#[tokio::test]
async fn what_did_not_leave_is_given_back() {
    let here = Setting::new();
    let held = here.reserve(&post(10, 0)).await.unwrap();
    assert!(here.reserve(&post(1, 0)).await.is_err());
    drop(held);
    let held = here.reserve(&post(10, 0)).await.unwrap();
    held.leaves();
    drop(held);
    assert!(here.reserve(&post(1, 0)).await.is_err());
}

#[tokio::test]
async fn the_networks_word_counts_and_names_the_budget_that_has_such_a_limit() {
    let here = Setting::new();
    assert_eq!(here.hears("api", 20, 2, 60).await, 0);
    assert!(here.sent(&post(2, 0)).await);
    let busy = here.reserve(&post(1, 0)).await.err().unwrap();
    assert!((60..=62).contains(&busy.wait.as_secs()), "{:?}", busy.wait);
    here.clock.advance(SignedDuration::from_secs(400));
    assert!(here.sent(&post(20, 0)).await, "the limit is the one that the network gave");
    // Said of `api`, but three is the limit of uploads.
    here.clock.advance(SignedDuration::from_secs(400));
    assert_eq!(here.hears("api", 3, 0, 60).await, 0);
    assert_eq!(here.reserve(&post(1, 1)).await.err().unwrap().budget, "acme-one.media");
    assert!(here.sent(&post(1, 0)).await);
    assert_eq!(here.hears("secret", 3, 0, 60).await, 1, "nobody draws on that one");
}

#[tokio::test]
async fn an_operators_number_is_the_most_that_is_believed() {
    let mut here = Setting::new();
    let points = BTreeMap::from([(Action::POST_CREATE, 3), (Action::POST_DELETE, 1)]);
    let limit = NetworkLimit { limit: 7, window_s: 300, rolling: false, pace: None, points };
    here.rules.networks.insert(("somewhere".into(), "api".into()), limit.clone());
    here.rules.networks.insert(("elsewhere".into(), "api".into()), NetworkLimit { limit: 0, ..limit });
    assert_eq!(here.hears("api", 1_000, 900, 60).await, 0);
    here.clock.advance(SignedDuration::from_secs(400));
    assert!(here.sent(&post(2, 0)).await, "twice three points");
    assert!(!here.sent(&post(1, 0)).await);
    let gone = Draft { action: Action::POST_DELETE, target: Some("1".into()), ..post(1, 0) };
    assert!(here.sent(&gone).await && !here.sent(&gone).await);
}

#[tokio::test]
async fn a_pace_spreads_calls_over_the_window() {
    let mut here = Setting::new();
    let pace = Some(Limit { calls_per_minute: 1, burst: Some(2) });
    let limit = NetworkLimit { limit: 10, window_s: 300, rolling: true, pace, points: BTreeMap::new() };
    here.rules.networks.insert(("somewhere".into(), "api".into()), limit);
    assert!(here.sent(&post(2, 0)).await);
    let busy = here.reserve(&post(1, 0)).await.err().unwrap();
    assert_eq!((busy.budget.as_str(), busy.wait), ("acme-one.api.pace", Duration::from_secs(60)));
}

#[tokio::test]
async fn a_part_is_kept_for_replies_and_for_the_crisis_messages_of_those_who_may() {
    let mut here = Setting::new();
    let apps = [AppId::new("newsroom")].into();
    here.rules.urgent = Urgent { percent: 20, labels: ["crisis".to_owned()].into(), apps };
    assert!(here.sent(&post(8, 0)).await && !here.sent(&post(1, 0)).await);
    let crisis = Draft { labels: vec!["crisis".into()], ..post(1, 0) };
    assert!(here.reserve_for(&crisis, "careers").await.is_err(), "anybody can write a label");
    assert!(here.sent(&crisis).await);
    let reply = Draft { action: Action::COMMENT_CREATE, ..post(1, 0) };
    assert!(here.reserve_for(&reply, "careers").await.inspect(Reservation::leaves).is_ok());
    assert!(!here.sent(&reply).await, "ten of ten");
}

/// Both callers offer so many, some of them at a time, on one window of 300 in 300 seconds for ten windows; gives who was let through
/// when, in milliseconds.
async fn offered(of_a: usize, of_b: usize) -> Vec<(char, i64)> {
    let mut here = Setting::new();
    here.classes[0].limit = 300;
    here.classes.truncate(1);
    let (here, served) = (Arc::new(here), Arc::new(std::sync::Mutex::new(Vec::new())));
    let until = Instant::now() + Duration::from_secs(3_050);
    let mut callers = tokio::task::JoinSet::new();
    for (name, calls) in [('a', of_a), ('b', of_b)] {
        let left = Arc::new(std::sync::atomic::AtomicUsize::new(calls));
        for _ in 0..calls.min(500) {
            let (here, served, left) = (Arc::clone(&here), Arc::clone(&served), Arc::clone(&left));
            callers.spawn(async move {
                let (draft, app) = (post(1, 0), Principal::App(AppId::new(name.to_string())));
                while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                    let Ok(reservation) = here.limits.reserve(here.ask(&draft, &app), Some(until)).await else {
                        return;
                    };
                    reservation.leaves();
                    served.lock().unwrap().push((name, here.clock.now().as_millisecond()));
                }
            });
        }
    }
    while Instant::now() < until && !callers.is_empty() {
        tokio::time::sleep(Duration::from_millis(500)).await;
        here.clock.advance(SignedDuration::from_millis(500));
        while callers.try_join_next().is_some() {}
    }
    callers.abort_all();
    let served = served.lock().unwrap().clone();
    for (_, from) in &served {
        let within = served.iter().filter(|(_, at)| (*from..from + 300_000).contains(at)).count();
        assert!(within <= 300, "{within} in one window");
    }
    served
}

fn of(served: &[(char, i64)], name: char) -> usize {
    served.iter().filter(|(who, _)| *who == name).count()
}

#[tokio::test(start_paused = true)]
async fn a_small_app_gets_all_it_wants_beside_a_greedy_one() {
    let served = offered(10_000, 100).await;
    let start = served[0].1;
    let early: Vec<_> = served.iter().copied().filter(|(_, at)| at - start < 330_000).collect();
    assert_eq!(of(&early, 'b'), 100, "at the latest from the second window, although the first was the greedy one's");
    assert!(of(&served, 'a') > 2_500, "{}", of(&served, 'a'));
}

#[tokio::test(start_paused = true)]
async fn apps_with_equal_demand_get_the_same() {
    let served = offered(5_000, 5_000).await;
    let (a, b) = (of(&served, 'a'), of(&served, 'b'));
    assert!(a + b > 2_500 && a.abs_diff(b) * 50 <= a + b, "{a} and {b}");
}

#[tokio::test]
async fn what_the_network_tells_beside_a_call_counts_until_it_is_asked_again() {
    let here = Setting::new();
    let hears = async |class: &str, left| {
        let budget = Budget { class: class.into(), limit: Some(3), remaining: Some(left), reset_at: None };
        let again = here.clock.now().checked_add(SignedDuration::from_secs(60)).ok();
        here.limits.told(&here.account, (&here.classes, &here.rules), &[budget], again).await;
    };
    hears("strange", 0).await;
    assert!(here.sent(&post(1, 1)).await);
    hears("media", 0).await;
    assert!(here.sent(&post(1, 0)).await, "only the budget that was named");
    assert_eq!(here.reserve(&post(1, 1)).await.err().unwrap().budget, "acme-one.media");
    here.clock.advance(SignedDuration::from_secs(62));
    hears("media", 1).await;
    assert!(here.sent(&post(1, 1)).await, "the network has room again");
    assert!(here.reserve(&post(1, 1)).await.is_err(), "what was sent from here still counts");
}
