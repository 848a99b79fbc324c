//! Request bodies with a known length; files are read while they are sent.
//!
//! A file is sent only if its bytes have the digest under which they were reviewed. It is read once before anything leaves, and
//! hashed again while it is sent from the same open file: the last piece is held back where somebody wrote to it meanwhile, so that
//! the network never has a whole request with other bytes.

use std::{
    collections::VecDeque,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aws_lc_rs::{
    digest::{self, SHA256},
    rand::{SecureRandom, SystemRandom},
};
use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    fs::File,
    io::{AsyncRead, ReadBuf},
};

use super::types::{FormField, FormValue, OutBody, SendFailure};

/// Fields of one form.
const FIELDS_MAX: usize = 128;
/// Read from a file at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A body on its way out.
pub(super) struct OutgoingBody {
    pieces: VecDeque<Piece>,
    left_bytes: u64,
}

enum Piece {
    Bytes(Bytes),
    File { file: File, left_bytes: u64, hash: digest::Context, digest: String },
}

impl OutgoingBody {
    /// Opens the files of a body. Also answers its content type, where the gateway sets it.
    pub(super) async fn open(body: &OutBody) -> Result<(Self, Option<HeaderValue>), SendFailure> {
        let mut outgoing = Self { pieces: VecDeque::new(), left_bytes: 0 };
        let mut kind = None;
        match body {
            OutBody::None => {}
            OutBody::Bytes(bytes) => outgoing.push(bytes.clone()),
            OutBody::File { path, size_bytes, digest, media_type } => {
                kind = Some(content_type(media_type)?);
                outgoing.push_file(path, *size_bytes, digest).await?;
            }
            OutBody::Form(fields) => kind = Some(outgoing.push_form(fields).await?),
        }
        Ok((outgoing, kind))
    }

    fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.left_bytes += bytes.len() as u64;
            self.pieces.push_back(Piece::Bytes(bytes));
        }
    }

    async fn push_file(&mut self, path: &Path, size_bytes: u64, digest: &str) -> Result<(), SendFailure> {
        self.push_piece(path, size_bytes, digest, 0..size_bytes).await
    }

    /// The bytes `range` of a file, which are hashed by themselves as well.
    async fn push_piece(
        &mut self,
        path: &Path,
        size_bytes: u64,
        digest: &str,
        range: Range<u64>,
    ) -> Result<(), SendFailure> {
        let length = range.end.saturating_sub(range.start);
        if range.end > size_bytes {
            return Err(SendFailure::Denied("a piece of a medium lies beyond its end".into()));
        }
        let (path, expected) = (path.to_owned(), digest.to_owned());
        let checked = tokio::task::spawn_blocking(move || verified(&path, size_bytes, &expected, range)).await;
        let (file, digest) =
            checked.unwrap_or_else(|_| Err(SendFailure::NotSent("a medium could not be read".into())))?;
        if length > 0 {
            self.left_bytes = self.left_bytes.checked_add(length).ok_or_else(too_long)?;
            let hash = digest::Context::new(&SHA256);
            self.pieces.push_back(Piece::File { file: File::from_std(file), left_bytes: length, hash, digest });
        }
        Ok(())
    }

    /// RFC 7578, with names quoted as browsers do.
    async fn push_form(&mut self, fields: &[FormField]) -> Result<HeaderValue, SendFailure> {
        if fields.len() > FIELDS_MAX {
            return Err(SendFailure::Denied(format!("a form of more than {FIELDS_MAX} fields")));
        }
        let boundary = boundary()?;
        for field in fields {
            let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(&field.name));
            if let Some(filename) = &field.filename {
                head.push_str(&format!("; filename=\"{}\"", quoted(filename)));
            }
            head.push_str("\r\n");
            match &field.value {
                FormValue::Text(text) => {
                    head.push_str("\r\n");
                    head.push_str(text);
                    self.push(head.into());
                }
                FormValue::File { path, size_bytes, digest, media_type } => {
                    self.push(with_type(head, media_type)?.into());
                    self.push_file(path, *size_bytes, digest).await?;
                }
                FormValue::Piece { path, size_bytes, digest, media_type, offset, length } => {
                    self.push(with_type(head, media_type)?.into());
                    self.push_piece(path, *size_bytes, digest, *offset..offset.saturating_add(*length)).await?;
                }
            }
            self.push(Bytes::from_static(b"\r\n"));
        }
        self.push(format!("--{boundary}--\r\n").into());
        content_type(&format!("multipart/form-data; boundary={boundary}"))
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let body = &mut *self;
        let bytes = match body.pieces.front_mut() {
            None => return Poll::Ready(None),
            Some(Piece::Bytes(bytes)) => {
                let bytes = std::mem::take(bytes);
                body.pieces.pop_front();
                bytes
            }
            Some(Piece::File { file, left_bytes, hash, digest }) => {
                let room = usize::try_from(*left_bytes).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
                let mut chunk = vec![0; room];
                let mut reading = ReadBuf::new(&mut chunk);
                ready!(Pin::new(file).poll_read(context, &mut reading))?;
                let length = reading.filled().len();
                if length == 0 {
                    let short = io::Error::new(io::ErrorKind::UnexpectedEof, "a medium became shorter");
                    return Poll::Ready(Some(Err(short)));
                }
                chunk.truncate(length);
                *left_bytes = left_bytes.saturating_sub(length as u64);
                hash.update(&chunk);
                if *left_bytes == 0 {
                    if hex(hash.clone().finish().as_ref()) != *digest {
                        let changed = io::Error::new(io::ErrorKind::InvalidData, "a medium changed while it was sent");
                        return Poll::Ready(Some(Err(changed)));
                    }
                    body.pieces.pop_front();
                }
                Bytes::from(chunk)
            }
        };
        body.left_bytes = body.left_bytes.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}

