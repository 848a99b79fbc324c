//! `pressgate backup`: copies the data folder at one point, beside a running gateway or without one.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{
    context::Context,
    outcome::{Failure, Report, counted},
    reach::Reach,
};
use crate::{
    audit::SigningKeys,
    backup::{BackupError, Checked, Draft, Sealed, Trust, Wish, backup_id},
    operator::{
        By,
        backups::{BackupRequest, BackupView, SealRequest},
    },
    start,
};

/// `backup DIR`.
#[derive(Debug, clap::Args)]
#[command(long_about = "Copy log, records and what belongs to them at one point, and check the copy.

The copy is a new folder: `log` (the tree of the audit log, which anybody's tools can verify), `records`, `subject-keys.sqlite` (what \
opens the values beside the log; keep it apart, and for a short time), `media`, `export` (how far exports have come), and \
`backup.json`. The log has a leaf with the digest of all this.

It works on the machine of the gateway, as the user that the gateway runs as. Beside a running gateway it needs an operator's key \
(--key-file or PRESSGATE_OPERATOR_KEY), because the log says who made a backup.

Credentials in it are encrypted; posts and media are not. The key-encryption key and the log's signing key are not in it unless \
--with-keys is given; keep them in another place, because who has both has everything. Neither are pressgate.toml, the governance \
folder and plugins in it.")]
pub struct Args {
    /// The new folder. It gets its name when it is whole and was checked.
    dir: PathBuf,
    /// Copy the key-encryption key and the log's signing key too. Who gets such a backup can use every credential, and forge the log.
    #[arg(long)]
    with_keys: bool,
    /// Leave the keys of subjects out: no value beside the log can be revealed from this backup.
    #[arg(long)]
    without_subject_keys: bool,
}

/// Runs the command.
pub async fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    let config = &context.config;
    let reach = Reach::open(context).await?;
    let node = start::node(config)?.ok_or_else(|| {
        Failure::refused(format!("{} is not the data folder of a gateway: it has no node", config.data.display()))
    })?;
    let wish = Wish { with_keys: args.with_keys, without_subject_keys: args.without_subject_keys };
    let id = backup_id(context.clock.now());
    let mut draft = Draft::begin(&args.dir, id.clone(), node.clone(), context.clock.now())?;
    let begin = BackupRequest { id: id.clone() };
    match &reach {
        Reach::Folder(folder) => drop(folder.ops().begin_backup(&By::Local, begin).await?),
        Reach::Gateway(client) => drop(client.post::<BackupView>("/operator/backups", &begin).await?),
    }
    blocking(|| draft.copy(config, wish))?;
    let seal = SealRequest { digest: draft.digest() };
    let sealed: Sealed = match &reach {
        Reach::Folder(folder) => folder.ops().seal_backup(&By::Local, &id, seal).await?,
        Reach::Gateway(client) => client.post(&format!("/operator/backups/{id}/seals"), &seal).await?,
    };
    let signing =
        SigningKeys::open(&config.audit.signing_key, &start::origin(&node), true).map_err(Failure::refused)?;
    let trust = Trust::known(signing.current.verifier().clone());
    let checked = blocking(|| draft.finish(config, &sealed, &trust))?;
    Ok(told(&args.dir, &checked))
}

/// Copying blocks; what else the process does goes on meanwhile.
pub fn blocking<T>(work: impl FnOnce() -> Result<T, BackupError>) -> Result<T, Failure> {
    Ok(tokio::task::block_in_place(work)?)
}

fn told(dir: &Path, checked: &Checked) -> Report {
    let manifest = &checked.manifest;
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let shown = dir.display();
    let mut text = vec![format!(
        "{} in {shown}, checked: a log of {} leaves, and {} of {} MiB",
        manifest.id,
        manifest.log.size,
        counted(manifest.files.len(), "file", "files"),
        bytes >> 20
    )];
    text.push(format!("the log's public key: {}", manifest.log.key));
    let kept = "Keep the key-encryption key and the log's signing key in another place: without them nothing of it works again.";
    text.push(match manifest.has_keys() {
        true => "It holds secret keys: who has it can use every credential, and forge the log.".to_owned(),
        false => kept.to_owned(),
    });
    if checked.subject_keys.is_some() {
        text.push(format!(
            "Keep {} apart, and for a short time: with it goes what was erased.",
            dir.join("subject-keys.sqlite").display()
        ));
    }
    let json = json!({ "backup": shown.to_string(), "manifest": {
        "id": manifest.id, "created_at": manifest.created_at, "node": manifest.node, "log": manifest.log,
        "applied_leaf": manifest.applied_leaf, "digest": manifest.digest(), "files": manifest.files.len(), "bytes": bytes,
        "with_keys": manifest.has_keys(), "with_subject_keys": checked.subject_keys.is_some(), "media_gone": manifest.media_gone,
    }});
    Report::good(text.join("\n"), json)
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        Self::refused(error.to_string())
    }
}
