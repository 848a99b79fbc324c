//! Built-in detectors of things that have a form of their own: card and account numbers, addresses, keys and tokens.
//!
//! A set of detectors is a list of kinds by name. The text is looked at without invisible characters and compatibility forms (full-width
//! digits), in its own letter case; encoded runs (base64 and the like) too under the strict fold.

mod assignment;
mod card;
mod email;
mod iban;
mod token;

use super::cache::Folded;
use super::hits::{FOUND_MAX, Hit};
use super::sets::Fold;
use super::view::View;

/// What a detector reports: a byte range.
type Range = (usize, usize);

/// One configured detector.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    /// Its kind: a name of `KINDS`.
    pub(super) kind: String,
    /// Domains whose e-mail addresses are no finds.
    pub(super) allowed_domains: Vec<String>,
}

/// Names of the kinds, for messages and schemas.
pub(super) const KINDS: [&str; 12] = [
    "card",
    "iban",
    "email",
    "aws-key",
    "github-token",
    "slack-token",
    "google-key",
    "stripe-key",
    "jwt",
    "private-key",
    "pressgate-key",
    "secret-assignment",
];

enum Kind {
    Card,
    Iban,
    Email(Vec<String>),
    Token(token::Format),
    Assignment,
}

/// A set of detectors.
pub(super) struct Detectors {
    fold: Fold,
    kinds: Vec<Kind>,
}

impl Detectors {
    /// Takes kinds in order; the error names the position.
    pub(super) fn build(specs: &[Spec], fold: Fold) -> Result<Detectors, (usize, String)> {
        let mut kinds = Vec::with_capacity(specs.len());
        for (index, spec) in specs.iter().enumerate() {
            kinds.push(match spec.kind.as_str() {
                "card" => Kind::Card,
                "iban" => Kind::Iban,
                "email" => Kind::Email(spec.allowed_domains.iter().map(|d| d.to_lowercase()).collect()),
                "secret-assignment" => Kind::Assignment,
                name => match token::Format::named(name) {
                    Some(format) => Kind::Token(format),
                    None => return Err((index, format!("there is no such detector; there are {}", KINDS.join(", ")))),
                },
            });
        }
        Ok(Detectors { fold, kinds })
    }

    /// Runs the detectors.
    pub(super) fn scan(&self, folded: &mut Folded, steps: &mut u64, out: &mut Vec<Hit>) {
        match folded.exact(steps) {
            Some(view) => self.scan_text(&view.text, Some(view), steps, out),
            None => self.scan_text(&folded.text, None, steps, out),
        }
        if self.fold != Fold::Strict {
            return;
        }
        for (run, _) in folded.decoded(steps) {
            let before = out.len();
            self.scan_text(&run.text, None, steps, out);
            for hit in out.iter_mut().skip(before) {
                *hit = Hit::new(hit.pattern as usize, run.start, run.end, true);
            }
        }
    }

    fn scan_text(&self, text: &str, view: Option<&View>, steps: &mut u64, out: &mut Vec<Hit>) {
        let traits = Traits::of(text);
        *steps += text.len() as u64;
        for (pattern, kind) in self.kinds.iter().enumerate() {
            if !kind.may_be_in(&traits) {
                continue;
            }
            *steps += text.len() as u64;
            let mut report = |(start, end): Range| {
                if out.len() < FOUND_MAX {
                    let (from, to) = view.map_or((start, end), |v| v.origin(start, end));
                    out.push(Hit::new(pattern, from, to, view.is_some_and(|v| v.rewritten(start, end))));
                }
            };
            match kind {
                Kind::Card => card::find(text, &mut report),
                Kind::Iban => iban::find(text, &mut report),
                Kind::Email(allowed) => email::find(text, allowed, &mut report),
                Kind::Token(format) => format.find(text, &mut report),
                Kind::Assignment => assignment::find(text, &mut report),
            }
        }
    }
}

/// One look at the bytes that spares most detectors theirs.
struct Traits {
    digits: usize,
    at: bool,
    /// A run of twelve or more characters of which tokens are made.
    token: bool,
    assigns: bool,
}

impl Traits {
    fn of(text: &str) -> Traits {
        let mut traits = Traits { digits: 0, at: false, token: false, assigns: false };
        let mut run = 0_usize;
        for byte in text.bytes() {
            let inside = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            run = if inside { run + 1 } else { 0 };
            traits.token |= run >= 12;
            traits.digits += usize::from(byte.is_ascii_digit());
            traits.at |= matches!(byte, b'@' | b'(' | b'[');
            traits.assigns |= matches!(byte, b'=' | b':');
        }
        traits
    }
}

impl Kind {
    fn may_be_in(&self, traits: &Traits) -> bool {
        match self {
            Kind::Card => traits.digits >= 13,
            Kind::Iban => traits.digits >= 8,
            Kind::Email(_) => traits.at,
            Kind::Token(format) => traits.token || format.is_header(),
            Kind::Assignment => traits.assigns,
        }
    }
}
