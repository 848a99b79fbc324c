//! Signed notes, and checkpoints, which are notes about a tree (C2SP signed-note, tlog-checkpoint, tlog-cosignature).
//!
//! A note is text that ends in a newline, an empty line, and signature lines: an em dash, a space, the key's name, a space, and
//! base64 of the key's id (4 bytes) and the signature.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::merkle::Hash;

/// The longest note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// The most signature lines that are read.
pub const SIGNATURES_MAX: usize = 100;

const SIGNATURE_START: &str = "\u{2014} ";
const KEY_BYTES: usize = 32;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 over the note's text: the key of a log.
    Ed25519,
    /// Ed25519 over time and text: the key of a witness (`cosignature/v1`).
    Cosignature,
}

impl Algorithm {
    fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::Cosignature => 4,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::Cosignature].into_iter().find(|algorithm| algorithm.byte() == byte)
    }
}

/// Why a note or a key can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not the text of a key.
    #[error("not a key: {0}. A verifier key is one line, `<name>+<8 hexadecimal digits>+<base64>`")]
    Key(&'static str),
    /// Not a signed note.
    #[error("not a signed note: {0}")]
    Note(&'static str),
    /// No signature of the key that was asked for.
    #[error(
        "not signed with the key {0}: it is signed by {1}. If the signing key was changed since, ask whoever gave you yours for that of \
         {1}, by the same way"
    )]
    NotSigned(String, String),
    /// A signature that is wrong.
    #[error("the signature of the key {0} is wrong: the text was changed, or was never signed with it")]
    Signature(String),
    /// Not a checkpoint.
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
}

/// The public part of a key, with its name: `<name>+<id>+<base64>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; 4],
    algorithm: Algorithm,
    key: [u8; KEY_BYTES],
}

impl Verifier {
    fn new(name: &str, algorithm: Algorithm, key: [u8; KEY_BYTES]) -> Self {
        let mut bytes = name.as_bytes().to_vec();
        bytes.push(b'\n');
        bytes.push(algorithm.byte());
        bytes.extend_from_slice(&key);
        let id = digest(&SHA256, &bytes).as_ref().first_chunk::<4>().copied().unwrap_or_default();
        Self { name: name.to_owned(), id, algorithm, key }
    }

    /// Reads a verifier key.
    ///
    /// # Errors
    /// [`NoteError::Key`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("it has not three parts"));
        };
        check_name(name)?;
        let key = STANDARD.decode(key).map_err(|_| NoteError::Key("its last part is not base64"))?;
        let (kind, key) = key.split_first().ok_or(NoteError::Key("its last part is empty"))?;
        let algorithm = Algorithm::from_byte(*kind).ok_or(NoteError::Key("its algorithm is not known here"))?;
        let key = key.try_into().map_err(|_| NoteError::Key("it has not 32 bytes"))?;
        let verifier = Self::new(name, algorithm, key);
        if id != verifier.id_text() {
            return Err(NoteError::Key("its id does not fit the rest; a part of it was changed"));
        }
        Ok(verifier)
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's id, 4 bytes.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// What it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Name and id, `<name>+<8 hexadecimal digits>`: enough to say which key is meant, not to check anything.
    pub fn label(&self) -> String {
        format!("{}+{}", self.name, self.id_text())
    }

    /// Is it the same key, whatever the two are called?
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.key == other.key
    }

    fn id_text(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.id))
    }

    /// Does the key sign this line of a note?
    pub fn is_of(&self, line: &SignatureLine) -> bool {
        line.name == self.name && line.id == self.id
    }

    /// Checks one signature of a text. For a cosignature the result is its time, in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// [`NoteError::Signature`].
    pub fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, NoteError> {
        let wrong = || NoteError::Signature(self.to_string());
        let check = |message: &[u8], signature: &[u8]| {
            UnparsedPublicKey::new(&ED25519, &self.key).verify(message, signature).map_err(|_| wrong())
        };
        match self.algorithm {
            Algorithm::Ed25519 => check(text.as_bytes(), signature).map(|()| None),
            Algorithm::Cosignature => {
                let (time, signature) = signature.split_first_chunk::<8>().ok_or_else(wrong)?;
                let time = u64::from_be_bytes(*time);
                check(cosigned(time, text).as_bytes(), signature).map(|()| Some(time))
            }
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.algorithm.byte()];
        key.extend_from_slice(&self.key);
        write!(f, "{}+{}+{}", self.name, self.id_text(), STANDARD.encode(key))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

fn check_name(name: &str) -> Result<(), NoteError> {
    if name.is_empty() || name.chars().any(|char| char.is_whitespace() || char == '+') {
        return Err(NoteError::Key("its name is empty, or holds a blank or a `+`"));
    }
    Ok(())
}

/// A key that signs: `PRIVATE+KEY+<name>+<id>+<base64>`. It is not shown by `Debug`.
pub struct Signer {
    verifier: Verifier,
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; KEY_BYTES]>,
}

