//! The filter that Envoy runs in `make bench`: it checks a key in `Authorization`, parses the JSON body of a status and looks for
//! phrases in its text. The gateway does all of that and more; nothing here is written down.
//!
//! Its configuration is `{"key": "…", "phrases": ["…"]}`.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde::Deserialize;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// The key that may pass and the phrases that may not, in lower case.
#[derive(Default, Deserialize)]
struct Rules {
    key: String,
    phrases: Vec<String>,
}

/// One for each worker: hands the rules to its calls.
#[derive(Default)]
struct Root {
    rules: Rc<Rules>,
}

/// What the filter reads of a status.
#[derive(Deserialize)]
struct Status {
    status: String,
}

/// One call.
struct Call {
    rules: Rc<Rules>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let rules = self.get_plugin_configuration().and_then(|json| serde_json::from_slice(&json).ok());
        rules.map(|rules| self.rules = Rc::new(rules)).is_some()
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Call { rules: Rc::clone(&self.rules) }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Call {}

impl HttpContext for Call {
    fn on_http_request_headers(&mut self, _fields: usize, end: bool) -> Action {
        let given = self.get_http_request_header("authorization");
        let key = given.as_deref().and_then(|value| value.strip_prefix("Bearer "));
        if key != Some(self.rules.key.as_str()) {
            return self.refuse(401);
        }
        // What has no body has no status to judge.
        if end { self.refuse(400) } else { Action::Continue }
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        // Envoy keeps what has come until all of it is there; `size` is all that it keeps.
        if !end {
            return Action::Pause;
        }
        let body = self.get_http_request_body(0, size).unwrap_or_default();
        let Ok(status) = serde_json::from_slice::<Status>(&body) else { return self.refuse(400) };
        let text = status.status.to_lowercase();
        if self.rules.phrases.iter().any(|phrase| text.contains(phrase.as_str())) {
            return self.refuse(403);
        }
        Action::Continue
    }
}

impl Call {
    fn refuse(&self, status: u32) -> Action {
        self.send_http_response(status, Vec::new(), None);
        Action::Pause
    }
}
