//! A body in chunks (RFC 9112 7.1), followed byte by byte to its end; what is in a chunk is passed over.

use super::{
    Fault,
    letters::{Squeezed, is_token, is_value},
};

/// Digits of the largest chunk size.
const SIZE_DIGITS_MAX: u8 = 15;
/// Bytes of all extensions of one body.
const EXTENSION_BYTES_MAX: u16 = 4 * 1024;
/// Bytes and fields of one trailer section; fewer than any configured number of header fields, which bounds the library here too.
const TRAILER_BYTES_MAX: u16 = 8 * 1024;
const TRAILER_FIELDS_MAX: u8 = 16;

/// Where the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In a size, after so many digits.
    Size {
        value: u64,
        digits: u8,
    },
    /// In an extension, which means nothing to us.
    Extension {
        size: u64,
    },
    /// After the CR that ends the line of a size.
    SizeEnd {
        size: u64,
    },
    /// Within a chunk.
    Data {
        left: u64,
    },
    /// After a chunk.
    DataCr,
    DataLf,
    /// At the start of a line after the last chunk.
    TrailerLine,
    TrailerName(Squeezed),
    TrailerValue,
    TrailerLf,
    /// After the CR of the empty line.
    LastLf,
    /// After the body.
    End,
}

/// A body in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    extension_bytes: u16,
    trailer_bytes: u16,
    trailer_fields: u8,
}

impl Chunks {
    pub(super) fn new() -> Self {
        Self { at: At::Size { value: 0, digits: 0 }, extension_bytes: 0, trailer_bytes: 0, trailer_fields: 0 }
    }

    /// Whether the body has ended.
    pub(super) fn ended(&self) -> bool {
        self.at == At::End
    }

    /// Goes over bytes: how many belong to the body and are well framed, and what is wrong with the next one.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> (usize, Option<Fault>) {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty() && !self.ended()) {
            if let At::Data { left } = &mut self.at {
                let some = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *left -= some as u64;
                done += some;
                if *left == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            match rest.first().map(|byte| self.step(*byte)) {
                Some(Ok(next)) => self.at = next,
                Some(Err(fault)) => return (done, Some(fault)),
                None => break,
            }
            done += 1;
        }
        (done, None)
    }

    fn step(&mut self, byte: u8) -> Result<At, Fault> {
        let chunk = Err(Fault::Chunk);
        match (self.at, byte) {
            (At::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                if digits == SIZE_DIGITS_MAX {
                    return chunk;
                }
                Ok(At::Size { value: value * 16 + u64::from(digit), digits: digits + 1 })
            }
            (At::Size { digits: 0, .. }, _) => chunk,
            (At::Size { value, .. }, b';') => Ok(At::Extension { size: value }),
            (At::Size { value: size, .. } | At::Extension { size }, b'\r') => Ok(At::SizeEnd { size }),
            (At::Extension { size }, _) if is_value(byte) && self.extension_bytes < EXTENSION_BYTES_MAX => {
                self.extension_bytes += 1;
                Ok(At::Extension { size })
            }
            (At::SizeEnd { size: 0 }, b'\n') => Ok(At::TrailerLine),
            (At::SizeEnd { size }, b'\n') => Ok(At::Data { left: size }),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::Size { value: 0, digits: 0 }),
            (At::TrailerLine, b'\r') => Ok(At::LastLf),
            (At::LastLf, b'\n') => Ok(At::End),
            (At::TrailerLine | At::TrailerName(_) | At::TrailerValue | At::TrailerLf, _) => self.trailer(byte),
            _ => chunk,
        }
    }

    /// Fields after the last chunk: nothing reads them, and none may say anything about length or host.
    fn trailer(&mut self, byte: u8) -> Result<At, Fault> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(Fault::Trailer);
        }
        match (self.at, byte) {
            (At::TrailerLine, _) if is_token(byte) && self.trailer_fields < TRAILER_FIELDS_MAX => {
                self.trailer_fields += 1;
                let mut name = Squeezed::default();
                name.push(byte);
                Ok(At::TrailerName(name))
            }
            (At::TrailerName(name), b':') if !name.frames() && !name.routes() => Ok(At::TrailerValue),
            (At::TrailerName(mut name), _) if is_token(byte) => {
                name.push(byte);
                Ok(At::TrailerName(name))
            }
            (At::TrailerValue, b'\r') => Ok(At::TrailerLf),
            (At::TrailerValue, _) if is_value(byte) => Ok(At::TrailerValue),
            (At::TrailerLf, b'\n') => Ok(At::TrailerLine),
            _ => Err(Fault::Trailer),
        }
    }
}
