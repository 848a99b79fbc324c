//! `pressgate post invite`: an outside party is asked, by links that work once.

use hyper::Method;
use serde_json::{Value, json};

use super::{
    path,
    steps::fields,
    told::{several, text},
};
use crate::cli::{
    client::Client,
    outcome::{Failure, Report, safe},
};

/// Who is invited.
#[derive(Debug, clap::Args)]
pub struct Invite {
    /// The post's id.
    id: String,
    /// The outside party, as approvals.toml names it.
    party: String,
    /// How long the links work: `90m`, `48h`, `7d`; 48 hours where it is left out.
    #[arg(long, value_name = "TIME")]
    valid_for: Option<String>,
    /// Only if the post is still at this version, as `post show` gave it.
    #[arg(long, value_name = "VERSION")]
    saw: Option<u32>,
}

impl Invite {
    /// Asks for the links. They are shown here where the gateway mails nobody, and never again.
    pub async fn run(&self, client: &Client) -> Result<Report, Failure> {
        let Self { id, party, valid_for, saw } = self;
        let body = fields([("external", json!(party)), ("valid_for", json!(valid_for)), ("version", json!(saw))]);
        let reply = client.send_with(Method::POST, &path(id, "invite")?, &[], &body).await?;
        let invited = reply.good::<Value>()?;
        Ok(Report::good(told(&invited, party, &client.base()), invited))
    }
}

fn told(invited: &Value, party: &str, base: &str) -> String {
    let links: Vec<&Value> = several(invited, "links").collect();
    let shown = links.iter().filter(|link| !text(link, "url").is_empty()).count();
    let mut lines = Vec::new();
    if shown > 0 {
        lines.push(format!(
            "This gateway mails nobody. Bring each of these to its address at `{}`: whoever has it can vote with it, once. It is not shown again.",
            safe(party)
        ));
    } else {
        lines.push(format!("A link is on its way to each address of `{}` that has not voted.", safe(party)));
    }
    for link in links {
        let (address, url, until) = (text(link, "address"), text(link, "url"), safe(text(link, "expires_at")));
        if url.is_empty() {
            lines.push(format!("{} until {until}", safe(text(link, "id"))));
        } else {
            let base = if url.starts_with('/') { base } else { "" };
            lines.push(format!("{} until {until}\n  {base}{}", safe(address), safe(url)));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_shown_with_whom_it_is_for() {
        let link = json!({"id": "link_1", "expires_at": "T", "address": "a@x.example", "url": "/approve/5e"});
        let text = told(&json!({ "links": [link] }), "agency-x", "http://gate");
        assert!(
            text.contains("mails nobody") && text.ends_with("a@x.example until T\n  http://gate/approve/5e"),
            "{text}"
        );
        let sent = json!({"id": "link_1", "expires_at": "T", "address": null, "url": null});
        let text = told(&json!({ "links": [sent] }), "agency-x", "http://gate");
        assert!(text.contains("on its way") && text.ends_with("link_1 until T"), "{text}");
    }
}
