//! Headers of a request to a network that only the gateway sets.

/// In lower case; names that start with `proxy-` belong to them too: the credential comes from the vault, the rest belongs to one connection.
pub const GATEWAYS: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// True for a name that only the gateway may set, in whatever case it is written.
pub fn is_gateways(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    GATEWAYS.contains(&name.as_str()) || name.starts_with("proxy-")
}
