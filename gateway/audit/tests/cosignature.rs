//! Cosignatures of ours, judged by another: crate `signed_note` (Cloudflare's azul) reads the note and checks the signatures. It does
//! not know cosignatures, so the text that one signs is put together here, from the specification.

use base64::{Engine, engine::general_purpose::STANDARD};
use pressgate_audit::merkle::leaf_hash;
use pressgate_audit::note::{Algorithm, Checkpoint, Signer};
use pressgate_audit::witness::cosigned;
use signed_note::{Note, StandardVerifier, Verifier, VerifierList, key_id};

const TIME_S: u64 = 1_790_000_000;

/// A verifier of `cosignature/v1` on the crate's own Ed25519.
struct Cosigner {
    name: String,
    id: u32,
    plain: StandardVerifier,
}

impl Cosigner {
    fn new(vkey: &str) -> Self {
        let mut parts = vkey.splitn(3, '+');
        let (name, id, key) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let key = STANDARD.decode(key).unwrap();
        assert_eq!((key.len(), key[0]), (33, 4), "the type of an Ed25519 cosigner");
        // "SHA-256(<name> || "\n" || 0x04 || key)[:4]"
        let id = u32::from_str_radix(id, 16).unwrap();
        assert_eq!(id, key_id(name, &key));
        let mut plain = key;
        plain[0] = 1;
        let vkey = format!("{name}+{:08x}+{}", key_id(name, &plain), STANDARD.encode(&plain));
        Self { name: name.to_owned(), id, plain: StandardVerifier::new(&vkey).unwrap() }
    }
}

impl Verifier for Cosigner {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let mut message = format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time)).into_bytes();
        message.extend_from_slice(text);
        self.plain.verify(&message, signature)
    }
}

fn accepted(note: &str, log: &Signer, witness: &Signer) -> usize {
    let log = StandardVerifier::new(&log.verifier().to_string()).unwrap();
    let witness = Cosigner::new(&witness.verifier().to_string());
    let note = Note::from_bytes(note.as_bytes()).unwrap();
    note.verify(&VerifierList::new(vec![Box::new(log), Box::new(witness)])).map_or(0, |(known, _)| known.len())
}

#[test]
fn what_we_cosign_another_accepts_and_what_was_changed_it_does_not() {
    for number in 0..50_u8 {
        let log = Signer::generate("log.example/audit/node-1", Algorithm::Ed25519).unwrap();
        let witness = Signer::generate("witness.example/w1", Algorithm::Cosignature).unwrap();
        let checkpoint = Checkpoint {
            origin: "log.example/audit/node-1".into(),
            size: u64::from(number) * 1_000_003,
            root: leaf_hash(&[number]),
        };
        let note = checkpoint.sign(&[&log], 0);
        let line = witness.sign(&checkpoint.text(), TIME_S + u64::from(number));
        let (kept, time_s) = cosigned(&note, line.as_bytes(), witness.verifier()).unwrap();
        assert_eq!(time_s, TIME_S + u64::from(number));
        assert_eq!(accepted(&kept, &log, &witness), 2);
        let other = Signer::generate("witness.example/w1", Algorithm::Cosignature).unwrap();
        assert_eq!(accepted(&kept, &log, &other), 1, "only the log's");
        let text = format!("{}x\n", checkpoint.text());
        let moved = format!("{text}\n{}{}", log.sign(&text, 0), line);
        assert_eq!(accepted(&moved, &log, &witness), 0, "a cosignature of another text makes the note malformed");
    }
}
