//! `pressgate audit erase`: asks for an erasure, or confirms another operator's.

use serde_json::json;

use crate::{
    cli::{
        context::Context,
        key::part,
        outcome::{Failure, Report, counted},
        reach::Reach,
    },
    operator::wire::{ErasureRequest, ErasureView},
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
        (erasure.leaf, erasure.values) = (Some(9), 3);
        assert!(told(&erasure).contains("3 values") && told(&erasure).contains("leaf 9"), "{}", told(&erasure));
    }
}
