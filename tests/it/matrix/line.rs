//! The line between gateway and network: it passes bytes on, counts the requests that change something, and can be cut.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The methods that change something, as a request begins with them.
const CHANGING: [&[u8]; 4] = [b"POST ", b"PUT ", b"PATCH ", b"DELETE "];

/// A line on 127.0.0.1.
pub(super) struct Line {
    pub(super) url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    network: SocketAddr,
    changes: AtomicU64,
    early: AtomicU64,
    log: Mutex<Option<PathBuf>>,
}

impl Line {
    pub(super) async fn start(network: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared =
            Arc::new(Shared { network, changes: AtomicU64::new(0), early: AtomicU64::new(0), log: Mutex::default() });
        let line = Self { url: format!("http://{address}"), address, shared, task: Mutex::default() };
        line.serve(listener);
        line
    }

    fn serve(&self, listener: TcpListener) {
        let task = tokio::spawn(accept(listener, Arc::clone(&self.shared)));
        *self.task.lock().expect("no thread died") = Some(task);
    }

    /// From now on each request that changes something is held against the log in this folder.
    pub(super) fn watch(&self, log: &Path) {
        *self.shared.log.lock().expect("no thread died") = Some(log.to_owned());
    }

    /// Requests that change something, so far.
    pub(super) fn changes(&self) -> u64 {
        self.shared.changes.load(Ordering::SeqCst)
    }

    /// Requests that came when the log had fewer intents than there were requests.
    pub(super) fn early(&self) -> u64 {
        self.shared.early.load(Ordering::SeqCst)
    }

    /// Nobody listens any more, and what was open is closed.
    pub(super) fn cut(&self) {
        if let Some(task) = self.task.lock().expect("no thread died").take() {
            task.abort();
        }
    }

    /// Listens again, at the same address.
    pub(super) async fn mend(&self) {
        loop {
            if let Ok(listener) = TcpListener::bind(self.address).await {
                return self.serve(listener);
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(carry(stream, Arc::clone(&shared)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(client: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let network = TcpStream::connect(shared.network).await?;
    client.set_nodelay(true)?;
    network.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_network, mut to_network) = network.into_split();
    let up = async {
        let mut bytes = vec![0; 64 * 1024];
        // A request begins where the one before was answered, and its head comes in one piece: the client writes it so.
        loop {
            let read = from_client.read(&mut bytes).await?;
            if read == 0 {
                return Ok::<_, std::io::Error>(());
            }
            if CHANGING.iter().any(|method| bytes[..read].starts_with(method)) {
                let shared = Arc::clone(&shared);
                tokio::task::spawn_blocking(move || shared.arrived()).await.expect("counted");
            }
            to_network.write_all(&bytes[..read]).await?;
        }
    };
    let down = tokio::io::copy(&mut from_network, &mut to_client);
    tokio::select! {
        ended = up => ended,
        ended = down => ended.map(drop),
    }
}

impl Shared {
    fn arrived(&self) {
        let changes = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        let log = self.log.lock().expect("no thread died").clone();
        if log.is_some_and(|log| super::told(&log).intents < changes) {
            self.early.fetch_add(1, Ordering::SeqCst);
        }
    }
}