impl Signer {
    /// Makes a new key.
    ///
    /// # Errors
    /// The name can't be one, or the machine has no random bytes.
    pub fn generate(name: &str, algorithm: Algorithm) -> Result<Self, NoteError> {
        let mut seed = Zeroizing::new([0_u8; KEY_BYTES]);
        SystemRandom::new().fill(seed.as_mut_slice()).map_err(|_| NoteError::Key("no random bytes"))?;
        Self::from_seed(name, algorithm, seed)
    }

    /// The key that a seed of 32 bytes makes.
    ///
    /// # Errors
    /// The name can't be one.
    pub fn from_seed(name: &str, algorithm: Algorithm, seed: Zeroizing<[u8; KEY_BYTES]>) -> Result<Self, NoteError> {
        check_name(name)?;
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| NoteError::Key("the seed is no key"))?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::Key("it has not 32 bytes"))?;
        Ok(Self { verifier: Verifier::new(name, algorithm, public), pair, seed })
    }

    /// Reads a signing key.
    ///
    /// # Errors
    /// [`NoteError::Key`] says what is wrong with it; the key is not in the text.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let rest = text.trim().strip_prefix("PRIVATE+KEY+").ok_or(NoteError::Key("it is no signing key"))?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("it has not five parts"));
        };
        let key = Zeroizing::new(STANDARD.decode(key).map_err(|_| NoteError::Key("its last part is not base64"))?);
        let (kind, seed) = key.split_first().ok_or(NoteError::Key("its last part is empty"))?;
        let algorithm = Algorithm::from_byte(*kind).ok_or(NoteError::Key("its algorithm is not known here"))?;
        let seed = Zeroizing::new(seed.try_into().map_err(|_| NoteError::Key("it has not 32 bytes"))?);
        let signer = Self::from_seed(name, algorithm, seed)?;
        if signer.verifier.id_text() != id {
            return Err(NoteError::Key("its id does not fit the rest; a part of it was changed"));
        }
        Ok(signer)
    }

    /// The key as it is kept. Whoever has it can sign.
    pub fn secret_text(&self) -> Zeroizing<String> {
        let mut key = Zeroizing::new(vec![self.verifier.algorithm.byte()]);
        key.extend_from_slice(self.seed.as_slice());
        let Verifier { name, .. } = &self.verifier;
        Zeroizing::new(format!("PRIVATE+KEY+{name}+{}+{}", self.verifier.id_text(), STANDARD.encode(&*key)))
    }

    /// The public part.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// One signature line over a text that ends in a newline, newline included. `time_s`, in seconds since 1970-01-01 UTC, counts
    /// for cosignatures only.
    pub fn sign(&self, text: &str, time_s: u64) -> String {
        let mut bytes = self.verifier.id.to_vec();
        match self.verifier.algorithm {
            Algorithm::Ed25519 => bytes.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref()),
            Algorithm::Cosignature => {
                bytes.extend_from_slice(&time_s.to_be_bytes());
                bytes.extend_from_slice(self.pair.sign(cosigned(time_s, text).as_bytes()).as_ref());
            }
        }
        format!("{SIGNATURE_START}{} {}\n", self.verifier.name, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

/// A signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: [u8; 4],
    /// The signature, after the id.
    pub signature: Vec<u8>,
}

