//! Answers that are given on while they come: decoded, and freed of secrets before anybody sees a byte.
//!
//! A secret may begin in one piece and end in the next, so the end of what came is held back until more has come. Of server-sent events
//! each goes on as soon as it is whole: no secret goes over the line that ends one.

use std::{
    future::Future,
    io::Write,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::{
    HeaderMap, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};

use super::{
    answer::{GZIP_MAGIC, clean_body, clean_headers, is_gzip},
    pool::{Client, Lease},
    scrub::Scrubber,
    types::{OutResponse, SendFailure},
};

/// So much of the end is held back: more than a secret takes, however it is written.
const TAIL_BYTES: usize = 8 * 1024;
/// A compressed answer is read in pieces of this size.
const GZIP_PIECE_BYTES: usize = 4 * 1024;
/// What becomes longer than so many times its size is no answer but an attack.
const GZIP_RATIO_MAX: usize = 256;
/// An event that is longer goes on in pieces.
const EVENT_BYTES_MAX: usize = 256 * 1024;

/// An answer that says that it is shorter is read whole: it is there at once.
const SHORT_BYTES: u64 = 64 * 1024;

/// Is this a good answer that may be long, or come slowly?
pub(super) fn is_worth_it(response: &Response<Incoming>) -> bool {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    response.status().is_success() && length.is_none_or(|length| length > SHORT_BYTES)
}

/// An answer, whole or while it comes.
#[allow(clippy::large_enum_variant, reason = "made once for each request and taken apart at once")]
pub enum Streamed {
    /// It was no good one, and short.
    Whole(OutResponse),
    /// A good one.
    Coming {
        /// Status.
        status: u16,
        /// Headers, names in lower case; none of the connection, no length, no coding.
        headers: Vec<(String, String)>,
        /// What comes.
        body: StreamedBody,
    },
}

/// What stays with an answer until it has come to its end.
pub(super) struct Held {
    client: Arc<Client>,
    lease: Option<Lease>,
    _places: [OwnedSemaphorePermit; 2],
}

impl Held {
    pub(super) fn new(client: Arc<Client>, lease: Lease, places: [OwnedSemaphorePermit; 2]) -> Self {
        Self { client, lease: Some(lease), _places: places }
    }
}

/// An answer of which only the head was read; it may hold secrets, and can't be printed.
pub(super) struct OpenAnswer {
    status: u16,
    headers: HeaderMap,
    incoming: Incoming,
    gzip: bool,
    held: Held,
    patience: Duration,
}

impl OpenAnswer {
    /// `patience` is how long the network may be silent.
    pub(super) fn of(response: Response<Incoming>, held: Held, patience: Duration) -> Result<Self, SendFailure> {
        let (head, incoming) = response.into_parts();
        let gzip = is_gzip(&head.headers)?;
        Ok(Self { status: head.status.as_u16(), headers: head.headers, incoming, gzip, held, patience })
    }

    /// The answer for a client.
    pub(super) fn scrubbed(self, scrubber: Scrubber, unsaid_bytes_max: usize) -> Streamed {
        let Self { status, headers, incoming, gzip, held, patience } = self;
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let events = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream");
        let body = StreamedBody {
            incoming,
            coding: if gzip { Coding::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))) } else { Coding::Unknown },
            sieve: Sieve { scrubber: scrubber.clone(), held: Vec::new(), events },
            unsaid_bytes_max,
            held: Some(held),
            patience,
            silence: Box::pin(tokio::time::sleep(patience)),
        };
        Streamed::Coming { status, headers: clean_headers(&headers, &scrubber), body }
    }
}

enum Coding {
    /// Nothing has come yet.
    Unknown,
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// It looks compressed and does not say so: all of it is looked at first.
    Unsaid(Vec<u8>),
}

/// The body of an answer that is given on. An error ends it: what came was not all.
pub struct StreamedBody {
    incoming: Incoming,
    coding: Coding,
    sieve: Sieve,
    unsaid_bytes_max: usize,
    /// Until the end.
    held: Option<Held>,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
}

impl StreamedBody {
    /// Takes what came and gives what may go on.
    fn take(&mut self, data: &[u8]) -> Result<Vec<u8>, SendFailure> {
        if matches!(self.coding, Coding::Unknown) && !data.is_empty() {
            let compressed = data.starts_with(GZIP_MAGIC.get(..data.len()).unwrap_or(GZIP_MAGIC));
            self.coding = if compressed { Coding::Unsaid(Vec::new()) } else { Coding::Plain };
        }
        match &mut self.coding {
            Coding::Unknown => Ok(Vec::new()),
            Coding::Plain => Ok(self.sieve.take(data)),
            Coding::Gzip(decoder) => {
                // Piece by piece: what is compressed well is a thousand times as long.
                let mut given = Vec::new();
                for piece in data.chunks(GZIP_PIECE_BYTES) {
                    decoder.write_all(piece).map_err(|_| broken())?;
                    let plain = std::mem::take(decoder.get_mut());
                    if plain.len() > GZIP_PIECE_BYTES * GZIP_RATIO_MAX {
                        return Err(SendFailure::TooLarge);
                    }
                    given.extend(self.sieve.take(&plain));
                }
                Ok(given)
            }
            Coding::Unsaid(gathered) => {
                if data.len() > self.unsaid_bytes_max.saturating_sub(gathered.len()) {
                    return Err(SendFailure::TooLarge);
                }
                gathered.extend_from_slice(data);
                Ok(Vec::new())
            }
        }
    }

