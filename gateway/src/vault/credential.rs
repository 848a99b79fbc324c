//! What the vault keeps: credentials and sessions, and how they are written before they are sealed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Connection, Origins, VaultError};
use crate::model::AccountId;

/// Values in one credential.
pub const SECRETS_MAX: usize = 16;
/// Length of the name of a value.
pub const SECRET_NAME_BYTES_MAX: usize = 64;
/// Length of one value; a private key in PEM fits.
pub const SECRET_BYTES_MAX: usize = 16 * 1024;
/// Length of an account's name or a label.
const NAME_BYTES_MAX: usize = 128;
/// Length of the times of a connection, and what stands for none.
const TIMES_BYTES: usize = 4 * 8;
const NEVER_MS: i64 = i64::MIN;

/// What may be shown of a credential: everything but its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialInfo {
    /// The account that it belongs to.
    pub account: AccountId,
    /// Its label, from the plugin's manifest.
    pub label: String,
    /// Counts up each time the credential is set.
    pub generation: u64,
    /// When this generation was set.
    pub created_at: Timestamp,
    /// Names of its values, in order.
    pub secrets: Vec<String>,
    /// Where it may go, as it is noted beside the ciphertext; none for one that an earlier version set.
    pub origins: Option<Origins>,
}

/// An opened credential. It has no `Debug` and no `Serialize`; only egress gets one.
pub(crate) struct Credential {
    /// Names this very version: no two sealed values share it. Not secret.
    pub(crate) version: [u8; 32],
    /// Where it may go: sealed with it.
    pub(crate) origins: Origins,
    /// Values by name.
    pub(crate) secrets: BTreeMap<String, SecretString>,
}

/// Tokens that a network gave for a credential (design §3, manifest sessions).
#[derive(Clone)]
pub(crate) struct Session {
    /// Version of the credential that they were got with; a session of another version is worth nothing.
    pub(crate) credential: [u8; 32],
    /// Goes with each request.
    pub(crate) access: SecretString,
    /// Gets the next pair, where the network gave one.
    pub(crate) refresh: Option<SecretString>,
    /// What is known of them, where a person connected the account (OAuth 2).
    pub(crate) connection: Option<Connection>,
}

/// Refuses an account's name or a label that could be mistaken for a part of a sealed value's name.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), VaultError> {
    let fits = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if fits {
        return Ok(());
    }
    Err(VaultError::Invalid(format!(
        "the {what} `{}` is not 1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` or `.`",
        name.escape_debug()
    )))
}

/// Refuses a set of values that can't be kept.
pub(super) fn check_secrets(secrets: &BTreeMap<String, SecretString>) -> Result<(), VaultError> {
    if secrets.is_empty() || secrets.len() > SECRETS_MAX {
        return Err(VaultError::Invalid(format!("a credential has 1 to {SECRETS_MAX} values, not {}", secrets.len())));
    }
    for (name, value) in secrets {
        check_name("name of a value", name)?;
        let length = value.expose_secret().len();
        if name.len() > SECRET_NAME_BYTES_MAX {
            return Err(VaultError::Invalid(format!("the name `{name}` is over {SECRET_NAME_BYTES_MAX} bytes")));
        }
        if length == 0 || length > SECRET_BYTES_MAX {
            return Err(VaultError::Invalid(format!(
                "the value `{name}` has {length} bytes; 1 to {SECRET_BYTES_MAX} are allowed"
            )));
        }
    }
    Ok(())
}

/// Fields with lengths in front; the buffer has its full size from the start, so that no copy is left behind.
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(super) fn with_room(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    pub(super) fn field(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Reads what `Writer` wrote.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn field(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (field, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    fn text(&mut self) -> Option<SecretString> {
        Some(SecretString::from(std::str::from_utf8(self.field()?).ok()?))
    }

    pub(super) fn at_end(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes values by name.
pub(super) fn write_secrets(secrets: &BTreeMap<String, SecretString>) -> Zeroizing<Vec<u8>> {
    let room = secrets.iter().map(|(name, value)| 8 + name.len() + value.expose_secret().len()).sum();
    let mut writer = Writer::with_room(room);
    for (name, value) in secrets {
        writer.field(name.as_bytes());
        writer.field(value.expose_secret().as_bytes());
    }
    writer.finish()
}

/// Reads values by name; none where the bytes are not what `write_secrets` writes.
pub(super) fn read_secrets(bytes: &[u8]) -> Option<BTreeMap<String, SecretString>> {
    let mut reader = Reader(bytes);
    let mut secrets = BTreeMap::new();
    while !reader.at_end() {
        let name = std::str::from_utf8(reader.field()?).ok()?.to_owned();
        secrets.insert(name, reader.text()?);
    }
    Some(secrets)
}

/// Writes a session. One without a connection is written as before there were any; an empty refresh token is none.
pub(super) fn write_session(session: &Session) -> Zeroizing<Vec<u8>> {
    let access = session.access.expose_secret().as_bytes();
    let refresh = session.refresh.as_ref().map(|token| token.expose_secret().as_bytes());
    let mut writer = Writer::with_room(16 + 32 + access.len() + refresh.map_or(0, <[u8]>::len) + TIMES_BYTES);
    writer.field(&session.credential);
    writer.field(access);
    if refresh.is_some() || session.connection.is_some() {
        writer.field(refresh.unwrap_or_default());
    }
    if let Some(connection) = &session.connection {
        let Connection { connected_at, refreshed_at, expires_at, reconnect_since } = *connection;
        let mut times = Vec::with_capacity(TIMES_BYTES);
        for time in [Some(connected_at), refreshed_at, expires_at, reconnect_since] {
            times.extend_from_slice(&time.map_or(NEVER_MS, Timestamp::as_millisecond).to_be_bytes());
        }
        writer.field(&times);
    }
    writer.finish()
}

/// Reads a session; none where the bytes are not what `write_session` writes.
pub(super) fn read_session(bytes: &[u8]) -> Option<Session> {
    let mut reader = Reader(bytes);
    let credential = <[u8; 32]>::try_from(reader.field()?).ok()?;
    let access = reader.text()?;
    let refresh = if reader.at_end() { None } else { Some(reader.text()?) };
    let refresh = refresh.filter(|token| !token.expose_secret().is_empty());
    let connection = if reader.at_end() { None } else { Some(read_times(reader.field()?)?) };
    reader.at_end().then_some(Session { credential, access, refresh, connection })
}

fn read_times(bytes: &[u8]) -> Option<Connection> {
    let mut times = bytes.chunks_exact(8).map(|chunk| {
        let ms = i64::from_be_bytes(chunk.try_into().unwrap_or_default());
        (ms != NEVER_MS).then(|| Timestamp::from_millisecond(ms).ok()).flatten()
    });
    let mut next = || times.next();
    let connected_at = next()??;
    let connection = Connection { connected_at, refreshed_at: next()?, expires_at: next()?, reconnect_since: next()? };
    (bytes.len() == TIMES_BYTES).then_some(connection)
}
