//! The places that an account's requests may go to, as its adapter's manifest declares them.

use url::{Host, Url};

use crate::{
    host::{Manifest, manifest::Origin},
    model::Account,
};

/// A place with a host name; addresses that are numbers stand in no certificate of the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name, in lower case.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The origin that is meant, without a slash at the end: the account's endpoint where clients know that under this name.
    pub origin: String,
}

/// The places of an account: its endpoint, and what the manifest of its adapter names besides.
pub fn places(account: &Account, manifest: Option<&Manifest>) -> Vec<Place> {
    let rules = manifest.map_or(&[][..], |manifest| manifest.http.as_slice());
    let further = rules.iter().filter_map(|rule| match &rule.origin {
        Origin::AccountEndpoint => None,
        Origin::Fixed(origin) => Url::parse(origin).ok(),
    });
    // Under another name, and the same place: what is asked for there is sent to the endpoint.
    let known = rules.iter().flat_map(|rule| &rule.known_as).filter_map(|known| Url::parse(known).ok());
    let endpoint = account.endpoint.origin().ascii_serialization();
    let of_itself = std::iter::once(account.endpoint.clone()).chain(further).map(|url| (url, None));
    let mut places: Vec<Place> = Vec::new();
    for (url, origin) in of_itself.chain(known.map(|url| (url, Some(endpoint.clone())))) {
        let (Some(Host::Domain(host)), Some(port)) = (url.host(), url.port_or_known_default()) else { continue };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let place = Place { host, port, origin: origin.unwrap_or_else(|| url.origin().ascii_serialization()) };
        let there = places.iter().any(|other| (&other.host, other.port) == (&place.host, place.port));
        if is_name(&place.host) && !there {
            places.push(place);
        }
    }
    places
}

/// Labels of letters, digits, dashes and underscores, as addresses have them once they were read.
pub(super) fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        let known = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        known && (1..=63).contains(&label.len())
    };
    host.len() <= 253 && host.split('.').all(label)
}
