//! `pressgate restore`: puts a backup back.

use std::path::{Path, PathBuf};

use pressgate_audit::note::{Signer, Verifier};
use serde_json::json;

use super::{
    audit::verifier_key,
    backup::blocking,
    context::Context,
    outcome::{Failure, Report, counted},
};
use crate::{
    audit::SigningKeys,
    backup::{Checked, Done, Manifest, Restore, Since, Trust, check, relocated, restore, signed_by_others},
    config::Config,
    start,
};

/// `restore BACKUP`.
#[derive(Debug, clap::Args)]
#[command(long_about = "Put a backup back, after a check of every byte of it.

It goes where pressgate.toml says: data folder, log, second checkpoint, keys. These places must be empty, but for the \
key-encryption key, the log's signing key and the second checkpoint, which should be there. Nothing is ever written over. A restore \
that is broken off leaves a mark with which no gateway starts; run it again.

Where the second checkpoint knows of more leaves than the backup, the backup is older than the log was, and the restore is refused. \
With --older it is done all the same: the second checkpoint is kept beside as evidence, and the first leaf after the restore says so. \
Where the newer log is still there, --erased-since has the next start erase and revoke again what was erased and revoked since the \
backup, before it serves.")]
pub struct Args {
    /// The folder of the backup.
    backup: PathBuf,
    /// Restore into this data folder instead of the one in pressgate.toml; what the configuration puts into that one goes here.
    #[arg(long, value_name = "DATA")]
    into: Option<PathBuf>,
    /// The log's verifier key as somebody kept it, or a file that holds it. Else that of the signing key where it is, else the one
    /// that the backup names.
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// The backup's keys of subjects, where they were kept apart.
    #[arg(long, value_name = "FILE")]
    subject_keys: Option<PathBuf>,
    /// The folder of the newer log, where it is still there: what it tells was erased or revoked goes again.
    #[arg(long, value_name = "LOG")]
    erased_since: Option<PathBuf>,
    /// The log had been further than this backup, and that is known.
    #[arg(long)]
    older: bool,
    /// Only check the backup.
    #[arg(long)]
    check: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    let old = &context.config;
    let config = args.into.as_ref().map_or_else(|| old.clone(), |data| relocated(old, data));
    let trust = trust(&config, args)?;
    let checked = blocking(|| check(&args.backup, args.subject_keys.as_deref(), &trust))?;
    if args.check {
        let text = format!(
            "{} holds: a log of {} leaves.{}",
            checked.manifest.id,
            checked.manifest.log.size,
            caution(&checked)
        );
        return Ok(Report::good(text, json!({ "holds": true, "id": checked.manifest.id, "key_known": trust.known })));
    }
    let since = args.erased_since.as_ref().map(|log| blocking(|| Since::read(log, &checked))).transpose()?;
    let made = !config.data.exists();
    let lock = start::lock_data(&config.data)?;
    let wish = Restore {
        backup: &args.backup,
        checked: &checked,
        config: &config,
        seconds: std::slice::from_ref(&old.audit.second_checkpoint),
        since: since.as_ref(),
        older: args.older,
        now: context.clock.now(),
    };
    let done = blocking(|| restore(&wish));
    drop(lock);
    match done {
        Ok(done) => Ok(told(&config, &checked, &done, since.as_ref())),
        Err(error) => {
            if made {
                // Only where nothing was put into it but the lock.
                let _ = std::fs::read_dir(&config.data).map(|inside| {
                    if inside.count() == 1 {
                        let _ = std::fs::remove_dir_all(&config.data);
                    }
                });
            }
            Err(error)
        }
    }
}