/// Opens a file and reads it once: its bytes are those that were reviewed, or nothing leaves. Gives it where `range` begins, and the
/// digest of that range.
fn verified(
    path: &Path,
    size_bytes: u64,
    digest: &str,
    range: Range<u64>,
) -> Result<(std::fs::File, String), SendFailure> {
    let unreadable = |error: io::Error| SendFailure::NotSent(format!("a medium can't be read: {}", error.kind()));
    let changed = || SendFailure::Denied("a medium is not the one that was reviewed: its bytes were changed".into());
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() || facts.len() != size_bytes {
        return Err(changed());
    }
    let (mut hash, mut of_range, mut left_bytes) =
        (digest::Context::new(&SHA256), digest::Context::new(&SHA256), size_bytes);
    let mut chunk = vec![0; CHUNK_BYTES];
    while left_bytes > 0 {
        let length = file.read(&mut chunk).map_err(unreadable)?;
        if length == 0 || length as u64 > left_bytes {
            return Err(changed());
        }
        let read = chunk.get(..length).unwrap_or_default();
        hash.update(read);
        let at = size_bytes - left_bytes;
        let within = |position: u64| usize::try_from(position.saturating_sub(at)).unwrap_or(length).min(length);
        of_range.update(read.get(within(range.start)..within(range.end)).unwrap_or_default());
        left_bytes -= length as u64;
    }
    if hex(hash.finish().as_ref()) != digest {
        return Err(changed());
    }
    file.seek(SeekFrom::Start(range.start)).map_err(unreadable)?;
    Ok((file, hex(of_range.finish().as_ref())))
}

fn with_type(mut head: String, media_type: &str) -> Result<String, SendFailure> {
    let kind = content_type(media_type)?;
    head.push_str(&format!("Content-Type: {}\r\n\r\n", kind.to_str().unwrap_or_default()));
    Ok(head)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 as media have it.
#[cfg(test)]
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&SHA256, bytes).as_ref())
}

fn content_type(media_type: &str) -> Result<HeaderValue, SendFailure> {
    let value = HeaderValue::from_str(media_type).ok().filter(|value| value.to_str().is_ok());
    value.ok_or_else(|| SendFailure::Denied("a media type is not one".into()))
}

fn too_long() -> SendFailure {
    SendFailure::Denied("the body is too long".into())
}

fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

