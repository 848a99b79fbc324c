//! `pressgate freeze` and `pressgate thaw`: stopping everything of a brand at once, and going on.

use serde_json::json;

use super::{
    client::Client,
    context::Context,
    key::part,
    outcome::{Failure, Report, counted, safe},
    reach::{Folder, OPERATOR_KEY, Reach, operator_address},
    table::table,
};
use crate::{
    freezes::{
        change::{Stores, Who, begin_offline, list_offline},
        view::{FreezeRequest, FreezeView, FreezesView, LiftRequest, PermitRequest},
    },
    operator::{OpsError, standing::PRINCIPALS},
};

/// The environment variable with a person's own key.
const KEY: &str = "PRESSGATE_KEY";

/// Where freezes are begun and lifted.
enum Way<'a> {
    /// At a running gateway, below this path: by a person's own key, or an operator's.
    Gateway(Client, &'static str),
    /// On the stores of a gateway that does not run.
    Folder(Box<Folder<'a>>),
}

impl<'a> Way<'a> {
    /// Whoever may freeze has one way or the other: a key in a file, an operator's in the environment, a person's own, or a device.
    async fn open(context: &'a Context) -> Result<Self, Failure> {
        let person = |client| Self::Gateway(client, "/v1/freezes");
        let config = &context.config;
        if config.data.is_dir()
            && let Some(folder) = Reach::unused(context).await?
        {
            return Ok(Self::Folder(folder));
        }
        if let Some(key) = context.named_key()? {
            return Ok(person(Client::of_apps(config, Some(key))));
        }
        if let Some(key) = context.key(OPERATOR_KEY)? {
            return Ok(Self::Gateway(Client::new(operator_address(config), Some(key)), "/operator/freezes"));
        }
        context.person(KEY).map(person)
    }
}

/// `freeze begin|list|permit`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Stop every effect of a scope. When this has answered, none of it reaches a network but deletions and approved statements.
    Begin(Begin),
    /// Freezes that are on, and the last that were lifted.
    List,
    /// Let a statement pass: one version of one post, by somebody who has no part in it.
    Permit(Permit),
}

/// What is to pass.
#[derive(Debug, clap::Args)]
pub struct Permit {
    /// The freeze; `pressgate freeze list` has it.
    id: String,
    /// The post.
    post: String,
    /// The version that you saw. Without it the one that there is.
    #[arg(long, value_name = "VERSION")]
    saw: Option<u32>,
}

/// What is frozen, and why.
#[derive(Debug, clap::Args)]
pub struct Begin {
    #[command(flatten)]
    scope: Scope,
    /// Why, as one word that the log keeps: `data-leak`.
    #[arg(long)]
    reason: String,
    /// Posts with this label pass, where they were approved before or their app may use it as an urgent one. Repeatable.
    #[arg(long, value_name = "LABEL")]
    permit_label: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Scope {
    /// Everything.
    #[arg(long)]
    org: bool,
    /// A brand and those below.
    #[arg(long)]
    brand: Option<String>,
    /// One account.
    #[arg(long)]
    account: Option<String>,
    /// One campaign.
    #[arg(long)]
    campaign: Option<String>,
}

impl Scope {
    fn written(&self) -> String {
        let named = |kind: &str, name: &Option<String>| name.as_ref().map(|name| format!("{kind}:{name}"));
        named("brand", &self.brand)
            .or_else(|| named("account", &self.account))
            .or_else(|| named("campaign", &self.campaign))
            .unwrap_or_else(|| "org".to_owned())
    }
}

/// `thaw`: which freeze is to end, and what becomes of what it stopped.
#[derive(Debug, clap::Args)]
pub struct Thaw {
    /// The freeze; `pressgate freeze list` has it.
    id: String,
    /// Why, as one word that the log keeps.
    #[arg(long)]
    reason: Option<String>,
    /// Let the posts that were stopped go out by themselves with this much time between two: `30s`, `5m`. Without it each waits for
    /// a person's word: `pressgate post confirm`.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    release_every: Option<u32>,
}

/// A time as people write it: `30s`, `5m`, `1h`.
pub(super) fn seconds(text: &str) -> Result<u32, String> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split).unwrap_or((text, ""));
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("a time is a number and `s`, `m` or `h`: `30s`".to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| "the number is none, or too great".to_owned())?;
    number.checked_mul(unit_s).filter(|seconds| *seconds > 0).ok_or_else(|| "0 or too long".to_owned())
}

/// Runs `freeze`.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    match command {
        Command::Begin(begin) => self::begin(context, begin).await,
        Command::List => list(context).await,
        Command::Permit(wanted) => permit(context, wanted).await,
    }
}

