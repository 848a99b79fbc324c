//! Media: bytes in the data folder, facts in the records.

pub mod public;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::digest;
use bytes::Bytes;
use http_body_util::BodyExt;
use jiff::Timestamp;
use tokio::io::AsyncWriteExt;

use self::public::PublicMedia;
use crate::{
    folders,
    host::MediaFiles,
    model::{AccountId, Draft, MediaId, Principal, hex::hex},
    records::MediaRecord,
};

/// Bytes that are enough to tell every accepted type.
const HEAD_BYTES: usize = 64 * 1024;

/// Why a medium was not kept.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Longer than allowed.
    #[error("the medium is longer than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// More than the owner may have without a post that uses it.
    #[error("the owner has too many bytes of media that no post uses")]
    NoRoom,
    /// Not of an accepted type, whatever it is called.
    #[error("the bytes are no medium of an accepted type")]
    UnknownType,
    /// The sender broke off.
    #[error("the upload broke off: {0}")]
    Cut(String),
    /// The folder can't be written.
    #[error("the media folder can't be written: {0}")]
    Disk(#[from] io::Error),
}

/// The media folder.
#[derive(Debug)]
pub struct MediaStore {
    dir: PathBuf,
    max_bytes: u64,
    /// Bytes that are on their way in, by owner.
    uploading: Mutex<HashMap<Principal, u64>>,
}

/// An upload that is under way, or has ended and is not in the records yet: its bytes count for its owner until it is dropped.
pub struct Upload<'a> {
    store: &'a MediaStore,
    owner: Principal,
    bytes: AtomicU64,
}

impl Upload<'_> {
    /// Counts further bytes, and gives those of all of the owner's uploads.
    fn grow(&self, bytes: u64) -> u64 {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut uploading = self.store.uploading();
        let all = uploading.entry(self.owner.clone()).or_default();
        *all = all.saturating_add(bytes);
        *all
    }
}

impl Upload<'_> {
    /// Bytes of this upload so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        let mut uploading = self.store.uploading();
        if let Some(all) = uploading.get_mut(&self.owner) {
            *all = all.saturating_sub(self.bytes.load(Ordering::Relaxed));
            if *all == 0 {
                uploading.remove(&self.owner);
            }
        }
    }
}

/// Types that are accepted, found by their first bytes.
pub const TYPES: &[&str] =
    &["image/png", "image/jpeg", "image/gif", "image/webp", "video/mp4", "video/webm", "audio/mpeg", "audio/ogg"];

impl MediaStore {
    /// Opens the folder, making it where it is missing, and clears away uploads that a crash cut off.
    pub fn open(dir: &Path, max_bytes: u64) -> io::Result<Self> {
        folders::private(dir)?;
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Self { dir: dir.to_owned(), max_bytes, uploading: Mutex::default() })
    }

    /// Where a medium's bytes lie.
    pub fn path(&self, id: &MediaId) -> PathBuf {
        self.dir.join(id.as_str())
    }

    /// The media of a draft, for the plugin host.
    pub fn files(&self, draft: &Draft) -> MediaFiles {
        let media = draft.parts.iter().flat_map(|part| &part.media);
        MediaFiles::new(media.map(|medium| (medium.clone(), self.path(&medium.id))))
    }

    /// The same with the addresses from which the network of an account can fetch them.
    pub fn files_for(&self, account: &AccountId, draft: &Draft, public: &PublicMedia) -> MediaFiles {
        let media = draft.parts.iter().flat_map(|part| &part.media);
        let urls = media.map(|medium| (medium.id.to_string(), public.url(account, &medium.id)));
        self.files(draft).with_urls(urls)
    }

    fn uploading(&self) -> MutexGuard<'_, HashMap<Principal, u64>> {
        self.uploading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an upload.
    pub fn begin(&self, owner: &Principal) -> Upload<'_> {
        Upload { store: self, owner: owner.clone(), bytes: AtomicU64::new(0) }
    }

    /// Keeps a body as a medium: streamed to disk, never whole in memory. Its facts are returned for the records. All of the
    /// owner's uploads together may have `room_bytes`.
    pub async fn keep<B>(
        &self,
        mut body: B,
        upload: &Upload<'_>,
        room_bytes: u64,
        now: Timestamp,
    ) -> Result<MediaRecord, MediaError>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let id = MediaId::fresh(now);
        let part = self.dir.join(format!("{id}.part"));
        let written = self.write(&part, &mut body, upload, room_bytes).await;
        let (size_bytes, digest, head) = match written {
            Ok(written) => written,
            Err(error) => {
                let _ = tokio::fs::remove_file(&part).await;
                return Err(error);
            }
        };
        let Some(media_type) = sniff(&head) else {
            let _ = tokio::fs::remove_file(&part).await;
            return Err(MediaError::UnknownType);
        };
        tokio::fs::rename(&part, self.path(&id)).await?;
        self.sync().await?;
        let (width, height) = size(media_type, &head);
        Ok(MediaRecord {
            id,
            owner: upload.owner.clone(),
            media_type: media_type.to_owned(),
            size_bytes,
            width,
            height,
            digest,
            created_at: now,
        })
    }

    /// Removes a medium's bytes.
    pub async fn remove(&self, id: &MediaId) -> io::Result<()> {
        match tokio::fs::remove_file(self.path(id)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Makes removals durable: no power cut brings the names back.
    pub async fn sync(&self) -> io::Result<()> {
        let dir = self.dir.clone();
        let synced = tokio::task::spawn_blocking(move || std::fs::File::open(dir).and_then(|dir| dir.sync_all()));
        synced.await.map_err(io::Error::other)?
    }

    async fn write<B>(
        &self,
        path: &Path,
        body: &mut B,
        upload: &Upload<'_>,
        room_bytes: u64,
    ) -> Result<(u64, String, Vec<u8>), MediaError>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let mut options = tokio::fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(folders::PRIVATE_FILE_MODE);
        let mut file = options.open(path).await?;
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut head = Vec::new();
        let mut size_bytes = 0u64;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| MediaError::Cut(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            size_bytes += data.len() as u64;
            if size_bytes > self.max_bytes {
                return Err(MediaError::TooLarge { max_bytes: self.max_bytes });
            }
            if upload.grow(data.len() as u64) > room_bytes {
                return Err(MediaError::NoRoom);
            }
            let room = HEAD_BYTES.saturating_sub(head.len()).min(data.len());
            head.extend_from_slice(data.get(..room).unwrap_or_default());
            hash.update(&data);
            file.write_all(&data).await?;
        }
        file.flush().await?;
        file.sync_data().await?;
        Ok((size_bytes, hex(hash.finish().as_ref()), head))
    }
}

