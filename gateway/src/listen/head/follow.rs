//! Follows the bytes of a connection from request to request.

use std::ops::Range;

use memchr::memchr;

use super::{
    Fault,
    chunks::Chunks,
    request::{Framing, check},
};

/// What a peer that speaks HTTP/2 says first (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What one head may have.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes, from the request line to the empty line.
    pub bytes_max: usize,
    /// Header fields.
    pub fields_max: usize,
}

/// Where the next byte stands.
#[derive(Debug, Clone, Copy)]
enum At {
    /// At the first byte of the connection.
    Beginning,
    /// In a head: so many of its bytes were looked at, its last line began there, an empty line came before it.
    Head { seen: usize, line: usize, emptied: bool },
    /// In a body of known length.
    Body { left: u64 },
    /// In a body of chunks.
    Chunks(Chunks),
    /// In HTTP/2, which frames for itself.
    Http2,
}

const HEAD: At = At::Head { seen: 0, line: 0, emptied: false };

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// So many bytes at the front may pass. The others are shown again, with what comes after them.
    pub pass: usize,
    /// Why nothing after these may pass.
    pub fault: Option<Fault>,
}

/// What comes of one look. `Pass(0)` is a change of state: the same bytes are looked at again.
enum Step {
    Pass(usize),
    More,
    Fault(usize, Fault),
}

/// Follows one connection. Its state has a fixed size; it keeps no byte.
#[derive(Debug, Clone)]
pub struct Follower {
    limits: HeadLimits,
    http2: bool,
    at: At,
    heads: u64,
}

impl Follower {
    /// At the beginning of a connection; `http2`: whether it may speak that.
    pub fn new(limits: HeadLimits, http2: bool) -> Self {
        Self { limits, http2, at: At::Beginning, heads: 0 }
    }

    /// How many heads were found good.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the next byte belongs to a body.
    pub fn in_body(&self) -> bool {
        matches!(self.at, At::Body { .. } | At::Chunks(_))
    }

    /// Whether the connection speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        matches!(self.at, At::Http2)
    }

    /// Looks at the bytes that have not passed yet, in order, all of them.
    pub fn follow(&mut self, bytes: &[u8]) -> Followed {
        let mut pass = 0;
        loop {
            let rest = bytes.get(pass..).unwrap_or_default();
            if rest.is_empty() {
                return Followed { pass, fault: None };
            }
            match self.step(rest) {
                Step::Pass(some) => pass += some,
                Step::More => return Followed { pass, fault: None },
                Step::Fault(some, fault) => return Followed { pass: pass + some, fault: Some(fault) },
            }
        }
    }

    fn step(&mut self, rest: &[u8]) -> Step {
        match &mut self.at {
            At::Http2 => Step::Pass(rest.len()),
            At::Beginning => {
                let start = rest.get(..PREFACE.len()).unwrap_or(rest);
                let alike = self.http2 && PREFACE.starts_with(start);
                if alike && start.len() < PREFACE.len() {
                    return Step::More;
                }
                self.at = if alike { At::Http2 } else { HEAD };
                Step::Pass(0)
            }
            At::Head { .. } => match self.head(rest) {
                Ok(Some((bytes, framing))) => {
                    self.heads += 1;
                    self.at = match framing {
                        Framing::Length(0) => HEAD,
                        Framing::Length(left) => At::Body { left },
                        Framing::Chunked => At::Chunks(Chunks::new()),
                    };
                    Step::Pass(bytes)
                }
                Ok(None) => Step::More,
                Err(fault) => Step::Fault(0, fault),
            },
            At::Body { left } => {
                let some = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *left -= some as u64;
                if *left == 0 {
                    self.at = HEAD;
                }
                Step::Pass(some)
            }
            At::Chunks(chunks) => {
                let (some, fault) = chunks.follow(rest);
                if chunks.ended() {
                    self.at = HEAD;
                }
                fault.map_or(Step::Pass(some), |fault| Step::Fault(some, fault))
            }
        }
    }

    /// Looks for the end of a head, and then at the whole.
    fn head(&mut self, rest: &[u8]) -> Result<Option<(usize, Framing)>, Fault> {
        let Some(whole) = self.whole(rest)? else { return Ok(None) };
        let end = whole.end;
        check(rest.get(whole).unwrap_or_default(), self.limits.fields_max).map(|framing| Some((end, framing)))
    }

    /// Where the head lies once it is whole. Looks line by line; what was looked at is not looked at again.
    pub(in crate::listen) fn whole(&mut self, rest: &[u8]) -> Result<Option<Range<usize>>, Fault> {
        if matches!(self.at, At::Beginning) {
            self.at = HEAD;
        }
        let At::Head { mut seen, mut line, mut emptied } = self.at else { return Ok(None) };
        let most = self.limits.bytes_max;
        let within = rest.get(..most).unwrap_or(rest);
        while let Some(found) = within.get(seen..).and_then(|unseen| memchr(b'\n', unseen)) {
            let end = seen + found;
            let before = end.checked_sub(1).filter(|cr| *cr >= line && within.get(*cr) == Some(&b'\r'));
            let cr = before.ok_or(Fault::BareLf)?;
            let empty = cr == line;
            (seen, line) = (end + 1, end + 1);
            // RFC 9112 2.2 lets a client send one empty line too many after a body.
            match (empty, cr, emptied) {
                (false, ..) => {}
                (true, 0, false) => emptied = true,
                (true, 2, true) => return Err(Fault::EmptyLines),
                (true, ..) => {
                    return Ok(Some(if emptied { 2 } else { 0 }..seen));
                }
            }
        }
        if rest.len() > most {
            return Err(Fault::HeadTooLong);
        }
        self.at = At::Head { seen: within.len(), line, emptied };
        Ok(None)
    }
}
