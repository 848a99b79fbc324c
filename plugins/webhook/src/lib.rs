//! Posts events to any HTTP endpoint. The body is the event, or what a template makes of it; the gateway signs it.

mod template;

use pressgate_sdk::config;
use pressgate_sdk::connector::{Connector, Delivery, Failure, Reference, Rejection};
use pressgate_sdk::http::{self, Kind, Request, Safety};
use serde_json::Value;

/// The one request.
const STEP: &str = "post";

/// The connector.
pub struct Webhook;

pressgate_sdk::export_connector!(Webhook);

impl Connector for Webhook {
    fn deliver(delivery: &Delivery) -> Result<Reference, Failure> {
        let event = &delivery.event;
        let path = text("/path").unwrap_or_else(|| "/".to_owned());
        let body = match value("/body") {
            None => event.json.clone(),
            Some(body) => template::filled(&body, event).to_string(),
        };
        let method = text("/method").unwrap_or_else(|| "POST".to_owned());
        let mut request =
            Request::new(&method, template::path(&path, event)).header("webhook-id", event.id.as_str()).json(body);
        match text("/auth").as_deref() {
            None | Some("signed") => request = request.credential("secret"),
            Some("token") => request = request.credential("token"),
            Some(_) => {}
        }
        let safe = text("/repeats").as_deref() != Some("unsafe");
        let kind = Kind::Effect(if safe { Safety::ClientId } else { Safety::None });
        let answer = http::send(STEP, kind, &request).map_err(|error| Failure::from_error(STEP, kind, error))?;
        if !answer.is_success() {
            return Err(refused(Failure::from_status(&answer, "The endpoint did not take the event")));
        }
        Ok(Reference::none())
    }
}

/// An endpoint that is being mended answers with 404 or 403 as well, so only what speaks of the content is final.
fn refused(failure: Failure) -> Failure {
    match failure {
        Failure::Rejected(why) if !matches!(why.status, Some(400 | 409 | 410 | 413 | 415 | 422)) => {
            Failure::Temporary(Rejection { code: why.code, ..why })
        }
        other => other,
    }
}

fn value(pointer: &str) -> Option<Value> {
    config::get(pointer).and_then(|json| serde_json::from_str(&json).ok())
}

fn text(pointer: &str) -> Option<String> {
    value(pointer).and_then(|value| value.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use pressgate_sdk::http::Error;
    use pressgate_sdk::testing::{self, Host, answer};

    use super::*;

    fn deliver(config: &str, status: u16) -> (Result<Reference, Failure>, testing::Sent) {
        let host = Host::new().config(config).answer(STEP, answer(status, "{}")).install();
        let ended = Webhook::deliver(&testing::delivery("post.held"));
        let sent = host.sent()[0].clone();
        (ended, sent)
    }

    #[test]
    fn without_a_template_the_event_is_sent_and_signed() {
        let (ended, sent) = deliver(r#"{"path":"/in?x=1"}"#, 204);
        assert_eq!(ended, Ok(Reference::none()));
        assert_eq!((sent.request.method.as_str(), sent.request.url.as_str()), ("POST", "/in?x=1"));
        assert_eq!(sent.body_text(), testing::delivery("post.held").event.json);
        assert_eq!(sent.request.credential.as_deref(), Some("secret"));
        assert_eq!(sent.request.headers[0], ("webhook-id".to_owned(), "evt_17".to_owned()));
    }

    #[test]
    fn a_template_and_another_proof() {
        let config = r#"{"path":"/posts/{post}","method":"PUT","auth":"token","body":{"text":"{kind} of {post}","all":"{event}"}}"#;
        let (_, sent) = deliver(config, 200);
        assert_eq!((sent.request.method.as_str(), sent.request.url.as_str()), ("PUT", "/posts/post_1"));
        let body: Value = serde_json::from_str(sent.body_text()).unwrap();
        assert_eq!(body["text"], "post.held of post_1");
        assert_eq!(body["all"]["id"], "evt_17");
        assert_eq!(sent.request.credential.as_deref(), Some("token"));
    }

    #[test]
    fn what_speaks_of_the_event_is_final_and_the_rest_passes() {
        for (status, passes) in [(422, false), (410, false), (404, true), (301, true), (500, true), (503, true)] {
            let (ended, _) = deliver(r#"{"path":"/"}"#, status);
            assert_eq!(matches!(ended, Err(Failure::Temporary(_))), passes, "{status}: {ended:?}");
        }
    }

    #[test]
    fn only_a_safe_endpoint_is_asked_again_by_itself() {
        for (repeats, safety) in [("safe", Safety::ClientId), ("unsafe", Safety::None)] {
            let lost = Err(Error::Unknown("timed out".to_owned()));
            let config = format!(r#"{{"path":"/","repeats":"{repeats}"}}"#);
            let host = Host::new().config(&config).answer(STEP, lost).install();
            let ended = Webhook::deliver(&testing::delivery("post.held"));
            assert_eq!(ended, Err(Failure::Unknown(STEP.to_owned())));
            assert_eq!(host.sent()[0].kind, Kind::Effect(safety));
        }
    }
}
