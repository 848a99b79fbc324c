//! What only asks, of which nothing is anybody else's secret. <https://docs.x.com/x-api>

use crate::perform::is_id;

/// Parameters of what only asks.
pub const PARAMETERS: [&str; 20] = [
    "command",
    "end_time",
    "exclude",
    "expansions",
    "ids",
    "max_results",
    "media.fields",
    "media_id",
    "pagination_token",
    "place.fields",
    "poll.fields",
    "post.fields",
    "since_id",
    "start_time",
    // As posts were called before; clients still do.
    "tweet.fields",
    "until_id",
    "user.fields",
    "usernames",
    "query",
    "sort_order",
];

/// The action of a `GET`.
pub fn action(path: &str) -> Option<&'static str> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["2", "users"] | ["2", "users", "me"] | ["2", "users", "by"] => Some("profile.read"),
        ["2", "users", "by", "username", name] if is_name(name) => Some("profile.read"),
        ["2", "users", id] if is_id(id) => Some("profile.read"),
        ["2", "users", id, "tweets"] | ["2", "users", id, "timelines", "reverse_chronological"] if is_id(id) => {
            Some("timeline.read")
        }
        ["2", "users", id, "mentions"] if is_id(id) => Some("inbox.read"),
        ["2", "tweets"] | ["2", "tweets", "search", "recent"] | ["2", "media", "upload"] => Some("post.read"),
        ["2", "tweets", id] | ["2", "tweets", id, "quote_tweets" | "liking_users" | "retweeted_by"] if is_id(id) => {
            Some("post.read")
        }
        _ => None,
    }
}

/// The names that the network gives.
fn is_name(text: &str) -> bool {
    (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
