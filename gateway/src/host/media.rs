//! The media that a call may read.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::MediaRef;

/// The media of one call: what is known of each, and where its bytes are. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct MediaFiles {
    files: Arc<HashMap<String, (MediaRef, PathBuf)>>,
    urls: Arc<HashMap<String, Result<String, String>>>,
}

impl MediaFiles {
    /// No media.
    pub fn none() -> Self {
        Self::default()
    }

    /// These media, each with the file that holds its bytes.
    pub fn new(media: impl IntoIterator<Item = (MediaRef, PathBuf)>) -> Self {
        let files = media.into_iter().map(|(media, path)| (media.id.as_str().to_owned(), (media, path))).collect();
        Self { files: Arc::new(files), urls: Arc::default() }
    }

    /// The same, with the address of each from which the network can fetch it, or why there is none.
    #[must_use]
    pub fn with_urls(self, urls: impl IntoIterator<Item = (String, Result<String, String>)>) -> Self {
        Self { urls: Arc::new(urls.into_iter().collect()), ..self }
    }

    /// The address of a medium.
    ///
    /// # Errors
    /// Why there is none.
    pub fn url(&self, id: &str) -> Result<String, String> {
        let unknown = || Err(format!("the call has no medium `{id}` that a network can fetch"));
        self.urls.get(id).cloned().unwrap_or_else(unknown)
    }

    /// The medium of that id.
    pub fn get(&self, id: &str) -> Option<(&MediaRef, &std::path::Path)> {
        self.files.get(id).map(|(media, path)| (media, path.as_path()))
    }
}
