//! Asks a witness for one cosignature: with the proof from the size that it has, or is believed to have.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use pressgate_audit::{
    Disk,
    merkle::{Hash, consistency_proof},
    tree::{Published, TreeError, TreeFiles},
    witness::{ADD_CHECKPOINT, ANSWER_BYTES_MAX, AddCheckpoint, SIZE_TYPE, cosigned, parse_size},
};
use url::Url;

use super::kept::Cosigned;
use crate::{
    config::process::Witness,
    egress::{Egress, OutResponse, OwnRequest, Proof},
};

/// A witness that names a size is asked again with the proof from there; so often at most for one checkpoint.
const ASKS_MAX: u32 = 3;
/// The media type of a request.
const TEXT: &str = "text/plain; charset=utf-8";

/// Why there is no cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// The witness saw another past: a rollback or a fork.
    Refused(String),
    /// Anything else; it may pass.
    Else(String),
}

/// Asks one witness.
pub(super) struct Asker {
    egress: Arc<Egress>,
    disk: Arc<dyn Disk>,
    tree_dir: PathBuf,
    witness: Witness,
    url: Url,
    name: String,
}

/// What one answer means.
enum Meaning {
    Cosigned(String, Cosigned),
    AskFrom(u64),
}

impl Asker {
    pub(super) fn new(egress: Arc<Egress>, disk: Arc<dyn Disk>, tree_dir: PathBuf, witness: Witness) -> Self {
        let mut url = witness.url.clone();
        let path = format!("{}{ADD_CHECKPOINT}", url.path());
        url.set_path(&path);
        let name = format!("witness/{}", witness.name);
        Self { egress, disk, tree_dir, witness, url, name }
    }

    /// One checkpoint. `known` is the size that the witness cosigned last, as far as is known. The result is the note to keep.
    pub(super) async fn ask(&self, published: &Published, known: u64) -> Result<(String, Cosigned), Failed> {
        let size = published.checkpoint.size;
        // Of a log that became smaller there is no proof; the witness says what it has.
        let mut old = known.min(size);
        for _ in 0..ASKS_MAX {
            let proof = self.proof(old, size).await?;
            let request = AddCheckpoint { old_size: old, proof, note: published.note.clone() };
            let answer = self.post(request.body()).await?;
            match self.read(&answer, published, old)? {
                Meaning::Cosigned(note, cosigned) => return Ok((note, cosigned)),
                Meaning::AskFrom(theirs) => old = theirs,
            }
        }
        Err(Failed::Else("the witness names another size each time; does somebody else submit this log?".to_owned()))
    }

    async fn post(&self, body: String) -> Result<OutResponse, Failed> {
        let request = OwnRequest {
            name: &self.name,
            url: &self.url,
            private: self.witness.private_endpoint,
            body: Bytes::from(body),
            content_type: TEXT,
            proof: Proof::None,
            timeout: Duration::from_millis(self.witness.timeout_ms),
            response_bytes_max: ANSWER_BYTES_MAX,
        };
        self.egress.post_own(request).await.map_err(|failure| Failed::Else(failure.to_string()))
    }

    fn read(&self, answer: &OutResponse, published: &Published, old: u64) -> Result<Meaning, Failed> {
        let checkpoint = &published.checkpoint;
        let failed = |why: String| Err(Failed::Else(why));
        match answer.status {
            200 => match cosigned(&published.note, &answer.body, &self.witness.key) {
                Ok((note, time_s)) => {
                    Ok(Meaning::Cosigned(note, Cosigned { size: checkpoint.size, root: checkpoint.root, time_s }))
                }
                Err(error) => failed(format!("the witness's answer: {error}")),
            },
            409 => {
                let kind = answer.headers.iter().find(|(name, _)| name == "content-type");
                let named =
                    kind.is_some_and(|(_, kind)| kind.split(';').next().unwrap_or_default().trim() == SIZE_TYPE);
                let Some(theirs) = parse_size(&answer.body).filter(|_| named) else {
                    return failed("the witness answered 409 without the size that it has".to_owned());
                };
                if theirs > checkpoint.size {
                    let size = checkpoint.size;
                    let why = format!(
                        "it cosigned {theirs} leaves of this log, which has {size} now: the log was rolled back, or an older backup restored"
                    );
                    return Err(Failed::Refused(why));
                }
                if theirs == old {
                    return failed(format!("the witness contradicts itself: it has {theirs} leaves and does not"));
                }
                Ok(Meaning::AskFrom(theirs))
            }
            422 => Err(Failed::Refused(format!(
                "it finds that {} leaves of this log do not go on from the {old} that it cosigned: the log was forked, or leaves were changed",
                checkpoint.size
            ))),
            403 => failed(
                "the witness does not take the log's key (403): give it the verifier key that signs this log now"
                    .to_owned(),
            ),
            404 => failed(format!(
                "the witness does not know the log `{}` (404), or `url` leads elsewhere",
                checkpoint.origin
            )),
            status => failed(format!("the witness answered {status}")),
        }
    }

    /// The proof from the files of the tree, on a thread that may wait for the disk.
    async fn proof(&self, old: u64, size: u64) -> Result<Vec<Hash>, Failed> {
        let (disk, dir) = (Arc::clone(&self.disk), self.tree_dir.clone());
        let reading = tokio::task::spawn_blocking(move || -> Result<Vec<Hash>, TreeError> {
            consistency_proof(&mut TreeFiles::new(disk, &dir, size), old, size)
        });
        let failed = |why: String| Failed::Else(format!("the proof can't be made: {why}"));
        reading.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
    }
}
