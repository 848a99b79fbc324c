//! A tap on a line: bytes go on as they are, and both directions are kept.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What went over one connection.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// From who connected.
    pub asked: Vec<u8>,
    /// To who connected.
    pub answered: Vec<u8>,
}

/// A tap on 127.0.0.1. It ends when this is dropped.
#[derive(Debug)]
pub struct Tap {
    /// Its port.
    pub port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
    task: JoinHandle<()>,
}

impl Tap {
    /// Taps what goes to `target`, such as `127.0.0.1:80`.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(target: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (taken, target) = (Arc::<Mutex<Vec<Taken>>>::default(), target.to_owned());
        let kept = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (kept, target) = (Arc::clone(&kept), target.clone());
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(&target).await {
                        carry(client, server, &kept).await;
                    }
                });
            }
        });
        Ok(Self { port, taken, task })
    }

    /// What went over each connection so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, server: TcpStream, kept: &Mutex<Vec<Taken>>) {
    let number = {
        let mut all = kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Taken::default());
        all.len() - 1
    };
    let keep = |asked: bool, bytes: &[u8]| {
        let mut all = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = &mut all[number];
        if asked { &mut taken.asked } else { &mut taken.answered }.extend_from_slice(bytes);
    };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    tokio::join!(
        pump(&mut from_client, &mut to_server, |bytes| keep(true, bytes)),
        pump(&mut from_server, &mut to_client, |bytes| keep(false, bytes)),
    );
}

async fn pump(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), keep: impl Fn(&[u8])) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        keep(&buffer[..read]);
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_directions_are_kept() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tap = Tap::start(&server.local_addr().unwrap().to_string()).await.unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", tap.port)).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        let (mut end, _) = server.accept().await.unwrap();
        let mut heard = [0; 5];
        end.read_exact(&mut heard).await.unwrap();
        end.write_all(b"world!").await.unwrap();
        drop(end);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        let taken = tap.taken();
        assert_eq!((heard.as_slice(), answer.as_slice()), (b"hello".as_slice(), b"world!".as_slice()));
        assert_eq!(
            (taken[0].asked.as_slice(), taken[0].answered.as_slice()),
            (b"hello".as_slice(), b"world!".as_slice())
        );
    }
}
