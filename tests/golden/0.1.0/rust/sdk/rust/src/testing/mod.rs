//! The scripted host: plays the gateway in native tests of a plugin.
//!
//! [`Host::new`] … [`Host::install`] puts a script under the current thread until the returned [`Installed`] is
//! dropped. Answers are scripted for step names, and the script is strict where the gateway is: a step that is not
//! scripted, a step name used twice in one attempt, a replayed step whose request differs from the journalled one, and
//! a header that belongs to the gateway each fail the test (the gateway refuses the last as `denied`).

mod samples;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::MediaRef;
use crate::http::{Error, Kind, Request, Response};
use crate::log::Level;
use crate::patterns::{Hit, ScanError};

pub use samples::{CREATED_AT_MS, account, answer, call, context, delivery, draft, hit, part, picture, thread};

thread_local! {
    static SCRIPT: RefCell<Option<Script>> = const { RefCell::new(None) };
}

/// The gateway denies a request that sets one of these, or one that starts with `proxy-`.
const GATEWAYS_HEADERS: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

type Answer = Box<dyn FnMut(&Request) -> Result<Response, Error>>;
type Scan = Box<dyn Fn(&str) -> Vec<Hit>>;
type Scripts = Box<dyn Fn(&str) -> Vec<(String, u32)>>;

/// A request that the plugin sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The step's name.
    pub step: String,
    /// What the step does and how it avoids happening twice.
    pub kind: Kind,
    /// The request.
    pub request: Request,
}

impl Sent {
    /// The body as text; empty where it is not bytes or not UTF-8.
    pub fn body_text(&self) -> &str {
        match &self.request.body {
            crate::http::Body::Bytes(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            _ => "",
        }
    }
}

/// What the gateway would know, hold and answer.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) config: serde_json::Value,
    pub(crate) clock_ms: u64,
    pub(crate) state: Vec<u8>,
    pub(crate) log: Vec<(Level, String)>,
    media: Vec<(MediaRef, Vec<u8>)>,
    no_public_media: bool,
    sets: BTreeMap<String, Scan>,
    scripts: Option<Scripts>,
    answers: BTreeMap<String, VecDeque<Answer>>,
    journal: BTreeMap<String, (Request, Response)>,
    used: BTreeSet<String>,
    sent: Vec<Sent>,
    random_state: u64,
}

/// A script in the making.
#[must_use = "a script does nothing before `install`"]
pub struct Host(Script);

/// A script that is in force on this thread; dropping it ends that.
#[must_use = "the script ends when this is dropped"]
pub struct Installed(());

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// No configuration, no media, no answers; the clock stands at [`CREATED_AT_MS`].
    pub fn new() -> Self {
        let config = serde_json::Value::Object(serde_json::Map::new());
        Self(Script { config, clock_ms: CREATED_AT_MS, ..Script::default() })
    }

    /// The plugin's configuration as JSON text.
    ///
    /// # Panics
    /// Where `json` is not JSON.
    pub fn config(mut self, json: &str) -> Self {
        self.0.config = serde_json::from_str(json).expect("the scripted configuration is JSON");
        self
    }

    /// What `clock::now_ms` answers.
    pub fn clock_ms(mut self, unix_ms: u64) -> Self {
        self.0.clock_ms = unix_ms;
        self
    }

    /// What `random::bytes` follows from.
    pub fn random_seed(mut self, seed: u64) -> Self {
        self.0.random_state = seed;
        self
    }

    /// The note that `state::get` finds.
    pub fn state(mut self, note: &[u8]) -> Self {
        self.0.state = note.to_vec();
        self
    }

    /// A medium of the call.
    pub fn medium(mut self, medium: MediaRef, bytes: &[u8]) -> Self {
        self.0.media.push((medium, bytes.to_vec()));
        self
    }

    /// The gateway has no address from which a network could fetch media.
    pub fn no_public_media(mut self) -> Self {
        self.0.no_public_media = true;
        self
    }

    /// A pattern set that finds what this closure finds.
    pub fn matches(mut self, set: &str, find: impl Fn(&str) -> Vec<Hit> + 'static) -> Self {
        self.0.sets.insert(set.to_owned(), Box::new(find));
        self
    }

    /// A pattern set of plain phrases, found exactly as they are written.
    pub fn phrases(self, set: &str, phrases: &[&str]) -> Self {
        let phrases: Vec<String> = phrases.iter().map(|phrase| (*phrase).to_owned()).collect();
        self.matches(set, move |text| {
            let mut hits: Vec<Hit> = phrases
                .iter()
                .enumerate()
                .flat_map(|(pattern, phrase)| {
                    text.match_indices(phrase).map(move |(at, found)| hit(pattern, at, found))
                })
                .collect();
            hits.sort_by_key(|hit| (hit.start, hit.end));
            hits
        })
    }

    /// What `patterns::scripts` answers; without it every letter counts as `Latn`.
    pub fn scripts(mut self, count: impl Fn(&str) -> Vec<(String, u32)> + 'static) -> Self {
        self.0.scripts = Some(Box::new(count));
        self
    }

    /// The answer to a step. Several for one step are given in order; the last one stays.
    pub fn answer(self, step: &str, answer: Result<Response, Error>) -> Self {
        self.answer_with(step, move |_| answer.clone())
    }

    /// The answer to a step, made from the request (which may be asserted there).
    pub fn answer_with(
        mut self,
        step: &str,
        answer: impl FnMut(&Request) -> Result<Response, Error> + 'static,
    ) -> Self {
        self.0.answers.entry(step.to_owned()).or_default().push_back(Box::new(answer));
        self
    }

    /// Puts the script under the current thread.
    ///
    /// # Panics
    /// Where another script is still in force.
    pub fn install(self) -> Installed {
        SCRIPT.with_borrow_mut(|slot| {
            assert!(slot.is_none(), "a script is already in force on this thread: drop it first");
            *slot = Some(self.0);
        });
        Installed(())
    }
}

