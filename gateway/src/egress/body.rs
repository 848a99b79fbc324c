//! Request bodies with a known length; files are read while they are sent.

use std::{
    collections::VecDeque,
    io,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
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
    File { file: File, left_bytes: u64 },
}

impl OutgoingBody {
    /// Opens the files of a body. Also answers its content type, where the gateway sets it.
    pub(super) async fn open(body: &OutBody) -> Result<(Self, Option<HeaderValue>), SendFailure> {
        let mut outgoing = Self { pieces: VecDeque::new(), left_bytes: 0 };
        let mut kind = None;
        match body {
            OutBody::None => {}
            OutBody::Bytes(bytes) => outgoing.push(bytes.clone()),
            OutBody::File { path, size_bytes, media_type } => {
                kind = Some(content_type(media_type)?);
                outgoing.push_file(path, *size_bytes).await?;
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

    async fn push_file(&mut self, path: &Path, size_bytes: u64) -> Result<(), SendFailure> {
        let unreadable = |error: io::Error| SendFailure::NotSent(format!("a medium can't be read: {}", error.kind()));
        let file = File::open(path).await.map_err(unreadable)?;
        let facts = file.metadata().await.map_err(unreadable)?;
        if !facts.is_file() || facts.len() != size_bytes {
            return Err(SendFailure::NotSent("a medium has not the length that it was stored with".into()));
        }
        if size_bytes > 0 {
            self.left_bytes = self.left_bytes.checked_add(size_bytes).ok_or_else(too_long)?;
            self.pieces.push_back(Piece::File { file, left_bytes: size_bytes });
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
                FormValue::File { path, size_bytes, media_type } => {
                    let kind = content_type(media_type)?;
                    head.push_str(&format!("Content-Type: {}\r\n\r\n", kind.to_str().unwrap_or_default()));
                    self.push(head.into());
                    self.push_file(path, *size_bytes).await?;
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
            Some(Piece::File { file, left_bytes }) => {
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
                if *left_bytes == 0 {
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
                value: FormValue::File { path: path.clone(), size_bytes: 200_000, media_type: "image/png".into() },
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

    #[tokio::test]
    async fn a_missing_or_changed_file_is_not_sent() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("medium");
        let body = |size_bytes| OutBody::File { path: path.clone(), size_bytes, media_type: "image/png".into() };
        assert!(matches!(OutgoingBody::open(&body(3)).await, Err(SendFailure::NotSent(_))));
        std::fs::write(&path, b"abc").expect("written");
        assert!(OutgoingBody::open(&body(3)).await.is_ok());
        assert!(matches!(OutgoingBody::open(&body(4)).await, Err(SendFailure::NotSent(_))));
        let (open, _) = OutgoingBody::open(&body(3)).await.expect("opened");
        std::fs::write(&path, b"a").expect("cut");
        assert!(open.collect().await.is_err());
        let wrong = OutBody::File { path: path.clone(), size_bytes: 1, media_type: "image/png\r\nx: y".into() };
        assert!(matches!(OutgoingBody::open(&wrong).await, Err(SendFailure::Denied(_))));
    }
}
