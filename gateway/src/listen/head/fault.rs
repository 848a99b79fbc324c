//! What can be wrong with the bytes of an HTTP/1 request, and what the client is told.

/// Why a connection ends: two readers could understand the request differently, or it is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// RFC 9112 2.2: a line ends in LF without CR.
    #[error("A line ends in LF without CR.")]
    BareLf,
    /// RFC 9112 2.2: more than one empty line before the request line.
    #[error("There is more than one empty line before the request line.")]
    EmptyLines,
    /// RFC 9112 3: not three parts with one space between them, or a method that is no token.
    #[error("The request line is not a method, an address and a version with one space between them.")]
    RequestLine,
    /// RFC 9112 3.2: the address is of no form that the method takes, or has a character that it must not have.
    #[error(
        "The address in the request line is not written as HTTP wants it; percent-encode what is no plain character."
    )]
    Target,
    /// RFC 9112 2.3: neither HTTP/1.1 nor HTTP/1.0.
    #[error("The version in the request line is neither HTTP/1.1 nor HTTP/1.0.")]
    Version,
    /// RFC 9110 9.3.6: a tunnel is asked for.
    #[error("This listener opens no tunnels: CONNECT is not served here.")]
    Tunnel,
    /// RFC 9112 5.1: the name of a field is empty or no token; a space before the colon, a control character.
    #[error("The name of a header field has a character that it must not have, a space before the colon perhaps.")]
    FieldName,
    /// RFC 9112 5.2: a value goes on in the next line.
    #[error("A header field is folded over two lines.")]
    Folded,
    /// RFC 9110 5.5: a control character, NUL or a lone CR in a value.
    #[error("The value of a header field has a control character.")]
    FieldValue,
    /// A name that some readers take for `Content-Length` or `Transfer-Encoding`.
    #[error("The name of a header field looks like Content-Length or Transfer-Encoding and is neither.")]
    LookAlike,
    /// RFC 9112 3.2: none, several, not a host, or another than the address names.
    #[error("There must be one Host header with a host and perhaps a port, the same as in the address.")]
    Host,
    /// RFC 9112 6.3: more than one, or no plain number.
    #[error("There must be one Content-Length at most, and it must be a plain number.")]
    ContentLength,
    /// RFC 9112 6.1: unknown codings, parameters, `chunked` twice or not last, or in HTTP/1.0.
    #[error("Transfer-Encoding must end in `chunked`, once, after codings that HTTP names, and in HTTP/1.1.")]
    TransferEncoding,
    /// RFC 9112 6.1: two ways to tell the length of the body.
    #[error("The request has both Content-Length and Transfer-Encoding.")]
    TwoLengths,
    /// RFC 9110 9.3.1: GET and HEAD with a body mean nothing, and readers differ in where it ends.
    #[error("GET and HEAD have no body.")]
    Body,
    /// RFC 9112 7.1: a chunk's size, extension or end.
    #[error("A chunk of the body is not framed as HTTP wants it.")]
    Chunk,
    /// RFC 9112 7.1.2: the fields after the last chunk.
    #[error("The fields after the body's last chunk are not written as HTTP wants them, or are too many.")]
    Trailer,
    /// RFC 6585 5: the head has more bytes than the listener bears.
    #[error("The head of the request is too long.")]
    HeadTooLong,
    /// RFC 6585 5: the head has more fields than the listener bears.
    #[error("The request has too many header fields.")]
    TooManyFields,
}

impl Fault {
    /// Every fault, in the order in which they are looked for.
    pub const ALL: [Self; 19] = [
        Self::BareLf,
        Self::EmptyLines,
        Self::RequestLine,
        Self::Target,
        Self::Version,
        Self::Tunnel,
        Self::FieldName,
        Self::Folded,
        Self::FieldValue,
        Self::LookAlike,
        Self::Host,
        Self::ContentLength,
        Self::TransferEncoding,
        Self::TwoLengths,
        Self::Body,
        Self::Chunk,
        Self::Trailer,
        Self::HeadTooLong,
        Self::TooManyFields,
    ];

    /// Its word in measurements.
    pub fn word(self) -> &'static str {
        match self {
            Self::BareLf => "bare-lf",
            Self::EmptyLines => "empty-lines",
            Self::RequestLine => "request-line",
            Self::Target => "target",
            Self::Version => "version",
            Self::Tunnel => "tunnel",
            Self::FieldName => "field-name",
            Self::Folded => "folded",
            Self::FieldValue => "field-value",
            Self::LookAlike => "look-alike",
            Self::Host => "host",
            Self::ContentLength => "content-length",
            Self::TransferEncoding => "transfer-encoding",
            Self::TwoLengths => "two-lengths",
            Self::Body => "body",
            Self::Chunk => "chunk",
            Self::Trailer => "trailer",
            Self::HeadTooLong => "head-too-long",
            Self::TooManyFields => "too-many-fields",
        }
    }

    /// The status of its answer: 431 for what is too large, else 400.
    pub fn status(self) -> u16 {
        match self {
            Self::HeadTooLong | Self::TooManyFields => 431,
            _ => 400,
        }
    }

    /// Its place among [`Fault::ALL`].
    pub fn place(self) -> usize {
        self as usize
    }
}
