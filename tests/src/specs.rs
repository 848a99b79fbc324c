//! Published specifications as judges: the Mastodon and X APIs (OpenAPI), the lexicons of the AT Protocol, and OCSF. They are
//! read from the folder that `PRESSGATE_SPECS` names.

pub mod form;
pub mod lexicon;
pub mod ocsf;
pub mod openapi;
pub mod postman;

use std::path::PathBuf;

pub use lexicon::Lexicons;
pub use ocsf::Ocsf;
pub use openapi::OpenApi;
pub use postman::Postman;

use crate::skip::skipped;

/// A folder of specifications.
#[derive(Debug, Clone)]
pub struct Specs {
    folder: PathBuf,
}

/// The specifications, or none with a line that says so.
///
/// # Panics
/// When there are none and `PRESSGATE_NO_SKIP=1`.
pub fn specs() -> Option<Specs> {
    let Some(folder) = std::env::var_os("PRESSGATE_SPECS").map(PathBuf::from) else {
        skipped("PRESSGATE_SPECS does not name a folder of published specifications");
        return None;
    };
    if !folder.is_dir() {
        skipped(&format!("PRESSGATE_SPECS names {}, which is not a folder", folder.display()));
        return None;
    }
    Some(Specs { folder })
}

impl Specs {
    /// The Mastodon API.
    ///
    /// # Panics
    /// When the file is not there or not readable.
    pub fn mastodon(&self) -> OpenApi {
        OpenApi::load(&self.folder.join("mastodon/openapi.json"))
    }

    /// Version 2 of the X API.
    ///
    /// # Panics
    /// When the file is not there or not readable.
    pub fn x(&self) -> OpenApi {
        OpenApi::load(&self.folder.join("x/openapi.json"))
    }

    /// The Threads API.
    ///
    /// # Panics
    /// When the file is not there or not readable.
    pub fn threads(&self) -> Postman {
        Postman::load(&self.folder.join("threads/threads-api.postman_collection.json"), "access_token")
    }

    /// OCSF.
    ///
    /// # Panics
    /// When the folder is not there or a file is not readable.
    pub fn ocsf(&self) -> Ocsf {
        Ocsf::load(&self.folder.join("ocsf"))
    }

    /// The lexicons of the AT Protocol and Bluesky.
    ///
    /// # Panics
    /// When the folder is not there or a file is not readable.
    pub fn lexicons(&self) -> Lexicons {
        Lexicons::load(&self.folder.join("atproto/lexicons"))
    }
}

/// What is wrong, one sentence for each fault.
pub type Faults = Vec<String>;

/// Fails with every fault in the message.
///
/// # Panics
/// When there is a fault.
pub fn assert_fine(what: &str, result: Result<(), Faults>) {
    if let Err(faults) = result {
        panic!("{what} does not follow the specification:\n  {}", faults.join("\n  "));
    }
}

#[cfg(test)]
mod tests;
