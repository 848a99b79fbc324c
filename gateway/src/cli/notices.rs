//! `pressgate notices`: what people are still to be told. The gateway must run: it alone knows.

use serde_json::json;

use super::{
    context::Context,
    outcome::{Failure, Report, safe},
    reach::Reach,
    table::table,
};
use crate::operator::notices::NoticeRow;

/// `notices list`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Notices that wait to be sent, and those that were given up: for whom, and of which kind.
    List,
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    let Command::List = command;
    let Reach::Gateway(client) = Reach::open(context).await? else {
        return Err(Failure::refused("the gateway must run for this: start it with `pressgate serve`"));
    };
    let all: Vec<NoticeRow> = client.get("/operator/notices").await?;
    let none = || "–".to_owned();
    let row = |notice: &NoticeRow| {
        let about = notice.post.as_ref().or(notice.account.as_ref()).map_or_else(none, |about| safe(about));
        let why = notice.why.as_deref().map_or_else(none, safe);
        let names = [safe(&notice.to), safe(&notice.kind), about];
        [vec![notice.state.clone(), notice.channel.clone()], names.to_vec(), vec![notice.since.to_string(), why]]
            .concat()
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    Ok(Report::good(table(&["state", "by", "for", "notice", "about", "since", "why"], &rows), json!(all)))
}
