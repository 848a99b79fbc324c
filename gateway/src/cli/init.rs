//! `pressgate init`: what a first start needs. It never overwrites anything and may be run again.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::Write,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

use super::{
    context::{self, CONFIG_FILE},
    key::{self, Place},
    outcome::{Failure, Report},
    starter,
};
use crate::{
    clock::{Clock, SystemClock},
    config::{Config, Governance, process::Kek},
    operator::{
        By, Ops,
        keys::is_operator,
        standing,
        wire::{KeyRequest, KeyState},
    },
    plugins::Shelf,
    start::{self, Parts},
    vault::create_kek_file,
};

/// The operator of the starter governance.
const STARTER_OPERATOR: &str = "ops-1";

/// `init [--operator PERSON] [--save-key FILE]`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Who gets the first operator's key: a person of people.toml with the role `operator`. Without it, the only one.
    #[arg(long, value_name = "PERSON")]
    operator: Option<String>,
    /// Write the key to this new file, for its owner's eyes only, instead of showing it.
    #[arg(long, value_name = "FILE")]
    save_key: Option<PathBuf>,
}

/// Makes what is missing.
pub async fn run(config_path: Option<&Path>, args: &Args) -> Result<Report, Failure> {
    let mut made = Vec::new();
    let path = config_path.unwrap_or(Path::new(CONFIG_FILE));
    if write_new(path, starter::CONFIG)? {
        made.push(path.to_owned());
    }
    let config = context::config(Some(path))?;
    governance(&config.governance, &mut made)?;
    // Before the stores are made: a folder with a wrong operator's name stays as it was.
    let standing = standing::folder(&config, &Shelf::default(), standing::PRINCIPALS)?;
    let operator = operator(&standing, args.operator.as_deref())?;

    folder(&config.data, 0o700, &mut made)?;
    folder(&config.plugins.dir, 0o755, &mut made)?;
    kek(&config, &mut made)?;
    let key = first_key(&config, &standing, &operator, args.save_key.clone()).await?;

    let paths: Vec<String> = made.iter().map(|path| path.display().to_string()).collect();
    let mut text: Vec<String> = paths.iter().map(|path| format!("made {path}")).collect();
    let mut answer = json!({ "made": paths, "operator": operator });
    match key {
        Some(key) => {
            text.push(format!("\n{}", key.text));
            text.push("Next: `pressgate doctor`, then `pressgate serve`.".to_owned());
            if let (Some(fields), serde_json::Value::Object(more)) = (answer.as_object_mut(), key.json) {
                fields.insert("operator_key".to_owned(), more.into());
            }
        }
        None => text
            .push("There is a live operator's key already; `pressgate key create --person` makes another.".to_owned()),
    }
    Ok(Report::good(text.join("\n"), answer))
}

/// The person who gets the first key.
fn operator(governance: &Governance, wish: Option<&str>) -> Result<String, Failure> {
    let mut operators = governance.people.keys().filter(|person| is_operator(governance, person.as_str()));
    if let Some(wish) = wish {
        let found = operators.find(|person| person.as_str() == wish);
        return found
            .map(ToString::to_string)
            .ok_or_else(|| Failure::refused("--operator must name a person of people.toml with the role `operator`"));
    }
    match (operators.next(), operators.next()) {
        (Some(only), None) => Ok(only.to_string()),
        (None, _) => Err(Failure::refused(format!(
            "nobody in people.toml has the role `operator`; add one, such as `{STARTER_OPERATOR}` with roles = [\"operator\"]"
        ))),
        _ => Err(Failure::Usage("people.toml has several operators: name one with --operator".to_owned())),
    }
}

/// Makes the first operator's key, unless an operator has one.
async fn first_key(
    config: &Config,
    governance: &Governance,
    operator: &str,
    save: Option<PathBuf>,
) -> Result<Option<Report>, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = start::open_stores(&Parts::real(config.clone())).await?;
    let ops = Ops::offline(&stores, clock.as_ref());
    let outcome = async {
        let live = |key: &crate::operator::wire::KeyView| {
            let person = key.holder.strip_prefix("person:");
            key.state == KeyState::Live && person.is_some_and(|person| is_operator(governance, person))
        };
        if ops.list_keys().await?.iter().any(live) {
            return Ok(None);
        }
        let place = save.map(Place::reserve).transpose()?;
        let wish = KeyRequest {
            person: Some(operator.to_owned()),
            note: Some("made by init".to_owned()),
            ..Default::default()
        };
        match ops.create_key(&By::Local, governance, wish).await {
            Ok(made) => key::shown(made, place).map(Some),
            Err(error) => {
                if let Some(place) = place {
                    place.give_up();
                }
                Err(error.into())
            }
        }
    };
    let outcome = outcome.await;
    stores.audit.close();
    outcome
}

fn kek(config: &Config, made: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let Kek::File(path) = &config.kek else { return Ok(()) };
    if path.exists() {
        return Ok(());
    }
    // A store that was sealed with a lost key must not get a new one: it would look whole and open nothing.
    if config.records_dir().exists() {
        return Err(Failure::refused(format!(
            "the key-encryption key {} is gone, but {} was sealed with it: put the key back from its backup",
            path.display(),
            config.records_dir().display()
        )));
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        folder(parent, 0o700, made)?;
    }
    create_kek_file(path).map_err(|error| Failure::refused(error.to_string()))?;
    made.push(path.clone());
    Ok(())
}

fn governance(dir: &Path, made: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if dir.exists() {
        return Ok(());
    }
    folder(dir, 0o755, made)?;
    for (name, text) in starter::GOVERNANCE {
        write_new(&dir.join(name), text)?;
    }
    Ok(())
}

/// Makes a folder where there is none.
fn folder(path: &Path, mode: u32, made: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|error| Failure::file(path, &error))?;
    made.push(path.to_owned());
    Ok(())
}

/// Writes a file where there is none; true where it did.
fn write_new(path: &Path, text: &str) -> Result<bool, Failure> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true).map_err(|error| Failure::file(path, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Failure::file(path, &error)),
    }
}
