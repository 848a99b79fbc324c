//! OTLP/HTTP log records as JSON (OpenTelemetry protocol 1.x): one record for each event, the event as structured body.

use serde_json::{Value, json};
use url::Url;

use super::{ANSWER_BYTES_MAX, Failed, Line, Taken, refused};
use crate::{
    egress::{JSON, OwnRequest, Proof},
    export::{batch::Batch, ocsf},
    vault::SecretString,
};

/// The path of logs, after the receiver's own.
const LOGS_PATH: &str = "v1/logs";
/// Name of the scope.
const SCOPE: &str = "pressgate.audit";

/// A receiver.
pub(in crate::export) struct OtlpSink {
    pub(super) line: Line,
    pub(super) url: Url,
    pub(super) private: bool,
    pub(super) header: Option<(String, SecretString)>,
}

/// `https://collector:4318` is `https://collector:4318/v1/logs`.
pub(super) fn logs_url(base: &Url) -> Url {
    let mut url = base.clone();
    let path = format!("{}/{LOGS_PATH}", base.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

impl OtlpSink {
    pub(super) async fn deliver(&self, batch: &Batch) -> Result<Taken, Failed> {
        let proof = match &self.header {
            Some((name, value)) => Proof::Header { name, value },
            None => Proof::None,
        };
        let request = OwnRequest {
            name: &self.line.name,
            url: &self.url,
            private: self.private,
            body: batch.body.clone(),
            content_type: JSON,
            proof,
            timeout: self.line.timeout,
            response_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = self.line.egress.post_own(request).await?;
        match answer.status {
            200..=299 => Ok(partial(&answer.body, batch.events())),
            _ => Err(refused(&answer, self.line.clock.now())),
        }
    }
}

/// A receiver may take a request and refuse records of it. It must not be asked again (OTLP, "Partial Success"), so an alarm tells.
fn partial(body: &[u8], events: u64) -> Taken {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    // ProtoJSON writes 64 bits as a text, and reads both.
    let rejected = answer.pointer("/partialSuccess/rejectedLogRecords");
    let rejected = rejected.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok())).unwrap_or(0);
    if rejected == 0 {
        return Taken::default();
    }
    let why = Some(format!("the receiver took a batch and refused {rejected} of its {events} records"));
    Taken { rejected, why }
}

/// The records, already encoded and with commas between them, as a request.
pub(in crate::export) fn request(origin: &str, records: &[u8]) -> Vec<u8> {
    let attribute = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let resource =
        json!({ "attributes": [attribute("service.name", "pressgate"), attribute("service.instance.id", origin)] });
    let scope = json!({ "name": SCOPE, "version": ocsf::VERSION });
    let head =
        format!("{{\"resourceLogs\":[{{\"resource\":{resource},\"scopeLogs\":[{{\"scope\":{scope},\"logRecords\":[");
    [head.as_bytes(), records, b"]}]}]}"].concat()
}

/// The record of an event.
pub(in crate::export) fn record(event: &Value, now_ms: i64) -> Value {
    let number = |name: &str| event.get(name).and_then(Value::as_i64).unwrap_or(0);
    let uid = event.pointer("/metadata/uid").cloned().unwrap_or_default();
    let attribute = |key: &str, value: &Value| json!({ "key": key, "value": any(value) });
    json!({
        "timeUnixNano": nanos(number("time")),
        "observedTimeUnixNano": nanos(now_ms),
        "severityNumber": severity(number("severity_id")),
        "severityText": event.get("severity").cloned().unwrap_or_default(),
        "eventName": format!("ocsf.{}", number("class_uid")),
        "attributes": [
            attribute("log.record.uid", &uid),
            attribute("ocsf.class_uid", &json!(number("class_uid"))),
            attribute("ocsf.type_uid", &json!(number("type_uid"))),
        ],
        "body": any(event),
    })
}

/// Nanoseconds since 1970-01-01 UTC as ProtoJSON writes 64 bits; never negative.
fn nanos(millis: i64) -> String {
    u64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000).to_string()
}

/// `SeverityNumber` of OpenTelemetry for a `severity_id` of OCSF.
fn severity(id: i64) -> u32 {
    match id {
        1 => 9,
        2 => 13,
        3 => 17,
        4 => 18,
        5 => 19,
        6 => 21,
        _ => 0,
    }
}

/// JSON as an `AnyValue`.
fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({ "boolValue": value }),
        Value::String(text) => json!({ "stringValue": text }),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => json!({ "intValue": whole.to_string() }),
            // No 64-bit signed number: the digits stay.
            (None, _) if number.is_u64() => json!({ "stringValue": number.to_string() }),
            (None, Some(real)) => json!({ "doubleValue": real }),
            (None, None) => json!({ "stringValue": number.to_string() }),
        },
        Value::Array(items) => json!({ "arrayValue": { "values": items.iter().map(any).collect::<Vec<_>>() } }),
        Value::Object(fields) => {
            let fields: Vec<Value> =
                fields.iter().map(|(key, value)| json!({ "key": key, "value": any(value) })).collect();
            json!({ "kvlistValue": { "values": fields } })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_logs_follows_the_receivers_own() {
        for (base, full) in [
            ("https://c:4318", "https://c:4318/v1/logs"),
            ("https://c/otlp/", "https://c/otlp/v1/logs"),
            ("https://c/otlp", "https://c/otlp/v1/logs"),
        ] {
            assert_eq!(logs_url(&base.parse().unwrap()).as_str(), full);
        }
    }

    #[test]
    fn a_partial_success_counts_what_was_refused() {
        let taken = |body: &str| partial(body.as_bytes(), 5).rejected;
        assert_eq!(taken(r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"old"}}"#), 3);
        assert_eq!(taken(r#"{"partialSuccess":{"rejectedLogRecords":2}}"#), 2);
        for fine in
            ["", "{}", "[]", "ok", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":{"rejectedLogRecords":"0"}}"#]
        {
            assert_eq!(taken(fine), 0, "{fine}");
        }
    }

    #[test]
    fn an_event_is_a_record_with_a_structured_body() {
        let event = json!({"time": 1_700_000_000_123_i64, "severity_id": 2, "severity": "Low", "class_uid": 6003, "type_uid": 600_301,
            "metadata": {"uid": "o#7", "big": u64::MAX}, "list": [true, null, 1.5]});
        let record = record(&event, 1_700_000_000_500);
        assert_eq!(record["timeUnixNano"], "1700000000123000000");
        assert_eq!(record["observedTimeUnixNano"], "1700000000500000000");
        assert_eq!(
            (&record["severityNumber"], &record["attributes"][0]["value"]["stringValue"]),
            (&json!(13), &json!("o#7"))
        );
        let body = record["body"]["kvlistValue"]["values"].as_array().unwrap();
        assert_eq!(body[0], json!({"key": "time", "value": {"intValue": "1700000000123"}}));
        let list = &body.iter().find(|field| field["key"] == "list").unwrap()["value"]["arrayValue"]["values"];
        assert_eq!(list, &json!([{"boolValue": true}, {}, {"doubleValue": 1.5}]));
        let whole: Value = serde_json::from_slice(&request("o", record.to_string().as_bytes())).unwrap();
        assert_eq!(whole["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0], record);
    }
}
