//! The last words of a plugin: a panic's message and place go to the operators' log before the instance ends.
//!
//! Natively nothing is changed: a test prints its panic as ever.

#[cfg(any(target_arch = "wasm32", test))]
use core::fmt::{self, Write};

/// Longest line that the gateway takes, in bytes.
#[cfg(any(target_arch = "wasm32", test))]
const LINE_BYTES_MAX: usize = 1024;

/// Makes panics of this instance speak. Every export begins with it, since every call runs in a fresh instance.
pub(crate) fn report() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|info| {
        // On the stack: the panic may be about memory.
        let mut line = Line { bytes: [0; LINE_BYTES_MAX], used: 0 };
        let message = info.payload_as_str().unwrap_or("(no text)");
        // A line that is full takes no more; what it has is enough.
        let _ = match info.location() {
            Some(place) => write!(line, "panicked at {}:{}: {message}", place.file(), place.line()),
            None => write!(line, "panicked: {message}"),
        };
        crate::log::write(crate::log::Level::Error, line.text());
    }));
}

/// A text of bounded length.
#[cfg(any(target_arch = "wasm32", test))]
struct Line {
    bytes: [u8; LINE_BYTES_MAX],
    used: usize,
}

#[cfg(any(target_arch = "wasm32", test))]
impl Line {
    fn text(&self) -> &str {
        // Only whole characters were written.
        core::str::from_utf8(&self.bytes[..self.used]).unwrap_or_default()
    }
}

#[cfg(any(target_arch = "wasm32", test))]
impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = text.floor_char_boundary(LINE_BYTES_MAX - self.used);
        self.bytes[self.used..self.used + room].copy_from_slice(&text.as_bytes()[..room]);
        self.used += room;
        if room == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut line = Line { bytes: [0; LINE_BYTES_MAX], used: 0 };
        assert!(write!(line, "a{}", "é".repeat(400)).is_ok());
        assert!(write!(line, "{}", "é".repeat(400)).is_err());
        assert_eq!(line.text(), format!("a{}", "é".repeat(511)));
        assert!(write!(line, "x").is_ok() && write!(line, "y").is_err());
        assert_eq!(line.text().len(), LINE_BYTES_MAX);
    }
}
