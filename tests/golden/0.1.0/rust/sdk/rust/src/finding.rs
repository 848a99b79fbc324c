//! Short ways to make findings and verdicts.

use std::ops::Range;

use crate::{Finding, Outcome, Severity, Verdict};

impl Finding {
    /// A finding of this severity that means the whole draft.
    pub fn new(severity: Severity, code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity,
            message: message.into(),
            part: None,
            range: None,
            measure: None,
            place: None,
            extra: Vec::new(),
        }
    }

    /// The content can't go out as it is.
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A person should look.
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Worth knowing.
    pub fn info(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, message)
    }

    /// Means this entry of the thread, from 0.
    #[must_use]
    pub fn in_part(mut self, index: usize) -> Self {
        self.part = u32::try_from(index).ok();
        self
    }

    /// Means these UTF-8 bytes of the entry's text.
    #[must_use]
    pub fn at(mut self, bytes: Range<usize>) -> Self {
        self.range = u32::try_from(bytes.start).ok().zip(u32::try_from(bytes.end).ok());
        self
    }

    /// Means all media of the entry.
    #[must_use]
    pub fn in_media(self) -> Self {
        self.in_place("media".to_owned())
    }

    /// Means one medium of the entry, from 0.
    #[must_use]
    pub fn in_medium(self, index: usize) -> Self {
        self.in_place(format!("media/{index}"))
    }

    /// Means the description of one medium of the entry, from 0.
    #[must_use]
    pub fn in_alt(self, index: usize) -> Self {
        self.in_place(format!("media/{index}/alt"))
    }

    /// Means this option.
    #[must_use]
    pub fn in_option(self, name: &str) -> Self {
        self.in_place(format!("options/{}", name.replace('~', "~0").replace('/', "~1")))
    }

    fn in_place(mut self, place: String) -> Self {
        self.place = Some(place);
        self
    }

    /// What was measured and what is allowed.
    #[must_use]
    pub fn measured(mut self, measured: usize, allowed: usize) -> Self {
        self.measure = Some((measured as u64, allowed as u64));
        self
    }
}

impl Verdict {
    /// Nothing against it, though there may be something to say.
    pub fn allow(findings: Vec<Finding>) -> Self {
        Self { outcome: Outcome::Allow, findings, extra: Vec::new() }
    }

    /// A person must look first.
    pub fn hold(findings: Vec<Finding>) -> Self {
        Self { outcome: Outcome::Hold, findings, extra: Vec::new() }
    }

    /// It must not go out.
    pub fn deny(findings: Vec<Finding>) -> Self {
        Self { outcome: Outcome::Deny, findings, extra: Vec::new() }
    }
}
