//! `pressgate key`: makes, lists and ends the keys of apps and people.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use hyper::Method;
use jiff::Timestamp;
use serde_json::json;

use super::{
    context::Context,
    outcome::{Failure, Report},
    reach::{Folder, Reach},
    table::table,
};
use crate::{
    model::KeyId,
    operator::{
        By,
        standing::PRINCIPALS,
        wire::{KeyMade, KeyRequest, KeyView},
    },
};

/// `key create|list|revoke`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a key. It is shown this once.
    Create(Create),
    /// All keys, without their secrets.
    List,
    /// End a key at once.
    Revoke {
        /// The key's id, as `key list` shows it.
        id: String,
    },
}

/// `key create`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group(clap::ArgGroup::new("holder").required(true).args(["app", "person"])))]
pub struct Create {
    /// For this app of apps.toml…
    #[arg(long)]
    app: Option<String>,
    /// … or for this person of people.toml.
    #[arg(long)]
    person: Option<String>,
    /// When it ends by itself (RFC 3339).
    #[arg(long, value_name = "TIME")]
    expires: Option<Timestamp>,
    /// Where it is used, for people.
    #[arg(long)]
    note: Option<String>,
    /// Write the key to this new file, for its owner's eyes only, instead of showing it.
    #[arg(long, value_name = "FILE")]
    save_key: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    match command {
        Command::Create(args) => create(context, args).await,
        Command::List => list(context).await,
        Command::Revoke { id } => revoke(context, &id).await,
    }
}

async fn create(context: &Context, args: Create) -> Result<Report, Failure> {
    let Create { app, person, expires, note, save_key } = args;
    let wish = KeyRequest { app, person, expires_at: expires, note };
    let reach = Reach::open(context).await?;
    // First the file: a key that can't be written down would be lost.
    let place = save_key.map(Place::reserve).transpose()?;
    let made = match &reach {
        Reach::Gateway(client) => client.post("/operator/keys", &wish).await,
        Reach::Folder(folder) => offline(context, folder, wish).await,
    };
    match (made, &reach) {
        (Ok(made), Reach::Folder(folder)) => folder.noted(shown(made, place)?).await,
        (Ok(made), Reach::Gateway(_)) => shown(made, place),
        (Err(failure), _) => {
            if let Some(place) = place {
                place.give_up();
            }
            Err(failure)
        }
    }
}

async fn offline(context: &Context, folder: &Folder<'_>, wish: KeyRequest) -> Result<KeyMade, Failure> {
    let governance = folder.standing(&context.shelf()?, PRINCIPALS).await?;
    match folder.ops().create_key(&By::Local, &governance, wish).await {
        Ok(made) => Ok(made),
        Err(error) => Err(folder.refused(error).await),
    }
}

/// A new file for a key, reserved before the key is made.
pub struct Place {
    path: PathBuf,
    file: File,
}

impl Place {
    /// Makes the file, of mode 0600; an existing one is never overwritten.
    pub fn reserve(path: PathBuf) -> Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                let shown = path.display();
                Failure::refused(format!(
                    "{shown} exists already, and a key never overwrites a file. Give another name, or move {shown} away; no key was made"
                ))
            }
            _ => Failure::file(&path, &error),
        })?;
        Ok(Self { path, file })
    }

    /// Writes the key and answers where.
    pub fn keep(mut self, key: &str) -> Result<PathBuf, Failure> {
        let written = writeln!(self.file, "{key}").and_then(|()| self.file.sync_all());
        written.map_err(|error| Failure::file(&self.path, &error))?;
        Ok(self.path)
    }

    /// Takes the empty file away again.
    pub fn give_up(self) {
        // The failure that led here is what the caller must hear.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The answer with the fresh key, or with the file that it is in.
pub fn shown(made: KeyMade, place: Option<Place>) -> Result<Report, Failure> {
    let KeyMade { key, info } = made;
    let mut json = json!(info);
    let (text, field, value) = match place {
        Some(place) => {
            let path = place.keep(&key)?.display().to_string();
            (format!("the key {} of {} is in {path}", info.id, info.holder), "key_file", path)
        }
        None => {
            let text = format!("{key}\n\nThis is the key {} of {}. It is shown this once.", info.id, info.holder);
            (text, "key", key)
        }
    };
    if let Some(fields) = json.as_object_mut() {
        fields.insert(field.to_owned(), value.into());
    }
    Ok(Report::good(text, json))
}

async fn list(context: &Context) -> Result<Report, Failure> {
    let keys: Vec<KeyView> = match Reach::open(context).await? {
        Reach::Gateway(client) => client.get("/operator/keys").await?,
        Reach::Folder(folder) => folder.ops().list_keys().await?,
    };
    let time = |time: Option<Timestamp>| time.map_or_else(|| "–".to_owned(), |time| time.to_string());
    let row = |key: &KeyView| {
        let end = key.revoked_at.or(key.expires_at);
        vec![
            key.id.clone(),
            key.holder.clone(),
            key.state.to_string(),
            time(Some(key.created_at)),
            time(end),
            key.note.clone(),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    Ok(Report::good(table(&["id", "holder", "state", "made", "ends", "note"], &rows), json!(keys)))
}

async fn revoke(context: &Context, id: &str) -> Result<Report, Failure> {
    let path = format!("/operator/keys/{}", part(id)?);
    let key: KeyView = match Reach::open(context).await? {
        Reach::Gateway(client) => client.send(Method::DELETE, &path, None).await?.good()?,
        Reach::Folder(folder) => folder.ops().revoke_key(&By::Local, &KeyId::new(id)).await?,
    };
    Ok(Report::good(format!("the key {} of {} is revoked", key.id, key.holder), json!(key)))
}

/// An id as a part of a path. Ids hold nothing that would need escaping; anything else is no id.
pub fn part(id: &str) -> Result<&str, Failure> {
    let fits =
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    // Two dots would climb in a path.
    if fits && Path::new(id).file_name().is_some() {
        return Ok(id);
    }
    Err(Failure::refused(format!("`{}` is not an id", id.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_become_parts_of_a_path() {
        assert!(["k1", "acme-square", "post_0199", "a.b"].iter().all(|id| part(id).is_ok()));
        assert!(["", "..", ".", "a/b", "a?b", "a b", "ä", "a%2fb", "a\r\nb"].iter().all(|id| part(id).is_err()));
    }

    #[test]
    fn a_key_goes_to_a_file_of_its_own_or_to_the_screen() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let place = Place::reserve(path.clone()).unwrap();
        let failure = Place::reserve(path.clone()).err().map(|failure| failure.to_string()).unwrap_or_default();
        assert!(failure.contains(&path.display().to_string()) && failure.contains("another name"), "{failure}");
        place.keep("pgk_x").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "pgk_x\n");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}
