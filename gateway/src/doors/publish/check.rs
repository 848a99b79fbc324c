//! What the types of a request can't say: counts, lengths and forms. All faults at once, as many as anyone reads.

use std::collections::HashSet;

use super::request::{ContentBody, EntryBody, MediaBody, PostRequest, VoteRequest};
use crate::{
    call::classify::THREAD_PARTS_MAX,
    doors::text::{
        ALT_CHARS_MAX, LANGUAGE_CHARS_MAX, NAME_CHARS_MAX, NOTE_CHARS_MAX, fault, too_long, unfit_id, unfit_line,
    },
    refusal::{Fault, Refusal, Stage, problem},
};

/// Accounts of one post.
pub const ACCOUNTS_MAX: usize = 50;
/// Labels of one post.
pub const LABELS_MAX: usize = 50;
/// Media of one entry.
pub const MEDIA_MAX: usize = 50;
/// Bytes of a text; every network's own limit is lower.
const TEXT_BYTES_MAX: usize = 128 * 1024;
/// Names of accounts or networks that have a variant or options of their own.
const NAMED_MAX: usize = 100;
/// Uses of media in one request, over all entries and variants.
const MEDIA_USES_MAX: usize = 500;
/// Longest reference of what is answered.
const REFERENCE_CHARS_MAX: usize = 2_000;
/// Faults that are told of one request.
const FAULTS_MAX: usize = 20;
/// Faults whose sentences stand in the detail.
const DETAIL_FAULTS_MAX: usize = 3;

/// Collects faults until there are enough.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn full(&self) -> bool {
        self.0.len() >= FAULTS_MAX
    }

    fn add(&mut self, fault: Option<Fault>) {
        if !self.full() {
            self.0.extend(fault);
        }
    }

    fn unless(&mut self, fine: bool, pointer: &str, code: &str, message: &str) {
        if !fine {
            self.add(Some(fault(pointer, code, message.into())));
        }
    }

    /// A count within its limit. Beyond it nobody looks at the items.
    fn count(&mut self, count: usize, max: usize, pointer: &str, message: &str) -> bool {
        if count > max {
            let measured = Fault {
                measured: Some(count as u64),
                allowed: Some(max as u64),
                ..fault(pointer, "count", message.into())
            };
            self.add(Some(measured));
        }
        count <= max
    }

    fn text(&mut self, pointer: &str, text: &str) {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("A text may have at most {TEXT_BYTES_MAX} bytes.");
            let (measured, allowed) = (Some(text.len() as u64), Some(TEXT_BYTES_MAX as u64));
            self.add(Some(Fault { measured, allowed, ..fault(pointer, "length", message) }));
        }
    }

    fn language(&mut self, pointer: &str, language: Option<&String>) {
        self.add(language.and_then(|tag| unfit_line(pointer, "A language tag", tag, LANGUAGE_CHARS_MAX)));
    }

    fn media(&mut self, base: &str, media: &[MediaBody]) {
        let pointer = format!("{base}/media");
        if !self.count(media.len(), MEDIA_MAX, &pointer, &format!("An entry may show at most {MEDIA_MAX} media.")) {
            return;
        }
        for (index, used) in media.iter().enumerate() {
            self.add(too_long(&format!("{pointer}/{index}/id"), "The id of a medium", &used.id, NAME_CHARS_MAX));
            let alt = used.alt.as_deref().unwrap_or_default();
            self.add(too_long(&format!("{pointer}/{index}/alt"), "An alternative text", alt, ALT_CHARS_MAX));
        }
    }

    fn thread(&mut self, base: &str, thread: &[EntryBody]) {
        let pointer = format!("{base}/thread");
        let message = format!("A thread may have at most {THREAD_PARTS_MAX} entries, the first one counted.");
        if !self.count(thread.len() + 1, THREAD_PARTS_MAX, &pointer, &message) {
            return;
        }
        for (index, entry) in thread.iter().enumerate() {
            let base = format!("{pointer}/{index}");
            self.text(&format!("{base}/text"), &entry.text);
            self.media(&base, &entry.media);
        }
    }
}

/// The faults of a post.
pub(super) fn check(request: &PostRequest) -> Vec<Fault> {
    let mut faults = Faults::default();
    accounts(&mut faults, request);
    if faults.count(request.labels.len(), LABELS_MAX, "/labels", &format!("At most {LABELS_MAX} labels.")) {
        for (index, label) in request.labels.iter().enumerate() {
            faults.add(unfit_line(&format!("/labels/{index}"), "A label", label, NAME_CHARS_MAX));
        }
    }
    let campaign = request.campaign.as_deref();
    faults.add(campaign.and_then(|text| unfit_line("/campaign", "A campaign", text, NAME_CHARS_MAX)));
    let person = request.on_behalf_of.as_deref();
    faults.add(person.and_then(|id| unfit_id("/on_behalf_of", "`on_behalf_of`", id)));
    let ContentBody { text, language, media, thread } = &request.content;
    faults.text("/content/text", text);
    faults.language("/content/language", language.as_ref());
    faults.media("/content", media);
    faults.thread("/content", thread);
    variants(&mut faults, request);
    let message = format!("A request may use media at most {MEDIA_USES_MAX} times.");
    faults.count(media_uses(request), MEDIA_USES_MAX, "/content", &message);
    faults.0
}

