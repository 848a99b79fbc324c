//! Commitments: a leaf names a value that it must not hold.
//!
//! A commitment is HMAC-SHA-256 with a fresh 32-byte salt as its key, over origin, call, field and value, each after its length
//! (8 bytes, big-endian). So equal values do not look equal, and who knows the log alone can't try values. Salt and value are the
//! opening; they live outside the log and can be erased, which leaves the log as it was.
//!
//! The call is the id of the leaf's post, or empty where the leaf has none: [`Event::call`](super::Event::call).

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

/// Bytes of a salt. A commitment with fewer random bytes could be tried out.
pub const SALT_BYTES: usize = 32;
/// Bytes of a commitment.
pub const COMMITMENT_BYTES: usize = 32;

/// A commitment to one value of a leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// Which value: `text`, `source`, `reply-to`, …
    pub field: String,
    /// The commitment, 64 hexadecimal digits.
    pub hmac: String,
}

/// What a value is committed for: a commitment of one call or field opens none of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The log's name: `pressgate/audit/<node>`.
    pub origin: &'a str,
    /// The post's id, or empty.
    pub call: &'a str,
    /// Which value.
    pub field: &'a str,
}

impl Commitment {
    /// Commits to a value. The salt is fresh and random for each.
    pub fn of(place: Place<'_>, salt: &[u8; SALT_BYTES], value: &[u8]) -> Self {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, salt));
        for part in parts(place, value) {
            context.update(&length(part));
            context.update(part);
        }
        let hmac = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { field: place.field.to_owned(), hmac }
    }

    /// True where this is the commitment to that value under that salt. Takes the same time wherever they differ.
    pub fn opens(&self, place: Place<'_>, salt: &[u8; SALT_BYTES], value: &[u8]) -> bool {
        let Some(tag) = self.bytes() else { return false };
        let mut message = Vec::with_capacity(value.len() + 256);
        for part in parts(place, value) {
            message.extend_from_slice(&length(part));
            message.extend_from_slice(part);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, salt);
        self.field == place.field && hmac::verify(&key, &message, &tag).is_ok()
    }

    /// The commitment as bytes; none where it is not 64 hexadecimal digits.
    pub fn bytes(&self) -> Option<[u8; COMMITMENT_BYTES]> {
        let mut bytes = [0; COMMITMENT_BYTES];
        let digits = self.hmac.as_bytes();
        if digits.len() != 2 * COMMITMENT_BYTES {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| pair.get(at).and_then(|digit| char::from(*digit).to_digit(16));
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
        }
        Some(bytes)
    }
}

fn parts<'a>(place: Place<'a>, value: &'a [u8]) -> [&'a [u8]; 4] {
    [place.origin.as_bytes(), place.call.as_bytes(), place.field.as_bytes(), value]
}

fn length(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn salt() -> [u8; SALT_BYTES] {
        std::array::from_fn(|at| at as u8)
    }

    /// Made by another implementation, Python's `hmac`:
    ///
    /// ```python
    /// part = lambda text: len(text.encode()).to_bytes(8, "big") + text.encode()
    /// message = b"".join(map(part, ["pressgate/audit/node-1", "post_01", "text", "Dobrý den 🐎"]))
    /// hmac.new(bytes(range(32)), message, hashlib.sha256).hexdigest()
    /// ```
    #[test]
    fn another_implementation_makes_the_same() {
        let place = Place { origin: "pressgate/audit/node-1", call: "post_01", field: "text" };
        let commitment = Commitment::of(place, &salt(), "Dobrý den 🐎".as_bytes());
        assert_eq!(commitment.hmac, "3f3c9b04465f53b6e146ad942e3b9a659d6f8eac6ec556746c5273805b8ed019");
        // The same with `["o", "", "source", ""]` under `bytes([255] * 32)`.
        let commitment = Commitment::of(Place { origin: "o", call: "", field: "source" }, &[255; SALT_BYTES], b"");
        assert_eq!(commitment.hmac, "d6fb2eea98861da1802aa06e73cc352808fa7cc567dfbb1e04212fe3af0dd8a3");
        assert_eq!(commitment.field, "source");
    }

    #[test]
    fn only_the_same_opens() {
        let place = Place { origin: "o", call: "c", field: "text" };
        let commitment = Commitment::of(place, &salt(), b"value");
        assert!(commitment.opens(place, &salt(), b"value"));
        assert!(!commitment.opens(place, &salt(), b"valu"));
        assert!(!commitment.opens(place, &[0; SALT_BYTES], b"value"));
        for other in [
            Place { origin: "oc", call: "", ..place },
            Place { call: "d", ..place },
            Place { field: "source", ..place },
            Place { origin: "", call: "oc", ..place },
        ] {
            assert!(!commitment.opens(other, &salt(), b"value"), "{other:?}");
        }
        let renamed = Commitment { field: "source".into(), ..commitment.clone() };
        assert!(!renamed.opens(Place { field: "source", ..place }, &salt(), b"value"));
        for hmac in [String::new(), "zz".repeat(32), "ä".repeat(32), format!("{}00", commitment.hmac)] {
            assert!(!Commitment { hmac, ..commitment.clone() }.opens(place, &salt(), b"value"));
        }
    }

    proptest! {
        /// Lengths stand before the parts, so that moving a letter from one to the next gives another commitment.
        #[test]
        fn parts_do_not_run_together(parts in prop::array::uniform4("[a-z]{0,4}"), others in prop::array::uniform4("[a-z]{0,4}")) {
            let of = |parts: &[String; 4]| {
                let [origin, call, field, value] = parts;
                Commitment::of(Place { origin, call, field }, &salt(), value.as_bytes()).hmac
            };
            prop_assert_eq!(of(&parts) == of(&others), parts == others);
        }
    }
}
