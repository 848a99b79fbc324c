//! Answers `add-checkpoint`, and serves what was cosigned last.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_body_util::{BodyExt, Limited};
use pressgate_audit::{
    note::{Checkpoint, Note, Signer, Verifier},
    witness::{self, AddCheckpoint, REQUEST_BYTES_MAX, Refusal, SIZE_TYPE, size_body},
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, OwnedMutexGuard},
};

use super::{
    config::KnownLog,
    keep::{Last, StateDir, origin_hash},
};
use crate::{
    clock::Clock,
    listen::{self, Door, Fault, Limits},
    stop::Stop,
};

/// How long a request's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// What a client may take: logs are few.
const LIMITS: Limits = Limits {
    connections_max: 128,
    connections_per_source_max: 64,
    head_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(60),
    head_bytes_max: 16 * 1024,
    head_fields_max: 100,
    http2: false,
    streams_max: 1,
};

/// A witness.
pub struct Cosigner {
    signer: Signer,
    state: StateDir,
    clock: Arc<dyn Clock>,
    logs: BTreeMap<String, Log>,
}

struct Log {
    keys: Vec<Verifier>,
    /// One request at a time: whoever judges and stores holds it.
    last: Arc<Mutex<Option<Last>>>,
}

/// What is answered.
enum Answered {
    Cosigned(String),
    Refused(Refusal),
    TooLarge,
    TooSlow,
    /// The disk or the clock fails; nothing was cosigned.
    Failed,
}

impl Cosigner {
    /// Loads what was cosigned.
    ///
    /// # Errors
    /// A sentence: something in the folder is not what this witness wrote.
    pub fn open(
        signer: Signer,
        state: StateDir,
        known: Vec<KnownLog>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, String> {
        let mut logs = BTreeMap::new();
        for KnownLog { origin, keys } in known {
            let last = state.last(&origin, signer.verifier())?;
            logs.insert(origin, Log { keys, last: Arc::new(Mutex::new(last)) });
        }
        Ok(Arc::new(Self { signer, state, clock, logs }))
    }

    /// The key of its cosignatures.
    pub fn key(&self) -> &Verifier {
        self.signer.verifier()
    }

    async fn add(self: Arc<Self>, body: &[u8]) -> Answered {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(error) => return Answered::Refused(Refusal::Malformed(error.to_string())),
        };
        let (checkpoint, note) = match witness::checkpoint(&request) {
            Ok(found) => found,
            Err(refusal) => return Answered::Refused(refusal),
        };
        let Some(log) = self.logs.get(&checkpoint.origin) else { return Answered::Refused(Refusal::UnknownLog) };
        let last = Arc::clone(&log.last).lock_owned().await;
        let cosigner = Arc::clone(&self);
        // The lock goes along: a client that goes away does not let the next one in before this one is stored.
        let judging = tokio::task::spawn_blocking(move || cosigner.cosign(&request, checkpoint, note, last));
        judging.await.unwrap_or(Answered::Failed)
    }

    /// Judges, makes durable, and only then gives the cosignature out. Blocks.
    fn cosign(
        &self,
        request: &AddCheckpoint,
        checkpoint: Checkpoint,
        note: Note,
        mut last: OwnedMutexGuard<Option<Last>>,
    ) -> Answered {
        let origin = checkpoint.origin.clone();
        let Some(log) = self.logs.get(&origin) else { return Answered::Refused(Refusal::UnknownLog) };
        let (asked, known) = (checkpoint.size, last.as_ref().map(|last| (last.size, last.root)));
        let accepted = match witness::judge(request, checkpoint, note, &log.keys, known) {
            Ok(accepted) => accepted,
            Err(refusal) => {
                self.told(&refusal, &origin, asked, last.as_ref(), &request.note);
                return Answered::Refused(refusal);
            }
        };
        let Some(time_s) = u64::try_from(self.clock.now().as_second()).ok().filter(|time_s| *time_s > 0) else {
            tracing::error!("the machine's clock stands before 1970; nothing is cosigned");
            return Answered::Failed;
        };
        let line = self.signer.sign(&accepted.note.text, time_s);
        let kept = format!("{}{line}", accepted.note);
        if let Err(error) = self.state.store(&origin, &kept) {
            // It may be on the disk or not; nobody was told of it, so both are right.
            tracing::error!(%error, log = origin, "what was cosigned can't be made durable; nothing is cosigned");
            return Answered::Failed;
        }
        tracing::debug!(log = origin, size = accepted.checkpoint.size, "cosigned");
        *last = Some(Last { size: accepted.checkpoint.size, root: accepted.checkpoint.root, note: kept });
        Answered::Cosigned(line)
    }