/// The key that the log is checked with. Before anything else it is told where the signing key that is there is not the backup's.
fn trust(config: &Config, args: &Args) -> Result<Trust, Failure> {
    let given = args.key.as_deref().map(verifier_key).transpose()?;
    let manifest = Manifest::read(&args.backup)?;
    let file = &config.audit.signing_key;
    let there = file.exists().then(|| SigningKeys::open(file, &manifest.log.origin, true)).transpose();
    let there = match there {
        Ok(there) => there,
        // For a check it is not needed.
        Err(_) if args.check && given.is_some() => None,
        Err(error) => return Err(Failure::refused(error)),
    };
    if let Some(keys) = &there {
        let all: Vec<_> = keys.all().into_iter().map(Signer::verifier).collect();
        let others = signed_by_others(&args.backup, &all).filter(|_| given.is_none() || !args.check);
        if let Some(by) = others {
            return Err(other_key(file, keys.current.verifier(), &by, &manifest));
        }
    }
    match (given, there) {
        (Some(key), _) => Ok(Trust::known(key)),
        (None, Some(keys)) => Ok(Trust::known(keys.current.verifier().clone())),
        (None, None) => Ok(Trust::of_backup(&args.backup)?),
    }
}

/// The backup is of before or after a change of the signing key, or somebody else's.
fn other_key(file: &Path, here: &Verifier, by: &str, manifest: &Manifest) -> Failure {
    let (shown, named) = (file.display(), &manifest.log.key);
    Failure::refused(format!(
        "the checkpoint of the backup's log is signed with the key {by}; here the log is signed with {here} ({shown}). Nothing was \
         changed. To check the backup, add --check and --key with the verifier key of {by}, as somebody kept it (the backup names \
         {named} itself, which is no proof). To restore it, first put the signing key of its time in the place of {shown}, and keep \
         the one that is there: without it no gateway starts on that log"
    ))
}

/// What a check with the backup's own key does not show.
fn caution(checked: &Checked) -> &'static str {
    if checked.trust.known {
        return "";
    }
    " It was checked with the key that it names itself: whoever changed it may have signed it anew. Give --key to be certain."
}

fn told(config: &Config, checked: &Checked, done: &Done, since: Option<&Since>) -> Report {
    let (manifest, word) = (&checked.manifest, &done.restored);
    let mut text = vec![format!(
        "{} of {} is restored into {}: a log of {} leaves.{}",
        manifest.id,
        manifest.created_at,
        config.data.display(),
        manifest.log.size,
        caution(checked)
    )];
    if !done.compared {
        text.push(format!(
            "There was no second checkpoint {}, so nobody can tell whether the log had been further.",
            config.audit.second_checkpoint.display()
        ));
    }
    if let Some(evidence) = &word.older_than {
        text.push(format!(
            "The log had {} leaves; its last checkpoint is kept as {}. Give it to whoever verifies the log: from leaf {} on they will \
             find another log than they knew. The next start says so in the log.",
            evidence.size,
            evidence.file.display(),
            manifest.log.size
        ));
    }
    match since {
        Some(since) => {
            let (erased, keys) = (since.erased.len(), since.revoked_keys.len());
            text.push(format!(
                "The next start erases {}, and revokes {} and {} again, before it serves.",
                counted(erased, "subject", "subjects"),
                counted(keys, "key", "keys"),
                counted(since.revoked_feeds.len(), "calendar feed", "calendar feeds")
            ));
            if !since.revoked_credentials.is_empty() {
                let named = since.revoked_credentials.join(", ");
                text.push(format!("Credentials that were revoked since are there again; revoke them: {named}."));
            }
        }
        None => text.push(
            "What was erased or revoked since the backup is there again: erase and revoke it once more before the gateway serves."
                .to_owned(),
        ),
    }
    if checked.subject_keys.is_none() {
        text.push("The backup had no keys of subjects: values beside the log can't be revealed any more.".to_owned());
    }
    text.push("Next: `pressgate doctor`, then `pressgate serve`.".to_owned());
    let json = json!({
        "restored": manifest.id, "data": config.data, "leaves": manifest.log.size, "key_known": checked.trust.known,
        "compared": done.compared, "older_than": word.older_than, "erased": word.erased,
        "revoked_keys": word.revoked_keys, "revoked_feeds": word.revoked_feeds,
        "with_kek": done.with_kek, "with_signing_key": done.with_signing_key,
        "with_subject_keys": checked.subject_keys.is_some(),
    });
    Report::good(text.join("\n"), json)
}
