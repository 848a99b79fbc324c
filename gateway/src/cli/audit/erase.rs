//! `pressgate audit erase` asks for an erasure, or confirms another operator's; `pressgate audit erasures` shows them.

use serde_json::json;

use crate::{
    cli::{
        context::Context,
        key::part,
        outcome::{Failure, Report, counted},
        reach::Reach,
        table::table,
    },
    operator::{
        erasures,
        wire::{ErasureRequest, ErasureView},
    },
};

/// `audit erase`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose values: a person's id (`editor-7`), or `app:` and an app's.
    #[arg(long)]
    subject: String,
    /// The legal basis as one word, which the log keeps: `gdpr-art-17`.
    #[arg(long)]
    basis: String,
    /// Confirm this erasure, which another operator asked for. It can't be undone.
    #[arg(long, value_name = "ID")]
    confirm: Option<String>,
}

/// `audit erasures`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only this one, with all that is known of it.
    id: Option<String>,
}

/// Shows what was asked for: all, or one.
pub async fn list(context: &Context, args: &ListArgs) -> Result<Report, Failure> {
    let reach = Reach::open(context).await?;
    if let Some(id) = &args.id {
        let erasure: ErasureView = match reach {
            Reach::Gateway(client) => client.get(&format!("/operator/erasures/{}", part(id)?)).await?,
            Reach::Folder(folder) => erasures::show(&folder.ops(), id).await?,
        };
        return Ok(Report::good(told(&erasure), json!(erasure)));
    }
    let all: Vec<ErasureView> = match reach {
        Reach::Gateway(client) => client.get("/operator/erasures").await?,
        Reach::Folder(folder) => erasures::list(&folder.ops()).await?,
    };
    Ok(Report::good(listed(&all), json!(all)))
}

fn listed(all: &[ErasureView]) -> String {
    let row = |erasure: &ErasureView| {
        let end = match (erasure.leaf, erasure.state.as_str()) {
            (Some(leaf), _) => format!("leaf {leaf}"),
            (None, "waits") => format!("until {}", erasure.expires_at),
            (None, _) => "–".to_owned(),
        };
        vec![
            erasure.id.clone(),
            erasure.subject.clone(),
            erasure.basis.clone(),
            erasure.state.clone(),
            erasure.asked_by.clone(),
            erasure.confirmed_by.clone().unwrap_or_else(|| "–".to_owned()),
            end,
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    table(&["id", "subject", "basis", "state", "asked by", "confirmed by", "end"], &rows)
}

/// Runs the command.
pub async fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    let Reach::Gateway(client) = Reach::open(context).await? else {
        let text = "no gateway runs, and an erasure needs one, and two operators with keys of their own: start it with `pressgate serve`";
        return Err(Failure::Unreachable(text.to_owned()));
    };
    let wish = ErasureRequest { subject: args.subject.clone(), basis: args.basis.clone() };
    let path = match &args.confirm {
        Some(id) => format!("/operator/erasures/{}/confirmations", part(id)?),
        None => "/operator/erasures".to_owned(),
    };
    let erasure: ErasureView = client.post(&path, &wish).await?;
    Ok(Report::good(told(&erasure), json!(erasure)))
}

fn told(erasure: &ErasureView) -> String {
    let count = |count: u64, one: &str, many: &str| counted(usize::try_from(count).unwrap_or(usize::MAX), one, many);
    let ErasureView { id, subject, basis, .. } = erasure;
    match erasure.leaf {
        Some(leaf) => format!(
            "{subject} is erased: {}, the content of {}, {}. The log says so in leaf {leaf}.",
            count(erasure.values, "value", "values"),
            count(erasure.posts, "post", "posts"),
            count(erasure.media, "medium", "media"),
        ),
        None if erasure.state == "expired" => {
            format!("{id} for {subject} ended at {}: nobody confirmed it. Ask for it again", erasure.expires_at)
        }
        None if erasure.state == "under-way" => format!(
            "{id} is under way for {subject}; a restart carries it on. There are {} and the content of {} left",
            count(erasure.values_left, "value", "values"),
            count(erasure.posts_left, "post", "posts"),
        ),
        None => format!(
            "{id} waits: it would erase {} and the content of {} of {subject}. Another operator confirms it before {}:\n  pressgate \
             audit erase --subject {subject} --basis {basis} --confirm {id}",
            count(erasure.values_left, "value", "values"),
            count(erasure.posts_left, "post", "posts"),
            erasure.expires_at,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_who_must_do_what_next() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let mut erasure = ErasureView {
            id: "erasure_1".into(),
            subject: "person:editor-7".into(),
            basis: "gdpr-art-17".into(),
            state: "waits".into(),
            asked_by: "ops-1".into(),
            asked_at: now,
            expires_at: now,
            confirmed_by: None,
            values: 0,
            posts: 0,
            media: 0,
            leaf: None,
            values_left: 3,
            posts_left: 1,
        };
        let text = told(&erasure);
        assert!(text.contains("3 values and the content of 1 post") && text.contains("--confirm erasure_1"), "{text}");
        let list = listed(std::slice::from_ref(&erasure));
        assert!(list.contains("erasure_1") && list.contains("until 1970"), "{list}");
        for (state, says) in [("expired", "Ask for it again"), ("under-way", "3 values and the content of 1 post left")]
        {
            erasure.state = state.into();
            assert!(told(&erasure).contains(says), "{}", told(&erasure));
        }
        (erasure.leaf, erasure.values) = (Some(9), 3);
        assert!(told(&erasure).contains("3 values") && told(&erasure).contains("leaf 9"), "{}", told(&erasure));
    }
}
