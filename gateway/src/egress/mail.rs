//! Mail out (SMTP, RFC 5321), to the one server that the configuration names: the same checks of the address and the same TLS as for
//! HTTP. `lettre` speaks the protocol; STARTTLS (RFC 3207) is done here, so that nothing that came in plain text is ever read as if it
//! had come by TLS.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use lettre::{
    Message,
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, AsyncTokioStream},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};

use super::{Egress, SendFailure, target::Target};

/// Size of one reply of a server before TLS, in bytes.
const REPLY_BYTES_MAX: usize = 16 * 1024;
/// How long a server may take over a goodbye, which nobody needs.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);
/// It goes away now.
const CLOSING: u16 = 421;
/// What stands for a greeting that was read already.
const READ_ALREADY: &[u8] = b"220 ready\r\n";

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// With the connection.
    Implicit,
    /// With STARTTLS, and nothing is sent without it.
    Required,
    /// With STARTTLS where the server offers it.
    Offered,
}

/// The mail server.
pub struct MailServer<'a> {
    /// Its name, or an IP address; an IPv6 address in brackets.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// When TLS begins.
    pub tls: MailTls,
    /// Permits addresses that are not global.
    pub private: bool,
    /// User and password.
    pub login: Option<(&'a str, &'a SecretString)>,
    /// What the gateway calls itself.
    pub hello: &'a str,
    /// Longest time for one mail, the connection included.
    pub timeout: Duration,
}

/// Why a mail was not taken. No text holds an address, a secret, or what the server wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailFailure {
    /// The server takes no mail at all now.
    #[error("{0}")]
    Server(String),
    /// It does not take this one.
    #[error("the mail server answered {status} to {to}")]
    Mail {
        /// Its reply.
        status: u16,
        /// To what.
        to: &'static str,
    },
}

impl MailFailure {
    /// The same mail would be refused again.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Mail { status: 500..=599, .. })
    }
}

impl From<SendFailure> for MailFailure {
    fn from(failure: SendFailure) -> Self {
        Self::Server(failure.to_string())
    }
}

impl Egress {
    /// Hands one mail to the server. When it returns well the server has taken it over. After a failure within the last reply it may have
    /// been taken all the same.
    ///
    /// # Errors
    /// [`MailFailure`].
    pub async fn send_mail(&self, server: &MailServer<'_>, mail: &Message) -> Result<(), MailFailure> {
        match tokio::time::timeout(server.timeout, self.carry_mail(server, mail)).await {
            Ok(carried) => carried,
            Err(_) => Err(MailFailure::Server("the mail server took too long".to_owned())),
        }
    }

    async fn carry_mail(&self, server: &MailServer<'_>, mail: &Message) -> Result<(), MailFailure> {
        let line = self.mail_line(server).await?;
        let hello = ClientId::Domain(server.hello.to_owned());
        let smtp = AsyncSmtpConnection::connect_with_transport(line, &hello).await;
        let mut smtp = smtp.map_err(|error| server_failed(&error, "the greeting"))?;
        if let Some((user, password)) = server.login {
            let login = Credentials::new(user.to_owned(), password.expose_secret().to_owned());
            let entered = smtp.auth(&[Mechanism::Plain, Mechanism::Login], &login).await;
            entered.map_err(|error| server_failed(&error, "the login"))?;
        }
        let envelope = mail.envelope();
        let begun = smtp.command(Mail::new(envelope.from().cloned(), Vec::new())).await;
        begun.map_err(|error| server_failed(&error, "the sender's address"))?;
        for to in envelope.to() {
            let known = smtp.command(Rcpt::new(to.clone(), Vec::new())).await;
            known.map_err(|error| mail_failed(&error, "the recipient's address"))?;
        }
        smtp.command(Data).await.map_err(|error| mail_failed(&error, "the mail"))?;
        smtp.message(&mail.formatted()).await.map_err(|error| mail_failed(&error, "the mail"))?;
        // It was taken; how the connection ends does not matter.
        let _ = tokio::time::timeout(QUIT_TIMEOUT, smtp.quit()).await;
        Ok(())
    }

    /// A connection on which the protocol begins with a greeting, by TLS where it has to be.
    async fn mail_line(&self, server: &MailServer<'_>) -> Result<Box<dyn AsyncTokioStream>, MailFailure> {
        let implicit = server.tls == MailTls::Implicit;
        let target =
            Target::of_mail(server.host, server.port, implicit, server.private).map_err(MailFailure::Server)?;
        let connector = self.core.pool.plain_connector();
        let mut wire = connector.wire(&target).await?;
        let peer = wire.peer_addr().map_err(|_| broken())?;
        if implicit {
            let stream = connector.secure(&target, wire).await?;
            return Ok(Box::new(Line { unread: b"", stream, peer }));
        }
        if !before_tls(&mut wire, server.hello).await? {
            if server.tls == MailTls::Required {
                let why = "the mail server offers no TLS (STARTTLS), and nothing is sent without it";
                return Err(MailFailure::Server(why.to_owned()));
            }
            return Ok(Box::new(Line { unread: READ_ALREADY, stream: wire, peer }));
        }
        let stream = connector.secure(&target, wire).await?;
        Ok(Box::new(Line { unread: READ_ALREADY, stream, peer }))
    }
}

