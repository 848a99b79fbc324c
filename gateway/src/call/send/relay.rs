//! Send at the native door: the client's own request, with the account's credential, and the network's answer as it is.

use std::sync::Arc;

use tracing::Instrument;

use super::{
    outgoing::{outgoing, scope, stream, told, transmit},
    watched::Watched,
};
use crate::{
    audit::leaf,
    call::{
        Call, clear,
        record::{Passage, Reading},
    },
    egress::Streamed,
    gateway::Gateway,
    host::{PluginRequest, PluginResponse, SendError},
    model::Action,
    refusal::{Refusal, Stage, problem},
};

/// Sends a recorded request. It goes on to its outcome where the client goes away.
///
/// # Errors
/// The request did not reach the network, or nobody knows; the outcome is in the log.
#[tracing::instrument(target = "pressgate::span", name = "send", skip_all)]
pub async fn relay(passage: Passage, request: PluginRequest) -> Result<PluginResponse, Refusal> {
    let going = async move {
        let (gateway, call) = (Arc::clone(passage.gateway()), passage.call());
        let answer = exchange(&gateway, call, request).await;
        let (result, seen) = match &answer {
            Ok(answer) => (leaf::OutcomeResult::Answered, Some((answer.status, answer.body.as_slice()))),
            Err(SendError::Denied(_) | SendError::NotSent(_)) => (leaf::OutcomeResult::NotSent, None),
            Err(SendError::Unknown(_) | SendError::TooLarge) => (leaf::OutcomeResult::Unanswered, None),
        };
        let good = matches!(&answer, Ok(answer) if (200..300).contains(&answer.status));
        gateway.counters.failed.add(u64::from(!good));
        let closed = passage.close(result, seen).await;
        if let (true, Ok(answer)) = (good, &answer) {
            remember_upload(&gateway, call, answer);
        }
        // It left: whoever hears of a log that can't be written must know that.
        closed.map_err(|refusal| Refusal { stage: Stage::Send, ..refusal })?;
        answer.map_err(|error| refused(call, &error))
    };
    tokio::spawn(going.in_current_span()).await.unwrap_or_else(|error| {
        Err(Refusal::new(problem::INTERNAL, Stage::Send, "The request could not be carried out.").because(error))
    })
}

/// An answer that comes in pieces.
pub struct Flowing {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What comes; it ends early where the caller's right does, or the gateway stops.
    pub body: Watched,
}

/// What a look came to.
#[allow(clippy::large_enum_variant, reason = "made once for each request and taken apart at once")]
pub enum Looked {
    /// Read to its end.
    Whole(PluginResponse),
    /// A good answer, while it comes.
    Flowing(Flowing),
}

/// Sends a request that changes nothing and is in the log. A good answer is given on while it comes.
///
/// # Errors
/// There is no answer.
#[tracing::instrument(target = "pressgate::span", name = "send", skip_all)]
pub async fn look(reading: Reading, request: PluginRequest) -> Result<Looked, Refusal> {
    let (gateway, call) = (reading.gateway(), reading.call());
    let scope = scope(gateway, call.account(), call.adapter());
    let asked = (request.method.clone(), request.url.clone());
    let out = outgoing(request, &gateway.media, Some(call.draft())).map_err(|error| refused(call, &error))?;
    let answer = stream(&gateway.egress, &scope, call.account().adapter.as_str(), out).await;
    let answer = answer.map_err(|failure| refused(call, &told(failure)))?;
    match answer {
        Streamed::Whole(answer) => {
            observe(gateway, call, &asked, answer.status, &answer.headers).await;
            Ok(Looked::Whole(PluginResponse { status: answer.status, headers: answer.headers, body: answer.body }))
        }
        Streamed::Coming { status, headers, body } => {
            observe(gateway, call, &asked, status, &headers).await;
            let body = Watched::new(Arc::clone(gateway), call, body);
            Ok(Looked::Flowing(Flowing { status, headers, body }))
        }
    }
}

async fn exchange(gateway: &Gateway, call: &Call, request: PluginRequest) -> Result<PluginResponse, SendError> {
    let scope = scope(gateway, call.account(), call.adapter());
    let asked = (request.method.clone(), request.url.clone());
    let out = outgoing(request, &gateway.media, Some(call.draft()))?;
    let answer = transmit(&gateway.egress, &scope, call.account().adapter.as_str(), out).await.map_err(told)?;
    observe(gateway, call, &asked, answer.status, &answer.headers).await;
    Ok(answer)
}

/// What the answer says of the network's limits counts from now on.
async fn observe(
    gateway: &Gateway,
    call: &Call,
    (method, url): &(String, String),
    status: u16,
    headers: &[(String, String)],
) {
    match call.adapter().observe(method, url, status, headers).await {
        Ok(budgets) => {
            // What no budget of the call is known for is a pause of the whole account.
            let strange = gateway.limits.observe(clear::ask(call), &budgets).await;
            gateway.pauses.learn(&call.account().id, &strange, gateway.clock.now());
        }
        Err(error) => tracing::warn!(%error, adapter = call.adapter().label(), "observe failed"),
    }
}

fn remember_upload(gateway: &Gateway, call: &Call, answer: &PluginResponse) {
    if call.draft().action != Action::MEDIA_UPLOAD {
        return;
    }
    let media = call.draft().parts.iter().flat_map(|part| &part.media);
    for medium in media {
        let now = gateway.clock.now();
        let (by, added_to) = (call.caller().principal(), call.draft().target.as_deref());
        gateway.uploads.keep(call.account(), by, medium.clone(), (added_to, &answer.body), now);
    }
}

fn refused(call: &Call, error: &SendError) -> Refusal {
    let account = &call.account().id;
    let (problem, detail) = match error {
        SendError::Denied(why) => {
            (problem::NOT_CLASSIFIED, format!("The adapter of `{account}` may not send this: {why}."))
        }
        SendError::NotSent(why) => (problem::PLATFORM_UNAVAILABLE, format!("Nothing reached the network: {why}.")),
        SendError::Unknown(why) => {
            let detail = format!(
                "It left, and nobody knows what became of it ({why}). Look at `{account}` before you repeat it."
            );
            (problem::PLATFORM_UNAVAILABLE, detail)
        }
        SendError::TooLarge => {
            (problem::PLATFORM_UNAVAILABLE, "The network took it, and its answer is longer than may pass.".to_owned())
        }
    };
    Refusal::new(problem, Stage::Send, detail)
}
