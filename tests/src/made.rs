//! Components that differ from what was built.

use pressgate::host::manifest::{SECTION, append, embed, extract};
use serde_json::Value;

/// A section more that nobody reads: another digest, and the same plugin.
pub fn another(component: &[u8], mark: &str) -> Vec<u8> {
    with_section(component, "more", mark.as_bytes())
}

/// With one more section of this name.
pub fn with_section(component: &[u8], name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut made = component.to_vec();
    append(&mut made, name, bytes);
    made
}

/// The guest with another plan, see `PLAN` in `tests/guests`.
///
/// # Panics
/// It is no guest that has one.
pub fn with_plan(component: &[u8], plan: u8) -> Vec<u8> {
    const MARK: &[u8] = b"pressgate-plan:";
    let mut made = component.to_vec();
    let places: Vec<_> = made.windows(MARK.len()).enumerate().filter(|(_, bytes)| *bytes == MARK).collect();
    let [(place, _)] = places.as_slice() else { panic!("{} places for a plan; run `make plugins`", places.len()) };
    let place = *place;
    made[place + MARK.len()] = plan;
    made
}

/// The component with a changed manifest.
///
/// # Panics
/// It has none.
pub fn with_manifest(component: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let json = extract(component).expect("a component").expect("a manifest");
    let mut manifest: Value = serde_json::from_slice(json).expect("JSON");
    change(&mut manifest);
    let mut made = without_section(component, SECTION);
    embed(&mut made, &manifest.to_string());
    made
}

/// Without the section of this name.
pub fn without_section(component: &[u8], name: &str) -> Vec<u8> {
    let (head, mut rest) = component.split_at(8);
    let mut made = head.to_vec();
    while let [id, after @ ..] = rest {
        let (length, leb) = leb128(after);
        let (section, next) = rest.split_at(1 + leb + length);
        let content = &section[1 + leb..];
        let named = *id == 0 && {
            let (length, leb) = leb128(content);
            &content[leb..leb + length] == name.as_bytes()
        };
        if !named {
            made.extend_from_slice(section);
        }
        rest = next;
    }
    made
}

/// The component with a core module more that nobody uses and whose only function has so many instructions: a compiler has work.
pub fn slow_to_compile(component: &[u8], instructions: usize) -> Vec<u8> {
    // local.get 0, i32.const 3, i32.mul, local.set 0
    let work = [0x20, 0, 0x41, 3, 0x6c, 0x21, 0].repeat(instructions / 4);
    let body = [&[0][..], &work, &[0x20, 0, 0x0b]].concat();
    let code = [&[1][..], &sized(&body)].concat();
    // (func (param i32) (result i32))
    let module =
        [&b"\0asm\x01\0\0\0"[..], &[1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f], &[3, 2, 1, 0], &[10], &sized(&code)].concat();
    [component, &[1], &sized(&module)].concat()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let (mut length, mut made) = (bytes.len(), Vec::new());
    while length > 0x7f {
        made.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    made.push(length as u8);
    made.extend_from_slice(bytes);
    made
}

/// The number and how many bytes it takes.
fn leb128(bytes: &[u8]) -> (usize, usize) {
    let (mut number, mut count) = (0, 0);
    loop {
        let byte = bytes[count];
        number |= usize::from(byte & 0x7f) << (7 * count);
        count += 1;
        if byte & 0x80 == 0 {
            return (number, count);
        }
    }
}
