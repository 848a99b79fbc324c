//! What answers and missing answers mean, the same for every network that speaks plain HTTP.

use crate::http::{Error, Kind, Response};
use crate::{Failure, Rejection, clock};

impl Rejection {
    /// A refusal with its status, a code (lower-case with dashes) and a sentence for the author.
    pub fn new(status: Option<u16>, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }
}

impl Failure {
    /// What a failed [`crate::http::send`] means for `perform`: an effect without an answer is unknown; a read or a
    /// preparation, which nobody sees, may simply be tried again.
    pub fn from_error(step: &str, kind: Kind, error: Error) -> Self {
        let effect = matches!(kind, Kind::Effect(_));
        match error {
            Error::Denied(why) => Self::Rejected(Rejection::new(None, "denied", why)),
            Error::NotSent(why) => Self::Temporary(Rejection::new(None, "not-sent", why)),
            Error::Unknown(_) | Error::TooLarge if effect => Self::Unknown(step.to_owned()),
            Error::Unknown(why) => Self::Temporary(Rejection::new(None, "no-answer", why)),
            Error::TooLarge => Self::Temporary(Rejection::new(
                None,
                "answer-too-large",
                "The network's answer is too long to be read.",
            )),
        }
    }

    /// What an answer that is no success means by its status: 401 asks for a new credential, 429 for patience
    /// (`retry_after_ms`, or what `Retry-After` says), 408, 425 and 5xx pass, everything else is final.
    pub fn from_status(response: &Response, message: impl Into<String>, retry_after_ms: Option<u64>) -> Self {
        let status = response.status;
        let code = match status {
            400 => "bad-request",
            401 => "unauthorized",
            403 => "forbidden",
            404 => "not-found",
            408 | 425 => "try-again",
            409 => "conflict",
            410 => "gone",
            413 => "too-large",
            415 => "media-type",
            422 => "invalid",
            429 => "rate-limited",
            500.. => "server-error",
            _ => "unexpected-status",
        };
        let rejection = Rejection::new(Some(status), code, message);
        match status {
            401 => Self::Unauthorized(rejection),
            429 => Self::RateLimited((rejection, response.retry_after_ms().or(retry_after_ms))),
            408 | 425 | 500.. => Self::Temporary(rejection),
            _ => Self::Rejected(rejection),
        }
    }
}

impl Failure {
    /// The network is still at work on what was prepared; `perform` is run again after that many milliseconds.
    pub fn not_yet(status: u16, code: &str, message: impl Into<String>, wait_ms: u64) -> Self {
        Self::NotYet((Rejection::new(Some(status), code, message), wait_ms))
    }
}

impl Response {
    /// Milliseconds that `Retry-After` (RFC 9110 §10.2.3: seconds or a date) asks for; none where it is missing or
    /// cannot be read.
    pub fn retry_after_ms(&self) -> Option<u64> {
        let value = self.header("retry-after")?.trim();
        match value.parse::<u32>() {
            Ok(seconds) => Some(u64::from(seconds) * 1000),
            Err(_) => Some(clock::parse_http_date(value)?.saturating_sub(self.date_ms())),
        }
    }

    /// When the network answered, by its own clock: its `Date` header, or the gateway's clock where there is none.
    /// (In `perform` the clock stands still, so waiting times are counted from here.)
    pub fn date_ms(&self) -> u64 {
        self.header("date").and_then(clock::parse_http_date).unwrap_or_else(clock::now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Safety;
    use crate::testing::Host;

    #[test]
    fn an_unanswered_effect_is_unknown_and_a_read_is_not() {
        let unknown = || Error::Unknown("timed out".to_owned());
        let effect = Kind::Effect(Safety::None);
        assert_eq!(Failure::from_error("a", effect, unknown()), Failure::Unknown("a".to_owned()));
        assert_eq!(Failure::from_error("a", effect, Error::TooLarge), Failure::Unknown("a".to_owned()));
        for kind in [Kind::Read, Kind::Prepare(Safety::None)] {
            assert!(matches!(Failure::from_error("a", kind, unknown()), Failure::Temporary(_)));
        }
        let denied = Failure::from_error("a", effect, Error::Denied("no".to_owned()));
        assert!(matches!(denied, Failure::Rejected(rejection) if rejection.message == "no"));
        let not_sent = Failure::from_error("a", effect, Error::NotSent("no".to_owned()));
        assert!(matches!(not_sent, Failure::Temporary(_)));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let _host = Host::new().install();
        let answer = || Response::json(429, "{}");
        assert_eq!(answer().with_header("Retry-After", "7").retry_after_ms(), Some(7_000));
        let dated = answer()
            .with_header("Date", "Mon, 01 Mar 2027 09:00:00 GMT")
            .with_header("Retry-After", "Mon, 01 Mar 2027 09:01:00 GMT");
        assert_eq!(dated.retry_after_ms(), Some(60_000));
        assert_eq!(answer().with_header("Retry-After", "soon").retry_after_ms(), None);
        assert_eq!(answer().date_ms(), crate::testing::CREATED_AT_MS);
        let limited = Failure::from_status(&answer(), "slow down", Some(9));
        assert!(matches!(limited, Failure::RateLimited((_, Some(9)))));
    }

    #[test]
    fn every_status_means_something() {
        for status in 300..=599 {
            let failure = Failure::from_status(&Response::json(status, ""), "", None);
            let expected = match status {
                401 => matches!(failure, Failure::Unauthorized(_)),
                429 => matches!(failure, Failure::RateLimited((_, None))),
                408 | 425 | 500..=599 => matches!(failure, Failure::Temporary(_)),
                _ => matches!(failure, Failure::Rejected(_)),
            };
            assert!(expected, "{status}: {failure:?}");
        }
    }
}