fn boundary() -> Result<String, SendFailure> {
    let mut random = [0; 16];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| SendFailure::NotSent("no random bytes for the form's boundary".into()))?;
    Ok(format!("pressgate-{:032x}", u128::from_be_bytes(random)))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_form_is_written_with_files_in_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("medium");
        let medium: Vec<u8> = (0..200_000_u32).map(|index| index as u8).collect();
        std::fs::write(&path, &medium).expect("written");
        let form = OutBody::Form(vec![
            FormField { name: "a\"b\r\nc".into(), filename: None, value: FormValue::Text("žluť\r\n".into()) },
            FormField {
                name: "file".into(),
                filename: Some("x.png".into()),
                value: FormValue::File {
                    path: path.clone(),
                    size_bytes: 200_000,
                    digest: sha256_hex(&medium),
                    media_type: "image/png".into(),
                },
            },
        ]);
        let (body, kind) = OutgoingBody::open(&form).await.expect("opened");
        let kind = kind.expect("a type").to_str().expect("text").to_owned();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a boundary").to_owned();
        let announced = body.size_hint().exact().expect("known");
        let sent = body.collect().await.expect("read").to_bytes();
        assert_eq!(announced, sent.len() as u64);
        let mut expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"a%22b%0D%0Ac\"\r\n\r\nžluť\r\n\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.png\"\r\n\
             Content-Type: image/png\r\n\r\n"
        )
        .into_bytes();
        expected.extend_from_slice(&medium);
        expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert!(sent == expected);
    }

    fn file(path: &Path, size_bytes: u64, digest: &str) -> OutBody {
        OutBody::File { path: path.to_owned(), size_bytes, digest: digest.to_owned(), media_type: "image/png".into() }
    }

    #[tokio::test]
    async fn a_missing_or_changed_file_is_not_sent() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("medium");
        let body = |size_bytes| file(&path, size_bytes, &sha256_hex(b"abc"));
        assert!(matches!(OutgoingBody::open(&body(3)).await, Err(SendFailure::NotSent(_))));
        std::fs::write(&path, b"abc").expect("written");
        assert!(OutgoingBody::open(&body(3)).await.is_ok());
        assert!(matches!(OutgoingBody::open(&body(4)).await, Err(SendFailure::Denied(_))));
        std::fs::write(&path, b"abd").expect("replaced");
        assert!(matches!(OutgoingBody::open(&body(3)).await, Err(SendFailure::Denied(_))), "as long, and other bytes");
        std::fs::write(&path, b"abc").expect("put back");
        let (open, _) = OutgoingBody::open(&body(3)).await.expect("opened");
        std::fs::write(&path, b"a").expect("cut");
        assert!(open.collect().await.is_err());
        let wrong = OutBody::File {
            path: path.clone(),
            size_bytes: 1,
            digest: sha256_hex(b"a"),
            media_type: "image/png\r\nx: y".into(),
        };
        assert!(matches!(OutgoingBody::open(&wrong).await, Err(SendFailure::Denied(_))));
    }

    #[tokio::test]
    async fn a_piece_of_a_file_leaves_only_while_the_whole_is_the_one_that_was_reviewed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("medium");
        let medium: Vec<u8> = (0..3 * CHUNK_BYTES).map(|index| (index / 7) as u8).collect();
        std::fs::write(&path, &medium).expect("written");
        let piece = |offset: usize, length: usize| {
            let value = FormValue::Piece {
                path: path.clone(),
                size_bytes: medium.len() as u64,
                digest: sha256_hex(&medium),
                media_type: "video/mp4".into(),
                offset: offset as u64,
                length: length as u64,
            };
            OutBody::Form(vec![FormField { name: "media".into(), filename: None, value }])
        };
        let across = CHUNK_BYTES - 10..CHUNK_BYTES + 10;
        for range in [0..5, across, 2 * CHUNK_BYTES..3 * CHUNK_BYTES, 0..medium.len(), 9..9] {
            let (body, _) = OutgoingBody::open(&piece(range.start, range.len())).await.expect("opened");
            let announced = body.size_hint().exact().expect("known");
            let sent = body.collect().await.expect("read").to_bytes();
            assert_eq!(announced, sent.len() as u64);
            let head = sent.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
            assert!(sent[head..].starts_with(&medium[range.clone()]), "{range:?}");
            assert!(sent[head + range.len()..].starts_with(b"\r\n--"), "{range:?}");
        }
        let beyond = OutgoingBody::open(&piece(medium.len() - 1, 2)).await;
        assert!(matches!(beyond, Err(SendFailure::Denied(_))));
        let mut changed = medium.clone();
        changed[3 * CHUNK_BYTES - 1] ^= 1;
        std::fs::write(&path, &changed).expect("written");
        let other = OutgoingBody::open(&piece(0, 5)).await;
        assert!(matches!(other, Err(SendFailure::Denied(_))), "a byte beyond the piece changed");
    }

    #[tokio::test]
    async fn a_file_that_is_written_to_while_it_is_sent_never_arrives_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("medium");
        let mut medium = vec![7; 3 * CHUNK_BYTES];
        std::fs::write(&path, &medium).expect("written");
        let whole = file(&path, medium.len() as u64, &sha256_hex(&medium));
        let (mut open, _) = OutgoingBody::open(&whole).await.expect("opened");
        let mut sent = open.frame().await.expect("a frame").expect("read").into_data().expect("bytes").len();
        // In place: the same file, as long as before.
        medium[2 * CHUNK_BYTES + 5] = 8;
        std::fs::write(&path, &medium).expect("written");
        let failed = loop {
            match open.frame().await.expect("the last piece is held back") {
                Ok(frame) => sent += frame.into_data().expect("bytes").len(),
                Err(error) => break error,
            }
        };
        assert!(sent < medium.len(), "{sent}");
        assert!(failed.to_string().contains("changed"), "{failed}");
    }
}
