//! A mail server on 127.0.0.1 whose moods a test sets: it takes mails, refuses them, hangs, or breaks the connection. It speaks as much
//! of RFC 5321 as a client needs, and writes down what a client does wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What becomes of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mood {
    /// It is taken.
    Take,
    /// This command (`MAIL`, `RCPT`, `DATA`, `.` for the end of the mail, `EHLO`) gets this status.
    Refuse(&'static str, u16),
    /// As [`Mood::Refuse`] at `RCPT`, for this recipient only.
    RefuseOne(String, u16),
    /// Nothing is answered any more.
    Hang,
    /// The connection is closed at the first command.
    Drop,
    /// It is taken, and the connection is closed without an answer.
    Forget,
}

/// A mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who sends it, by the envelope.
    pub from: String,
    /// Whom it is for, by the envelope.
    pub to: Vec<String>,
    /// Head and body, as they were before they were sent.
    pub bytes: Vec<u8>,
}

impl Mail {
    /// Read by another implementation.
    ///
    /// # Panics
    /// When it is no mail.
    pub fn parsed(&self) -> mail_parser::Message<'_> {
        mail_parser::MessageParser::default().parse(&self.bytes).expect("a mail")
    }

    /// The first header field of that name, as text.
    ///
    /// # Panics
    /// When there is none.
    pub fn field(&self, name: &str) -> String {
        self.parsed().header_raw(name).unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
    }

    /// Its text.
    ///
    /// # Panics
    /// When it has none.
    pub fn text(&self) -> String {
        self.parsed().body_text(0).expect("a text").replace("\r\n", "\n")
    }
}

#[derive(Debug)]
struct State {
    mood: Mood,
    tried: usize,
    taken: Vec<Mail>,
    faults: Vec<String>,
    logins: Vec<(String, String)>,
}

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Smtp {
    /// Its port on 127.0.0.1.
    pub port: u16,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Smtp {
    /// Starts one that takes everything.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (taken, faults, logins) = (Vec::new(), Vec::new(), Vec::new());
        let state = Arc::new(Mutex::new(State { mood: Mood::Take, tried: 0, taken, faults, logins }));
        let kept = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                lock(&kept).tried += 1;
                connections.spawn(speak(BufStream::new(stream), Arc::clone(&kept)));
            }
        });
        Self { port, state, task }
    }

    /// Changes what becomes of the next commands. What hangs stays so.
    pub fn set(&self, mood: Mood) {
        lock(&self.state).mood = mood;
    }

    /// Every mail that was taken, in order.
    pub fn taken(&self) -> Vec<Mail> {
        lock(&self.state).taken.clone()
    }

    /// How many connections there were.
    pub fn tried(&self) -> usize {
        lock(&self.state).tried
    }

    /// What clients did against the protocol.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.state).faults.clone()
    }

    /// Users and passwords that logged in.
    pub fn logins(&self) -> Vec<(String, String)> {
        lock(&self.state).logins.clone()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line without its end; none at the end of the connection.
async fn line(stream: &mut BufStream<TcpStream>, state: &Mutex<State>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
        return None;
    }
    let whole = line.strip_suffix(b"\r\n");
    if whole.is_none_or(|whole| whole.contains(&b'\r') || !whole.is_ascii() || whole.len() > 998) {
        lock(state).faults.push(format!("a line that is none: {}", line.escape_ascii()));
    }
    Some(whole.unwrap_or(&line).to_vec())
}

async fn speak(mut stream: BufStream<TcpStream>, state: Arc<Mutex<State>>) -> Option<()> {
    let mut mail = Mail { from: String::new(), to: Vec::new(), bytes: Vec::new() };
    say(&mut stream, "220 mail.example ESMTP").await?;
    loop {
        let command = String::from_utf8_lossy(&line(&mut stream, &state).await?).into_owned();
        let (verb, rest) = command.split_once(' ').unwrap_or((&command, ""));
        let mood = lock(&state).mood.clone();
        match &mood {
            Mood::Hang => std::future::pending::<()>().await,
            Mood::Drop => return None,
            Mood::Refuse(at, status) if *at == verb => {
                say(&mut stream, &format!("{status} no")).await?;
                continue;
            }
            Mood::RefuseOne(to, status) if verb == "RCPT" && rest.contains(to.as_str()) => {
                say(&mut stream, &format!("{status} no")).await?;
                continue;
            }
            _ => {}
        }
        match verb {
            "EHLO" => say(&mut stream, "250-mail.example\r\n250-AUTH PLAIN\r\n250 8BITMIME").await?,
            "AUTH" => {
                login(rest, &state);
                say(&mut stream, "235 ok").await?;
            }
            "MAIL" => {
                mail = Mail { from: address(rest, "FROM:", &state), to: Vec::new(), bytes: Vec::new() };
                say(&mut stream, "250 ok").await?;
            }
            "RCPT" => {
                mail.to.push(address(rest, "TO:", &state));
                say(&mut stream, "250 ok").await?;
            }
            "DATA" => {
                say(&mut stream, "354 go on").await?;
                mail.bytes = data(&mut stream, &state).await?;
                let mood = lock(&state).mood.clone();
                match mood {
                    Mood::Refuse(".", status) => say(&mut stream, &format!("{status} no")).await?,
                    Mood::Forget => {
                        lock(&state).taken.push(mail);
                        return None;
                    }
                    _ => {
                        lock(&state).taken.push(mail.clone());
                        say(&mut stream, "250 taken").await?;
                    }
                }
            }
            "QUIT" => return say(&mut stream, "221 bye").await,
            _ => {
                lock(&state).faults.push(format!("a command that is none: {command}"));
                say(&mut stream, "500 what?").await?;
            }
        }
    }
}

async fn say(stream: &mut BufStream<TcpStream>, text: &str) -> Option<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn data(stream: &mut BufStream<TcpStream>, state: &Mutex<State>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let line = line(stream, state).await?;
        if line == b"." {
            return Some(bytes);
        }
        bytes.extend(line.strip_prefix(b".").unwrap_or(&line));
        bytes.extend(b"\r\n");
    }
}

/// What stands in angle brackets, with nothing around it.
fn address(rest: &str, key: &str, state: &Mutex<State>) -> String {
    let inner = rest.strip_prefix(key).and_then(|rest| rest.strip_prefix('<')).and_then(|rest| rest.strip_suffix('>'));
    let Some(inner) = inner.filter(|inner| !inner.contains(['<', '>', ' '])) else {
        lock(state).faults.push(format!("no address: {rest}"));
        return rest.to_owned();
    };
    inner.to_owned()
}

fn login(rest: &str, state: &Mutex<State>) {
    let decoded = STANDARD.decode(rest.strip_prefix("PLAIN ").unwrap_or_default()).unwrap_or_default();
    let text = String::from_utf8_lossy(&decoded).into_owned();
    let mut parts = text.split('\0').skip(1).map(str::to_owned);
    if let (Some(user), Some(password)) = (parts.next(), parts.next()) {
        lock(state).logins.push((user, password));
    }
}
