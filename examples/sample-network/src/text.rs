//! Length and HTML of a text, as Mastodon makes them.

use unicode_segmentation::UnicodeSegmentation;

/// Characters that an address counts for, whatever its length.
pub(crate) const URL_CHARACTERS: usize = 23;

/// Length in characters as people see them; an address counts [`URL_CHARACTERS`], a remote mention as its local part.
pub(crate) fn length(text: &str) -> usize {
    pieces(text)
        .map(|piece| match piece {
            Piece::Link(_) => URL_CHARACTERS,
            Piece::Mention(name) => local(name).graphemes(true).count(),
            Piece::Tag(text) | Piece::Plain(text) => text.graphemes(true).count(),
        })
        .sum()
}

/// The text as HTML: escaped, in paragraphs, with links and tags.
pub(crate) fn html(text: &str, base_url: &str) -> String {
    let mut html = String::from("<p>");
    for piece in pieces(text) {
        match piece {
            Piece::Link(url) => {
                let url = escape(url);
                html.push_str(&format!(r#"<a href="{url}" target="_blank" rel="nofollow noopener">{url}</a>"#));
            }
            Piece::Tag(tag) => {
                let name = escape(tag.trim_start_matches('#'));
                let href = format!("{}/tags/{}", escape(base_url), name.to_lowercase());
                html.push_str(&format!(
                    r#"<a href="{href}" class="mention hashtag" rel="tag">#<span>{name}</span></a>"#
                ));
            }
            Piece::Mention(text) | Piece::Plain(text) => html.push_str(&escape(text)),
        }
    }
    html.push_str("</p>");
    // Line ends come from the text alone; a blank line may have been cut into several pieces.
    html.replace("\r\n", "\n").replace("\n\n", "</p><p>").replace('\n', "<br />")
}

/// Names of the tags in a text, in lower case, each once.
pub(crate) fn tags(text: &str) -> Vec<String> {
    let mut tags = Vec::new();
    for piece in pieces(text) {
        if let Piece::Tag(tag) = piece {
            let name = tag.trim_start_matches('#').to_lowercase();
            if !tags.contains(&name) {
                tags.push(name);
            }
        }
    }
    tags
}

/// Does a text mention somebody of this server?
pub(crate) fn mentions(text: &str, name: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split_whitespace().filter_map(|word| word.strip_prefix('@')).any(|word| {
        let (named, rest) = word.split_at(word.find(|c| !is_name(c)).unwrap_or(word.len()));
        named.eq_ignore_ascii_case(name) && !rest.starts_with('@')
    })
}

/// For HTML text and attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Link(&'a str),
    /// `@name@server`.
    Mention(&'a str),
    /// With its `#`.
    Tag(&'a str),
    Plain(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    text.split_inclusive(char::is_whitespace).flat_map(|word| {
        let (body, space) = word.split_at(word.trim_end().len());
        let mut found = vec![];
        if body.starts_with("https://") || body.starts_with("http://") {
            let end = body.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'']).len();
            let (link, rest) = body.split_at(end);
            found.extend([Piece::Link(link), Piece::Plain(rest)]);
        } else if let Some(name) = body.strip_prefix('#') {
            let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
            let real = name[..end].chars().any(|c| !c.is_ascii_digit());
            let (tag, rest) = if real { body.split_at(1 + end) } else { ("", body) };
            found.extend([Piece::Tag(tag), Piece::Plain(rest)]);
        } else if body.starts_with('@') && body.matches('@').count() == 2 {
            found.push(Piece::Mention(body));
        } else {
            found.push(Piece::Plain(body));
        }
        found.push(Piece::Plain(space));
        found.into_iter().filter(|piece| !piece.is_empty())
    })
}

impl Piece<'_> {
    fn is_empty(&self) -> bool {
        let (Self::Link(text) | Self::Mention(text) | Self::Tag(text) | Self::Plain(text)) = self;
        text.is_empty()
    }
}

fn local(mention: &str) -> &str {
    let end = mention.rfind('@').unwrap_or(mention.len());
    &mention[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_as_mastodon_counts_them() {
        assert_eq!(length("Příliš žluťoučký"), 16);
        assert_eq!(length("👩‍👩‍👧‍👦!"), 2, "one family");
        assert_eq!(length("see https://example.com/a/very/long/path/that/nobody/reads now"), 4 + 23 + 4);
        assert_eq!(length("hi @ann@far.example"), 7);
        assert_eq!(length(""), 0);
    }

    #[test]
    fn html_is_escaped_and_linked() {
        let made = html("<b> & #Snack!\n\nhttps://a.example/?x=1&y=\"2.", "http://here");
        assert!(made.starts_with("<p>&lt;b&gt; &amp; <a href=\"http://here/tags/snack\""), "{made}");
        assert!(made.contains("</a>!</p><p><a href=\"https://a.example/?x=1&amp;y=&quot;2\""), "{made}");
        assert!(made.ends_with("</a>.</p>"), "{made}");
    }

    #[test]
    fn who_is_mentioned_is_somebody_of_this_server() {
        for text in ["@acme", "Well, @Acme, no", "a\n@acme!"] {
            assert!(mentions(text, "acme"), "{text}");
        }
        for text in ["acme", "@acmes", "a@acme", "@acme@far.example", ""] {
            assert!(!mentions(text, "acme"), "{text}");
        }
    }

    #[test]
    fn tags_are_found_once() {
        assert_eq!(tags("#A #b, #a #1 # #příklad"), ["a", "b", "příklad"]);
    }
}
