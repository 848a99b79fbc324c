//! Asks a person for secrets at the terminal, without showing what is typed.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    os::fd::BorrowedFd,
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::{outcome::Failure, secret_input::Values};

/// The longest line that a terminal hands over whole, with its end; what is typed beyond that is lost without a word.
const LINE_BYTES_MAX: usize = 4095;

/// Asks for each of the values on standard error and reads it from `terminal`.
pub fn ask(terminal: BorrowedFd<'_>, names: &[String]) -> Result<Values, Failure> {
    let hidden = Hidden::begin(terminal).map_err(|error| failed(&error))?;
    let mut values = BTreeMap::new();
    for name in names {
        let mut screen = io::stderr().lock();
        write!(screen, "{name} (not shown): ").and_then(|()| screen.flush()).map_err(|error| failed(&error))?;
        let line = line(terminal).map_err(|error| failed(&error));
        // The end of the line was not shown either.
        let _ = writeln!(screen);
        values.insert(name.clone(), value(name, &line?)?);
    }
    drop(hidden);
    Ok(values)
}

/// What was typed for a name, without the end of its line. Errors quote nothing of it.
fn value(name: &str, line: &[u8]) -> Result<Zeroizing<String>, Failure> {
    let Some(typed) = line.strip_suffix(b"\n").filter(|typed| !typed.is_empty()) else {
        return Err(Failure::refused(format!("the value of `{name}` is empty")));
    };
    if line.len() >= LINE_BYTES_MAX {
        return Err(Failure::refused(format!("the value of `{name}` is too long to be typed; give --from-file")));
    }
    let text =
        std::str::from_utf8(typed).map_err(|_| Failure::refused(format!("the value of `{name}` is not UTF-8")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// One line, read past every buffer that would keep a copy.
fn line(terminal: BorrowedFd<'_>) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(2 * LINE_BYTES_MAX));
    let mut piece = Zeroizing::new([0u8; LINE_BYTES_MAX]);
    while line.last() != Some(&b'\n') && line.len() < LINE_BYTES_MAX {
        match rustix::io::read(terminal, piece.as_mut_slice()) {
            Ok(0) => break,
            Ok(read) => line.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(line)
}

fn failed(error: &io::Error) -> Failure {
    Failure::refused(format!("the terminal: {error}"))
}

/// A terminal that does not show what is typed; as it was when this is dropped.
struct Hidden<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn begin(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        hidden.local_modes.insert(LocalModes::ICANON);
        tcsetattr(terminal, OptionalActions::Now, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(self.terminal, OptionalActions::Now, &self.before) {
            let _ = writeln!(io::stderr(), "the terminal still hides what is typed ({error}); run `stty echo`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_a_value_unless_it_is_empty_or_cut() {
        assert_eq!(value("token", b" s3cret \n").unwrap().as_str(), " s3cret ", "spaces may belong to it");
        for bad in [b"".as_slice(), b"\n", b"\xff\n", &[b'x'; LINE_BYTES_MAX]] {
            assert!(value("token", bad).is_err(), "{bad:?}");
        }
    }
}
