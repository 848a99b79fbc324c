//! The forms in which a secret could lie somewhere.

use std::io::Read;

use aho_corasick::AhoCorasick;

/// No inflated stream is read further than this.
const INFLATED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// First bytes of a gzip stream.
const GZIP_MAGIC: &[u8] = b"\x1f\x8b\x08";

/// Secrets in every form.
pub struct Needles {
    found: AhoCorasick,
    names: Vec<String>,
}

impl Needles {
    /// Secrets by their names: raw, base64 and base64url in three alignments, percent, hexadecimal, JSON-escaped, and some
    /// more. A form with more around it (`Bearer …`) holds one of these.
    pub fn of(secrets: &[(&str, &str)]) -> Self {
        let (mut names, mut needles) = (Vec::new(), Vec::new());
        for (name, secret) in secrets {
            for (form, needle) in forms(secret) {
                names.push(format!("{name}, {form}"));
                needles.push(needle);
            }
        }
        Self { found: AhoCorasick::new(needles).expect("needles"), names }
    }

    /// Where one is, if one is there, also within gzip streams.
    pub fn found_in(&self, bytes: &[u8]) -> Option<String> {
        self.found_plain(bytes).or_else(|| {
            let starts = AhoCorasick::new([GZIP_MAGIC]).expect("a needle");
            starts.find_iter(bytes).find_map(|start| {
                let mut inflated = Vec::new();
                // What comes before an error is looked at too.
                let _to_the_end = flate2::read::GzDecoder::new(&bytes[start.start()..])
                    .take(INFLATED_BYTES_MAX)
                    .read_to_end(&mut inflated);
                self.found_plain(&inflated).map(|found| format!("gzip at {}: {found}", start.start()))
            })
        })
    }

    fn found_plain(&self, bytes: &[u8]) -> Option<String> {
        let find = self.found.find(bytes)?;
        let around = &bytes[find.start().saturating_sub(40)..(find.end() + 40).min(bytes.len())];
        let name = &self.names[find.pattern().as_usize()];
        Some(format!("{name} at {}: {}", find.start(), String::from_utf8_lossy(around)))
    }
}

/// The texts by which a network could repeat a secret.
pub fn repeated(secret: &str) -> Vec<String> {
    let mut all: Vec<String> = escaped(secret).into_iter().map(|(_, text)| text).collect();
    for before in ["", "x", "xx"] {
        let plain = format!("{before}{secret}");
        all.extend([base64(plain.as_bytes(), b"+/"), base64(plain.as_bytes(), b"-_")]);
    }
    all
}

fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let text = |(form, text): (&'static str, String)| (form, text.into_bytes());
    let mut all: Vec<(&str, Vec<u8>)> = escaped(secret).into_iter().map(text).collect();
    for alignment in 0..3 {
        all.push(("base64", aligned(secret, alignment, b"+/")));
        all.push(("base64url", aligned(secret, alignment, b"-_")));
    }
    all.push(("Debug of bytes", secret.bytes().flat_map(|byte| format!("{byte}, ").into_bytes()).collect()));
    all.push(("backwards", secret.bytes().rev().collect()));
    all.push(("UTF-16", secret.encode_utf16().flat_map(u16::to_le_bytes).collect()));
    all
}

fn escaped(secret: &str) -> Vec<(&'static str, String)> {
    let each = |form: &dyn Fn(u8) -> String| secret.bytes().map(form).collect::<String>();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    vec![
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
    ]
}

/// The characters of base64 that follow from the secret alone when it begins `alignment` bytes into a group of three.
fn aligned(secret: &str, alignment: usize, last_two: &[u8; 2]) -> Vec<u8> {
    let plain = [vec![0; alignment].as_slice(), secret.as_bytes()].concat();
    let known = (alignment * 8).div_ceil(6)..plain.len() * 8 / 6;
    base64(&plain, last_two).as_bytes()[known].to_vec()
}

/// Base64 (RFC 4648) with these two characters for 62 and 63.
fn base64(plain: &[u8], last_two: &[u8; 2]) -> String {
    let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*last_two).collect();
    let mut text = String::new();
    for group in plain.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << ((3 - group.len()) * 8);
        for place in 0..4 {
            let letter = char::from(alphabet[bits >> (18 - place * 6) & 63]);
            text.push(if place <= group.len() { letter } else { '=' });
        }
    }
    text
}

#[test]
fn every_form_is_found() {
    use std::io::Write;
    let secret = "s3cr+t/k~y=";
    let needles = Needles::of(&[("another", "0thersecret"), ("the secret", secret)]);
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
    let again = repeated(secret);
    assert!(again.contains(&"czNjcit0L2t+eT0=".to_owned()) && again.contains(&"eHhzM2NyK3Qva355PQ==".to_owned()));
    for text in hidden.into_iter().chain(again.iter().map(String::as_str)) {
        let found = needles.found_in(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        assert!(found.starts_with("the secret, "), "{found}");
    }
    let mut zipped = flate2::write::GzEncoder::new(b"before".to_vec(), flate2::Compression::default());
    zipped.write_all(hidden[1].as_bytes()).expect("zipped");
    assert!(needles.found_in(&zipped.finish().expect("zipped")).is_some());
    assert_eq!(needles.found_in(b"s3cr+t k~y= and nothing else; czNjcit0"), None);
}
