//! Asks a person whether a thing should really be done.

use std::io::{BufRead, IsTerminal, Write};

use super::{context::Context, outcome::Failure};

/// Asks at the terminal, once; anything but `y` or `yes` is a no. `else_give` says what to give where nobody can be asked.
///
/// # Errors
/// Nobody can be asked here.
pub fn agreed(context: &Context, question: &str, else_give: &str) -> Result<bool, Failure> {
    let input = std::io::stdin();
    if context.json || !input.is_terminal() {
        return Err(Failure::Usage(format!("nobody can be asked here: {else_give}")));
    }
    let mut out = std::io::stderr();
    let _ = write!(out, "{question} [y/N] ");
    let _ = out.flush();
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(|error| Failure::refused(error.to_string()))?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(["y\n", " YES \n"].into_iter().all(is_yes));
        assert!(!["", "\n", "no\n", "yes please\n"].into_iter().any(is_yes));
    }
}
