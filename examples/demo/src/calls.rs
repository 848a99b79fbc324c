//! The three calls, as apps make them; and whether they ended as they should.

use serde_json::{Value, json};

use crate::Failed;
use crate::children::{ACCOUNT, Running};
use crate::http::{Answer, exchange};
use crate::site::Site;

/// The post that appears.
const GOOD: &str = "Fresh from the oven: our new oat biscuits. 🍪 https://acme.example/oats";
/// What the house rules forbid.
const FORBIDDEN: &str = "Our new biscuits are a miracle cure for Monday mornings.";

/// One call and its answer.
pub(crate) struct Call {
    /// The app.
    pub(crate) app: &'static str,
    /// What it wanted to say.
    pub(crate) text: &'static str,
    /// HTTP status.
    pub(crate) status: u16,
    /// The post, or the problem.
    pub(crate) body: Value,
}

impl Call {
    /// A text of the answer, by JSON pointer.
    pub(crate) fn said(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// What happened.
pub(crate) struct Story {
    /// It was published.
    pub(crate) published: Call,
    /// It was refused: no grant.
    pub(crate) ungranted: Call,
    /// It was stopped by a policy.
    pub(crate) stopped: Call,
}

/// Makes the three calls.
pub(crate) async fn make(site: &Site, running: &Running) -> Result<Story, Failed> {
    let published = publish(site, running, "newsroom", GOOD).await?;
    expect(&published, 201, "/state", "published")?;
    let ungranted = publish(site, running, "careers", GOOD).await?;
    expect(&ungranted, 403, "/type", "/problems/no-grant")?;
    let stopped = publish(site, running, "newsroom", FORBIDDEN).await?;
    expect(&stopped, 403, "/type", "/problems/policy-denied")?;
    expect(&stopped, 403, "/verdicts/0/findings/0/code", "forbidden-phrase")?;
    Ok(Story { published, ungranted, stopped })
}

async fn publish(site: &Site, running: &Running, app: &'static str, text: &'static str) -> Result<Call, Failed> {
    let key = format!("Bearer {}", site.key(app)?);
    let body = json!({ "accounts": [ACCOUNT], "content": { "text": text, "language": "en" } });
    let headers = [("authorization", key.as_str()), ("content-type", "application/json"), ("prefer", "wait=20")];
    let answer = exchange("POST", &running.apps, "/v1/posts", &headers, body.to_string()).await?;
    Ok(Call { app, text, status: answer.status, body: answer.json() })
}

fn expect(call: &Call, status: u16, pointer: &str, value: &str) -> Result<(), Failed> {
    if call.status == status && call.said(pointer) == value {
        return Ok(());
    }
    let Call { app, text, status: got, body, .. } = call;
    Err(format!(
        "the call of {app}, \"{text}\", should have ended with {status} and {value}; the answer is {got}:\n{body:#}"
    ))
}

/// The network's timeline holds the published post and nothing else, for machines and for people.
pub(crate) async fn only_post(running: &Running, story: &Story) -> Result<(), Failed> {
    let look = |path| exchange("GET", &running.timeline, path, &[], String::new());
    let timeline = look("/sample/timeline").await?.json();
    let statuses = timeline.as_array().ok_or("the sample network shows no timeline")?;
    let id = story.published.said("/targets/0/platform_id");
    let [status] = statuses.as_slice() else {
        return Err(format!("the timeline should hold one post, and it holds {}:\n{timeline:#}", statuses.len()));
    };
    let field = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default();
    if id.is_empty() || field("id") != id || field("text") != story.published.text {
        return Err(format!("the post on the timeline is not the one that was published as `{id}`:\n{status:#}"));
    }
    let Answer { text: page, .. } = look("/").await?;
    if !page.contains("Fresh from the oven") || page.contains("miracle") {
        return Err("the timeline's page does not show that post, or shows more".to_owned());
    }
    Ok(())
}