fn accounts(faults: &mut Faults, request: &PostRequest) {
    let accounts = &request.accounts;
    let message = format!("Name 1 to {ACCOUNTS_MAX} accounts.");
    faults.unless(!accounts.is_empty(), "/accounts", "count", &message);
    if !faults.count(accounts.len(), ACCOUNTS_MAX, "/accounts", &message) {
        return;
    }
    let mut seen = HashSet::new();
    for (index, account) in accounts.iter().enumerate() {
        let pointer = format!("/accounts/{index}");
        let long = too_long(&pointer, "The name of an account", account, NAME_CHARS_MAX);
        let short = long.is_none();
        faults.add(long);
        if !seen.insert(account) && short {
            faults.add(Some(fault(&pointer, "twice", format!("`{account}` is named twice."))));
        }
    }
    let Some(reply) = &request.reply_to else { return };
    let among = seen.contains(&reply.account);
    let text = "`reply_to.account` must be among `accounts`.";
    faults.unless(among, "/reply_to/account", "not-among-accounts", text);
    let text = "An answer goes to the one account that sees what is answered.";
    faults.unless(accounts.len() == 1 || !among, "/accounts", "reply-elsewhere", text);
    faults.unless(!reply.r#ref.is_empty(), "/reply_to/ref", "empty", "`reply_to.ref` must not be empty.");
    faults.add(too_long("/reply_to/ref", "`reply_to.ref`", &reply.r#ref, REFERENCE_CHARS_MAX));
}

fn variants(faults: &mut Faults, request: &PostRequest) {
    let text = format!("At most {NAMED_MAX} variants.");
    if faults.count(request.variants.len(), NAMED_MAX, "/variants", &text) {
        for (name, variant) in &request.variants {
            faults.add(too_long("/variants", "The name of a variant", name, NAME_CHARS_MAX));
            if faults.full() {
                return;
            }
            let base = format!("/variants/{}", name.replace('~', "~0").replace('/', "~1"));
            faults.text(&format!("{base}/text"), variant.text.as_deref().unwrap_or_default());
            faults.language(&format!("{base}/language"), variant.language.as_ref());
            faults.media(&base, variant.media.as_deref().unwrap_or_default());
            faults.thread(&base, variant.thread.as_deref().unwrap_or_default());
        }
    }
    let text = format!("Options of at most {NAMED_MAX} networks.");
    if faults.count(request.options.len(), NAMED_MAX, "/options", &text) {
        for name in request.options.keys() {
            faults.add(too_long("/options", "The name of a network", name, NAME_CHARS_MAX));
        }
    }
}

fn media_uses(request: &PostRequest) -> usize {
    let entries =
        |media: usize, thread: &[EntryBody]| media + thread.iter().map(|entry| entry.media.len()).sum::<usize>();
    let variants = request.variants.values().map(|variant| {
        entries(variant.media.as_ref().map_or(0, Vec::len), variant.thread.as_deref().unwrap_or_default())
    });
    entries(request.content.media.len(), &request.content.thread) + variants.sum::<usize>()
}

impl VoteRequest {
    /// Checks what the types can't say.
    ///
    /// # Errors
    /// The faults.
    pub fn checked(self) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let note = self.note.as_deref();
        faults.add(note.and_then(|note| unfit_line("/note", "A note", note, NOTE_CHARS_MAX)));
        let digest = self.digest.as_deref();
        faults.add(digest.and_then(|digest| too_long("/digest", "A digest", digest, NAME_CHARS_MAX)));
        if faults.0.is_empty() { Ok(self) } else { Err(invalid(faults.0)) }
    }
}

/// The refusal that tells faults.
pub(super) fn invalid(faults: Vec<Fault>) -> Refusal {
    let first = faults.iter().take(DETAIL_FAULTS_MAX).map(|fault| fault.message.as_str());
    let mut detail = first.collect::<Vec<_>>().join(" ");
    if faults.len() > DETAIL_FAULTS_MAX {
        detail.push_str(&format!(" There are {} faults; `errors` lists them.", faults.len()));
    }
    Refusal::new(problem::INVALID, Stage::Door, detail).with_faults(faults)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::doors::json;

    fn read(value: &Value) -> Result<PostRequest, Refusal> {
        json::read(&Bytes::from(value.to_string()))
    }

    fn faults(value: &Value) -> Vec<Fault> {
        check(&read(value).unwrap())
    }

    fn whole() -> Value {
        json!({
            "accounts": ["a"],
            "content": {"text": "x", "language": "en", "media": [{"id": "m", "alt": "y"}], "thread": [{"text": "z", "media": [{"id": "m"}]}]},
            "variants": {"a": {"text": "v", "media": [{"id": "m"}], "thread": [{"text": "w"}]}},
            "options": {"n": {"k": "v"}},
            "reply_to": {"account": "a", "ref": "1"},
            "labels": ["l"], "campaign": "c", "on_behalf_of": "p", "dry_run": true
        })
    }

    /// Pointers to every object of a value.
    fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.push(at.to_owned());
                fields.iter().for_each(|(key, value)| objects(value, &format!("{at}/{key}"), found));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, value)| objects(value, &format!("{at}/{index}"), found));
            }
            _ => {}
        }
    }

    #[test]
    fn the_whole_request_is_fine() {
        assert_eq!(faults(&whole()), []);
    }

    proptest! {
        /// A list with the fields of an object in their order is no object, at any place.
        #[test]
        fn no_list_stands_for_an_object(pick in 0..1000usize, keep in any::<bool>(), extra in 0..3usize) {
            let mut request = whole();
            let mut places = Vec::new();
            objects(&request, "", &mut places);
            // What an adapter's options hold is checked against the adapter's schema.
            places.retain(|place| !place.starts_with("/options/n/"));
            let place = places[pick % places.len()].clone();
            let object = request.pointer_mut(&place).unwrap();
            let mut items: Vec<Value> = if keep { object.as_object().unwrap().values().cloned().collect() } else { Vec::new() };
            items.extend(std::iter::repeat_n(Value::Null, extra));
            *object = Value::Array(items);
            let refusal = read(&request).expect_err("a list was taken for an object");
            prop_assert_eq!(refusal.problem, problem::INVALID);
            prop_assert_eq!(refusal.faults[0].pointer.as_deref(), Some(place.as_str()));
            prop_assert_eq!(&refusal.faults[0].message, "an object is expected here, not a list");
        }
    }

    #[test]
    fn a_vote_is_an_object_of_bounded_texts() {
        let read = |text: &str| json::read::<VoteRequest>(&Bytes::from(text.to_owned())).and_then(VoteRequest::checked);
        assert!(read(r#"["approve", null, null]"#).is_err());
        assert!(read(r#"{"decision": "approve", "note": "fine"}"#).is_ok());
        assert!(read(r#"{"decision": ["approve"]}"#).is_err());
        for note in ["n".repeat(1001), "a\\nb".to_owned()] {
            let refusal = read(&format!(r#"{{"decision": "approve", "note": "{note}"}}"#)).unwrap_err();
            assert_eq!(refusal.faults[0].pointer.as_deref(), Some("/note"), "{refusal}");
        }
    }

    #[test]
    fn a_crowd_is_refused_by_its_count_alone() {
        let mut body = String::from(r#"{"content": {"text": "x"}, "accounts": ["#);
        for number in 0..60_000 {
            write!(body, "{}\"a{number}\"", if number == 0 { "" } else { "," }).unwrap();
        }
        body.push_str("]}");
        let request: PostRequest = json::read(&Bytes::from(body)).unwrap();
        let faults = check(&request);
        assert_eq!(faults.len(), 1, "one fault, and not one for each name");
        assert_eq!((faults[0].measured, faults[0].allowed), (Some(60_000), Some(50)));
    }

    #[test]
    fn few_faults_are_told_of_many() {
        let mut request = whole();
        request["reply_to"] = Value::Null;
        request["accounts"] = json!(vec!["a"; 50]);
        request["labels"] = json!(vec!["l\n"; 50]);
        assert_eq!(faults(&request).len(), FAULTS_MAX);
        request["content"]["thread"] = json!(vec![json!({"media": vec![json!({"id": "m"}); 50]}); 49]);
        request["accounts"] = json!(["a"]);
        request["labels"] = json!([]);
        assert_eq!(faults(&request)[0].measured, Some(49 * 50 + 2));
    }

    #[test]
    fn texts_beside_the_post_have_limits() {
        for (pointer, value) in [
            ("/campaign", json!("c".repeat(201))),
            ("/campaign", json!("a\tb")),
            ("/labels/0", json!("l".repeat(201))),
            ("/on_behalf_of", json!("p".repeat(70_000))),
            ("/on_behalf_of", json!("p q")),
            ("/content/language", json!("e".repeat(36))),
            ("/content/media/0/alt", json!("a".repeat(10_001))),
            ("/content/media/0/id", json!("m".repeat(201))),
            ("/reply_to/ref", json!("1".repeat(2001))),
            ("/variants/a/text", json!("v".repeat(TEXT_BYTES_MAX + 1))),
        ] {
            let mut request = whole();
            *request.pointer_mut(pointer).unwrap() = value;
            let found = faults(&request);
            assert_eq!((found.len(), found[0].pointer.as_deref()), (1, Some(pointer)), "{found:?}");
        }
    }
}
