//! Addresses of people and of outside parties. They are personal: they stand in no log, no leaf and no error.

use std::fmt;

/// The longest address, in bytes (RFC 5321, 4.5.3.1.3, without its angle brackets).
const ADDRESS_BYTES_MAX: usize = 254;
/// The longest part before the `@`, in bytes.
const LOCAL_BYTES_MAX: usize = 64;
/// The longest part of a host's name, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// What an address looks like, for messages.
pub(super) const EMAIL_RULE: &str =
    "one address such as `name@company.example`, of at most 254 bytes, in ASCII (a host's name as its xn-- form)";

/// An e-mail address (RFC 5321, the dot-string form). `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The address where it is one; the host's name in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, host) = text.rsplit_once('@')?;
        let fits = text.len() <= ADDRESS_BYTES_MAX && is_local(local) && host.split('.').all(is_label);
        fits.then(|| Self(format!("{local}@{}", host.to_ascii_lowercase())))
    }

    /// As a message is sent to it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("EmailAddress(…)")
    }
}

/// `Dot-string` of RFC 5321: no quotes, no comments, nothing that could end a header.
fn is_local(local: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    local.len() <= LOCAL_BYTES_MAX && local.split('.').all(|part| !part.is_empty() && part.bytes().all(plain))
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_and_nothing_more() {
        for good in ["a@b", "first.last+tag@Agency-X.example", "o'hara@xn--bcher-kva.example", "x@10.0.0.1"] {
            assert!(EmailAddress::parse(good).is_some(), "{good}");
        }
        let long = format!("a@{}", ["b".repeat(63), "c".repeat(63), "d".repeat(63), "e".repeat(62)].join("."));
        assert!(long.len() == 256 && EmailAddress::parse(&long).is_none());
        assert_eq!(EmailAddress::parse(&long[..254]).unwrap().as_str().len(), 254);
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a@b.",
            "a@.b",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a@-b",
            "a@b-",
            "a@b\r\nBcc: x@y",
            "a\n@b",
            "<a@b>",
            "A <a@b>",
            "a@b,c@d",
            "\"a\"@b",
            "ž@b",
            "a@ž",
            "a@b_c",
        ] {
            assert!(EmailAddress::parse(bad).is_none(), "{bad:?}");
        }
        assert!(EmailAddress::parse(&format!("{}@b", "a".repeat(65))).is_none());
    }

    #[test]
    fn it_is_not_shown() {
        let address = EmailAddress::parse("jana@Agency.example").unwrap();
        assert_eq!(address.as_str(), "jana@agency.example");
        assert!(!format!("{address:?}").contains("jana"));
    }
}
