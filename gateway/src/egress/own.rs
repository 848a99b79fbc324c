//! Requests of the gateway's own, to a place that its configuration names: an export of the audit log, a witness of it. The same
//! checks of the address, the same limits and the same pool as for plugins; a secret comes from the configuration, not from the vault.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    AllowedOrigin, Egress, OutBody, OutResponse, Scope, SendFailure, headers, target::Target, webhook::WebhookKey,
};
use crate::model::AccountId;

/// The media type of JSON.
pub const JSON: &str = "application/json";

/// A POST.
pub struct OwnRequest<'a> {
    /// Whose it is: connections are shared only under the same name.
    pub name: &'a str,
    /// Where to.
    pub url: &'a Url,
    /// Permits plain HTTP and addresses that are not global.
    pub private: bool,
    /// What is sent.
    pub body: Bytes,
    /// Its media type.
    pub content_type: &'static str,
    /// Who we are.
    pub proof: Proof<'a>,
    /// Longest time, the connection and the whole answer included; the gateway's own limit holds where it is shorter.
    pub timeout: Duration,
    /// Largest answer body after decoding.
    pub response_bytes_max: usize,
}

/// A GET of something public.
pub struct OwnGet<'a> {
    /// Whose it is: connections are shared only under the same name.
    pub name: &'a str,
    /// Where.
    pub url: &'a Url,
    /// Permits plain HTTP and addresses that are not global.
    pub private: bool,
    /// Longest time, the connection and the whole answer included; the gateway's own limit holds where it is shorter.
    pub timeout: Duration,
    /// Largest answer body after decoding.
    pub response_bytes_max: usize,
}

/// How the receiver knows that it is us.
pub enum Proof<'a> {
    /// It does not.
    None,
    /// A header that only we know.
    Header {
        /// Its name.
        name: &'a str,
        /// Its whole value.
        value: &'a SecretString,
    },
    /// A signature (Standard Webhooks).
    Webhook {
        /// The keys, one signature each; two while one replaces the other.
        keys: &'a [WebhookKey],
        /// The message's id; a repetition has the same.
        id: &'a str,
        /// Now, in seconds since 1970-01-01 UTC.
        at_s: i64,
    },
}

pub(super) fn scope(
    name: &str,
    url: &Url,
    method: Method,
    private: bool,
    response_bytes_max: usize,
    timeout: Duration,
) -> Scope {
    let origin = AllowedOrigin {
        origin: url.clone(),
        methods: vec![method],
        path_prefixes: vec![url.path().to_owned()],
        private,
    };
    Scope {
        // No account's name has a colon.
        account: AccountId::new(format!("own:{name}")),
        base: url.clone(),
        origins: vec![origin],
        credentials: Vec::new(),
        response_bytes_max,
        timeout,
    }
}

impl Egress {
    /// Gets something public for the gateway's own use.
    ///
    /// # Errors
    /// [`SendFailure`].
    pub async fn get_own(&self, request: OwnGet<'_>) -> Result<OutResponse, SendFailure> {
        let OwnGet { name, url, private, timeout, response_bytes_max } = request;
        let scope = scope(name, url, Method::GET, private, response_bytes_max, timeout);
        let target = Target::of_request(&scope, "GET", url.as_str()).map_err(SendFailure::Denied)?;
        let given = [("accept".to_owned(), JSON.to_owned())];
        let headers = headers::request_headers(&given, &OutBody::None, &self.core.user_agent);
        let headers = headers.map_err(SendFailure::Denied)?;
        let answer = self.core.round(&scope, None, &target, headers, &OutBody::None).await?;
        let none: [SecretString; 0] = [];
        let scrubber = self.core.needles.scrubber(none.iter());
        let scrubber = scrubber.map_err(|_| SendFailure::Denied("nothing to search for".into()))?;
        Ok(answer.scrubbed(&scrubber, response_bytes_max))
    }

    /// Posts one request of the gateway's own.
    ///
    /// # Errors
    /// [`SendFailure`]; no text holds the secret, or the query of the address.
    pub async fn post_own(&self, request: OwnRequest<'_>) -> Result<OutResponse, SendFailure> {
        let OwnRequest { name, url, private, body, content_type, proof, timeout, response_bytes_max } = request;
        let scope = scope(name, url, Method::POST, private, response_bytes_max, timeout);
        let target = Target::of_request(&scope, "POST", url.as_str()).map_err(SendFailure::Denied)?;
        let mut given = vec![("content-type".to_owned(), content_type.to_owned())];
        if content_type == JSON {
            given.push(("accept".to_owned(), JSON.to_owned()));
        }
        let mut secrets = Vec::new();
        if let Proof::Webhook { keys, id, at_s } = &proof {
            given.push(("webhook-id".to_owned(), (*id).to_owned()));
            given.push(("webhook-timestamp".to_owned(), at_s.to_string()));
            let signatures: Vec<String> = keys.iter().map(|key| key.sign(id, *at_s, &body)).collect();
            given.push(("webhook-signature".to_owned(), signatures.join(" ")));
        }
        let body = OutBody::Bytes(body);
        let mut headers =
            headers::request_headers(&given, &body, &self.core.user_agent).map_err(SendFailure::Denied)?;
        if let Proof::Header { name, value } = proof {
            let unfit = || SendFailure::Denied(format!("the secret can't be carried by the header `{name}`"));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
            let mut secret = HeaderValue::from_str(value.expose_secret()).map_err(|_| unfit())?;
            secret.set_sensitive(true);
            headers.insert(name, secret);
            secrets.push(value.clone());
        }
        let scrubber = self.core.needles.scrubber(secrets.iter());
        let scrubber = scrubber.map_err(|_| SendFailure::Denied("the secret can't be searched for".into()))?;
        let answer = self.core.round(&scope, None, &target, headers, &body).await?;
        Ok(answer.scrubbed(&scrubber, response_bytes_max))
    }
}
