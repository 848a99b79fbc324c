//! A browser without script: cookies, forms, redirects one by one.

use std::collections::BTreeMap;

use tests::http::{self, Answer};
use tests::networks::issuer::Issuer;

/// A browser with cookies of one gate.
#[derive(Debug, Clone)]
pub(super) struct Browser {
    pub(super) url: String,
    pub(super) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), cookies: BTreeMap::new() }
    }

    fn shown(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, answer: &Answer) {
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            assert!(
                line.contains("; HttpOnly") && line.contains("; SameSite=Lax") && line.contains("; Path=/;"),
                "{line}"
            );
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Opens a path, or an address of the gate.
    pub(super) async fn get(&mut self, path: &str) -> Answer {
        let url = if path.starts_with('/') { format!("{}{path}", self.url) } else { path.to_owned() };
        assert!(url.starts_with(&format!("{}/", self.url)), "{url} is not the gate");
        let cookies = self.shown();
        let headers = if cookies.is_empty() { Vec::new() } else { vec![("cookie", cookies.as_str())] };
        let answer = http::call("GET", &url, &headers, "").await;
        self.keep(&answer);
        answer
    }

    /// Opens a path and follows redirects within the gate.
    pub(super) async fn open(&mut self, path: &str) -> Answer {
        let mut answer = self.get(path).await;
        for _ in 0..5 {
            let Some(to) = answer.header("location").map(str::to_owned) else { return answer };
            answer = self.get(&to).await;
        }
        panic!("too many redirects");
    }

    /// Sends the form of a page, with what a person types into it.
    pub(super) async fn submit(&mut self, page: &Answer, typed: &[(&str, &str)]) -> Answer {
        let html = page.text();
        let (action, mut fields) = form(&html);
        for (name, value) in typed {
            fields.insert((*name).to_owned(), (*value).to_owned());
        }
        self.post(&action, &fields).await
    }

    /// Posts fields as a page of the gate does.
    pub(super) async fn post(&mut self, path: &str, fields: &BTreeMap<String, String>) -> Answer {
        let origin = self.url.clone();
        self.post_from(path, fields, &origin).await
    }

    pub(super) async fn post_from(&mut self, path: &str, fields: &BTreeMap<String, String>, origin: &str) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let cookies = self.shown();
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("origin", origin), ("cookie", cookies.as_str())];
        let answer = http::call("POST", &format!("{}{path}", self.url), &headers, body).await;
        self.keep(&answer);
        answer
    }

    /// Begins a sign-in: the address at the issuer.
    pub(super) async fn begin(&mut self, to: &str) -> String {
        let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        let answer = self.get(&format!("/people/sign-in?to={to}")).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.header("location").expect("the issuer").to_owned()
    }

    /// Signs in, and gives where it leads.
    pub(super) async fn sign_in(&mut self, issuer: &Issuer, to: &str) -> String {
        let at_issuer = self.begin(to).await;
        let callback = issuer.browse(&at_issuer).await;
        let answer = self.get(&callback).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.header("location").expect("a page").to_owned()
    }
}

/// The form of a page: where it goes, and its fields.
pub(super) fn form(html: &str) -> (String, BTreeMap<String, String>) {
    let attribute = |tag: &str, name: &str| {
        let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
        let value = tag[start..].split('"').next()?;
        Some(
            value
                .replace("&#39;", "'")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&amp;", "&"),
        )
    };
    let form = html.split("<form").nth(1).unwrap_or_else(|| panic!("no form in {html}"));
    let form = form.split("</form>").next().expect("its end");
    let action = attribute(form, "action").expect("an action");
    let inputs = form.split("<input").skip(1).map(|tag| tag.split('>').next().expect("its end"));
    let field = |tag: &str| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()));
    (action, inputs.filter_map(field).collect())
}