impl Installed {
    /// What was sent so far, in order, over all attempts.
    pub fn sent(&self) -> Vec<Sent> {
        with(|script| script.sent.clone())
    }

    /// The names of the steps that were sent so far, in order.
    pub fn steps(&self) -> Vec<String> {
        with(|script| script.sent.iter().map(|sent| sent.step.clone()).collect())
    }

    /// Starts the next attempt (or the next call of another kind): step names are free again, and `prepare` and
    /// `effect` steps that succeeded are answered from the journal, as the gateway does after a crash.
    pub fn next_attempt(&self) {
        with(|script| script.used.clear());
    }

    /// Starts an unrelated call: the journal is empty as well.
    pub fn next_call(&self) {
        with(|script| {
            script.used.clear();
            script.journal.clear();
        });
    }

    /// The lines written to the log so far.
    pub fn log(&self) -> Vec<(Level, String)> {
        with(|script| script.log.clone())
    }

    /// The note as it is now.
    pub fn state(&self) -> Vec<u8> {
        with(|script| script.state.clone())
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        SCRIPT.with_borrow_mut(Option::take);
    }
}

impl Script {
    pub(crate) fn medium(&self, id: &str) -> Option<&(MediaRef, Vec<u8>)> {
        self.media.iter().find(|(medium, _)| medium.id == id)
    }

    pub(crate) fn public_url(&self, id: &str) -> Result<String, String> {
        match self.medium(id) {
            _ if self.no_public_media => Err("Set `media.public_url`.".to_owned()),
            None => Err(format!("the call has no medium `{id}`")),
            Some(_) => Ok(format!("https://media.example/media/{id}")),
        }
    }

    pub(crate) fn scan(&self, set: &str, text: &str) -> Result<Vec<Hit>, ScanError> {
        let find = self.sets.get(set).ok_or(ScanError::UnknownSet)?;
        let mut hits = find(text);
        hits.truncate(256);
        Ok(hits)
    }

    pub(crate) fn scripts(&self, text: &str) -> Vec<(String, u32)> {
        match &self.scripts {
            Some(count) => count(text),
            None => {
                let letters = text.chars().filter(|letter| letter.is_alphabetic()).count();
                if letters == 0 { Vec::new() } else { vec![("Latn".to_owned(), letters as u32)] }
            }
        }
    }

    pub(crate) fn random_bytes(&mut self, length_bytes: u32) -> Vec<u8> {
        // splitmix64: enough for a script.
        let mut next = || {
            self.random_state = self.random_state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.random_state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) as u8
        };
        (0..length_bytes.min(4096)).map(|_| next()).collect()
    }

    fn send(&mut self, step: &str, kind: Kind, request: &Request) -> Result<Response, Error> {
        assert!(self.used.insert(step.to_owned()), "step `{step}` was used twice in one attempt");
        for (name, _) in &request.headers {
            let name = name.to_ascii_lowercase();
            assert!(
                !GATEWAYS_HEADERS.contains(&name.as_str()) && !name.starts_with("proxy-"),
                "step `{step}` sets the header `{name}`, which is the gateway's"
            );
        }
        if let Some((journalled, response)) = self.journal.get(step) {
            assert_eq!(journalled, request, "step `{step}` is not what it was at the first attempt");
            return Ok(response.clone());
        }
        self.sent.push(Sent { step: step.to_owned(), kind, request: request.clone() });
        let Some(answers) = self.answers.get_mut(step) else {
            panic!("step `{step}` is not scripted: {} {}", request.method, request.url);
        };
        let mut answer = answers.pop_front().expect("the last answer stays");
        let response = answer(request);
        if answers.is_empty() {
            answers.push_front(answer);
        }
        // A refusal finishes nothing: the next attempt sends the step again.
        if let (Ok(response), false) = (&response, kind == Kind::Read)
            && response.is_success()
        {
            self.journal.insert(step.to_owned(), (request.clone(), response.clone()));
        }
        response
    }
}

