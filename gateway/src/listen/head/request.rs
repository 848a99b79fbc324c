//! One whole head: its request line and fields, and how long the body is that follows.

use memchr::{memchr, memchr_iter};

use super::{
    Fault,
    letters::{is_name, is_text, looks_alike, trimmed},
};

/// Codings that may come before `chunked` (RFC 9112 7). What they did to the body is not the listener's business.
const CODINGS: [&[u8]; 6] = [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress", b"identity"];
/// Digits of the longest length.
const LENGTH_DIGITS_MAX: usize = 18;
/// Bytes of the longest address that HTTP's types can hold.
const TARGET_BYTES_MAX: usize = 65_534;

/// How long the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes; 0 where nothing is said.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// Looks at a head: from the first byte of the request line to the empty line, both included.
pub(super) fn check(head: &[u8], fields_max: usize) -> Result<Framing, Fault> {
    let mut lines = lines(head);
    let start = Start::read(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    let mut count = 0;
    for line in lines {
        count += 1;
        fields.take(line)?;
    }
    if count > fields_max {
        return Err(Fault::TooManyFields);
    }
    fields.framing(&start)
}

/// The lines without their ends and without the empty one; the caller has seen that each ends in CR LF.
pub(super) fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = 0;
    memchr_iter(b'\n', head).filter_map(move |at| {
        let line = head.get(from..at.saturating_sub(1));
        from = at + 1;
        line.filter(|line| !line.is_empty())
    })
}

/// A host in an address, and the port that it need not name.
pub(super) type Named<'a> = (&'a [u8], &'static [u8]);

/// What the request line says.
pub(super) struct Start<'a> {
    /// GET or HEAD.
    pub(super) bodiless: bool,
    /// HTTP/1.0.
    pub(super) old: bool,
    /// The host in an address of absolute form.
    pub(super) authority: Option<Named<'a>>,
}

impl<'a> Start<'a> {
    fn read(line: &'a [u8]) -> Result<Self, Fault> {
        let space = memchr(b' ', line).ok_or(Fault::RequestLine)?;
        let (method, rest) = line.split_at(space);
        let rest = rest.get(1..).unwrap_or_default();
        let space = memchr(b' ', rest).ok_or(Fault::RequestLine)?;
        let (target, version) = rest.split_at(space);
        let version = version.get(1..).unwrap_or_default();
        if !is_name(method) || target.is_empty() || memchr(b' ', version).is_some() {
            return Err(Fault::RequestLine);
        }
        let old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(Fault::Version),
        };
        if method == b"CONNECT" {
            return Err(Fault::Tunnel);
        }
        let bodiless = matches!(method, b"GET" | b"HEAD");
        Ok(Self { bodiless, old, authority: authority(method, target)? })
    }
}

/// Looks at an address, and gives the host in it where it is in absolute form.
fn authority<'a>(method: &[u8], target: &'a [u8]) -> Result<Option<Named<'a>>, Fault> {
    if target.len() > TARGET_BYTES_MAX {
        return Err(Fault::HeadTooLong);
    }
    let (found, path): (Option<Named<'a>>, &[u8]) = match target {
        b"*" if method == b"OPTIONS" => return Ok(None),
        [b'/', ..] => (None, target),
        _ => {
            let (rest, port): (&[u8], &[u8]) = match () {
                () if prefixed(target, b"http://") => (target.get(7..).unwrap_or_default(), b":80"),
                () if prefixed(target, b"https://") => (target.get(8..).unwrap_or_default(), b":443"),
                () => return Err(Fault::Target),
            };
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            if !is_host(host) {
                return Err(Fault::Target);
            }
            (Some((host, port)), path)
        }
    };
    let query = memchr(b'?', path).unwrap_or(path.len());
    let (before, after) = path.split_at(query);
    let plain = before.iter().all(|byte| is_target(*byte) && *byte != b'`')
        && after.iter().all(|byte| is_target(*byte) && *byte != b'"');
    if plain && (path.is_ascii() || std::str::from_utf8(path).is_ok()) { Ok(found) } else { Err(Fault::Target) }
}

fn prefixed(target: &[u8], scheme: &[u8]) -> bool {
    target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// What may stand in an address: no controls, spaces, fragment or angle brackets.
fn is_target(byte: u8) -> bool {
    byte > b' ' && !matches!(byte, 0x7f | b'#' | b'<' | b'>')
}

/// A host, perhaps with a port: a name, an IPv4 address, or an IPv6 address in brackets.
pub(super) fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host {
        [b'[', rest @ ..] => {
            let Some(end) = memchr(b']', rest) else { return false };
            let (inner, after) = rest.split_at(end);
            let address = std::str::from_utf8(inner).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
            if !address {
                return false;
            }
            (None, after.get(1..).unwrap_or_default())
        }
        _ => {
            let end = memchr(b':', host).unwrap_or(host.len());
            let (name, port) = host.split_at(end);
            (Some(name), port)
        }
    };
    let named = name.is_none_or(|name| {
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte))
    });
    named
        && match port {
            [] => true,
            [b':', digits @ ..] => {
                let number = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                number.is_some_and(|text| text.len() <= 5 && text.parse::<u16>().is_ok())
            }
            _ => false,
        }
}

/// What the fields say of the body and the host.
#[derive(Default)]
pub(super) struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    coded: bool,
    chunked: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, line: &'a [u8]) -> Result<(), Fault> {
        if matches!(line, [b' ' | b'\t', ..]) {
            return Err(Fault::Folded);
        }
        let colon = memchr(b':', line).ok_or(Fault::FieldName)?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        if !is_name(name) {
            return Err(Fault::FieldName);
        }
        if !is_text(value) {
            return Err(Fault::FieldValue);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                let host = trimmed(value);
                if !is_host(host) || self.host.replace(host).is_some() {
                    return Err(Fault::Host);
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = length(trimmed(value)).ok_or(Fault::ContentLength)?;
                if self.length.replace(length).is_some() {
                    return Err(Fault::ContentLength);
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.codings(value)?,
            _ if looks_alike(name) => return Err(Fault::LookAlike),
            _ => {}
        }
        Ok(())
    }

    /// Several fields are one list (RFC 9110 5.3).
    fn codings(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.coded = true;
        for coding in value.split(|byte| *byte == b',').map(trimmed) {
            let known = CODINGS.iter().any(|known| known.eq_ignore_ascii_case(coding));
            let chunked = coding.eq_ignore_ascii_case(b"chunked");
            if self.chunked || !(known || chunked) {
                return Err(Fault::TransferEncoding);
            }
            self.chunked = chunked;
        }
        Ok(())
    }

    pub(super) fn framing(&self, start: &Start<'_>) -> Result<Framing, Fault> {
        match (self.host, start.authority) {
            (None, _) if !start.old => return Err(Fault::Host),
            (Some(host), Some((authority, port))) => {
                // Both without the port that goes without saying.
                let named = host.strip_suffix(port).unwrap_or(host);
                if !named.eq_ignore_ascii_case(authority.strip_suffix(port).unwrap_or(authority)) {
                    return Err(Fault::Host);
                }
            }
            _ => {}
        }
        if self.coded && self.length.is_some() {
            return Err(Fault::TwoLengths);
        }
        if self.coded && (start.old || !self.chunked) {
            return Err(Fault::TransferEncoding);
        }
        let framing = if self.coded { Framing::Chunked } else { Framing::Length(self.length.unwrap_or_default()) };
        if start.bodiless && framing != Framing::Length(0) {
            return Err(Fault::Body);
        }
        Ok(framing)
    }
}

/// A plain number.
fn length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > LENGTH_DIGITS_MAX {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}
