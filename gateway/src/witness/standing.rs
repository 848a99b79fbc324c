//! What is known of one witness: what it cosigned last, since when it is behind, and which alarms stand.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pressgate_audit::{Disk, RealDisk, note::Checkpoint, tree::replace};
use serde::{Deserialize, Serialize};

use super::{ask::Failed, kept::Cosigned};
use crate::{audit::AuditLog, clock::Clock, config::process::Witness, metrics::Page};

/// Code of the alarm for a witness that cosigns nothing.
pub(super) const MISSING: &str = "witness-missing";
/// Code of the alarm for a witness that saw another past.
pub(super) const REFUSED: &str = "witness-refused";

/// More than the file of alarms can be, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// The longest error that is shown, in characters.
const ERROR_CHARS_MAX: usize = 400;

/// How one witness is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessStatus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Its verifier key.
    pub key: String,
    /// Leaves that its newest cosignature covers; none where there is none.
    pub size: Option<u64>,
    /// When it was made, in seconds since 1970-01-01 UTC, as the witness says.
    pub time_s: Option<u64>,
    /// For so long a newer checkpoint has waited for a cosignature, in milliseconds.
    pub behind_ms: u64,
    /// From this on an alarm is raised, in milliseconds.
    pub alarm_ms: u64,
    /// Answers that were none, since the start of the process.
    pub failures: u64,
    /// Why the last one was none; none after a cosignature.
    pub last_error: Option<String>,
    /// Codes of the alarms that are raised.
    pub alarms: Vec<String>,
}

/// The state of one witness.
pub(super) struct Standing {
    pub(super) witness: Witness,
    pub(super) audit: AuditLog,
    clock: Arc<dyn Clock>,
    started_ms: i64,
    file: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    cosigned: Option<Cosigned>,
    /// When the newest cosignature came, in milliseconds since 1970-01-01 UTC.
    at_ms: Option<i64>,
    /// Since when a checkpoint waits.
    behind_since_ms: Option<i64>,
    /// The size of the newest checkpoint that was seen.
    published: u64,
    /// It saw another past, and did not cosign since; at a start, where the log has that alarm as raised.
    refused: bool,
    /// The log has the other alarm as raised from before the start.
    missing: bool,
    failures: u64,
    last_error: Option<String>,
    alarms: Vec<String>,
}

/// What the file holds: a restart forgets no alarm that the log has as raised.
#[derive(Default, Serialize, Deserialize)]
struct AlarmFile {
    alarms: Vec<String>,
}

