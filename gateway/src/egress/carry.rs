//! Can a value be carried where a credential's scheme puts it? Asked when an operator sets it, so that nobody finds out at the
//! first post.

use secrecy::{ExposeSecret, SecretString};

use super::types::CredentialScheme;

/// Why the value at `index` of a credential can't be carried, as the end of a sentence; it quotes nothing.
///
/// Schemes as in RFC 6750 §2.1 (a token is visible ASCII), RFC 7617 §2 (a user name has no colon) and RFC 9110 §5.5 (a header's
/// value has no control characters).
pub fn unfit(scheme: &CredentialScheme, index: usize, value: &SecretString) -> Option<&'static str> {
    let text = value.expose_secret();
    let has_control = text.chars().any(char::is_control);
    if has_control && text.contains(['\n', '\r']) {
        return Some("has a line break; give each value as one line");
    }
    if has_control {
        return Some("has control characters");
    }
    match scheme {
        CredentialScheme::Bearer if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Some("has a space or a letter beyond ASCII, which no bearer token has")
        }
        CredentialScheme::Header(_) if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') => {
            Some("has a letter beyond ASCII, which no header can carry")
        }
        CredentialScheme::Webhook if super::WebhookKey::parse(value).is_err() => {
            Some("is no secret of Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes")
        }
        CredentialScheme::Header(_) if text.trim() != text => Some("begins or ends with a space, which a header loses"),
        CredentialScheme::Basic if index == 0 && text.contains(':') => {
            Some("has a colon, which a user name can't have in `Basic`")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_scheme_can_carry_is_fit() {
        let fit =
            |scheme: &CredentialScheme, index, text: &str| unfit(scheme, index, &SecretString::from(text)).is_none();
        let header = CredentialScheme::Header("x-key".into());
        let query = CredentialScheme::Query("key".into());
        for scheme in [&CredentialScheme::Bearer, &CredentialScheme::Basic, &header, &query] {
            assert!(fit(scheme, 0, "mF_9.B5f-4.1JqM=="));
            for text in ["zz=b\nyy=c", "a\r\nb", "a\0b", "a\u{1b}[2J", "a\u{85}b"] {
                assert!(!fit(scheme, 0, text), "{text:?}");
            }
        }
        assert!(!fit(&CredentialScheme::Bearer, 0, "a b") && !fit(&CredentialScheme::Bearer, 0, "č"));
        assert!(fit(&header, 0, "Key a b") && !fit(&header, 0, " a") && !fit(&header, 0, "č"));
        assert!(fit(&query, 0, "č &="));
        assert!(!fit(&CredentialScheme::Basic, 0, "a:b") && fit(&CredentialScheme::Basic, 1, "a:b č"));
    }
}