async fn begin(context: &Context, wanted: Begin) -> Result<Report, Failure> {
    let Begin { scope, reason, permit_label } = wanted;
    let wish = FreezeRequest { scope: scope.written(), reason, permit_labels: permit_label };
    let frozen: FreezeView = match Way::open(context).await? {
        Way::Gateway(client, path) => client.post(path, &wish).await?,
        Way::Folder(folder) => {
            let governance = folder.standing(&context.shelf()?, PRINCIPALS).await?;
            let (audit, records) = (&folder.stores.audit, folder.stores.records.as_ref());
            let stores = Stores { audit, records, now: context.clock.now() };
            let begun = begin_offline(stores, &governance, &Who::Local, &wish).await;
            begun.map_err(|refusal| Failure::refused(refusal.detail))?
        }
    };
    let left = match frozen.under_way {
        None => "; no gateway runs, and the next start finds it".to_owned(),
        Some(0) => "; nothing of it is under way any more".to_owned(),
        Some(left) => {
            format!("; {} had left before and not been answered yet", counted(left, "request", "requests"))
        }
    };
    let (scope, id) = (safe(&frozen.scope), safe(&frozen.id));
    let text = if frozen.already.is_some() {
        already(&frozen, &wish)
    } else if frozen.still_frozen_by.is_empty() {
        format!("{scope} is frozen ({}){left}\nTwo people thaw it: pressgate thaw {id}", safe(&frozen.reason))
    } else {
        format!(
            "{scope} was frozen already by {}; this adds one ({}){left}\nTwo people lift it: pressgate thaw {id}",
            safe(&frozen.still_frozen_by.join(", ")),
            safe(&frozen.reason)
        )
    };
    Ok(Report::good(text, json!(frozen)))
}

/// It was frozen before: by whom, and what passes all the same.
fn already(frozen: &FreezeView, wish: &FreezeRequest) -> String {
    let passes = match frozen.permit_labels.as_slice() {
        [] => "no label passes".to_owned(),
        labels => format!("posts with one of these labels pass: {}", safe(&labels.join(", "))),
    };
    let ending = match frozen.lift_asked_by.as_slice() {
        [] => String::new(),
        asked => format!("\n{} asked for its end", safe(&asked.join(", "))),
    };
    format!(
        "{} is frozen already, by {} since {} ({}), as {}; the log has your reason too ({}); {passes}{ending}",
        safe(&frozen.scope),
        safe(&frozen.by),
        frozen.since,
        safe(&frozen.reason),
        safe(&frozen.id),
        safe(&wish.reason),
    )
}

async fn permit(context: &Context, wanted: Permit) -> Result<Report, Failure> {
    let Permit { id, post, saw } = wanted;
    let wish = PermitRequest { post, version: saw };
    let frozen: FreezeView = match Way::open(context).await? {
        Way::Gateway(client, path) => client.post(&format!("{path}/{}/permit", part(&id)?), &wish).await?,
        Way::Folder(_) => {
            let text = "a person lets a post pass with a key of their own, on a running gateway";
            return Err(Failure::refused(text.to_owned()));
        }
    };
    let version = frozen.permit_posts.iter().find(|passes| passes.post == wish.post).map(|passes| passes.version);
    let version = version.map_or_else(String::new, |version| format!(" in version {version}"));
    let text = format!(
        "{} passes{version}, once it is approved; everything else of {} stays frozen",
        safe(&wish.post),
        safe(&frozen.scope)
    );
    Ok(Report::good(text, json!(frozen)))
}

async fn list(context: &Context) -> Result<Report, Failure> {
    let all: FreezesView = match Way::open(context).await? {
        Way::Gateway(client, path) => client.get(path).await?,
        Way::Folder(folder) => list_offline(folder.stores.records.as_ref()).await.map_err(OpsError::from)?,
    };
    let row = |freeze: &FreezeView| {
        let asked = if freeze.lift_asked_by.is_empty() { "–".to_owned() } else { freeze.lift_asked_by.join(", ") };
        let since = freeze.since.to_string();
        vec![
            safe(&freeze.id),
            safe(&freeze.scope),
            safe(&freeze.state),
            safe(&freeze.reason),
            since,
            safe(&freeze.by),
            safe(&asked),
        ]
    };
    let rows: Vec<_> = all.freezes.iter().map(row).collect();
    let heads = ["id", "scope", "state", "reason", "since", "by", "lift asked by"];
    Ok(Report::good(table(&heads, &rows), json!(all)))
}

/// Runs `thaw`.
pub async fn thaw(context: &Context, wanted: Thaw) -> Result<Report, Failure> {
    let Thaw { id, reason, release_every } = wanted;
    let wish = LiftRequest { reason, release_every_s: release_every };
    let lifted: FreezeView = match Way::open(context).await? {
        Way::Gateway(client, path) => client.post(&format!("{path}/{}/lift", part(&id)?), &wish).await?,
        Way::Folder(_) => {
            let text = "a freeze is lifted by two people with keys of their own, on a running gateway";
            return Err(Failure::refused(text.to_owned()));
        }
    };
    let scope = safe(&lifted.scope);
    let text = match (lifted.state.as_str(), lifted.released) {
        ("lifted", _) if !lifted.still_frozen_by.is_empty() => {
            let others = safe(&lifted.still_frozen_by.join(", "));
            format!("{} is lifted, but {scope} is not thawed: still frozen by {others}", safe(&lifted.id))
        }
        ("lifted", Some(posts)) => {
            format!("{scope} is thawed; {} go out one after the other", counted(posts, "post", "posts"))
        }
        ("lifted", None) => {
            format!("{scope} is thawed; each post that it stopped waits for a person's word: pressgate post confirm")
        }
        _ => format!("{scope} is still frozen; another person must ask too: pressgate thaw {}", safe(&lifted.id)),
    };
    Ok(Report::good(text, json!(lifted)))
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_read() {
        assert_eq!((seconds("30s"), seconds("5m"), seconds("1h")), (Ok(30), Ok(300), Ok(3600)));
        for text in ["", "30", "s", "0s", "-1s", "1d", "9999999999s", "4294967295h", "1ß"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
