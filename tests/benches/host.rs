//! Times reviews in fresh instances on one thread: `cargo bench -p tests --bench host -- <component> <config.json> [text]`.
//! Without arguments it takes the small policy of the host's tests.

use pressgate::host::PluginGrant;
use tests::{latency, plugins, samples};

const CALLS: usize = 20_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wasm = match arguments.first() {
        Some(path) => std::fs::read(path).expect("the component can be read"),
        None => plugins::plugin("hostile-policy"),
    };
    let config = match arguments.get(1) {
        Some(path) => serde_json::from_slice(&std::fs::read(path).expect("the configuration can be read"))
            .expect("the configuration is JSON"),
        None => serde_json::json!({"greeting": "hello", "phrases": ["risk-free", "guaranteed"]}),
    };
    let text = arguments.get(2).cloned().unwrap_or_else(|| "Our new snack is crisp. ".repeat(21));
    let host = samples::host(None);
    let release = host.load(&wasm, &PluginGrant::default(), &config).expect("the plugin loads");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (draft, context) = (samples::draft(&[&text]), samples::context());
    let latency = runtime.block_on(latency::of_review(&release, &draft, &context, CALLS));
    println!("{}: p50 {:.1} µs, p99 {:.1} µs", release.label(), latency.p50_us, latency.p99_us);
}
