//! The forms in which a secret could lie somewhere.

use std::io::Read;

/// No inflated stream is read further than this.
const INFLATED_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A secret in every form.
pub struct Needles(Vec<(&'static str, Vec<u8>)>);

impl Needles {
    /// Raw, base64 and base64url in three alignments, percent, hexadecimal, JSON-escaped. A form with more around it
    /// (`Bearer …`) holds one of these.
    pub fn of(secret: &str) -> Self {
        let bytes = secret.as_bytes();
        let each = |form: &dyn Fn(u8) -> String| bytes.iter().map(|byte| form(*byte)).collect::<String>();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let mut all: Vec<(&'static str, String)> = vec![
            ("raw", secret.to_owned()),
            ("percent", each(&|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })),
            (
                "percent, lower case",
                each(&|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") }),
            ),
            ("percent, every byte", each(&|byte| format!("%{byte:02X}"))),
            ("percent, every byte, lower case", each(&|byte| format!("%{byte:02x}"))),
            ("hexadecimal", each(&|byte| format!("{byte:02x}"))),
            ("hexadecimal, upper case", each(&|byte| format!("{byte:02X}"))),
            ("JSON, slashes escaped", secret.replace('/', "\\/")),
            ("JSON, every character escaped", each(&|byte| format!("\\u{byte:04x}"))),
            ("JSON, every character escaped, upper case", each(&|byte| format!("\\u{byte:04X}"))),
            ("Debug of bytes", each(&|byte| format!("{byte}, "))),
            ("backwards", secret.chars().rev().collect()),
        ];
        for alignment in 0..3 {
            all.push(("base64", base64(bytes, alignment, b"+/")));
            all.push(("base64url", base64(bytes, alignment, b"-_")));
        }
        let utf16 = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut all: Vec<(&'static str, Vec<u8>)> =
            all.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        all.push(("UTF-16", utf16));
        Self(all)
    }

    /// Where it is, if it is there, also within gzip streams.
    pub fn found_in(&self, bytes: &[u8]) -> Option<String> {
        self.found_plain(bytes).or_else(|| {
            starts(bytes, b"\x1f\x8b\x08").find_map(|at| {
                let mut inflated = Vec::new();
                // What comes before an error is looked at too.
                let _to_the_end =
                    flate2::read::GzDecoder::new(&bytes[at..]).take(INFLATED_BYTES_MAX).read_to_end(&mut inflated);
                self.found_plain(&inflated).map(|found| format!("gzip at {at}: {found}"))
            })
        })
    }

    fn found_plain(&self, bytes: &[u8]) -> Option<String> {
        self.0.iter().find_map(|(form, needle)| {
            let at = starts(bytes, needle).next()?;
            let around = &bytes[at.saturating_sub(40)..(at + needle.len() + 40).min(bytes.len())];
            Some(format!("{form} at {at}: {}", String::from_utf8_lossy(around)))
        })
    }
}

fn starts<'a>(bytes: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let first = needle[0];
    let candidates = bytes.iter().enumerate().filter(move |(_, byte)| **byte == first).map(|(at, _)| at);
    candidates.filter(move |at| bytes[*at..].starts_with(needle))
}

/// The characters that follow from the secret alone when it begins `alignment` bytes into a group of three.
fn base64(secret: &[u8], alignment: usize, last_two: &[u8; 2]) -> String {
    let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*last_two).collect();
    let bits: Vec<u8> = std::iter::repeat_n(0, alignment)
        .chain(secret.iter().copied())
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let known = (alignment * 8).div_ceil(6);
    let sextets = bits.chunks_exact(6).skip(known);
    sextets
        .map(|sextet| char::from(alphabet[sextet.iter().fold(0, |value, bit| value << 1 | usize::from(*bit))]))
        .collect()
}

#[test]
fn every_form_is_found() {
    use std::io::Write;
    let secret = "s3cr+t/k~y=";
    let needles = Needles::of(secret);
    let hidden = [
        "xxs3cr+t/k~y=xx",
        "Authorization: Bearer s3cr+t/k~y=",
        // `printf 's3cr+t/k~y= and more' | base64`, with one and two bytes before it.
        "czNjcit0L2t+eT0gYW5kIG1vcmU=",
        "eHMzY3IrdC9rfnk9IGFuZCBtb3Jl",
        "eHhzM2NyK3Qva355PSBhbmQgbW9yZQ==",
        "eHhzM2NyK3Qva355PSBhbmQgbW9yZQ",
        "token=s3cr%2Bt%2Fk~y%3D&x",
        "7333 no 733363722b742f6b7e793d yes",
        r#"{"token":"s3cr+t\/k~y="}"#,
    ];
    for text in hidden {
        assert!(needles.found_in(text.as_bytes()).is_some(), "{text}");
    }
    let mut zipped = flate2::write::GzEncoder::new(b"before".to_vec(), flate2::Compression::default());
    zipped.write_all(hidden[1].as_bytes()).expect("zipped");
    assert!(needles.found_in(&zipped.finish().expect("zipped")).is_some());
    assert_eq!(needles.found_in(b"s3cr+t k~y= and nothing else; czNjcit0"), None);
}