/// The type by the first bytes: what a file is called does not matter.
fn sniff(head: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    if starts(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if starts(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        Some("image/gif")
    } else if starts(b"RIFF") && at(8, b"WEBP") {
        Some("image/webp")
    } else if at(4, b"ftyp") && !at(8, b"heic") && !at(8, b"avif") {
        Some("video/mp4")
    } else if starts(b"\x1a\x45\xdf\xa3") {
        Some("video/webm")
    } else if starts(b"ID3") || (head.first() == Some(&0xff) && head.get(1).is_some_and(|byte| byte & 0xe6 == 0xe2)) {
        Some("audio/mpeg")
    } else if starts(b"OggS") {
        Some("audio/ogg")
    } else {
        None
    }
}

fn size(media_type: &str, head: &[u8]) -> (Option<u32>, Option<u32>) {
    if !media_type.starts_with("image/") {
        return (None, None);
    }
    match imagesize::blob_size(head) {
        Ok(size) => (u32::try_from(size.width).ok(), u32::try_from(size.height).ok()),
        Err(_) => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use http_body_util::Full;

    use super::*;
    use crate::model::AppId;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0";

    fn owner() -> Principal {
        Principal::App(AppId::new("newsroom"))
    }

    async fn keep(store: &MediaStore, bytes: &'static [u8], room_bytes: u64) -> Result<MediaRecord, MediaError> {
        let upload = store.begin(&owner());
        store.keep(Full::new(Bytes::from_static(bytes)), &upload, room_bytes, Timestamp::UNIX_EPOCH).await
    }

    #[tokio::test]
    async fn a_picture_is_kept_with_its_facts() {
        let dir = tempfile::tempdir().unwrap();
        let store = MediaStore::open(dir.path(), 1000).unwrap();
        let record = keep(&store, PNG, 1000).await.unwrap();
        assert_eq!((record.media_type.as_str(), record.width, record.height), ("image/png", Some(3), Some(2)));
        assert_eq!(std::fs::read(store.path(&record.id)).unwrap(), PNG);
        assert_eq!(record.digest, crate::call::digest::sha256_hex(PNG));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(dir.path()), mode(&store.path(&record.id))), (0o700, 0o600));
    }

    #[tokio::test]
    async fn what_is_refused_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let store = MediaStore::open(dir.path(), 10).unwrap();
        let large = keep(&store, PNG, 1000).await;
        assert!(matches!(large, Err(MediaError::TooLarge { max_bytes: 10 })));
        let crowded = keep(&store, b"<html>", 5).await;
        assert!(matches!(crowded, Err(MediaError::NoRoom)));
        let other = store.begin(&owner());
        assert_eq!(other.grow(5), 5, "what was refused counts no more");
        let crowded = keep(&store, b"<html>", 10).await;
        assert!(matches!(crowded, Err(MediaError::NoRoom)), "what is on its way counts");
        drop(other);
        let text = keep(&store, b"<html>", 10).await;
        assert!(matches!(text, Err(MediaError::UnknownType)));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
