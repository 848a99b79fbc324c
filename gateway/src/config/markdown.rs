//! Markdown as HTML that a browser may show beside forms of ours: no tag, picture or address in it but those that are listed here.
//!
//! CommonMark with tables and strike-through. What is not shown is a fault of the file, so that nobody reads less than was written.

use pulldown_cmark::{Alignment, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};
use url::Url;

use crate::model::html::escape;

/// A text as HTML.
pub(super) struct Rendered {
    /// The HTML.
    pub(super) html: String,
    /// What is not shown, each with its place in bytes.
    pub(super) faults: Vec<(usize, String)>,
}

/// Renders a text. What the faults name is escaped or left out.
pub(super) fn render(markdown: &str) -> Rendered {
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).into_offset_iter();
    let (mut faults, mut events) = (Vec::new(), Vec::new());
    for (event, range) in parser {
        let mut fault = |what: String| faults.push((range.start, what));
        match event {
            Event::Start(Tag::HtmlBlock) => fault(NO_HTML.to_owned()),
            Event::End(TagEnd::HtmlBlock | TagEnd::Image) => {}
            Event::Html(raw) => events.push(Event::Text(raw)),
            Event::InlineHtml(raw) => {
                fault(NO_HTML.to_owned());
                events.push(Event::Text(raw));
            }
            Event::Start(Tag::Image { .. }) => fault("pictures are not shown; write a link in its place".to_owned()),
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                let address = address(link_type, &dest_url);
                if address.is_none() {
                    fault(format!(
                        "the link leads to `{dest_url}`; write an https, http or mailto address, or a path that begins with `/`"
                    ));
                }
                events.push(Event::InlineHtml(opening(address.as_deref())));
            }
            Event::End(TagEnd::Link) => events.push(Event::InlineHtml(CowStr::Borrowed("</a>"))),
            // The library writes alignment as a style, which the pages forbid.
            Event::Start(Tag::Table(columns)) => {
                events.push(Event::Start(Tag::Table(vec![Alignment::None; columns.len()])));
            }
            other => events.push(other),
        }
    }
    let mut text = String::with_capacity(markdown.len());
    html::push_html(&mut text, events.into_iter());
    Rendered { html: text, faults }
}

const NO_HTML: &str = "HTML is not shown; write Markdown, or `\\<` where the sign itself is meant";

fn opening(address: Option<&str>) -> CowStr<'static> {
    let tag = match address {
        Some(address) => format!("<a href=\"{}\" rel=\"noopener noreferrer\">", escape(address)),
        None => "<a>".to_owned(),
    };
    CowStr::from(tag)
}

/// Where a link may lead.
fn address(kind: LinkType, written: &str) -> Option<String> {
    if kind == LinkType::Email {
        return Some(format!("mailto:{written}"));
    }
    let here = written.starts_with('/') && !written.starts_with("//") && !written.contains('\\');
    let elsewhere = || Url::parse(written).is_ok_and(|url| matches!(url.scheme(), "https" | "http" | "mailto"));
    (here || elsewhere()).then(|| written.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_becomes_html() {
        let rendered = render(
            "# Tone\n\nWe are *kind*, [always](https://acme.example/a?b=1&c=2).\n\n- <me@acme.example>\n\n|a|\n|:-:|\n|1 < 2|\n",
        );
        assert!(rendered.faults.is_empty(), "{:?}", rendered.faults);
        for part in [
            "<h1>Tone</h1>",
            "<em>kind</em>",
            "<a href=\"https://acme.example/a?b=1&amp;c=2\" rel=\"noopener noreferrer\">always</a>",
            "<a href=\"mailto:me@acme.example\"",
            "<th>a</th>",
            "<td>1 &lt; 2</td>",
        ] {
            assert!(rendered.html.contains(part), "{part} in {}", rendered.html);
        }
    }

    #[test]
    fn what_is_not_shown_is_told_with_its_place() {
        for (text, part) in [
            ("a\n\n<script>alert(1)</script>\n", "HTML is not shown"),
            ("a <b onclick=\"x\">b</b>", "HTML is not shown"),
            ("a\n\n<!-- b -->\n", "HTML is not shown"),
            ("![logo](https://evil.example/pixel.png)", "pictures"),
            ("[a](javascript:alert(1))", "the link leads to"),
            ("[a](data:text/html,x)", "the link leads to"),
            ("<vbscript:x>", "the link leads to"),
            ("[a](//evil.example)", "the link leads to"),
            ("[a](/\\evil.example)", "the link leads to"),
            ("[a](other.md)", "the link leads to"),
        ] {
            let rendered = render(text);
            assert!(
                rendered.faults.first().is_some_and(|(_, what)| what.contains(part)),
                "{text}: {:?}",
                rendered.faults
            );
            for bad in ["<script", "<b", "<img", "<!--", "javascript:", "data:", "href=\"vb", "href=\"//"] {
                assert!(!rendered.html.contains(bad), "{text}: {}", rendered.html);
            }
        }
        assert_eq!(render("one\n\n<i>two</i>\n").faults[0].0, 5);
    }

    /// Every tag and attribute of what is rendered, by a reader of its own that knows no Markdown.
    fn tags(html: &str) -> Vec<(String, String)> {
        let after = html.split('<').skip(1);
        let tag = |part: &str| {
            let (inside, _) = part.split_once('>').unwrap_or((part, ""));
            let (name, rest) =
                inside.split_once([' ', '/']).filter(|(name, _)| !name.is_empty()).unwrap_or((inside, ""));
            (name.to_owned(), rest.to_owned())
        };
        after.map(tag).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn whatever_is_written_only_known_tags_come_out(
            parts in prop::collection::vec(prop::sample::select(vec![
                "<", ">", "<script>", "</script>", "<img src=x onerror=y>", "![", "[", "]", "](", ")", "javascript:", "\"", "'", "&", "&lt;", "&#60;",
                "\\", "`", "```", "\n", "\n\n", "    ", "> ", "- ", "# ", "|a|b|\n|-|:-:|\n", "~~", "*", "<a@b.example>", "https://x", "<!--", "-->", "<?", "]]>", "a", "\0", "\u{202e}",
                "[a]: javascript:x\n", "[a]",
            ]), 0..24)
        ) {
            const KNOWN: &[&str] = &["p", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "del", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "br", "a",
                "table", "thead", "tbody", "tr", "th", "td"];
            let rendered = render(&parts.concat());
            for (name, rest) in tags(&rendered.html) {
                prop_assert!(KNOWN.contains(&name.trim_start_matches('/')) || name.trim_start_matches('/').is_empty() && KNOWN.contains(&rest.as_str()), "{name} {rest}: {}", rendered.html);
                let harmless = rest.is_empty() || KNOWN.contains(&rest.as_str()) || rest == "/" || rest.starts_with("class=\"language-") || rest.starts_with("start=\"")
                    || ["https:", "http:", "mailto:", "/"].iter().any(|start| rest.starts_with(&format!("href=\"{start}")));
                prop_assert!(harmless, "{name} {rest}: {}", rendered.html);
            }
        }
    }
}
