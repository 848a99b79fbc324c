//! Keys and tokens that carry a prefix of their issuer.

use super::Range;

/// A format: prefixes and what follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    prefixes: &'static [&'static str],
    /// Characters after the prefix, at least and at most.
    length: (usize, usize),
    body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// Capitals and digits.
    Upper,
    /// Letters and digits.
    Alphanumeric,
    /// Letters, digits, `-` and `_`.
    UrlSafe,
    /// Three parts with dots, the first two JSON in base64url.
    Jwt,
    /// A header line: `… PRIVATE KEY-----`.
    Header,
}

impl Format {
    /// The format of a kind's name.
    pub(super) fn named(name: &str) -> Option<Format> {
        let (prefixes, length, body): (&'static [&'static str], _, _) = match name {
            "aws-key" => (&["AKIA", "ASIA"], (16, 16), Body::Upper),
            "github-token" => (&["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"], (30, 255), Body::UrlSafe),
            "slack-token" => {
                (&["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xapp-"], (10, 255), Body::UrlSafe)
            }
            "google-key" => (&["AIza"], (35, 35), Body::UrlSafe),
            "stripe-key" => (&["sk_live_", "rk_live_", "whsec_"], (16, 255), Body::Alphanumeric),
            "jwt" => (&["eyJ"], (20, 8192), Body::Jwt),
            "private-key" => (&["-----BEGIN "], (0, 64), Body::Header),
            "pressgate-key" => (&["pgk_"], (16, 255), Body::UrlSafe),
            _ => return None,
        };
        Some(Format { prefixes, length, body })
    }

    /// True for formats that are found by a header line and not by a long token.
    pub(super) fn is_header(&self) -> bool {
        self.body == Body::Header
    }

    /// Reports tokens of this format.
    pub(super) fn find(&self, text: &str, report: &mut impl FnMut(Range)) {
        for prefix in self.prefixes {
            let mut floor = 0;
            for (start, _) in text.match_indices(prefix) {
                // A body that was looked at holds no second start, which also keeps the work linear.
                if start < floor || self.is_inside_word(text, start) {
                    continue;
                }
                let (end, whole) = self.token(text, start + prefix.len());
                floor = end;
                if whole {
                    report((start, end));
                }
            }
        }
    }

    fn is_inside_word(&self, text: &str, start: usize) -> bool {
        let before = text.get(..start).and_then(|t| t.chars().next_back());
        self.body != Body::Header && before.is_some_and(|c| c.is_ascii_alphanumeric())
    }

    /// Where the token ends, and whether it is one.
    fn token(&self, text: &str, from: usize) -> (usize, bool) {
        let rest = text.get(from..).unwrap_or_default();
        if self.body == Body::Header {
            let line = rest.lines().next().unwrap_or_default();
            let end = line.find("-----").filter(|at| *at <= self.length.1);
            let is_key = end.and_then(|at| line.get(..at)).is_some_and(|name| name.ends_with("PRIVATE KEY"));
            return (from + end.map_or(0, |at| at + 5), is_key);
        }
        let count = rest.bytes().take_while(|b| self.is_body(*b)).count();
        let end = from + count;
        let long_enough = (self.length.0..=self.length.1).contains(&count);
        if self.body == Body::Jwt {
            let mut parts = rest.get(..count).unwrap_or_default().split('.');
            let second = parts.nth(1).is_some_and(|p| p.starts_with("eyJ") && p.len() >= 8);
            return (end, long_enough && second && parts.next().is_some_and(|p| p.len() >= 8));
        }
        (end, long_enough)
    }

    fn is_body(&self, byte: u8) -> bool {
        match self.body {
            Body::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Body::Alphanumeric => byte.is_ascii_alphanumeric(),
            Body::UrlSafe => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Body::Jwt => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
            Body::Header => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(kind: &str, text: &str) -> bool {
        let mut any = false;
        Format::named(kind).unwrap().find(text, &mut |_| any = true);
        any
    }

    // The samples are put together here, so that scanners of repositories find none in this file.
    #[test]
    fn finds_each_format() {
        let body = "Zx9Kq2Lm7Pw4Rt8Vb3Nc6Jd1Hf5Gs0Ty4Ue";
        assert!(finds("aws-key", &format!("key={}IOSFODNN7EXAMPLE!", "AKIA")));
        assert!(finds("github-token", &format!("ghp_{body}")) && finds("github-token", &format!("github_pat_{body}")));
        assert!(finds("slack-token", &format!("xox{}-123456789012-{body}", "b")));
        assert!(finds("google-key", &format!("AIza{}", &body[..35])));
        assert!(finds("stripe-key", &format!("sk_{}_{body}", "live")));
        assert!(finds("jwt", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27"));
        assert!(finds("private-key", &format!("-----BEGIN {} PRIVATE KEY-----\nMIIE", "RSA")));
        assert!(finds("pressgate-key", &format!("pgk_{body}")));
    }

    #[test]
    fn leaves_look_alikes_of_tokens() {
        assert!(!finds("aws-key", "AKIASHORT") && !finds("aws-key", "XAKIAIOSFODNN7EXAMPLE"));
        assert!(!finds("private-key", "-----BEGIN PUBLIC KEY-----"));
        assert!(!finds("jwt", "eyJhbGciOiJIUzI1NiJ9.plain.text") && !finds("github-token", "ghp_short"));
    }
}
