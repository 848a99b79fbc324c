//! `http.send`: what an adapter may ask the network.
//!
//! Here stands what follows from the manifest, the operator's grant and the contract. The journal, the credential and the
//! connection are behind [`Outbound`].

use std::collections::HashSet;
use std::sync::Arc;

use url::Url;

use super::super::bindings::http;
use super::super::convert;
use super::super::exchange::{Outbound, PluginRequest, RequestBody, SendError, StepKind};
use super::super::grant::Reach;
use super::CallState;
use crate::model::headers::is_gateways;

const STEP_BYTES_MAX: usize = 128;
const STEPS_MAX: usize = 512;
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 16 << 10;
const FIELDS_MAX: usize = 64;

/// A call that may speak to the network.
pub(crate) struct Exchange {
    pub(crate) purpose: Purpose,
    pub(crate) outbound: Arc<dyn Outbound>,
    /// The account's endpoint as an origin.
    pub(crate) endpoint: String,
    pub(crate) note: Vec<u8>,
    pub(crate) new_note: Option<Vec<u8>>,
    /// Steps that were sent in this call.
    pub(crate) steps: HashSet<String>,
}

/// What a call that speaks to the network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Asks for limits: only reads.
    Discover,
    /// Does the call.
    Perform,
    /// Looks an unanswered step up: only reads.
    Reconcile,
}

impl Exchange {
    /// An exchange in which nothing was sent yet.
    pub(crate) fn boxed(purpose: Purpose, outbound: Arc<dyn Outbound>, endpoint: String, note: Vec<u8>) -> Box<Self> {
        Box::new(Self { purpose, outbound, endpoint, note, new_note: None, steps: HashSet::new() })
    }
}

type Answer = Result<http::Response, http::Error>;

impl http::Host for CallState {
    async fn send(&mut self, step: String, kind: http::Kind, request: http::Request) -> wasmtime::Result<Answer> {
        self.host_calls += 1;
        let kind = convert::step_kind(kind);
        let request = convert::request(request);
        let Some(exchange) = &mut self.world.exchange else {
            return Ok(Err(http::Error::Denied("this function may not speak to the network".into())));
        };
        let has_medium = |id: &str| self.world.media.get(id).is_some();
        let request = match permit(exchange, &self.plugin.reach, has_medium, &step, kind, request) {
            Ok(request) => request,
            Err(reason) => {
                exchange.outbound.denied(&step, &reason);
                return Ok(Err(http::Error::Denied(reason)));
            }
        };
        exchange.steps.insert(step.clone());
        if let RequestBody::Bytes(bytes) = &request.body {
            self.sent_bytes += bytes.len() as u64;
        }
        let outbound = Arc::clone(&exchange.outbound);
        let answer = self.meter.unmetered(outbound.send(step, kind, request)).await;
        self.received_bytes += answer.as_ref().map_or(0, |response| response.body.len() as u64);
        let limit = self.plugin.manifest.limits.response_bytes_max;
        let answer = match answer {
            Ok(response) if response.body.len() > limit => Err(SendError::TooLarge),
            other => other,
        };
        Ok(answer.map(convert::response).map_err(convert::send_error))
    }
}

/// Checks a request against all that forbids it, and makes its address absolute.
fn permit(
    exchange: &Exchange,
    reach: &Reach,
    has_medium: impl Fn(&str) -> bool,
    step: &str,
    kind: StepKind,
    mut request: PluginRequest,
) -> Result<PluginRequest, String> {
    if step.is_empty() || step.len() > STEP_BYTES_MAX || !step.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("a step's name has 1 to {STEP_BYTES_MAX} visible ASCII letters"));
    }
    if exchange.steps.contains(step) {
        return Err(format!("the step `{step}` was already sent in this call; give each step a name of its own"));
    }
    if exchange.steps.len() >= STEPS_MAX {
        return Err(format!("a call sends at most {STEPS_MAX} steps"));
    }
    if exchange.purpose != Purpose::Perform && kind != StepKind::Read {
        return Err("only `perform` may change the network; send this as `read`".into());
    }
    headers(&request.headers)?;
    let medium = |id: &String| if has_medium(id) { Ok(()) } else { Err("the call has no such medium".to_owned()) };
    match &request.body {
        RequestBody::Media(id) => medium(id)?,
        RequestBody::Multipart(fields) if fields.len() > FIELDS_MAX => {
            return Err(format!("a form has at most {FIELDS_MAX} fields"));
        }
        RequestBody::Multipart(fields) => {
            for field in fields {
                if let Some(id) = field.value.medium() {
                    medium(id)?;
                }
            }
        }
        RequestBody::None | RequestBody::Bytes(_) => {}
    }
    if let Some(label) = &request.credential {
        reach.credential(label)?;
    }
    let url: Url = reach.permit(&exchange.endpoint, &request.method, &request.url)?;
    request.url = url.into();
    Ok(request)
}

fn headers(headers: &[(String, String)]) -> Result<(), String> {
    if headers.len() > HEADERS_MAX {
        return Err(format!("a request has at most {HEADERS_MAX} headers"));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > HEADER_BYTES_MAX {
        return Err(format!("a request has at most {HEADER_BYTES_MAX} bytes of headers"));
    }
    let malformed = headers.iter().any(|(name, value)| {
        ::http::HeaderName::from_bytes(name.as_bytes()).is_err() || ::http::HeaderValue::from_str(value).is_err()
    });
    if malformed {
        return Err("a header's name or value has letters that no header may have".into());
    }
    match headers.iter().find(|(name, _)| is_gateways(name)) {
        Some((name, _)) => Err(format!("the header `{}` is the gateway's; leave it out", name.to_ascii_lowercase())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::headers::GATEWAYS;

    #[test]
    fn a_plugin_sets_no_header_of_the_gateway() {
        let of = |name: &str| headers(&[("x-kept".to_owned(), "1".to_owned()), (name.to_owned(), "x".to_owned())]);
        for name in GATEWAYS.iter().chain(&["proxy-authorization", "Proxy-Connection", "Authorization"]) {
            assert!(of(name).unwrap_err().contains("gateway's"), "{name}");
        }
        assert!(of("idempotency-key").is_ok() && of("user-agent").is_ok() && of("content-type").is_ok());
    }

    /// The scripted host of the SDK fails a test for the same headers.
    #[test]
    fn the_scripted_host_knows_the_same_headers() {
        let script = include_str!("../../../../sdk/src/testing/mod.rs");
        let (_, list) = script.split_once("const GATEWAYS_HEADERS").unwrap();
        let list: Vec<&str> = list.split_once("];").unwrap().0.split('"').skip(1).step_by(2).collect();
        assert_eq!(list, GATEWAYS);
    }
}
