//! How long a guest takes for one call, in a fresh instance each time: a policy's verdict on a post, which every call pays for every
//! policy of its brand, and what an adapter makes of a client's own request.

use std::time::Instant;

use pressgate::host::{Classification, MediaFiles, PluginGrant, PluginRequest, Release, RequestBody, ReviewContext};
use pressgate::model::{Action, Draft, Outcome};
use serde_json::Value;
use tests::{plugins, samples};

use crate::cases;
use crate::figure::{Bar, Figure};
use crate::native::{BODY, JSON, STATUSES};
use crate::rounds;

const CALLS_OF_ROUND: usize = 20_000;
const CALLS_TO_WARM_UP: usize = 4_000;
const ROUNDS: usize = 5;

/// Microseconds of a round.
struct Round {
    p50_us: f64,
    p99_us: f64,
}

/// The figures of both shipped policies, and of an adapter.
pub fn measure() -> Vec<Figure> {
    let guidelines = rounds_of("guidelines", &cases::guidelines());
    let confidential = rounds_of("confidential", &cases::confidential());
    let classify = classified();
    let p50 = |rounds: &[Round]| rounds.iter().map(|round| round.p50_us).collect::<Vec<_>>();
    let p99 = |rounds: &[Round]| rounds.iter().map(|round| round.p99_us).collect::<Vec<_>>();
    vec![
        Figure::of_rounds("policy_fresh_p50_us", &p50(&guidelines), "µs").bar(Bar::Below(20.0)),
        Figure::of_rounds("policy_fresh_p99_us", &p99(&guidelines), "µs"),
        Figure::of_rounds("policy_fresh_confidential_p50_us", &p50(&confidential), "µs").bar(Bar::Below(60.0)),
        Figure::of_rounds("policy_fresh_confidential_p99_us", &p99(&confidential), "µs"),
        Figure::of_rounds("classify_fresh_p50_us", &p50(&classify), "µs"),
        Figure::of_rounds("classify_fresh_p99_us", &p99(&classify), "µs"),
    ]
}

fn rounds_of(plugin: &str, config: &Value) -> Vec<Round> {
    let host = samples::host(None);
    let release = host.load(&plugins::plugin(plugin), &PluginGrant::default(), config).expect("the plugin loads");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let drafts: Vec<Draft> = cases::posts().iter().map(|post| draft(post)).collect();
    let context = samples::context();
    runtime.block_on(async {
        reviews(&release, &drafts, &context, CALLS_TO_WARM_UP).await;
        let mut rounds = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            rounds.push(reviews(&release, &drafts, &context, CALLS_OF_ROUND).await);
        }
        rounds
    })
}

/// A post in Czech, as an app submits it.
pub fn draft(text: &str) -> Draft {
    Draft { language: Some("cs".into()), ..samples::draft(&[text]) }
}

async fn reviews(release: &Release, drafts: &[Draft], context: &ReviewContext, calls: usize) -> Round {
    let media = MediaFiles::none();
    let mut times_us = Vec::with_capacity(calls);
    for draft in drafts.iter().cycle().take(calls) {
        let start = Instant::now();
        let verdict = release.review(draft, context, &media).await;
        times_us.push(start.elapsed().as_secs_f64() * 1e6);
        // A post that is stopped, or a policy that fails, would be another path.
        let (outcome, findings) = verdict.expect("a verdict");
        assert_eq!((outcome, findings.as_slice()), (Outcome::Allow, [].as_slice()));
    }
    Round::of(&times_us)
}

/// Rounds of the request that the native figures are made of.
fn classified() -> Vec<Round> {
    let host = samples::host(None);
    let release =
        host.load(&plugins::plugin("mastodon"), &PluginGrant::default(), &serde_json::json!({})).expect("it loads");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let account = samples::account();
    let request = PluginRequest {
        method: "POST".to_owned(),
        url: format!("{}{STATUSES}", account.origin()),
        headers: vec![("content-type".to_owned(), JSON.to_owned())],
        body: RequestBody::Bytes(BODY.as_bytes().to_vec()),
        credential: None,
    };
    let round = async |calls: usize| {
        let mut times_us = Vec::with_capacity(calls);
        for _ in 0..calls {
            let start = Instant::now();
            let understood = release.classify(&account, &request).await;
            times_us.push(start.elapsed().as_secs_f64() * 1e6);
            assert!(matches!(understood, Ok(Classification::Act(act)) if act.action == Action::POST_CREATE));
        }
        Round::of(&times_us)
    };
    runtime.block_on(async {
        round(CALLS_TO_WARM_UP).await;
        let mut rounds = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            rounds.push(round(CALLS_OF_ROUND).await);
        }
        rounds
    })
}

impl Round {
    fn of(times_us: &[f64]) -> Self {
        let sorted = rounds::sorted(times_us);
        Self { p50_us: rounds::at(&sorted, 0.5), p99_us: rounds::at(&sorted, 0.99) }
    }
}
