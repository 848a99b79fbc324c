//! The media that a call may read.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::MediaRef;

/// The media of one call: what is known of each, and where its bytes are. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct MediaFiles(Arc<HashMap<String, (MediaRef, PathBuf)>>);

impl MediaFiles {
    /// No media.
    pub fn none() -> Self {
        Self::default()
    }

    /// These media, each with the file that holds its bytes.
    pub fn new(media: impl IntoIterator<Item = (MediaRef, PathBuf)>) -> Self {
        Self(Arc::new(media.into_iter().map(|(media, path)| (media.id.as_str().to_owned(), (media, path))).collect()))
    }

    /// The medium of that id.
    pub fn get(&self, id: &str) -> Option<(&MediaRef, &std::path::Path)> {
        self.0.get(id).map(|(media, path)| (media, path.as_path()))
    }
}
