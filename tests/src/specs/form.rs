//! Fields of form and multipart bodies, by name.

/// One field. The value of a file is its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormField {
    /// Name as it was sent, with a final `[]` where there was one.
    pub name: String,
    /// Name of the file, where it is one.
    pub file_name: Option<String>,
    /// Declared media type, where there was one.
    pub media_type: Option<String>,
    /// Content.
    pub value: Vec<u8>,
}

/// Reads `application/x-www-form-urlencoded`.
pub fn urlencoded(body: &[u8]) -> Vec<FormField> {
    let field = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| FormField {
        name: name.into_owned(),
        file_name: None,
        media_type: None,
        value: value.into_owned().into_bytes(),
    };
    url::form_urlencoded::parse(body).map(field).collect()
}

/// Reads `multipart/form-data` (RFC 7578). The error says what is malformed.
///
/// # Errors
/// When the content type has no boundary or the body does not follow it.
pub fn multipart(content_type: &str, body: &[u8]) -> Result<Vec<FormField>, String> {
    let boundary = parameter(content_type, "boundary").ok_or("the content type has no boundary")?;
    let delimiter = format!("--{boundary}");
    let rest = body.strip_prefix(delimiter.as_bytes()).ok_or("the body does not begin with the boundary")?;
    let mut rest = rest;
    let mut fields = Vec::new();
    let between = format!("\r\n{delimiter}");
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            let clean = end.is_empty() || end.starts_with(b"\r\n");
            return if clean { Ok(fields) } else { Err("there is something after the last boundary".to_owned()) };
        }
        let part = rest.strip_prefix(b"\r\n").ok_or("a boundary is not followed by a line end")?;
        let length = find(part, between.as_bytes()).ok_or("the last boundary is missing")?;
        fields.push(one_part(&part[..length])?);
        rest = &part[length + between.len()..];
    }
}

fn one_part(part: &[u8]) -> Result<FormField, String> {
    let head_length = find(part, b"\r\n\r\n").ok_or("a part has no empty line after its headers")?;
    let head = std::str::from_utf8(&part[..head_length]).map_err(|_| "headers of a part are not UTF-8")?;
    let header = |wanted: &str| {
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let disposition = header("content-disposition").ok_or("a part has no Content-Disposition")?;
    if !disposition.starts_with("form-data") {
        return Err(format!("a part is not form-data but {disposition}"));
    }
    Ok(FormField {
        name: parameter(disposition, "name").ok_or("a part has no name")?,
        file_name: parameter(disposition, "filename"),
        media_type: header("content-type").map(str::to_owned),
        value: part[head_length + 4..].to_vec(),
    })
}

/// A parameter of a header value, quoted or not.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (found, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"')?;
                (&quoted[..end], quoted[end + 1..].split_once(';').map(|(_, next)| next))
            }
            None => match after.split_once(';') {
                Some((found, next)) => (found.trim(), Some(next)),
                None => (after.trim(), None),
            },
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(found.to_owned());
        }
        rest = next?;
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