    /// What the witness's own people should know of a refusal.
    fn told(&self, refusal: &Refusal, log: &str, asked: u64, cosigned: Option<&Last>, note: &str) {
        let last = cosigned.map_or(0, |last| last.size);
        match refusal {
            Refusal::Forked => {
                tracing::error!(log, size = asked, "ALARM: the log signed two roots for one size: it was forked");
                for note in std::iter::once(note).chain(cosigned.map(|last| last.note.as_str())) {
                    match self.state.keep_evidence(log, asked, note) {
                        Ok(Some(file)) => tracing::error!(file = %file.display(), "kept as evidence"),
                        Ok(None) => {}
                        Err(error) => tracing::error!(%error, note, "the evidence can't be kept as a file"),
                    }
                }
            }
            Refusal::Inconsistent(error) => {
                tracing::error!(log, size = asked, last, %error, "ALARM: the log did not show that it goes on from what was cosigned");
            }
            // A log that starts anew asks with 0, and one whose answer was lost with an old size.
            Refusal::Conflict(_) if asked < last => {
                tracing::warn!(log, size = asked, last, "a checkpoint that is smaller than what was cosigned");
            }
            refusal => tracing::debug!(log, size = asked, last, %refusal, "refused"),
        }
    }
}

/// Serves until `stop`; requests under way are answered.
pub async fn serve(cosigner: Arc<Cosigner>, listener: TcpListener, stop: Arc<Stop>) {
    let app = Router::new()
        .route(&format!("/{}", witness::ADD_CHECKPOINT), post(add_checkpoint))
        .route("/{log}/checkpoint", get(checkpoint))
        .route("/livez", get(|| async { "alive\n" }))
        .with_state(cosigner);
    let door = Door { limits: LIMITS, refuse: unreadable, meter: Arc::default(), tls: None, tunnels: None };
    listen::serve(listener, app, door, stop).await;
}

fn unreadable(fault: Fault) -> Response {
    text(StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST), format!("{fault}\n"))
}

async fn add_checkpoint(State(cosigner): State<Arc<Cosigner>>, request: Request) -> Response {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > REQUEST_BYTES_MAX as u64) {
        return Answered::TooLarge.into_response();
    }
    let body = Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect();
    let answered = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => cosigner.add(&body.to_bytes()).await,
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Answered::TooLarge,
        Ok(Err(_)) => Answered::Refused(Refusal::Malformed("the body broke off".to_owned())),
        Err(_) => Answered::TooSlow,
    };
    answered.into_response()
}

/// What was cosigned last, with the cosignature: for monitors.
async fn checkpoint(State(cosigner): State<Arc<Cosigner>>, Path(log): Path<String>) -> Response {
    let found = cosigner.logs.iter().find(|(origin, _)| origin_hash(origin) == log);
    let last = match found {
        Some((_, log)) => log.last.lock().await.as_ref().map(|last| last.note.clone()),
        None => None,
    };
    match last {
        Some(note) => text(StatusCode::OK, note),
        None => text(StatusCode::NOT_FOUND, "nothing was cosigned of this log\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Body>) -> Response {
    typed(status, "text/plain; charset=utf-8", body)
}

fn typed(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, kind)], body.into()).into_response()
}

impl IntoResponse for Answered {
    /// C2SP tlog-witness, add-checkpoint; what it does not name has the usual status.
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Cosigned(line) => return text(StatusCode::OK, line),
            Self::TooLarge => return text(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long\n"),
            Self::TooSlow => return text(StatusCode::REQUEST_TIMEOUT, "the request took too long\n"),
            Self::Failed => return text(StatusCode::INTERNAL_SERVER_ERROR, "nothing was cosigned; try again\n"),
            Self::Refused(refusal) => refusal,
        };
        let status = match &refusal {
            Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
            Refusal::UnknownLog => StatusCode::NOT_FOUND,
            Refusal::NotSigned(_) => StatusCode::FORBIDDEN,
            Refusal::Conflict(size) => return typed(StatusCode::CONFLICT, SIZE_TYPE, size_body(*size)),
            Refusal::Inconsistent(_) | Refusal::Forked => StatusCode::UNPROCESSABLE_ENTITY,
        };
        text(status, format!("{refusal}\n"))
    }
}
