//! The plugin host with real components, most of them hostile.

mod adapters;
mod cache;
mod faults;
mod isolation;
mod steady;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use pressgate::host::{
    Host, Outbound, PluginGrant, PluginRequest, PluginResponse, Release, SendError, Sending, StepKind,
};
use serde_json::json;
use tests::{plugins, samples};

/// One host for the tests of this process: it reserves much address space.
fn host() -> &'static Arc<Host> {
    static HOST: OnceLock<Arc<Host>> = OnceLock::new();
    HOST.get_or_init(|| samples::host(None))
}

fn adapter() -> Arc<Release> {
    static ADAPTER: OnceLock<Arc<Release>> = OnceLock::new();
    let load = || host().load(&plugins::plugin("hostile"), &PluginGrant::default(), &json!({})).unwrap();
    Arc::clone(ADAPTER.get_or_init(load))
}

fn policy() -> Arc<Release> {
    static POLICY: OnceLock<Arc<Release>> = OnceLock::new();
    let config = json!({"greeting": "hello", "phrases": ["risk-free"]});
    let load = || host().load(&plugins::plugin("hostile-policy"), &PluginGrant::default(), &config).unwrap();
    Arc::clone(POLICY.get_or_init(load))
}

type Answer = Box<dyn Fn(&str, &PluginRequest) -> Result<PluginResponse, SendError> + Send + Sync>;

/// A network that answers after a while and remembers what it was asked.
struct Network {
    after: Duration,
    answer: Answer,
    asked: Mutex<Vec<(String, StepKind, PluginRequest)>>,
}

impl Network {
    fn answering(
        after: Duration,
        answer: impl Fn(&str, &PluginRequest) -> Result<PluginResponse, SendError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { after, answer: Box::new(answer), asked: Mutex::default() })
    }

    /// Answers at once with status 200 and the step's name.
    fn kind() -> Arc<Self> {
        Self::answering(Duration::ZERO, |step, _| Ok(response(200, step)))
    }

    fn asked(&self) -> Vec<(String, StepKind, PluginRequest)> {
        self.asked.lock().unwrap().clone()
    }
}

impl Outbound for Network {
    fn send(&self, step: String, kind: StepKind, request: PluginRequest) -> Sending<'_> {
        Box::pin(async move {
            if !self.after.is_zero() {
                tokio::time::sleep(self.after).await;
            }
            let answer = (self.answer)(&step, &request);
            self.asked.lock().unwrap().push((step, kind, request));
            answer
        })
    }
}

fn response(status: u16, body: &str) -> PluginResponse {
    PluginResponse { status, headers: vec![], body: body.as_bytes().to_vec() }
}
