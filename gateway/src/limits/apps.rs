//! How many calls each app and person may make: rates, by class of action.

use std::time::Duration;

use super::{
    Limits, duration,
    engine::{Draw, Key, Rate, Rule},
    told,
};
use crate::{
    config::{Limit, LimitRules},
    model::{ActionClass, Principal},
};

/// What is counted of requests, each on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// A request that may change something, whatever comes of it. The numbers are those of calls.
    Change,
    /// A request that only reads: [`READS_PER_CALL`] times as many.
    Read,
    /// A read by the address of a feed; as many as calls.
    Feed,
}

/// So many reads go where one call goes.
pub const READS_PER_CALL: u32 = 10;

impl Limits {
    /// Takes one request from the principal's allowance, or tells how long to wait.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn take(&self, principal: &Principal, counted: Counted, rules: &LimitRules) -> Result<(), Duration> {
        let (name, times) = match counted {
            Counted::Change => ("requests", 1),
            Counted::Read => ("reads", READS_PER_CALL),
            Counted::Feed => ("feeds", 1),
        };
        let (calls_per_minute, burst) = self.rule(principal, rules);
        let rate = Rate::per_minute(calls_per_minute.saturating_mul(times), burst.saturating_mul(times));
        self.draw(vec![(name.to_owned(), draw(principal, name, rate, 1))]).await
    }

    /// Takes calls from the principal's allowance, all or none: one for each class that is named. A call counts as one, and in its
    /// class where the app has a rule for that.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn take_calls(
        &self,
        principal: &Principal,
        calls: &[ActionClass],
        rules: &LimitRules,
    ) -> Result<(), Duration> {
        let (calls_per_minute, burst) = self.rule(principal, rules);
        let all = u32::try_from(calls.len()).unwrap_or(u32::MAX);
        let mut draws =
            vec![("calls".to_owned(), draw(principal, "calls", Rate::per_minute(calls_per_minute, burst), all))];
        for class in ActionClass::ALL {
            let cost = u32::try_from(calls.iter().filter(|call| **call == class).count()).unwrap_or(u32::MAX);
            let Principal::App(app) = principal else { continue };
            let Some(limit) = rules.classes.get(&(app.clone(), class)).filter(|_| cost > 0) else { continue };
            let name = format!("calls-{}", class.as_str());
            let rate = Rate::per_minute(limit.calls_per_minute, limit.burst.unwrap_or(self.standard.burst));
            draws.push((name.clone(), draw(principal, &name, rate, cost)));
        }
        self.draw(draws).await
    }

    async fn draw(&self, named: Vec<(String, Draw)>) -> Result<(), Duration> {
        let (names, draws): (Vec<String>, Vec<Draw>) = named.into_iter().unzip();
        let (decision, _) = self.ledger.decide(&draws).await;
        for ((name, draw), standing) in names.iter().zip(&draws).zip(&decision.standings) {
            told::note(name, draw, standing);
        }
        decision.wait().map_or(Ok(()), |(_, wait_us)| Err(duration(wait_us)))
    }

    fn rule(&self, principal: &Principal, rules: &LimitRules) -> (u32, u32) {
        let own = match principal {
            Principal::App(app) => rules.apps.get(app).copied(),
            Principal::Person(_) => None,
        };
        match own {
            Some(Limit { calls_per_minute, burst }) => (calls_per_minute, burst.unwrap_or(self.standard.burst)),
            None => (self.standard.calls_per_minute, self.standard.burst),
        }
    }
}

fn draw(principal: &Principal, name: &str, rate: Rate, cost: u32) -> Draw {
    let subject = match principal {
        Principal::App(app) => format!("app:{app}"),
        Principal::Person(person) => format!("person:{person}"),
    };
    Draw { key: Key::new(&subject, name), rule: Rule::Rate(rate), cost }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::{
        clock::ManualClock,
        limits::DefaultLimit,
        model::{AppId, PersonId},
    };

    fn limits(calls_per_minute: u32, burst: u32) -> (Limits, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
        (Limits::new(DefaultLimit { calls_per_minute, burst }, Arc::clone(&clock) as _, None), clock)
    }

    fn app(name: &str) -> Principal {
        Principal::App(AppId::new(name))
    }

    async fn one(limits: &Limits, principal: &Principal, rules: &LimitRules) -> Result<(), Duration> {
        limits.take_calls(principal, &[ActionClass::Post], rules).await
    }

    #[tokio::test]
    async fn the_burst_passes_and_the_next_call_is_told_when_to_come() {
        let (limits, clock) = limits(6, 2);
        let (app, rules) = (app("newsroom"), LimitRules::default());
        assert!(one(&limits, &app, &rules).await.is_ok() && one(&limits, &app, &rules).await.is_ok());
        assert_eq!(one(&limits, &app, &rules).await, Err(Duration::from_secs(10)));
        let person = Principal::Person(PersonId::new("newsroom"));
        assert!(one(&limits, &person, &rules).await.is_ok(), "another caller has its own");
        clock.advance(SignedDuration::from_secs(10));
        assert!(one(&limits, &app, &rules).await.is_ok());
    }

    #[tokio::test]
    async fn reads_have_a_larger_allowance_of_their_own() {
        let (limits, _clock) = limits(6, 2);
        let (app, rules) = (app("newsroom"), LimitRules::default());
        let mut taken = [0, 0, 0];
        for _ in 0..100 {
            taken[0] += usize::from(limits.take(&app, Counted::Change, &rules).await.is_ok());
            taken[1] += usize::from(limits.take(&app, Counted::Read, &rules).await.is_ok());
            taken[2] += usize::from(limits.take(&app, Counted::Feed, &rules).await.is_ok());
        }
        assert_eq!((taken, one(&limits, &app, &rules).await), ([2, 20, 2], Ok(())));
    }

    #[tokio::test]
    async fn an_apps_own_rules_replace_the_standard_and_a_class_has_its_own() {
        let (limits, _clock) = limits(600, 100);
        let mut rules = LimitRules::default();
        let few = Limit { calls_per_minute: 1, burst: Some(1) };
        rules.apps.insert(AppId::new("careers"), few);
        rules.classes.insert((AppId::new("newsroom"), ActionClass::Reply), few);
        assert!(one(&limits, &app("careers"), &rules).await.is_ok());
        assert!(one(&limits, &app("careers"), &rules).await.is_err());
        let newsroom = app("newsroom");
        let reply = [ActionClass::Reply];
        assert!(limits.take_calls(&newsroom, &reply, &rules).await.is_ok());
        assert_eq!(limits.take_calls(&newsroom, &reply, &rules).await, Err(Duration::from_secs(60)));
        for _ in 0..99 {
            assert_eq!(one(&limits, &newsroom, &rules).await, Ok(()), "what was refused took nothing");
        }
        assert!(one(&limits, &newsroom, &rules).await.is_err());
    }

    #[tokio::test]
    async fn calls_of_one_post_are_taken_together_and_told() {
        let (limits, _clock) = limits(60, 4);
        let (app, rules) = (app("newsroom"), LimitRules::default());
        let three = [ActionClass::Post; 3];
        let (first, told) = told::telling(limits.take_calls(&app, &three, &rules)).await;
        assert_eq!((first, told), (Ok(()), Some(("\"calls\";q=4;w=4".into(), "\"calls\";r=1".into()))));
        let (second, told) = told::telling(limits.take_calls(&app, &three, &rules)).await;
        assert_eq!((second, told.unwrap().1.as_str()), (Err(Duration::from_secs(2)), "\"calls\";r=1"));
        assert!(one(&limits, &app, &rules).await.is_ok(), "the refused post took none");
    }
}
