//! `pressgate post edit`: two who edit at once do not overwrite each other.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use hyper::Method;
use serde_json::{Map, Value};

use super::{
    merge::difference,
    path, read,
    steps::{also, changed},
    told::{text, told},
    when::When,
    words::Words,
};
use crate::{
    call::digest::random_hex,
    cli::{
        client::Client,
        outcome::{Failure, Report, safe},
    },
};

/// Used where neither VISUAL nor EDITOR is set.
const USUAL_EDITOR: &str = "vi";
/// An editor has no use for these.
const KEYS: [&str; 2] = [super::KEY, "PRESSGATE_OPERATOR_KEY"];

/// What changes.
#[derive(Debug, clap::Args)]
pub struct Edit {
    /// The post's id.
    id: String,
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    when: When,
    /// A series ends: the post leaves once more, at the time that is given.
    #[arg(long, conflicts_with = "rule")]
    no_repeat: bool,
    /// It leaves as soon as nobody's agreement is missing.
    #[arg(long, conflicts_with = "When")]
    at_once: bool,
    /// The whole request as it shall be, JSON; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["Words", "When", "at_once"])]
    request: Option<PathBuf>,
    /// Open the whole request in $VISUAL or $EDITOR.
    #[arg(long, conflicts_with_all = ["Words", "When", "at_once", "request"])]
    editor: bool,
    /// Change it only if it is still at this version; without it at the one that it is at now.
    #[arg(long, value_name = "VERSION")]
    saw: Option<u32>,
}

/// Edits it.
pub async fn edit(client: &Client, edit: Edit) -> Result<Report, Failure> {
    let Edit { id, words, when, no_repeat, at_once, request, editor, saw } = edit;
    if editor {
        return by_hand(client, &id, saw).await;
    }
    if let Some(file) = request {
        let wanted = parsed(&file, &read(&file)?)?;
        let (tag, current) = fetched(client, &id).await?;
        return send(client, &id, &tagged(saw, tag), difference(&current, &wanted)).await;
    }
    if when.is_one_time() && !no_repeat {
        series_goes_on(client, &id).await?;
    }
    let mut patch = words.fields()?;
    let schedule = if at_once { Some(Value::Null) } else { when.patch() };
    patch.extend(schedule.map(|schedule| ("schedule".to_owned(), schedule)));
    if patch.is_empty() {
        return Err(Failure::Usage("say what changes: --text, --account, --at, …, or --editor".to_owned()));
    }
    let tag = match saw {
        Some(_) => tagged(saw, String::new()),
        None => client.send(Method::GET, &path(&id, "")?, None).await.and_then(|reply| {
            reply.good::<Value>()?;
            reply.tag.ok_or_else(|| Failure::Unreachable("what answered names no version of the post".to_owned()))
        })?,
    };
    send(client, &id, &tag, Value::Object(patch)).await
}

/// A series ends by somebody's word only.
async fn series_goes_on(client: &Client, id: &str) -> Result<(), Failure> {
    let (_, request) = fetched(client, id).await?;
    let rule = request.get("schedule").map(|schedule| text(schedule, "rule")).unwrap_or_default();
    if rule.is_empty() {
        return Ok(());
    }
    let rule = safe(rule);
    Err(Failure::refused(format!(
        "the post recurs ({rule}): say --rule with the time, or --no-repeat where the series shall end"
    )))
}

/// The request as it is, and the `ETag` that goes with it.
async fn fetched(client: &Client, id: &str) -> Result<(String, Value), Failure> {
    let reply = client.send(Method::GET, &path(id, "request")?, None).await?;
    let request = reply.good()?;
    let none = || Failure::Unreachable("what answered names no version of the post".to_owned());
    Ok((reply.tag.ok_or_else(none)?, request))
}

fn tagged(saw: Option<u32>, tag: String) -> String {
    saw.map_or(tag, |saw| format!("\"{saw}\""))
}

fn parsed(file: &Path, text: &str) -> Result<Value, Failure> {
    let value: Value = serde_json::from_str(text).map_err(|error| Failure::file(file, &error))?;
    if value.is_object() { Ok(value) } else { Err(Failure::file(file, &"it is no JSON object")) }
}

async fn send(client: &Client, id: &str, tag: &str, patch: Value) -> Result<Report, Failure> {
    if patch.as_object().is_some_and(Map::is_empty) {
        return Ok(Report::good("nothing was changed", Value::Null));
    }
    let sent = client.send_with(Method::PATCH, &path(id, "")?, &[("if-match", tag)], &patch).await?;
    match sent.good::<Value>() {
        Ok(post) => Ok(Report::good(told(&post), post)),
        Err(failure) => Err(changed(client, id, failure).await),
    }
}

/// The request in an editor. What somebody wrote is never lost.
async fn by_hand(client: &Client, id: &str, saw: Option<u32>) -> Result<Report, Failure> {
    let (tag, current) = fetched(client, id).await?;
    let file = opened(&format!("{current:#}\n"))?;
    let sent = async {
        let wanted = parsed(&file.0, &read(&file.0)?)?;
        send(client, id, &tagged(saw, tag), difference(&current, &wanted)).await
    };
    match sent.await {
        Ok(report) => {
            file.remove();
            Ok(report)
        }
        Err(failure) => {
            let kept = file.0.display();
            let text = format!("What you wrote is in {kept}. Mend it, then: pressgate post edit {id} --request {kept}");
            Err(also(failure, &text))
        }
    }
}

/// A file for the editor, which nobody else may read.
struct Scratch(PathBuf);

impl Scratch {
    fn with(text: &str) -> Result<Self, Failure> {
        let name = random_hex().map_err(|refusal| Failure::refused(refusal.detail))?;
        let path = std::env::temp_dir().join(format!("pressgate-{name}.json"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| Failure::file(&path, &error))?;
        Ok(Self(path))
    }

    /// What can't be removed is no reason to say that the edit failed.
    fn remove(self) {
        let _ = std::fs::remove_file(self.0);
    }
}

/// A file of one's own with the text, after the editor was closed.
fn opened(text: &str) -> Result<Scratch, Failure> {
    let file = Scratch::with(text)?;
    let mut named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor = named.find(|editor| !editor.trim().is_empty()).unwrap_or_else(|| USUAL_EDITOR.to_owned());
    // It may have options of its own: `code --wait`.
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(&file.0);
    for key in KEYS {
        command.env_remove(key);
    }
    let why = match command.status() {
        Ok(status) if status.success() => return Ok(file),
        Ok(_) => "failed".to_owned(),
        Err(error) => format!("can't be run: {error}"),
    };
    file.remove();
    Err(Failure::refused(format!("the editor `{editor}` {why}; nothing was sent")))
}