impl SignatureLine {
    /// Name and id of the key that it claims to be of, as [`Verifier::label`] has them.
    pub fn label(&self) -> String {
        format!("{}+{:08x}", self.name, u32::from_be_bytes(self.id))
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.to_vec();
        bytes.extend_from_slice(&self.signature);
        writeln!(f, "{SIGNATURE_START}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// A signed note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The text that is signed, with its last newline.
    pub text: String,
    /// Its signatures, none of which has been checked.
    pub signatures: Vec<SignatureLine>,
}

impl Note {
    /// Reads a note; checks no signature.
    ///
    /// # Errors
    /// [`NoteError::Note`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Note("it is longer than a note may be"));
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Note("it is not UTF-8"))?;
        if whole.chars().any(|char| char.is_ascii_control() && char != '\n') {
            return Err(NoteError::Note("it holds control characters"));
        }
        let at = whole.rfind("\n\n").ok_or(NoteError::Note("it has no empty line before its signatures"))?;
        let (text, lines) = whole.split_at(at + 1);
        let lines = lines.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let lines = lines.filter(|lines| !lines.is_empty()).ok_or(NoteError::Note("it has no signature"))?;
        let signatures: Option<Vec<_>> = lines.split('\n').map(signature_line).collect();
        let signatures = signatures.ok_or(NoteError::Note("a signature line is malformed"))?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::Note("it has too many signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Checks that a key has signed it. Signatures of other keys are passed over; one of this key that is wrong is an error. For a
    /// cosignature the result is its time, in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`], [`NoteError::Signature`].
    pub fn verify(&self, key: &Verifier) -> Result<Option<u64>, NoteError> {
        let mut lines = self.signatures.iter().filter(|line| key.is_of(line)).peekable();
        if lines.peek().is_none() {
            let by: Vec<String> = self.signatures.iter().map(SignatureLine::label).collect();
            return Err(NoteError::NotSigned(key.to_string(), by.join(", ")));
        }
        let mut latest = None;
        for line in lines {
            latest = latest.max(key.verify(&self.text, &line.signature)?);
        }
        Ok(latest)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| write!(f, "{line}"))
    }
}

fn signature_line(line: &str) -> Option<SignatureLine> {
    let (name, signature) = line.strip_prefix(SIGNATURE_START)?.split_once(' ')?;
    check_name(name).ok()?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    if signature.is_empty() {
        return None;
    }
    Some(SignatureLine { name: name.to_owned(), id: *id, signature: signature.to_vec() })
}

/// What a log says of itself: how many leaves it has, and their root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of their tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed. Lines after the third are passed over when it is read.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// The signed note, with one signature line for each key.
    pub fn sign(&self, keys: &[&Signer], time_s: u64) -> String {
        let text = self.text();
        let lines: String = keys.iter().map(|key| key.sign(&text, time_s)).collect();
        format!("{text}\n{lines}")
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`NoteError::Checkpoint`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(NoteError::Checkpoint("it has not three lines"));
        };
        if origin.is_empty() {
            return Err(NoteError::Checkpoint("it names no log"));
        }
        let number: u64 = size.parse().map_err(|_| NoteError::Checkpoint("its second line is no number"))?;
        if number.to_string() != size {
            return Err(NoteError::Checkpoint("its second line is no plain number"));
        }
        let root = Hash::from_base64(root).ok_or(NoteError::Checkpoint("its third line is no hash"))?;
        Ok(Self { origin: origin.to_owned(), size: number, root })
    }

    /// Reads a checkpoint and checks that a key has signed it.
    ///
    /// # Errors
    /// Whatever of [`NoteError`] is the case.
    pub fn open(bytes: &[u8], key: &Verifier) -> Result<(Self, Note), NoteError> {
        let note = Note::parse(bytes)?;
        note.verify(key)?;
        Ok((Self::parse(&note.text)?, note))
    }
}
