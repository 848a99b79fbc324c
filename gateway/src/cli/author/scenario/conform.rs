//! What every adapter must do, whatever its network: cases that follow from a scenario that publishes.

use serde_json::json;

use super::{
    file::{Content, Scenario},
    network::{Made, Twist},
    run::{Played, Stage, named},
};
use crate::host::{Failure, PluginResponse, SendError, StepKind};

/// A text that no network takes.
const TOO_LONG: usize = 400_000;

/// One case, and why it does not hold.
pub struct Case {
    /// What was tried.
    pub name: String,
    /// None where it holds.
    pub fault: Option<String>,
}

/// All cases of a scenario that publishes; none of another.
///
/// # Errors
/// The scenario itself does not hold.
pub async fn cases(stage: &Stage<'_>) -> Result<Vec<Case>, String> {
    let Scenario { perform: Some(content), expect, .. } = stage.scenario else { return Ok(Vec::new()) };
    if expect.published.is_none() {
        return Ok(Vec::new());
    }
    let whole = stage.play(content, None).await?;
    if whole.ended.is_err() || !whole.faults.is_empty() {
        return Err("the scenario itself does not hold; mend that first".into());
    }
    let mut cases = Vec::new();
    for number in 0..stage.scenario.steps.len() {
        cases.push(stopped(stage, content, &whole, number).await);
        for answer in hostile(content) {
            cases.push(answered(stage, content, &whole.made, number, answer).await);
        }
    }
    cases.push(limits(stage, content).await);
    Ok(cases)
}

/// Stopped before a request, and run again: the same requests, nothing twice, the same end.
async fn stopped(stage: &Stage<'_>, content: &Content, whole: &Played, number: usize) -> Case {
    let step = stage.scenario.steps.get(number).map_or("", |step| step.name.as_str());
    let name = format!("stopped before `{step}`, and run again");
    let fault = match stage.play(content, Some(Twist::StopBefore(number))).await {
        Err(why) => Some(why),
        Ok(again) => {
            let differs = again.faults.first().cloned();
            let twice = twice(&again.made).map(|name| format!("`{name}` is sent twice"));
            let end = (format!("{:?}", again.ended) != format!("{:?}", whole.ended))
                .then(|| format!("it ends as {:?}, and as {:?} without the stop", again.ended, whole.ended));
            differs.or(twice).or(end)
        }
    };
    Case { name, fault }
}

/// A step that changes something and was sent more than once.
fn twice(made: &[Made]) -> Option<&str> {
    let changing = |made: &&Made| made.kind != StepKind::Read;
    let mut seen = std::collections::BTreeMap::new();
    for made in made.iter().filter(changing) {
        if seen.insert(&made.name, &made.digest).is_some() {
            return Some(&made.name);
        }
    }
    None
}

/// An answer that is not what the plugin hopes for.
struct Hostile {
    name: &'static str,
    answer: Result<PluginResponse, SendError>,
    /// What the call may then not end as.
    never: &'static [&'static str],
}

fn hostile(_content: &Content) -> Vec<Hostile> {
    let response = |status, body: &[u8]| {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ok(PluginResponse { status, headers, body: body.to_vec() })
    };
    let nested = ["[".repeat(2_000), "]".repeat(2_000)].concat();
    let wrong =
        json!({"id": {"id": [7]}, "data": "no", "uri": 1, "cid": [], "errors": "none", "error": true, "status": []});
    let case = |name, answer, never| Hostile { name, answer, never };
    // A passing fault must not end a post, and nothing that failed is a success.
    let passing: &[&str] = &["published", "rejected"];
    let failed: &[&str] = &["published"];
    vec![
        case("400 with garbage", response(400, b"<html>no"), failed),
        case("401", response(401, b"{}"), failed),
        case("429", response(429, b"{}"), passing),
        case("500", response(500, b"oops"), passing),
        case("503 without a body", response(503, b""), passing),
        case("an empty 200", response(200, b""), failed),
        case("truncated JSON", response(200, br#"{"id": "7", "data": {"#), failed),
        case("JSON of the wrong types", response(200, wrong.to_string().as_bytes()), failed),
        case("JSON nested 2,000 deep", response(200, nested.as_bytes()), failed),
        case("a null", response(200, b"null"), failed),
        case("bytes that are no text", response(200, &[0xff, 0xfe, 0, 1]), failed),
        case("a redirect", response(302, b""), failed),
        case("not sent", Err(SendError::NotSent("x".into())), passing),
        case("denied", Err(SendError::Denied("x".into())), failed),
        case("no answer", Err(SendError::Unknown("x".into())), passing),
        case("an answer that is too long", Err(SendError::TooLarge), failed),
    ]
}

async fn answered(stage: &Stage<'_>, content: &Content, made: &[Made], number: usize, hostile: Hostile) -> Case {
    let step = stage.scenario.steps.get(number).map_or("", |step| step.name.as_str());
    let name = format!("`{step}` is answered by {}", hostile.name);
    let kind = made.iter().find(|made| made.name == step).map(|made| made.kind);
    let effect = matches!(kind, Some(StepKind::Effect(_)));
    let unanswered = matches!(hostile.answer, Err(SendError::Unknown(_) | SendError::TooLarge));
    let fault = match stage.play(content, Some(Twist::Answer(number, hostile.answer))).await {
        Err(why) => Some(why),
        Ok(played) => {
            let (word, code) = match &played.ended {
                Ok(_) => ("published", ""),
                Err(failure) => named(failure),
            };
            // What a plugin does without an answer to a question, or to an upload's afterthought, is its own matter.
            let forbidden = effect && hostile.never.contains(&word);
            let lost = effect && unanswered && !matches!(&played.ended, Err(Failure::Unknown(step_)) if step_ == step);
            if forbidden {
                Some(format!("it ends as `{word}` {code}"))
            } else if lost {
                Some(format!(
                    "nobody knows whether it happened, and it ends as `{word}` {code}; say Failure::Unknown with the step"
                ))
            } else {
                // Requests that follow may not be in the script; but what goes out must be what was approved.
                played
                    .faults
                    .into_iter()
                    .find(|fault| fault.contains("not what was approved") || fault.contains("twice"))
            }
        }
    };
    Case { name, fault }
}

/// What the network can't take is found before anything is sent.
async fn limits(stage: &Stage<'_>, content: &Content) -> Case {
    let name = format!("a text of {TOO_LONG} letters is found by check");
    let draft = content.saying("a".repeat(TOO_LONG)).draft();
    let fault = match (stage.account(), draft) {
        (Ok(account), Ok(draft)) => {
            let facts = stage.facts();
            let answer = stage.release.check(&account, &draft, facts.as_ref(), &crate::host::MediaFiles::none()).await;
            match answer {
                Err(error) => Some(error.to_string()),
                Ok(findings) => {
                    let grave = findings.iter().any(|finding| finding.severity == crate::model::Severity::Error);
                    (!grave).then(|| "nothing of the severity `error` was found".to_owned())
                }
            }
        }
        (Err(why), _) | (_, Err(why)) => Some(why),
    };
    Case { name, fault }
}
