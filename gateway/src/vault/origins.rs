//! Where a credential may go: the origins that it was set for, sealed together with it (design §5).

use url::{Origin, Url};

/// Most origins of one credential; manifests have far fewer.
const ORIGINS_MAX: usize = 64;

/// Origins (scheme, host, port) that a credential was set for: the account's endpoint first, then those that the adapter's
/// manifest names. Not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// The account's endpoint and further origins; of each address only the origin counts. What is no address is passed over.
    pub fn new<'a>(endpoint: &Url, further: impl IntoIterator<Item = &'a str>) -> Self {
        let mut origins = vec![endpoint.origin().ascii_serialization()];
        for url in further.into_iter().filter_map(|address| Url::parse(address).ok()) {
            let origin = url.origin().ascii_serialization();
            if !origins.contains(&origin) && origins.len() < ORIGINS_MAX {
                origins.push(origin);
            }
        }
        Self(origins)
    }

    /// The account's endpoint when the credential was set: `https://social.example`.
    pub fn endpoint(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// True where the credential was set for an account at this endpoint.
    pub fn is_endpoint(&self, origin: &Origin) -> bool {
        origin.is_tuple() && self.endpoint() == origin.ascii_serialization()
    }

    /// True where a request to this origin may carry the credential.
    pub fn allow(&self, origin: &Origin) -> bool {
        origin.is_tuple() && self.0.contains(&origin.ascii_serialization())
    }

    /// As it is sealed: one text, in which no two lists look alike, because an origin has no space.
    pub(super) fn text(&self) -> String {
        self.0.join(" ")
    }

    /// Reads what [`Origins::text`] writes; none where there is no origin.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let origins: Vec<String> = text.split(' ').map(str::to_owned).collect();
        origins.iter().all(|origin| !origin.is_empty()).then_some(Self(origins))
    }
}

/// How a stored credential stands to the account as it is now. It is read from what is stored beside the ciphertext, to tell
/// people early; what egress sends follows from what was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// There is none.
    Missing,
    /// It was set for the address that the account has.
    Fits,
    /// It was set for another address: this one.
    Elsewhere(String),
    /// It was set by an earlier version, which did not note for which address.
    Unbound,
}

impl Binding {
    /// What keeps the account `account`, which points at `endpoint`, from using its credential `label`; none where nothing does.
    pub fn fault(&self, account: &str, label: &str, endpoint: &Url) -> Option<String> {
        match self {
            Self::Fits => None,
            Self::Missing => Some(format!(
                "`{account}` has no credential `{label}`. An operator must run `pressgate credential set {account}`."
            )),
            Self::Elsewhere(was) => Some(elsewhere(account, was, &endpoint.origin())),
            Self::Unbound => Some(unbound(account)),
        }
    }
}

/// The account moved since its credential was set.
pub(crate) fn elsewhere(account: &str, was: &str, now: &Origin) -> String {
    let now = now.ascii_serialization();
    format!(
        "The credential of `{account}` was set for {was}, the account now points at {now}. An operator must set it again: \
         `pressgate credential set {account}`."
    )
}

/// The credential does not say where it may go.
pub(crate) fn unbound(account: &str) -> String {
    format!(
        "The credential of `{account}` was set by an earlier version, which did not note for which address. An operator must set \
         it again: `pressgate credential set {account}`."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("an address")
    }

    #[test]
    fn scheme_host_and_port_count_and_nothing_else() {
        let origins =
            Origins::new(&url("https://Social.example:443/x"), ["https://cdn.example/a", "nonsense", "data:x"]);
        assert_eq!(origins.endpoint(), "https://social.example");
        for (address, endpoint, allowed) in [
            ("https://social.example/other?path", true, true),
            ("https://cdn.example", false, true),
            ("http://social.example", false, false),
            ("https://social.example:8443", false, false),
            ("https://social.example.", false, false),
            ("https://a.social.example", false, false),
            ("data:x", false, false),
        ] {
            let origin = url(address).origin();
            assert_eq!((origins.is_endpoint(&origin), origins.allow(&origin)), (endpoint, allowed), "{address}");
        }
        assert_eq!(Origins::parse(&origins.text()), Some(origins));
        assert_eq!(Origins::parse(""), None);
    }
}
