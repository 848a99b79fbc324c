//! What `classify` looks at, taken apart so that nothing hides: each of these refuses what could be read in two ways.

use crate::adapter::{Classification, Classified};
use crate::bindings::adapter::pressgate::plugin::types::Account;
use crate::http::{Request, percent_decode};

impl Request {
    /// The address from the path on, where it is on the account's server; the error is a sentence for the caller.
    pub fn path_on(&self, account: &Account) -> Result<&str, String> {
        let path = if self.url.starts_with('/') {
            Some(self.url.as_str())
        } else {
            self.url.strip_prefix(account.endpoint.as_str())
        };
        let path = path.filter(|path| path.starts_with('/') && !path.starts_with("//"));
        let path = path.ok_or("The address is not on this account's server.")?;
        if path.contains('#') {
            return Err("The address has a fragment.".to_owned());
        }
        Ok(path)
    }

    /// The media type of the body, without parameters; empty where there is none. One that is given twice is refused.
    pub fn content_type(&self) -> Result<&str, String> {
        let mut types = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let first = types.next().map_or("", |(_, value)| value.split(';').next().unwrap_or_default().trim());
        if types.next().is_some() { Err("The content type is given twice.".to_owned()) } else { Ok(first) }
    }

    /// The sentence that refuses a request which the adapter does not know.
    pub fn unknown(&self) -> String {
        format!("{} {} is not something that may pass here.", self.method, self.path())
    }
}

/// Names and values of a form or a query, percent-decoded and in order; the error is a sentence for the caller.
pub fn form_pairs(form: &[u8]) -> Result<Vec<(String, String)>, String> {
    let text = std::str::from_utf8(form).map_err(|_| "The form is not UTF-8.".to_owned())?;
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((percent_decode(name)?, percent_decode(value)?))
    });
    pairs.collect::<Option<_>>().ok_or_else(|| "The form has a broken escape.".to_owned())
}

/// What is known acts; the sentence of an error refuses.
impl From<Result<Classified, String>> for Classification {
    fn from(classified: Result<Classified, String>) -> Self {
        classified.map_or_else(Self::Refuse, Self::Act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn only_addresses_of_the_accounts_server_have_a_path_on_it() {
        let account = testing::account("sample");
        let path = |url: &str| Request::get(url).path_on(&account).map(str::to_owned);
        assert_eq!(path("/api?q=1").as_deref(), Ok("/api?q=1"));
        assert_eq!(path("https://social.example/api").as_deref(), Ok("/api"));
        for url in ["//evil.example/api", "https://social.example.evil.example/", "https://social.example", "", "api"] {
            assert!(path(url).is_err(), "{url}");
        }
        assert!(path("/api#fragment").is_err());
    }

    #[test]
    fn a_type_is_given_once_and_a_form_is_whole() {
        let request = Request::post("/").header("Content-Type", "application/json; charset=utf-8");
        assert_eq!(request.content_type(), Ok("application/json"));
        assert!(request.header("content-type", "text/plain").content_type().is_err());
        assert_eq!(Request::get("/").content_type(), Ok(""));
        assert_eq!(form_pairs(b"a=1%202&&b").unwrap(), [("a".into(), "1 2".into()), ("b".into(), String::new())]);
        assert!(form_pairs(b"a=%zz").is_err() && form_pairs(b"a=\xff").is_err());
    }
}
