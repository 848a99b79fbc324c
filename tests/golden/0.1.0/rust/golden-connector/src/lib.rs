//! Leaves a note at GoldenConnector for each event: `POST /api/notes` answers `{"id": "…"}`, once for each `Idempotency-Key` of a day.

use pressgate_sdk::connector::{Connector, Delivery, Failure, Reference, Rejection};
use pressgate_sdk::http::{self, Kind, Request, Safety};
use pressgate_sdk::config;
use serde_json::{Value, json};

const EFFECT: Kind = Kind::Effect(Safety::NativeKey(86_400));

/// The connector.
pub struct GoldenConnector;

pressgate_sdk::export_connector!(GoldenConnector);

impl Connector for GoldenConnector {
    fn deliver(delivery: &Delivery) -> Result<Reference, Failure> {
        let desk = config::get("/desk").and_then(|desk| serde_json::from_str::<String>(&desk).ok());
        let event = &delivery.event;
        let note = json!({ "desk": desk, "title": event.kind, "post": event.post, "event": event.id });
        // Another event has another id; a repetition of this one has the same.
        let request = Request::post("/api/notes")
            .json(note.to_string())
            .header("idempotency-key", event.id.as_str())
            .credential("token");
        let answer = http::send("note", EFFECT, &request).map_err(|error| Failure::from_error("note", EFFECT, error))?;
        if !answer.is_success() {
            return Err(Failure::from_status(&answer, "GoldenConnector did not take the note"));
        }
        let made: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let id = made.as_ref().and_then(|made| made.get("id")?.as_str());
        let strange = || Failure::Temporary(Rejection::new(Some(answer.status), "strange-answer", "The answer has no id"));
        id.map(Reference::new).ok_or_else(strange)
    }
}

#[cfg(test)]
mod tests {
    use pressgate_sdk::testing::{self, Host, answer};

    use super::*;

    #[test]
    fn an_event_becomes_a_note() {
        let host = Host::new().config(r#"{"desk":"social"}"#).answer("note", answer(201, r#"{"id":"7"}"#)).install();
        assert_eq!(GoldenConnector::deliver(&testing::delivery("post.held")), Ok(Reference::new("7")));
        assert!(host.sent()[0].body_text().contains(r#""desk":"social""#));
    }

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_given_up() {
        for (status, passes) in [(503, true), (422, false)] {
            let _host = Host::new().answer("note", answer(status, "{}")).install();
            let failure = GoldenConnector::deliver(&testing::delivery("post.held")).unwrap_err();
            assert_eq!(matches!(failure, Failure::Temporary(_)), passes, "{failure:?}");
        }
    }
}
