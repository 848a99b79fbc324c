//! Where an artifact lies: `registry.example/acme/square:0.1.0` or `…@sha256:…`, as the OCI distribution specification writes it.

/// A place in a registry. The registry is always named: there is none that goes without saying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Host, with a port where there is one.
    pub registry: String,
    /// `acme/square`.
    pub repository: String,
    /// `0.1.0`; none where only the digest was named.
    pub tag: Option<String>,
    /// `sha256:…` of the manifest.
    pub digest: Option<String>,
}

const REPOSITORY_BYTES_MAX: usize = 255;
const TAG_BYTES_MAX: usize = 128;

impl Reference {
    /// Reads one, with or without `oci://`.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let told = |why: &str| {
            let shown: String = text.chars().take(120).flat_map(char::escape_debug).collect();
            format!(
                "`{shown}` {why}; write registry.example/acme/square:0.1.0 or registry.example/acme/square@sha256:…"
            )
        };
        let rest = text.strip_prefix("oci://").unwrap_or(text);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (rest, None),
        };
        let (registry, path) = rest.split_once('/').ok_or_else(|| told("names no registry"))?;
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (path, None),
        };
        if !is_host(registry) {
            return Err(told("does not begin with the name of a registry"));
        }
        if repository.len() > REPOSITORY_BYTES_MAX || !repository.split('/').all(is_component) {
            return Err(told(
                "has a repository that is none: lower-case letters, digits, and `.`, `_`, `-` between them",
            ));
        }
        if !tag.as_deref().is_none_or(is_tag) {
            return Err(told("has a tag that is none"));
        }
        if !digest.as_deref().is_none_or(is_digest) {
            return Err(told("has a digest that is none: `sha256:` and 64 hexadecimal digits"));
        }
        if tag.is_none() && digest.is_none() {
            return Err(told("names neither a tag nor a digest"));
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag, digest })
    }

    /// What its manifest is asked for by: the digest, if there is one.
    pub fn name(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or_default()
    }

    /// The same artifact by the digest of its manifest.
    pub fn pinned(&self, digest: &str) -> String {
        format!("{}/{}@{digest}", self.registry, self.repository)
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Is it a host with an optional port? Something that has neither a dot nor a port is a part of a path.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let letters =
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'[' | b']' | b':'));
    port_fits && !host.is_empty() && letters && (host.contains('.') || host == "localhost" || port.is_some())
}

fn is_component(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|byte| inner(*byte)) && !text.contains("..")
}

fn is_tag(text: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=TAG_BYTES_MAX).contains(&text.len()) && !text.starts_with(['.', '-']) && text.bytes().all(letters)
}

/// Is it `sha256:` and 64 digits?
pub fn is_digest(text: &str) -> bool {
    let digits =
        |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    text.strip_prefix("sha256:").is_some_and(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_registry_repository_and_tag_or_digest() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let whole = Reference::parse(&format!("oci://registry.example:5000/acme/square:0.1.0@{digest}")).unwrap();
        assert_eq!((whole.registry.as_str(), whole.repository.as_str()), ("registry.example:5000", "acme/square"));
        assert_eq!((whole.tag.as_deref(), whole.name()), (Some("0.1.0"), digest.as_str()));
        assert_eq!(Reference::parse(&whole.to_string()), Ok(whole.clone()));
        assert_eq!(whole.pinned("sha256:x"), "registry.example:5000/acme/square@sha256:x");
        assert_eq!(Reference::parse("localhost/a:1").unwrap().name(), "1");
        for wrong in [
            "",
            "square:0.1.0",
            "acme/square:0.1.0",
            "registry.example/acme/square",
            "registry.example/Acme:1",
            "registry.example/../x:1",
            "registry.example/acme//x:1",
            "registry.example/acme:-1",
            "registry.example/acme:a b",
            "registry.example:0/acme:1",
            "registry.example:99999/acme:1",
            "registry.example/acme@sha256:12",
            "http://registry.example/a:1",
            "registry.example/acme@md5:00",
            "user@registry.example/a:1",
        ] {
            assert!(Reference::parse(wrong).is_err(), "{wrong}");
        }
    }
}
