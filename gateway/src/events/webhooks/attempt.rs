//! One delivery of one event.

use std::time::Duration;

use bytes::Bytes;

use super::super::{Event, heard, lines::Attempt};
use crate::{
    config::{Governance, Webhook},
    egress::{JSON, OwnRequest, Proof, WebhookKey},
    gateway::Gateway,
};

/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// What is read of its answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Delivers an event, where it is for this receiver.
pub(super) async fn deliver(gateway: &Gateway, hook: &Webhook, event: &Event) -> Attempt {
    let Some(body) = body(&gateway.governance.load(), hook, event) else { return Attempt::Passed };
    let keys = match keys(gateway, &hook.id).await {
        Ok(keys) => keys,
        Err(why) => return Attempt::Down(why, None),
    };
    let name = format!("webhook:{}", hook.id);
    let request = OwnRequest {
        name: &name,
        url: &hook.url,
        private: hook.private_endpoint,
        body: Bytes::from(body),
        content_type: JSON,
        proof: Proof::Webhook { keys: &keys, id: &event.id(), at_s: gateway.clock.now().as_second() },
        timeout: TIMEOUT,
        response_bytes_max: ANSWER_BYTES_MAX,
    };
    match gateway.egress.post_own(request).await {
        Ok(answer) => {
            let asked = answer.headers.iter().find(|(name, _)| name == "retry-after");
            let asked = asked.and_then(|(_, value)| value.trim().parse().ok()).map(Duration::from_secs);
            of_status(answer.status, asked)
        }
        Err(failure) => Attempt::Down(failure.to_string(), None),
    }
}

/// What a status means. What speaks of the receiver as a whole holds its line; what speaks of the event holds its post.
fn of_status(status: u16, asked: Option<Duration>) -> Attempt {
    let why = format!("the receiver answered {status}");
    match status {
        200..=299 => Attempt::Done,
        410 => Attempt::Gone,
        429 | 502..=504 => Attempt::Down(why, asked),
        _ => Attempt::Refused(why),
    }
}

/// The event as the receiver may see it; none where it is not for it.
fn body(governance: &Governance, hook: &Webhook, event: &Event) -> Option<Vec<u8>> {
    if !hook.types.is_empty() && !hook.types.contains(&event.kind) {
        return None;
    }
    let view = heard(governance, &hook.accounts, &hook.brands, event)?;
    serde_json::to_vec(&view).ok()
}

/// What a delivery is signed with.
async fn keys(gateway: &Gateway, id: &str) -> Result<Vec<WebhookKey>, String> {
    let secrets = gateway.vault.webhook_secrets(id).await.map_err(|error| error.to_string())?;
    if secrets.is_empty() {
        return Err(format!("it has no secret; `pressgate webhook secret rotate {id}` makes one"));
    }
    secrets.iter().map(|secret| WebhookKey::parse(secret).map_err(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_holds_the_line_or_the_post() {
        let asked = Some(Duration::from_secs(7));
        assert_eq!(
            (of_status(200, None), of_status(204, None), of_status(410, None)),
            (Attempt::Done, Attempt::Done, Attempt::Gone)
        );
        for status in [429, 502, 503, 504] {
            assert!(matches!(of_status(status, asked), Attempt::Down(_, Some(_))), "{status}");
        }
        for status in [301, 400, 401, 404, 422, 500] {
            assert!(matches!(of_status(status, asked), Attempt::Refused(_)), "{status}");
        }
    }
}
