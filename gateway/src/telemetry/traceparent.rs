//! `traceparent` and `tracestate` (W3C Trace Context, level 1), read strictly: what is not well-formed begins a new trace.

use std::str::FromStr;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The header of the parent, in lower case.
pub const HEADER: &str = "traceparent";
/// The header of what vendors keep beside it.
pub const STATE: &str = "tracestate";
/// Headers of tracing, none of which reaches a network but by `telemetry.send_traceparent`.
pub const ALL: [&str; 3] = [HEADER, STATE, "baggage"];

/// Length of a header of version 00; later versions are at least as long.
const LENGTH: usize = 55;
/// Length of all `tracestate` that is kept; the standard asks for 512 at least.
const STATE_BYTES_MAX: usize = 2_048;

/// The parent that a request names by its headers of both names.
pub fn read(parents: &[&[u8]], states: &[&[u8]]) -> Option<SpanContext> {
    // More than one is none.
    let [parent] = parents else { return None };
    let (trace, span, flags) = parse(parent)?;
    let state = state(states).unwrap_or_default();
    Some(SpanContext::new(trace, span, flags, true, state))
}

/// Where one list member is wrong the whole list goes, and the parent stays (section 3.3.1.1).
fn state(values: &[&[u8]]) -> Option<TraceState> {
    if values.iter().map(|value| value.len() + 1).sum::<usize>() > STATE_BYTES_MAX {
        return None;
    }
    let values: Option<Vec<&str>> = values.iter().map(|value| std::str::from_utf8(value).ok()).collect();
    let whole = values?.join(",");
    let printable = whole.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let members: Vec<&str> = whole.split(',').map(str::trim).filter(|member| !member.is_empty()).collect();
    TraceState::from_str(&members.join(",")).ok().filter(|_| printable)
}

fn parse(value: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    let text = std::str::from_utf8(value).ok()?;
    let (head, rest) = text.split_at_checked(LENGTH)?;
    let mut fields = head.split('-');
    let (version, trace) = (fields.next()?, fields.next()?);
    let (span, flags) = (fields.next()?, fields.next()?);
    if fields.next().is_some() {
        return None;
    }
    let version = u8::try_from(hex(version, 2)?).ok()?;
    let fits = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with('-'),
    };
    let trace = hex(trace, 32).filter(|trace| *trace != 0)?;
    let span = u64::try_from(hex(span, 16)?).ok().filter(|span| *span != 0)?;
    let flags = u8::try_from(hex(flags, 2)?).ok()?;
    // The other bits mean nothing to us, and are not passed on.
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    fits.then(|| (TraceId::from_bytes(trace.to_be_bytes()), SpanId::from_bytes(span.to_be_bytes()), flags))
}

/// Exactly so many digits, in lower case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let good = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    good.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// The header for a child of `span`.
pub fn write(span: &SpanContext) -> String {
    let sampled = u8::from(span.is_sampled());
    format!("00-{}-{}-{sampled:02x}", span.trace_id(), span.span_id())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_the_standard_forbids_is_no_parent() {
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c8031-b7ad6b7169203331aa-01",
            "0-00af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319č-b7ad6b7169203331-01",
        ] {
            assert!(read(&[bad.as_bytes()], &[]).is_none(), "{bad}");
        }
        assert!(read(&[GOOD.as_bytes(), GOOD.as_bytes()], &[]).is_none(), "twice");
        assert!(read(&[], &[b"a=b"]).is_none());
        assert!(read(&[b"\xff"], &[]).is_none());
    }

    #[test]
    fn what_it_allows_is_one() {
        for good in [GOOD, &GOOD.replacen("00", "cc", 1), &format!("{}-what-comes", GOOD.replacen("00", "cc", 1))] {
            let span = read(&[good.as_bytes()], &[b"rojo=00f067aa0ba902b7, congo=t61rcWkgMzE", b"x@y=1"]).unwrap();
            assert!(span.is_remote() && span.is_sampled(), "{good}");
            assert_eq!(write(&span), GOOD);
            assert_eq!(span.trace_state().header(), "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,x@y=1");
        }
        let off = read(&[GOOD.replace("-01", "-fe").as_bytes()], &[]).unwrap();
        assert!(!off.is_sampled());
        for bad in [&b"A=b"[..], b"a", b"a=b=c", b"\xff=1", b"a=\x01", &[b'a'; 3_000]] {
            assert_eq!(read(&[GOOD.as_bytes()], &[bad]).unwrap().trace_state().header(), "", "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_value_is_read_or_refused_and_what_is_read_is_written_again(value in "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}") {
            if let Some(span) = read(&[value.as_bytes()], &[]) {
                let sampled = u8::from_str_radix(&value[53..], 16).unwrap() & 1;
                prop_assert_eq!(write(&span), format!("00{}{:02x}", &value[2..53], sampled));
            } else {
                prop_assert!(value.starts_with("ff") || value[3..35].bytes().all(|b| b == b'0') || value[36..52].bytes().all(|b| b == b'0'));
            }
        }

        #[test]
        fn no_bytes_are_too_much(value in proptest::collection::vec(any::<u8>(), 0..80), state in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _read = read(&[&value], &[&state]);
        }

        #[test]
        fn one_byte_less_or_another_in_its_place_is_no_parent_or_a_valid_one(at in 0usize..55, byte in any::<u8>()) {
            let mut value = GOOD.as_bytes().to_vec();
            value[at] = byte;
            if let Some(span) = read(&[&value], &[]) {
                prop_assert!(matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-') && span.is_valid());
            }
            value.remove(at);
            prop_assert!(read(&[&value], &[]).is_none());
        }
    }
}