pub(crate) fn with<T>(use_script: impl FnOnce(&mut Script) -> T) -> T {
    SCRIPT.with_borrow_mut(|slot| {
        let script = slot.as_mut().expect("no scripted host on this thread: `testing::Host::new()….install()` first");
        use_script(script)
    })
}

pub(crate) fn send(step: &str, kind: Kind, request: &Request) -> Result<Response, Error> {
    with(|script| script.send(step, kind, request))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Safety;
    use crate::{clock, config, log, media, patterns, random, state};

    const EFFECT: Kind = Kind::Effect(Safety::ClientId);

    fn post(body: &str) -> Request {
        Request::post("/statuses").json(body)
    }

    #[test]
    fn the_script_answers_like_the_gateway() {
        let host = Host::new()
            .config(r#"{"forbidden":[{"phrase":"a"}]}"#)
            .clock_ms(5)
            .random_seed(7)
            .state(b"note")
            .medium(picture("m0", None), b"0123456789")
            .phrases("forbidden", &["b", "ab"])
            .install();
        assert_eq!(config::get("/forbidden/0").as_deref(), Some(r#"{"phrase":"a"}"#));
        assert_eq!(config::get("/missing"), None);
        assert_eq!(clock::now_ms(), 5);
        assert_eq!(random::bytes(9999).len(), 4096);
        assert_eq!(media::info("m0").map(|medium| medium.size_bytes), Some(1000));
        assert_eq!(media::read("m0", 8, 5).as_deref(), Some(&b"89"[..]));
        assert_eq!(media::read("m0", 80, 5).as_deref(), Some(&b""[..]));
        assert_eq!(media::read("m1", 0, 5), None);
        assert_eq!(media::public_url("m0").as_deref(), Ok("https://media.example/media/m0"));
        assert!(media::public_url("m1").is_err());
        let hits: Vec<_> =
            patterns::scan("forbidden", "xab").unwrap().iter().map(|hit| (hit.pattern, hit.start)).collect();
        assert_eq!(hits, [(1, 1), (0, 2)]);
        assert_eq!(patterns::scan("other", "x"), Err(ScanError::UnknownSet));
        assert!(state::set(b"new") && !state::set(&[0; 65_537]));
        assert_eq!((state::get(), host.state()), (b"new".to_vec(), b"new".to_vec()));
        log::write(Level::Info, "line");
        assert_eq!(host.log(), [(Level::Info, "line".to_owned())]);
    }

    #[test]
    fn a_finished_step_is_answered_from_the_journal() {
        let host = Host::new()
            .answer("a", Err(Error::Unknown("timed out".to_owned())))
            .answer("a", answer(200, "1"))
            .answer("read", answer(200, "2"))
            .install();
        assert!(send("a", EFFECT, &post("{}")).is_err());
        for _ in 0..2 {
            host.next_attempt();
            assert_eq!(send("a", EFFECT, &post("{}")), answer(200, "1"));
            assert_eq!(send("read", Kind::Read, &Request::get("/")), answer(200, "2"));
        }
        assert_eq!(host.steps(), ["a", "a", "read", "read"]);
    }

    #[test]
    #[should_panic(expected = "used twice")]
    fn a_step_name_serves_once() {
        let _host = Host::new().answer("a", answer(200, "")).install();
        let _ = send("a", EFFECT, &post("{}"));
        let _ = send("a", EFFECT, &post("{}"));
    }

    #[test]
    #[should_panic(expected = "is not what it was")]
    fn a_replayed_request_must_be_the_same() {
        let host = Host::new().answer("a", answer(200, "")).install();
        let _ = send("a", EFFECT, &post("{}"));
        host.next_attempt();
        let _ = send("a", EFFECT, &post("{ }"));
    }

    #[test]
    #[should_panic(expected = "not scripted")]
    fn an_unscripted_step_fails_the_test() {
        let _host = Host::new().install();
        let _ = send("a", Kind::Read, &Request::get("/"));
    }

    #[test]
    #[should_panic(expected = "which is the gateway")]
    fn a_plugin_sets_no_credential() {
        let _host = Host::new().answer("a", answer(200, "")).install();
        let _ = send("a", Kind::Read, &Request::get("/").header("Authorization", "Bearer x"));
    }
}
