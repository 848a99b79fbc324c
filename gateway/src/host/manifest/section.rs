//! The custom section in which a component carries its manifest.

use std::borrow::Cow;

use wasmparser::{Parser, Payload};

/// Name of the section, at the component's top level.
pub const SECTION: &str = "pressgate:manifest";

/// The manifest's JSON in a component, or none where it carries none.
///
/// # Errors
/// The bytes are no WebAssembly component.
pub fn extract(component: &[u8]) -> Result<Option<&[u8]>, String> {
    section(component, SECTION)
}

/// The content of a custom section at a component's top level, or none where there is none of that name.
///
/// # Errors
/// The bytes are no WebAssembly component, or the section is there twice.
pub fn section<'a>(component: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, String> {
    if !Parser::is_component(component) {
        return Err("the first bytes are not those of a component".into());
    }
    let mut depth = 0_u32;
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| error.to_string())? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == name => {
                found.push(section.data());
            }
            _ => {}
        }
    }
    match found.as_slice() {
        [] => Ok(None),
        [manifest] => Ok(Some(manifest)),
        _ => Err(format!("the section `{name}` is there twice")),
    }
}

/// Appends the manifest to a component.
pub fn embed(component: &mut Vec<u8>, json: &str) {
    append(component, SECTION, json.as_bytes());
}

/// Appends a custom section to a component.
pub fn append(component: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let mut content = Vec::with_capacity(bytes.len() + name.len() + 5);
    leb128(&mut content, name.len());
    content.extend_from_slice(name.as_bytes());
    content.extend_from_slice(bytes);
    component.push(0);
    leb128(component, content.len());
    component.extend_from_slice(&content);
}

/// Unsigned LEB128, as WebAssembly writes lengths.
fn leb128(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Only to say in messages what was found; keeps a long text short.
pub(super) fn shorten(text: &str) -> Cow<'_, str> {
    const CHARS_MAX: usize = 60;
    if text.chars().count() <= CHARS_MAX {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().take(CHARS_MAX).chain(['…']).collect())
}