fn server_failed(error: &lettre::transport::smtp::Error, to: &str) -> MailFailure {
    match error.status() {
        Some(status) => MailFailure::Server(format!("the mail server answered {status} to {to}")),
        // The library's own text may quote the server.
        None if error.is_client() => MailFailure::Server(format!("the mail server offers nothing that fits for {to}")),
        None => broken(),
    }
}

fn mail_failed(error: &lettre::transport::smtp::Error, to: &'static str) -> MailFailure {
    match error.status().map(u16::from) {
        Some(status) if status != CLOSING => MailFailure::Mail { status, to },
        _ => server_failed(error, to),
    }
}

fn broken() -> MailFailure {
    MailFailure::Server("the connection to the mail server broke".to_owned())
}

/// Reads the greeting and asks for TLS; false where the server does not offer it.
async fn before_tls(wire: &mut TcpStream, hello: &str) -> Result<bool, MailFailure> {
    expect(wire, 220, "the connection").await?;
    say(wire, &format!("EHLO {hello}\r\n")).await?;
    let extensions = expect(wire, 250, "EHLO").await?;
    if !extensions.iter().skip(1).any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        return Ok(false);
    }
    say(wire, "STARTTLS\r\n").await?;
    expect(wire, 220, "STARTTLS").await?;
    Ok(true)
}

async fn say(wire: &mut TcpStream, line: &str) -> Result<(), MailFailure> {
    wire.write_all(line.as_bytes()).await.map_err(|_| broken())
}

/// The lines of a reply with that status.
async fn expect(wire: &mut TcpStream, status: u16, to: &str) -> Result<Vec<String>, MailFailure> {
    let mut bytes = Vec::new();
    loop {
        match read_reply(&bytes) {
            Reply::Whole(found, lines) if found == status => return Ok(lines),
            Reply::Whole(found, _) => {
                return Err(MailFailure::Server(format!("the mail server answered {found} to {to}")));
            }
            Reply::Part if bytes.len() < REPLY_BYTES_MAX => {}
            Reply::Part | Reply::None => {
                return Err(MailFailure::Server(format!("what the mail server answered to {to} is no SMTP")));
            }
        }
        let mut piece = [0; 1024];
        let read = wire.read(&mut piece).await.map_err(|_| broken())?;
        if read == 0 {
            return Err(broken());
        }
        bytes.extend(piece.iter().take(read));
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Whole(u16, Vec<String>),
    Part,
    /// No reply, or more than one: somebody speaks out of turn.
    None,
}

fn read_reply(bytes: &[u8]) -> Reply {
    let Some(text) = bytes.strip_suffix(b"\n") else { return Reply::Part };
    let (mut lines, mut status) = (Vec::new(), None);
    let mut all = text.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = all.next() {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        let code = line.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(code) = code.and_then(|code| code.parse::<u16>().ok()) else { return Reply::None };
        if *status.get_or_insert(code) != code {
            return Reply::None;
        }
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        match (line.as_bytes().get(3), all.peek().is_some()) {
            (Some(b'-'), true) => {}
            (Some(b'-'), false) => return Reply::Part,
            (Some(b' ') | None, false) => return Reply::Whole(code, lines),
            _ => return Reply::None,
        }
    }
    Reply::None
}

/// A connection, and what is read before anything of it.
struct Line<S> {
    unread: &'static [u8],
    stream: S,
    peer: SocketAddr,
}

impl<S> fmt::Debug for Line<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Line<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let (now, later) = self.unread.split_at(self.unread.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_whole_and_alone() {
        let whole = |code, lines: &[&str]| Reply::Whole(code, lines.iter().map(|line| (*line).to_owned()).collect());
        assert_eq!(read_reply(b"220 mail.example ready\r\n"), whole(220, &["mail.example ready"]));
        assert_eq!(read_reply(b"250-a\r\n250-STARTTLS\r\n250 b\r\n"), whole(250, &["a", "STARTTLS", "b"]));
        assert_eq!(read_reply(b"220\n"), whole(220, &[""]));
        for part in [&b""[..], b"22", b"250-a\r\n", b"250-a\r\n250 b"] {
            assert_eq!(read_reply(part), Reply::Part, "{}", part.escape_ascii());
        }
        for odd in [
            &b"hello\r\n"[..],
            b"220 a\r\n250 b\r\n",
            b"250-a\r\n251 b\r\n",
            b"22a b\r\n",
            b"\r\n",
            "ä20 b\r\n".as_bytes(),
        ] {
            assert_eq!(read_reply(odd), Reply::None, "{}", odd.escape_ascii());
        }
    }

    #[test]
    fn only_what_speaks_of_the_mail_is_permanent() {
        let of = |status| MailFailure::Mail { status, to: "the mail" }.is_permanent();
        assert!(of(550) && !of(450) && !MailFailure::Server("550".to_owned()).is_permanent());
    }
}
