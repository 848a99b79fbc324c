//! The head of a request to a proxy: a tunnel to a host (RFC 9110 9.3.6), or something that a proxy for tunnels does not do.

use memchr::memchr;

use super::{
    Fault,
    letters::{is_name, trimmed},
    request::{Fields, Framing, Start, check, is_host, lines},
};

/// What a client wants of a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::listen) enum Wanted<'a> {
    /// A tunnel.
    Tunnel {
        /// Host and port, as they stand in the request line.
        authority: &'a [u8],
        /// The value of the one `Proxy-Authorization`; two are none.
        authorization: Option<&'a [u8]>,
    },
    /// Any other request.
    Other,
}

/// Looks at a whole head: from the first byte of the request line to the empty line, both included.
pub(in crate::listen) fn wanted(head: &[u8], fields_max: usize) -> Result<Wanted<'_>, Fault> {
    let mut lines = lines(head);
    let line = lines.next().unwrap_or_default();
    let Some(rest) = line.strip_prefix(b"CONNECT ") else {
        return check(head, fields_max).map(|_| Wanted::Other);
    };
    let space = memchr(b' ', rest).ok_or(Fault::RequestLine)?;
    let (authority, version) = rest.split_at(space);
    let old = match version {
        b" HTTP/1.1" => false,
        // Clients that are older than Host in a CONNECT say so by their version.
        b" HTTP/1.0" => true,
        _ => return Err(Fault::Version),
    };
    if !is_host(authority) || !has_port(authority) {
        return Err(Fault::Target);
    }
    let mut fields = Fields::default();
    let (mut count, mut authorizations) = (0, Vec::new());
    for line in lines {
        count += 1;
        fields.take(line)?;
        if let Some((name, value)) = memchr(b':', line).map(|colon| line.split_at(colon))
            && is_name(name)
            && name.eq_ignore_ascii_case(b"proxy-authorization")
        {
            authorizations.push(trimmed(value.get(1..).unwrap_or_default()));
        }
    }
    if count > fields_max {
        return Err(Fault::TooManyFields);
    }
    let start = Start { bodiless: true, old, authority: Some((authority, b":443")) };
    // Nothing follows but the tunnel.
    if fields.framing(&start)? != Framing::Length(0) {
        return Err(Fault::Body);
    }
    let authorization = if let [only] = authorizations[..] { Some(only) } else { None };
    Ok(Wanted::Tunnel { authority, authorization })
}

fn has_port(authority: &[u8]) -> bool {
    let port = authority.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    port.len() < authority.len() && !port.is_empty() && port.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(head: &str) -> Result<(String, Option<String>), String> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        match wanted(head.as_bytes(), 8) {
            Ok(Wanted::Tunnel { authority, authorization }) => Ok((text(authority), authorization.map(text))),
            Ok(Wanted::Other) => Err("other".into()),
            Err(fault) => Err(fault.word().into()),
        }
    }

    #[test]
    fn a_tunnel_names_host_and_port_once() {
        let good = |host: &str, key: Option<&str>| Ok((host.to_owned(), key.map(str::to_owned)));
        let head = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization:  Basic eDp5 \r\n\r\n";
        assert_eq!(read(head), good("a.example:443", Some("Basic eDp5")));
        assert_eq!(
            read("CONNECT a.example:443 HTTP/1.1\r\nHost: A.example\r\n\r\n"),
            good("a.example:443", None),
            "the usual port goes without saying"
        );
        assert_eq!(read("CONNECT a:80 HTTP/1.0\r\n\r\n"), good("a:80", None));
        assert_eq!(read("CONNECT [::1]:443 HTTP/1.1\r\nhost: [::1]:443\r\n\r\n"), good("[::1]:443", None));
        let two = "CONNECT a:80 HTTP/1.0\r\nproxy-authorization: a\r\nProxy-Authorization: b\r\n\r\n";
        assert_eq!(read(two), good("a:80", None));
    }

    #[test]
    fn everything_else_is_none() {
        for (head, word) in [
            ("GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n", "other"),
            ("GET / HTTP/1.1\r\n\r\n", "host"),
            ("connect a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", "target"),
            ("CONNECT a:443 HTTP/1.1\r\n\r\n", "host"),
            ("CONNECT a:443 HTTP/1.1\r\nhost: b:443\r\n\r\n", "host"),
            ("CONNECT a:443 HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", "host"),
            ("CONNECT a HTTP/1.1\r\nhost: a\r\n\r\n", "target"),
            ("CONNECT [::1] HTTP/1.1\r\nhost: [::1]\r\n\r\n", "target"),
            ("CONNECT a: HTTP/1.1\r\nhost: a\r\n\r\n", "target"),
            ("CONNECT a:99999 HTTP/1.1\r\nhost: a\r\n\r\n", "target"),
            ("CONNECT user@a:443 HTTP/1.1\r\nhost: a\r\n\r\n", "target"),
            ("CONNECT http://a:443 HTTP/1.1\r\nhost: a\r\n\r\n", "target"),
            ("CONNECT /a:443 HTTP/1.1\r\nhost: a\r\n\r\n", "target"),
            ("CONNECT a:443  HTTP/1.1\r\nhost: a\r\n\r\n", "version"),
            ("CONNECT a:443 HTTP/2.0\r\nhost: a\r\n\r\n", "version"),
            ("CONNECT a:443\r\nhost: a\r\n\r\n", "request-line"),
            ("CONNECT a:443 HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n", "body"),
            ("CONNECT a:443 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", "body"),
            ("CONNECT a:443 HTTP/1.1\r\nhost: a\r\ncontent_length: 5\r\n\r\n", "look-alike"),
            ("CONNECT a:443 HTTP/1.1\r\nhost: a\r\nx : 1\r\n\r\n", "field-name"),
            ("CONNECT a:443 HTTP/1.1\r\nhost: a\r\n b\r\n\r\n", "folded"),
        ] {
            assert_eq!(read(head), Err(word.to_owned()), "{head}");
        }
        let many: String = (0..8).map(|n| format!("x{n}: 1\r\n")).collect();
        assert_eq!(read(&format!("CONNECT a:443 HTTP/1.1\r\nhost: a\r\n{many}\r\n")), Err("too-many-fields".into()));
    }

    proptest! {
        /// Whatever passes names one host and one port, and nothing of it can be read as a second line.
        #[test]
        fn what_passes_is_a_host_and_a_port(
            target in "[a-zA-Z0-9.:@/\\[\\]%_~ \\r\\n-]{0,24}",
            fields in "((Host|Content-Length|Transfer-Encoding|Proxy-Authorization|X):? ?[a-z0-9:. ]{0,12}\r?\n){0,4}",
        ) {
            let head = format!("CONNECT {target} HTTP/1.0\r\n{fields}\r\n");
            if let Ok(Wanted::Tunnel { authority, .. }) = wanted(head.as_bytes(), 8) {
                let text = std::str::from_utf8(authority).unwrap();
                let (host, port) = text.rsplit_once(':').unwrap();
                prop_assert!(port.parse::<u16>().is_ok() && !host.is_empty(), "{text}");
                prop_assert!(!text.contains(['@', '/', ' ', '\r', '\n', '%']), "{text}");
            }
        }
    }
}
