//! The simulation itself: signatures by the network's own example, windows as it counts them.

use super::signature::{parameters, signature};
use super::state::Windows;

/// <https://docs.x.com/resources/fundamentals/authentication/oauth-1-0a/creating-a-signature>
#[test]
fn the_networks_own_example_is_signed_as_there() {
    let given: Vec<(String, String)> = [
        ("status", "Hello Ladies + Gentlemen, a signed OAuth request!"),
        ("include_entities", "true"),
        ("oauth_consumer_key", "xvz1evFS4wEEPTGEFPHBog"),
        ("oauth_nonce", "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "1318622958"),
        ("oauth_token", "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb"),
        ("oauth_version", "1.0"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let secrets = ("kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw", "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE");
    let address = "https://api.twitter.com/1.1/statuses/update.json";
    assert_eq!(signature("POST", address, &given, secrets), "hCtSmYh+iHYCEqBWrE7C7hYmtUk=");
    let read = parameters("OAuth oauth_nonce=\"a%2Bb\", oauth_signature=\"c%3D\"").expect("parameters");
    assert_eq!((read["oauth_nonce"].as_str(), read["oauth_signature"].as_str()), ("a+b", "c="));
}

#[test]
fn a_window_begins_with_its_first_request() {
    let mut windows = Windows { posts_max: 2, ..Windows::default() };
    let mut count = |at| {
        let counted = windows.count("POST", "/2/tweets", at);
        (counted.remaining, counted.over, counted.reset_s)
    };
    assert_eq!(count(100), (1, false, 1000));
    assert_eq!(count(999), (0, false, 1000));
    assert_eq!(count(999), (0, true, 1000));
    assert_eq!(count(1000), (1, false, 1900));
    assert_eq!(windows.count("DELETE", "/2/tweets/1", 1000).remaining, 49);
}
