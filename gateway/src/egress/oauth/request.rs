//! Requests to an authorization server: a form, and the proof which client sends it.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::{
    egress::{
        ClientAuthentication, Core, OAuthEndpoint, OAuthRule, OutBody, Scope, SendFailure,
        answer::RawAnswer,
        inject::{bound, sensitive},
        target::Target,
    },
    vault::Credential,
};

/// Names of the client's values in the vault.
const CLIENT_ID: &str = "client_id";
const CLIENT_SECRET: &str = "client_secret";
/// Size of an answer of an authorization server.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Room for a form, so that it is not copied while it grows.
const FORM_ROOM_BYTES: usize = 64 * 1024;

/// Whose credential is used, and by which rule.
pub(super) struct Client<'a> {
    pub(super) core: &'a Core,
    pub(super) scope: &'a Scope,
    pub(super) label: &'a str,
    pub(super) rule: &'a OAuthRule,
    pub(super) credential: &'a Credential,
}

impl Client<'_> {
    /// The client's name.
    pub(super) fn id(&self) -> Result<&SecretString, SendFailure> {
        self.value(CLIENT_ID)
    }

    fn value(&self, name: &str) -> Result<&SecretString, SendFailure> {
        self.credential.secrets.get(name).ok_or_else(|| {
            SendFailure::NoCredential(format!("the credential `{}` has no value `{name}`; set it again", self.label))
        })
    }

    /// Posts a form. The whole exchange is bounded in time and size.
    pub(super) async fn post(
        &self,
        endpoint: &OAuthEndpoint,
        fields: &[(&str, &str)],
    ) -> Result<RawAnswer, SendFailure> {
        let target = Target::of_endpoint(endpoint).map_err(SendFailure::Denied)?;
        bound(self.scope, self.credential, &target)?;
        let mut headers = HeaderMap::new();
        self.core.default_headers(&mut headers, false);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if self.rule.client == ClientAuthentication::Basic {
            let pair = basic_pair(self.id()?, self.value(CLIENT_SECRET)?);
            let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.expose_secret())));
            headers.insert(AUTHORIZATION, sensitive(&text)?);
        }
        let body = OutBody::Bytes(Bytes::from_owner(self.form(fields)?));
        let mut scope = self.scope.clone();
        scope.response_bytes_max = ANSWER_BYTES_MAX;
        self.core.round(&scope, Some(self.label), &target, headers, &body).await
    }

    fn form(&self, fields: &[(&str, &str)]) -> Result<Zeroizing<Vec<u8>>, SendFailure> {
        let mut form = Serializer::new(String::with_capacity(FORM_ROOM_BYTES));
        form.extend_pairs(fields);
        if self.rule.client != ClientAuthentication::Basic {
            form.append_pair(CLIENT_ID, self.id()?.expose_secret());
        }
        if self.rule.client == ClientAuthentication::Post {
            form.append_pair(CLIENT_SECRET, self.value(CLIENT_SECRET)?.expose_secret());
        }
        Ok(Zeroizing::new(form.finish().into_bytes()))
    }
}

/// Name and secret as HTTP Basic carries them: each encoded as in a form (RFC 6749 section 2.3.1).
pub(in crate::egress) fn basic_pair(id: &SecretString, secret: &SecretString) -> SecretString {
    let encoded =
        |value: &SecretString| Zeroizing::new(byte_serialize(value.expose_secret().as_bytes()).collect::<String>());
    SecretString::from(format!("{}:{}", encoded(id).as_str(), encoded(secret).as_str()))
}

/// What must not be seen of a client, besides its values.
pub(in crate::egress) fn pair_of(credential: &Credential) -> Option<SecretString> {
    Some(basic_pair(credential.secrets.get(CLIENT_ID)?, credential.secrets.get(CLIENT_SECRET)?))
}
