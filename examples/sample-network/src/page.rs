//! The timeline as a web page, for people.

use std::collections::{HashMap, HashSet};

use crate::clock::iso;
use crate::state::{Network, Store};
use crate::status::Status;
use crate::text::{escape, html};

/// Replies are indented so far and no further.
const INDENT_LEVELS_MAX: usize = 6;
/// Statuses on the page.
const SHOWN_MAX: usize = 200;

const STYLE: &str = "
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: #eef0f3; color: #1c2128; }
main { max-width: 42rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.3rem; margin: 0 0 .2rem; }
header p, .empty, footer { color: #59636e; margin: 0 0 1.2rem; }
article { background: #fff; border: 1px solid #d5dae0; border-radius: 10px; padding: .8rem 1rem; margin: 0 0 .7rem; }
article p { margin: .3rem 0; overflow-wrap: anywhere; }
.by { color: #59636e; font-size: .85rem; } .by b { color: #1c2128; font-size: 1rem; }
.reply { border-left: 4px solid #9db4d0; }
summary { cursor: pointer; font-weight: 600; }
.media { display: flex; gap: .5rem; flex-wrap: wrap; margin-top: .5rem; }
.media figure { margin: 0; max-width: 9rem; font-size: .8rem; color: #59636e; }
.media img { max-width: 9rem; max-height: 9rem; border-radius: 6px; display: block; background: #e3e6ea; }
@media (prefers-color-scheme: dark) {
  body { background: #14181d; color: #e4e8ee; } article { background: #1d232a; border-color: #333b45; }
  .by b { color: #e4e8ee; } a { color: #8ab8ff; } }
";

/// The page.
pub(crate) fn render(network: &Network) -> String {
    let store = network.store();
    let title = escape(&network.config.page_title);
    let username = escape(&network.config.username);
    let count = store.statuses.len();
    let statuses = if count == 1 { "1 status".to_owned() } else { format!("{count} statuses") };
    let mut body = String::new();
    for (status, depth) in in_threads(&store).into_iter().take(SHOWN_MAX) {
        body.push_str(&article(network, &store, status, depth));
    }
    if body.is_empty() {
        body.push_str("<p class=\"empty\">Nothing has been published yet.</p>");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"3\">\
         <style>{STYLE}</style></head>\n<body><main><header><h1>{title}</h1><p>@{username} · {statuses}</p></header>\n\
         {body}</main></body></html>\n"
    )
}

/// Newest thread first; within a thread each status is followed by its replies, oldest first.
fn in_threads(store: &Store) -> Vec<(&Status, usize)> {
    let mut replies: HashMap<&str, Vec<&Status>> = HashMap::new();
    let mut roots = Vec::new();
    for status in store.statuses.values() {
        match status.draft.in_reply_to.as_deref().filter(|parent| store.statuses.contains_key(*parent)) {
            Some(parent) => replies.entry(parent).or_default().push(status),
            None => roots.push(status),
        }
    }
    // A stack and not recursion: a thread may be as long as somebody likes.
    let mut ordered = Vec::new();
    let mut seen = HashSet::new();
    let mut stack: Vec<(&Status, usize)> = roots.into_iter().map(|root| (root, 0)).collect();
    while let Some((status, depth)) = stack.pop() {
        if seen.insert(status.id.as_str()) {
            ordered.push((status, depth));
            let below = replies.get(status.id.as_str()).into_iter().flatten().rev();
            stack.extend(below.map(|reply| (*reply, depth + 1)));
        }
    }
    ordered
}

fn article(network: &Network, store: &Store, status: &Status, depth: usize) -> String {
    let draft = &status.draft;
    let indent = depth.min(INDENT_LEVELS_MAX) * 2;
    let class = if depth > 0 { " class=\"reply\"" } else { "" };
    let language = draft.language.as_deref().map(|code| format!(" lang=\"{}\"", escape(code))).unwrap_or_default();
    let mut inner = format!("<div dir=\"auto\"{language}>{}</div>", html(&draft.text, &network.url));
    inner.push_str(&gallery(store, status));
    if !draft.spoiler.is_empty() {
        inner = format!("<details><summary>⚠ {}</summary>{inner}</details>", escape(&draft.spoiler));
    }
    let media = match draft.media.len() {
        0 => String::new(),
        1 => " · 1 medium".to_owned(),
        many => format!(" · {many} media"),
    };
    let username = escape(&network.config.username);
    let at = iso(status.created_ms);
    let visibility = draft.visibility.name();
    format!(
        "<article id=\"{}\"{class} style=\"margin-left:{indent}rem\"><div class=\"by\"><b>@{username}</b> · \
         <time>{at}</time> · {visibility}{media}</div>{inner}</article>\n",
        status.id
    )
}

fn gallery(store: &Store, status: &Status) -> String {
    let mut figures = String::new();
    for medium in status.draft.media.iter().filter_map(|id| store.media.get(id)) {
        let alt = escape(medium.description.as_deref().unwrap_or(""));
        let caption = if alt.is_empty() { "no description".to_owned() } else { alt.clone() };
        if medium.kind == "image" {
            let id = &medium.id;
            let image = format!("<img src=\"/sample/media/{id}\" alt=\"{alt}\">");
            figures.push_str(&format!("<figure>{image}<figcaption>{caption}</figcaption></figure>"));
        } else {
            figures.push_str(&format!("<figure>{} <figcaption>{caption}</figcaption></figure>", medium.kind));
        }
    }
    if figures.is_empty() { figures } else { format!("<div class=\"media\">{figures}</div>") }
}
