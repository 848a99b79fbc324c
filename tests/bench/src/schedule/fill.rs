//! Posts that wait: one that an app scheduled, and copies of it in the records with ids and times of their own. Each copy is kept as
//! the program keeps a new post.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use pressgate::clock::{Clock, SystemClock};
use pressgate::model::PostId;
use pressgate::records::{LifeEvent, NewLife, NewPost, NewTarget, PostRecord, Records};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tests::harness::GateProcess;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::schedule;
use crate::cases;

/// Copies that wait for the disk at once.
const AT_ONCE: usize = 1_024;
/// More than a post has that nobody touched.
const EVENTS_MAX: u32 = 100;
/// The first of them is due after this, the last within a year more.
const FIRST_AFTER: SignedDuration = SignedDuration::from_hours(24);
const SPREAD: SignedDuration = SignedDuration::from_hours(365 * 24);
/// The time of the one that is copied.
const TEMPLATE_AFTER: SignedDuration = SignedDuration::from_hours(48);

/// Schedules the one that is copied. It may be moved within two years, so that the digest which an approval would cover is the same for
/// each copy.
pub(super) async fn template(gate: &GateProcess) -> PostId {
    let now = SystemClock.now();
    let times = json!({
        "at": (now + TEMPLATE_AFTER).to_string(),
        "earliest": now.to_string(),
        "latest": (now + SPREAD + SPREAD).to_string(),
    });
    schedule(gate, &cases::posts()[0], &times).await
}

/// Puts so many copies of a post into the records of a gateway that does not run.
pub(super) async fn copies(gate: &GateProcess, template: PostId, count: u64) {
    let start = Instant::now();
    let stores = gate.site.stores().await;
    let template = Arc::new(Template::read(stores.records.as_ref(), template).await);
    let mut running = JoinSet::new();
    for number in 0..count {
        if running.len() >= AT_ONCE {
            running.join_next().await.expect("some run").expect("kept");
        }
        let (records, template) = (Arc::clone(&stores.records), Arc::clone(&template));
        running.spawn(async move {
            records.accept_post(template.copy(number, count)).await.expect("kept");
        });
    }
    running.join_all().await;
    stores.audit.close();
    println!("{count} scheduled posts were kept in {:.0} s", start.elapsed().as_secs_f64());
}

/// What is copied.
struct Template {
    record: PostRecord,
    events: Vec<LifeEvent>,
    /// Its time as it is written wherever it stands.
    due: String,
    first: Timestamp,
}

impl Template {
    async fn read(records: &dyn Records, post: PostId) -> Self {
        let record = records.post(post.clone()).await.expect("readable").expect("there");
        let events = records.life_events(post, 0, EVENTS_MAX).await.expect("readable");
        let due = record.life.as_ref().and_then(|kept| kept.life.due()).expect("a time").to_string();
        Self { record, events, due, first: SystemClock.now() + FIRST_AFTER }
    }

    fn copy(&self, number: u64, count: u64) -> NewPost {
        let after_s = u128::from(SPREAD.unsigned_abs().as_secs()) * u128::from(number) / u128::from(count);
        let due = self.first + SignedDuration::from_secs(i64::try_from(after_s).expect("within the spread"));
        let id = PostId::fresh(self.record.created_at);
        let record = &self.record;
        let kept = record.life.as_ref().expect("a life");
        let life = NewLife {
            events: self.renamed(&self.events, &id, due),
            life: self.renamed(&kept.life, &id, due),
            plan: self.renamed(&kept.plan, &id, due),
            wake_at: Some(due),
        };
        let targets = record.targets.iter().map(|target| NewTarget {
            account: target.account.clone(),
            state: target.state,
            draft: target.draft.clone(),
            digest: target.digest.clone(),
            call_key: format!("{number:064x}"),
            grant: target.grant.clone(),
            lease_until: None,
            commitments: target.commitments.clone(),
        });
        NewPost {
            created_at: record.created_at,
            author: record.author.clone(),
            digest: record.digest.clone(),
            salt: record.salt.clone(),
            request: self.renamed(&record.request, &id, due),
            targets: targets.collect(),
            idempotency: None,
            verdicts: record.verdicts.clone(),
            media: Vec::new(),
            subject: record.author.subject(),
            // Those of the template open the same commitments.
            openings: Vec::new(),
            life: Some(life),
            id,
        }
    }

    /// The same with another id and another time, wherever they stand in it.
    fn renamed<T: Serialize + DeserializeOwned>(&self, value: &T, id: &PostId, due: Timestamp) -> T {
        let text = serde_json::to_string(value).expect("JSON");
        let text = text.replace(self.record.id.as_str(), id.as_str()).replace(&self.due, &due.to_string());
        serde_json::from_str(&text).expect("the same type")
    }
}