impl Standing {
    /// Reads which alarms stand.
    pub(super) fn open(
        dir: &Path,
        witness: &Witness,
        cosigned: Option<Cosigned>,
        audit: AuditLog,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let file = dir.join(format!("{}.alarms", witness.name));
        let alarms = read(&file).map_err(|error| format!("{}: {error}", file.display()))?.alarms;
        let at_ms = cosigned.and_then(|cosigned| i64::try_from(cosigned.time_s).ok()?.checked_mul(1000));
        let started_ms = clock.now().as_millisecond();
        let stands = |code: &str| alarms.iter().any(|raised| raised == code);
        let (refused, missing) = (stands(REFUSED), stands(MISSING));
        let known = Mutex::new(Known { cosigned, at_ms, refused, missing, alarms, ..Known::default() });
        Ok(Self { witness: witness.clone(), audit, clock, started_ms, file, known })
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    /// The size that the witness cosigned last, as far as is known.
    pub(super) fn known_size(&self) -> u64 {
        self.lock().cosigned.map_or(0, |cosigned| cosigned.size)
    }

    /// Is it another one than what was cosigned last?
    pub(super) fn is_news(&self, checkpoint: &Checkpoint) -> bool {
        self.lock().cosigned.is_none_or(|last| (last.size, last.root) != (checkpoint.size, checkpoint.root))
    }

    /// There is this checkpoint now.
    pub(super) fn published(&self, checkpoint: &Checkpoint) {
        let (news, now) = (self.is_news(checkpoint), self.now_ms());
        let mut known = self.lock();
        known.published = checkpoint.size;
        known.behind_since_ms = news.then(|| known.behind_since_ms.unwrap_or(now));
    }

    /// The witness cosigned, and that is kept.
    pub(super) fn cosigned(&self, cosigned: Cosigned) {
        let now = self.now_ms();
        let mut known = self.lock();
        known.behind_since_ms = (known.published > cosigned.size).then_some(now);
        (known.cosigned, known.at_ms) = (Some(cosigned), Some(now));
        (known.refused, known.missing, known.last_error) = (false, false, None);
    }

    /// It did not, or nobody knows.
    pub(super) fn failed(&self, failed: Failed) {
        let (refused, why) = match failed {
            Failed::Refused(why) => (true, why),
            Failed::Else(why) => (false, why),
        };
        let why = shortened(&why);
        let mut known = self.lock();
        known.failures += 1;
        // Whoever saw another past has not forgotten it because the line broke since.
        known.refused |= refused;
        if known.last_error.as_ref() != Some(&why) {
            tracing::warn!(witness = self.witness.name, why, "a checkpoint was not cosigned; it is tried again");
        }
        known.last_error = Some(why);
    }

    /// The alarms that should stand, by code.
    pub(super) fn wanted(&self, code: &str) -> bool {
        let (now, known) = (self.now_ms(), self.lock());
        match code {
            MISSING => known.missing || behind_ms(&known, now) >= self.alarm_ms(),
            _ => known.refused,
        }
    }

    /// Whether an alarm stands in the log as raised.
    pub(super) fn is_raised(&self, code: &str) -> bool {
        self.lock().alarms.iter().any(|raised| raised == code)
    }

    /// The log says so now. The file is written; after a crash before that it is said once more.
    pub(super) async fn told(&self, code: &str, raised: bool) {
        let (alarms, why) = {
            let mut known = self.lock();
            known.alarms.retain(|known| known != code);
            if raised {
                known.alarms.push(code.to_owned());
            }
            (known.alarms.clone(), known.last_error.clone().unwrap_or_else(|| "no answer".to_owned()))
        };
        let witness = &self.witness.name;
        if raised {
            tracing::error!(witness, code, why, "ALARM: the audit log is not cosigned");
        } else {
            tracing::info!(witness, code, "the audit log is cosigned again");
        }
        let file = self.file.clone();
        let stored = tokio::task::spawn_blocking(move || store(&file, alarms)).await;
        if let Err(error) = stored.map_err(io::Error::other).and_then(|stored| stored) {
            tracing::warn!(%error, file = %self.file.display(), "which alarms stand can't be kept; a restart may raise them again");
        }
    }

    /// Puts its measurements on a page.
    pub(super) fn show(&self, page: &mut Page) {
        let now = self.now_ms();
        let known = self.lock();
        let witness = ("witness", self.witness.name.as_str());
        let labels = [witness];
        let age_ms = now.saturating_sub(known.at_ms.unwrap_or(self.started_ms)).max(0);
        let help = "Time since the newest cosignature of a witness; since the start, where there is none.";
        page.gauge("pressgate_witness_age_seconds", help, &labels, age_ms as f64 / 1000.0);
        let help = "Leaves that the newest cosignature of a witness covers.";
        let size = known.cosigned.map_or(0, |cosigned| cosigned.size);
        page.gauge("pressgate_witness_size", help, &labels, size as f64);
        for code in [MISSING, REFUSED] {
            let raised = known.alarms.iter().any(|alarm| alarm == code);
            let labels = [witness, ("code", code)];
            page.gauge("pressgate_witness_alarm", "1 while an alarm stands.", &labels, f64::from(u8::from(raised)));
        }
    }

    pub(super) fn status(&self) -> WitnessStatus {
        let now = self.now_ms();
        let known = self.lock();
        WitnessStatus {
            name: self.witness.name.clone(),
            url: self.witness.url.to_string(),
            key: self.witness.key.to_string(),
            size: known.cosigned.map(|cosigned| cosigned.size),
            time_s: known.cosigned.map(|cosigned| cosigned.time_s),
            behind_ms: behind_ms(&known, now),
            alarm_ms: self.alarm_ms(),
            failures: known.failures,
            last_error: known.last_error.clone(),
            alarms: known.alarms.clone(),
        }
    }

    fn alarm_ms(&self) -> u64 {
        self.witness.alarm_seconds.saturating_mul(1000)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn behind_ms(known: &Known, now_ms: i64) -> u64 {
    known.behind_since_ms.map_or(0, |since| u64::try_from(now_ms.saturating_sub(since)).unwrap_or(0))
}

fn read(path: &Path) -> io::Result<AlarmFile> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(AlarmFile::default()),
        Ok(facts) if facts.len() > FILE_BYTES_MAX => return Err(io::Error::other("this is not a list of alarms")),
        _ => {}
    }
    let text = fs::read(path)?;
    serde_json::from_slice(&text).map_err(|_| io::Error::other("this is not a list of alarms; remove it"))
}

fn store(path: &Path, alarms: Vec<String>) -> io::Result<()> {
    let mut text = serde_json::to_string(&AlarmFile { alarms })?;
    text.push('\n');
    let disk: &dyn Disk = &RealDisk;
    replace(disk, path, &text)
}

/// A witness's words are not the gateway's: shortened, and on one line.
fn shortened(text: &str) -> String {
    text.chars().take(ERROR_CHARS_MAX).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