    /// Nothing more comes: what was held back goes on, and the connection back to its pool.
    fn end(&mut self) -> Result<Vec<u8>, SendFailure> {
        let rest = match std::mem::replace(&mut self.coding, Coding::Plain) {
            Coding::Unknown | Coding::Plain => self.sieve.end(),
            Coding::Gzip(mut decoder) => {
                decoder.try_finish().map_err(|_| broken())?;
                let plain = std::mem::take(decoder.get_mut());
                let mut rest = self.sieve.take(&plain);
                rest.extend(self.sieve.end());
                rest
            }
            Coding::Unsaid(gathered) => clean_body(gathered, &self.sieve.scrubber, self.unsaid_bytes_max),
        };
        if let Some(mut held) = self.held.take()
            && let Some(lease) = held.lease.take()
        {
            held.client.give_back(lease);
        }
        Ok(rest)
    }
}

impl Body for StreamedBody {
    type Data = Bytes;
    type Error = SendFailure;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, SendFailure>>> {
        let this = self.get_mut();
        while this.held.is_some() {
            let frame = match Pin::new(&mut this.incoming).poll_frame(context) {
                Poll::Pending => {
                    if this.silence.as_mut().poll(context).is_ready() {
                        this.held = None;
                        let said = format!("the network was silent for {} ms", this.patience.as_millis());
                        return Poll::Ready(Some(Err(SendFailure::Unanswered(said))));
                    }
                    return Poll::Pending;
                }
                Poll::Ready(frame) => frame,
            };
            this.silence.as_mut().reset(Instant::now() + this.patience);
            let given = match frame {
                Some(Ok(frame)) => frame.into_data().map_or_else(|_| Ok(Vec::new()), |data| this.take(&data)),
                Some(Err(_)) => Err(SendFailure::Unanswered("the answer broke off".into())),
                None => this.end(),
            };
            match given {
                Ok(given) if given.is_empty() => {}
                Ok(given) => return Poll::Ready(Some(Ok(Frame::data(given.into())))),
                Err(failure) => {
                    this.held = None;
                    return Poll::Ready(Some(Err(failure)));
                }
            }
        }
        Poll::Ready(None)
    }
}

fn broken() -> SendFailure {
    SendFailure::Unanswered("the answer's gzip stream is broken".into())
}

/// Blanks secrets in what goes through.
struct Sieve {
    scrubber: Scrubber,
    held: Vec<u8>,
    events: bool,
}

impl Sieve {
    fn take(&mut self, data: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(data);
        let end = self.held.len();
        let event = if self.events { after_last_event(&self.held) } else { None };
        let border = match event {
            Some(border) => border,
            None if self.events && end <= EVENT_BYTES_MAX => 0,
            None => end.saturating_sub(TAIL_BYTES),
        };
        if border == 0 {
            return Vec::new();
        }
        let mut finds = self.scrubber.finds(&self.held);
        finds.sort_by_key(|find| (find.start, find.end));
        // What begins before the border and does not end before it stays whole.
        let border = finds
            .iter()
            .rev()
            .fold(border, |border, find| if find.start < border && border <= find.end { find.start } else { border });
        let rest = self.held.split_off(border);
        let given = std::mem::replace(&mut self.held, rest);
        self.scrubber.scrub(&given).unwrap_or(given)
    }

    fn end(&mut self) -> Vec<u8> {
        let given = std::mem::take(&mut self.held);
        self.scrubber.scrub(&given).unwrap_or(given)
    }
}

/// Where the last whole event ends: after an empty line.
fn after_last_event(text: &[u8]) -> Option<usize> {
    [b"\n\n".as_slice(), b"\r\r", b"\n\r\n"]
        .into_iter()
        .filter_map(|line| memchr::memmem::rfind(text, line).map(|at| at + line.len()))
        .max()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;
    use crate::egress::scrub::{BLANK, Needles};

    const SECRET: &str = "tok_Abc123/+=Zz9";

    fn sieve(events: bool) -> Sieve {
        let scrubber = Needles::default().scrubber([&SecretString::from(SECRET)]).unwrap_or_default();
        Sieve { scrubber, held: Vec::new(), events }
    }

    fn through(pieces: &[&[u8]], events: bool) -> Vec<u8> {
        let mut sieve = sieve(events);
        let mut given: Vec<u8> = pieces.iter().flat_map(|piece| sieve.take(piece)).collect();
        given.extend(sieve.end());
        given
    }

    #[test]
    fn an_event_goes_on_at_once() {
        let mut sieve = sieve(true);
        assert_eq!(sieve.take(b"data: one\n\ndata: tw"), b"data: one\n\n");
        assert_eq!(sieve.take(b"o\r\n\r\n"), b"data: two\r\n\r\n");
        assert_eq!(sieve.take(format!("data: {SECRET}\n\n").as_bytes()), [b"data: ", BLANK, b"\n\n"].concat());
        assert_eq!(sieve.take(&vec![b'x'; EVENT_BYTES_MAX + 1]).len(), EVENT_BYTES_MAX + 1 - TAIL_BYTES);
    }

    proptest! {
        #[test]
        fn however_it_is_cut_no_secret_goes_through(
            before in 0usize..20_000,
            between in 0usize..20_000,
            way in 0usize..4,
            cuts in prop::collection::vec(0usize..60_000, 0..12),
            events in any::<bool>(),
        ) {
            let escaped: String = SECRET.chars().map(|letter| format!("\\\\u{:04x}", u32::from(letter))).collect();
            let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
            let written = [SECRET, &escaped, &percent, &hex][way];
            let text = format!("{}{written}{}{SECRET}.", "a".repeat(before), "b\n".repeat(between / 2));
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&text.as_bytes()[from..cut]);
                from = cut;
            }
            pieces.push(&text.as_bytes()[from..]);
            let whole = sieve(false).scrubber.scrub(text.as_bytes()).unwrap();
            prop_assert_eq!(through(&pieces, events), whole);
        }
    }
}
